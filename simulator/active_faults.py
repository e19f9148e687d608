"""Faults that are on in a running stack, and what a room must offer so that they can be switched.

A room keeps its faults where its hot path looks: an attribute that is None while nothing is on. Whether one call is hit
is decided by that room's `fault_rules`, which are pure; chance comes from the fault's own stream.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Protocol


class Chance(Protocol):
    """As much of `random.Random` as faults need."""

    def random(self) -> float:
        """At least 0 and less than 1."""


@dataclass(frozen=True, slots=True)
class ActiveFault:
    """One fault that is on."""

    kind: str
    chance: Chance
    """Its own stream."""
    target: str | None = None
    """The one function, queue, table or connection that it is narrowed to; None: all."""
    probability: float = 1.0
    attributes: Mapping[str, bool | float | str] = field(default_factory=dict)
    """Every attribute of the kind."""
    seed: str = ""
    """What `chance` was made from, for a room that lives in another process."""
    peers: frozenset[str] | None = None
    """Of viewers: those whose sockets have these addresses (`peer_name`) when it begins; None: all."""

    def hits(self, *names: str) -> bool:
        """Draw for one call, message or viewer that concerns the things of these names."""
        return (
            (self.target is None or self.target in names)
            and (self.peers is None or not self.peers.isdisjoint(names))
            and self.chance.random() < self.probability
        )

    def number(self, attribute: str) -> float:
        """An attribute that is a number."""
        return float(self.attributes[attribute])

    def delay_s(self) -> float:
        """Draw from `delay_ms` and `jitter_ms`, in seconds."""
        return (self.number("delay_ms") + self.number("jitter_ms") * self.chance.random()) / 1_000


def peer_name(address: object) -> str:
    """A socket's address, as both of its ends write it: `getsockname` of the one, `getpeername` of the other."""
    return f"{address[0]} {address[1]}" if isinstance(address, tuple) else str(address)


class FaultRoom(Protocol):
    """A part of the stack that can be made to fail."""

    @property
    def kinds(self) -> Collection[str]:
        """Names of the kinds it performs."""

    async def begin(self, fault_id: str, fault: ActiveFault) -> None:
        """Switch a fault on. Raises `SimulatorError` when it cannot be done; then nothing is on."""

    async def end(self, fault_id: str) -> None:
        """Switch it off: the room is as before. Called once for each `begin` that succeeded."""


class FaultSet:
    """The faults of one room that are on, oldest first."""

    def __init__(self) -> None:
        self._on: dict[str, ActiveFault] = {}

    def add(self, fault_id: str, fault: ActiveFault) -> None:
        """One more is on."""
        self._on[fault_id] = fault

    def remove(self, fault_id: str) -> ActiveFault | None:
        """It is off; the fault that it was."""
        return self._on.pop(fault_id, None)

    def of(self, *kinds: str) -> tuple[ActiveFault, ...] | None:
        """Those of these kinds; None when there are none, which is what hot paths look at."""
        return tuple(fault for fault in self._on.values() if fault.kind in kinds) or None
