"""Phases: a run in named stretches of time, each with a rate of updates; the update belongs to the one it is due in."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from simulator.load.language import key

WHOLE = "run"
"""What expectations call the whole run; no phase may be called so."""
CONNECTING = "connecting"
DRAINING = "draining"
RESERVED = (WHOLE, CONNECTING, DRAINING)
_HAIR_S = 1e-6
ONLY = "steady"
"""The one phase of a scenario that names none."""
MOST_UPDATES_PER_S = 10_000


@dataclass(frozen=True, slots=True)
class Phase:
    """One stretch of a run."""

    name: str = key("", "text", "name", "What reports and expectations call it", default_words="none: give one")
    duration_s: float | None = key(
        None,
        "number",
        "seconds",
        "How long it lasts; only with vendors that have a length of their own (`schedule`, `tracks`) the last "
        "one may go "
        "without, and lasts to the end",
        low=0.1,
        high=604_800,
    )
    rate_per_s: float | None = key(
        None,
        "number",
        "updates per second",
        "How many updates are due, all vendors together; without it vendors keep their own beat",
        high=MOST_UPDATES_PER_S,
        default_words="the vendors' own",
    )
    to_rate_per_s: float | None = key(
        None,
        "number",
        "updates per second",
        "The rate at its end: it grows or falls evenly from `rate_per_s`",
        high=MOST_UPDATES_PER_S,
        default_words="`rate_per_s`",
    )


@dataclass(frozen=True, slots=True)
class PhaseTimes:
    """Where phases begin and end, in seconds from the start of publishing."""

    names: tuple[str, ...]
    starts_s: tuple[float, ...]
    end_s: float

    @classmethod
    def of(cls, phases: Sequence[Phase], total_s: float) -> PhaseTimes:
        """The times of phases in a run of `total_s`; the last one ends with it."""
        names, starts, now_s = [], [], 0.0
        for phase in phases:
            if now_s < total_s:
                names.append(phase.name)
                starts.append(now_s)
            now_s += phase.duration_s or 0.0
        return cls(tuple(names) or (ONLY,), tuple(starts) or (0.0,), total_s)

    def index_at(self, at_s: float) -> int:
        """Which phase a moment belongs to; before the first it is the first, after the last the last."""
        # Due times are whole milliseconds; added to and taken from a clock's reading they are a hair less.
        return max(0, bisect_right(self.starts_s, at_s + _HAIR_S) - 1)

    def name_at(self, at_s: float) -> str:
        """The name of the phase at a moment, or `connecting` before and `draining` after all of them."""
        if at_s < 0:
            return CONNECTING
        return DRAINING if at_s >= self.end_s else self.names[self.index_at(at_s)]

    def span(self, index: int) -> tuple[float, float]:
        """Start and end of a phase."""
        ends = (*self.starts_s[1:], self.end_s)
        return self.starts_s[index], ends[index]
