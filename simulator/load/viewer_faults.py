"""The faults that the swarm brings about itself: what viewers do to their own connections."""

from __future__ import annotations

from collections.abc import Collection
from random import Random
from typing import Protocol

from simulator.load.faults import Fault


class Viewers(Protocol):
    """What the swarm lets be done to it."""

    def connected(self, group: str | None) -> list[int]:
        """The viewers (of one group) whose sockets are open, in order."""

    def cut(self, viewer: int) -> None:
        """End the viewer's connection without a close frame."""

    def hold(self, viewer: int) -> None:
        """Let the viewer read nothing until `release`."""

    def release(self, viewer: int) -> None:
        """Let the viewer read again, if it is still there."""


class ViewerLever:
    """Performs `viewer_reset` and `viewer_freeze`."""

    def __init__(self, viewers: Viewers) -> None:
        self._viewers = viewers
        self._frozen: dict[int, list[int]] = {}

    @property
    def kinds(self) -> Collection[str]:
        """See `Lever.kinds`."""
        return ("viewer_reset", "viewer_freeze")

    async def begin(self, fault: Fault, chance: Random) -> None:
        """See `Lever.begin`."""
        hit = [each for each in self._viewers.connected(fault.target) if chance.random() < fault.probability]
        if fault.kind.name == "viewer_reset":
            for viewer in hit:
                self._viewers.cut(viewer)
            return
        for viewer in hit:
            self._viewers.hold(viewer)
        self._frozen[id(fault)] = hit

    async def end(self, fault: Fault) -> None:
        """See `Lever.end`."""
        for viewer in self._frozen.pop(id(fault), ()):
            self._viewers.release(viewer)
