"""The faults that the swarm brings about itself: what viewers do to their own connections."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from random import Random
from typing import Protocol

from simulator.errors import EnvironmentFailure
from simulator.load.faults import Fault


class Viewers(Protocol):
    """What the swarm lets be done to it."""

    def connected(self, group: str | None) -> list[int]:
        """The viewers (of one group) whose sockets are open, in order."""

    def addresses(self, group: str) -> list[str]:
        """Of the viewers of a group whose sockets are open, the addresses of these sockets (`peer_name`)."""

    def cut(self, viewer: int) -> None:
        """End the viewer's connection without a close frame."""

    def hold(self, viewer: int) -> None:
        """Let the viewer read nothing until `release`."""

    def release(self, viewer: int) -> None:
        """Let the viewer read again, if it is still there."""


class ViewerLever:
    """Performs `viewer_reset`, `viewer_freeze` and `viewer_slow`."""

    def __init__(self, viewers: Viewers) -> None:
        self._viewers = viewers
        self._held: dict[int, list[int]] = {}
        self._turns: dict[int, asyncio.Task[None]] = {}

    @property
    def kinds(self) -> Collection[str]:
        """See `Lever.kinds`."""
        return ("viewer_reset", "viewer_freeze", "viewer_slow")

    async def begin(self, fault: Fault, chance: Random) -> None:
        """See `Lever.begin`."""
        there = self._viewers.connected(fault.target)
        if not there:
            who = "nobody" if fault.target is None else f"nobody of {fault.target}"
            raise EnvironmentFailure(f"{who} is connected then; let it begin at another time.")
        hit = [each for each in there if chance.random() < fault.probability]
        if fault.kind.name == "viewer_reset":
            for viewer in hit:
                self._viewers.cut(viewer)
            return
        self._held[id(fault)] = hit
        if fault.kind.name == "viewer_slow":
            self._turns[id(fault)] = asyncio.create_task(self._in_turns(fault, hit))
            return
        for viewer in hit:
            self._viewers.hold(viewer)

    async def end(self, fault: Fault) -> None:
        """See `Lever.end`."""
        if (turns := self._turns.pop(id(fault), None)) is not None:
            turns.cancel()
        for viewer in self._held.pop(id(fault), ()):
            self._viewers.release(viewer)

    async def _in_turns(self, fault: Fault, viewers: Sequence[int]) -> None:
        while True:
            for viewer in viewers:
                self._viewers.hold(viewer)
            await asyncio.sleep(float(fault.attributes["pause_ms"]) / 1_000)
            for viewer in viewers:
                self._viewers.release(viewer)
            await asyncio.sleep(float(fault.attributes["read_ms"]) / 1_000)
