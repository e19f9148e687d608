"""Time as an argument: rules never read a clock, shells pass one in.

Durations come from the monotonic reading, timestamps (`connectedAt`, `requestTimeEpoch`) from the wall reading.
"""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """A source of both kinds of time."""

    def monotonic_s(self) -> float:
        """Seconds since an arbitrary start; never goes back. For durations and deadlines."""

    def wall_ms(self) -> int:
        """Milliseconds since the Unix epoch. For timestamps only."""


class SystemClock:
    """The machine's own clocks."""

    def monotonic_s(self) -> float:
        """See `Clock.monotonic_s`."""
        return time.monotonic()

    def wall_ms(self) -> int:
        """See `Clock.wall_ms`."""
        return time.time_ns() // 1_000_000


class ManualClock:
    """A clock that moves only when told to; both readings move together."""

    def __init__(self, wall_ms: int = 1_700_000_000_000) -> None:
        self._start_wall_ms = wall_ms
        self._elapsed_s = 0.0

    def monotonic_s(self) -> float:
        """See `Clock.monotonic_s`."""
        return self._elapsed_s

    def wall_ms(self) -> int:
        """See `Clock.wall_ms`."""
        return self._start_wall_ms + round(self._elapsed_s * 1000)

    def advance(self, seconds: float) -> None:
        """Move time forward by `seconds` (not negative)."""
        if seconds < 0:
            raise ValueError(f"time does not go back: advance({seconds})")
        self._elapsed_s += seconds
