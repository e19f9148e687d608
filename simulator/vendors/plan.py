"""A plan: every update of a run with the moment it is due, made while it is read.

Planning is a pure function: iterating twice gives the same updates, ids and times included.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from simulator.vendors.snowflake import LateIds, SnowflakeSequence
from simulator.vendors.update import build_update

if TYPE_CHECKING:
    from simulator.vendors.city import Place
    from simulator.vendors.geodesy import LatLong
    from simulator.vendors.vendor import Vendor
    from tracker.wire import VendorUpdate


class Ping(NamedTuple):
    """One moment at which a vendor says where it is."""

    due_ms: int
    """Real milliseconds from the start of the run."""
    vendor: Vendor
    point: LatLong
    text: str
    place: Place | None = None
    made_ms: int | None = None
    """When the position was taken, on the scale of `due_ms`; None is when it is due. A late one is older."""
    clock_offset_ms: int = 0
    """How wrong the vendor's own clock is; it shows in the update's `date`."""

    def made(self) -> int:
        """When the position was taken."""
        return self.due_ms if self.made_ms is None else self.made_ms


@dataclass(frozen=True, slots=True)
class PlannedUpdate:
    """An update and when to send it."""

    due_s: float
    """Real seconds from the start of the run; whole milliseconds."""
    vendor: Vendor
    update: VendorUpdate
    """Its `id` and `date` carry the intended send time: the start of the run plus `due_s` (less, for a late one)."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The updates of a run in order of their due time (`PlannedUpdate`), as often as it is iterated."""

    vendors: tuple[Vendor, ...]
    start_ms: int
    """Epoch milliseconds of the start of the run."""
    duration_s: float
    """Real seconds; every update is due before."""
    pings_of: Callable[[], Iterable[Iterator[Ping]]]
    """Makes one stream of pings per vendor, each in order of time."""
    notes: tuple[str, ...] = ()
    """One sentence for each thing the plan had to decide for the user."""

    def __iter__(self) -> Iterator[PlannedUpdate]:
        """Yield the updates; ids rise strictly over the whole run, but for those of late pings, which are older."""
        ids = SnowflakeSequence()
        late_ids = LateIds()
        for ping in heapq.merge(*self.pings_of(), key=lambda ping: ping.due_ms):
            at_ms = self.start_ms + ping.made()
            update = build_update(
                ping.vendor,
                ping.point,
                tweet_id=ids.next_id(at_ms) if ping.made_ms is None else late_ids.next_id(at_ms),
                at_ms=at_ms + ping.clock_offset_ms,
                text=ping.text,
                place=ping.place,
            )
            yield PlannedUpdate(ping.due_ms / 1000, ping.vendor, update)
