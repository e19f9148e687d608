"""One reading of both clocks, passed to the rules with everything that happens."""

from __future__ import annotations

from typing import NamedTuple


class Moment(NamedTuple):
    """When something happened."""

    wall_ms: int
    """Epoch milliseconds: what events and answers say."""
    monotonic_s: float
    """Seconds on a clock that never goes back: what timers and throttles count by."""
