"""What goes wrong between a vendor and its phone: silence, a fix told twice or late, a clock that jumps.

Pure: a stream of pings goes in and a stream of pings comes out, the same ones for the same seed. GPS noise is not here,
since it belongs to the position itself.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from simulator.vendors.plan import Ping
from simulator.vendors.seeds import seeded

_HOUR_S = 3_600.0


@dataclass(frozen=True, slots=True)
class Imperfections:
    """How often what happens; times are seconds of the vendors' day."""

    gaps_per_hour: float = 0.0
    gap_s: float = 60.0
    """Nothing is said for this long."""
    duplicate_share: float = 0.0
    """Share of fixes that are told a second time, as a new update that says the same."""
    late_share: float = 0.0
    """Share of fixes that leave late, so that newer ones may overtake them."""
    late_s: float = 5.0
    """How late they leave."""
    clock_jumps_per_hour: float = 0.0
    clock_jump_s: float = 60.0
    """The vendor's clock jumps by up to this, forwards or back; it shows in the `date` of its updates."""

    @property
    def none(self) -> bool:
        """Whether nothing of this ever happens."""
        return not (self.gaps_per_hour or self.duplicate_share or self.late_share or self.clock_jumps_per_hour)


def imperfect(pings: Iterator[Ping], habits: Imperfections, *, speed: float, seed: int, vendor: str) -> Iterator[Ping]:
    """Yield `pings` of one vendor with its imperfections, in the order in which they leave.

    `speed` is seconds of the vendors' day in one of the run. A late ping keeps its `made_ms`, so its id and date are
    older than those of the pings that overtake it.
    """
    if habits.none:
        yield from pings
        return
    gaps, chance, clock = (seeded(seed, vendor, name) for name in ("gaps", "imperfections", "clock"))
    per_ms = speed / _HOUR_S / 1_000
    next_gap_ms = _next(gaps, 0.0, habits.gaps_per_hour * per_ms)
    next_jump_ms = _next(clock, 0.0, habits.clock_jumps_per_hour * per_ms)
    silent_until_ms = offset_ms = 0.0
    held: list[tuple[int, int, Ping]] = []
    count = 0
    for ping in pings:
        while held and held[0][0] <= ping.due_ms:
            yield heapq.heappop(held)[2]
        while ping.due_ms >= next_gap_ms:
            silent_until_ms = next_gap_ms + 1_000 * habits.gap_s / speed
            next_gap_ms = _next(gaps, silent_until_ms, habits.gaps_per_hour * per_ms)
        while ping.due_ms >= next_jump_ms:
            offset_ms += 1_000 * habits.clock_jump_s * clock.uniform(-1, 1)
            next_jump_ms = _next(clock, next_jump_ms, habits.clock_jumps_per_hour * per_ms)
        is_late, is_twice = chance.random() < habits.late_share, chance.random() < habits.duplicate_share
        if ping.due_ms < silent_until_ms:
            continue
        told = ping._replace(clock_offset_ms=round(offset_ms))
        for _ in range(2 if is_twice else 1):
            if is_late:
                count += 1
                due_ms = ping.due_ms + round(1_000 * habits.late_s / speed)
                heapq.heappush(held, (due_ms, count, told._replace(due_ms=due_ms, made_ms=told.made())))
            else:
                yield told
    while held:
        yield heapq.heappop(held)[2]


def _next(chance: Random, after_ms: float, per_ms: float) -> float:
    """When the next of events that happen `per_ms` on average comes; never when they do not happen."""
    return after_ms + chance.expovariate(per_ms) if per_ms > 0 else float("inf")
