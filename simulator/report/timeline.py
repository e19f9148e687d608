"""A time series thin enough to be drawn and to be carried in a file: several seconds become one point."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from simulator.load.raw_results import Second

_MOST_POINTS = 1_200
"""About one for each pixel of a chart on a large screen."""


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


HOW: Mapping[str, Callable[[Sequence[float]], float]] = {
    "asked_updates": _mean,
    "sent_updates": _mean,
    "deliveries": _mean,
    "duplicates": _mean,
    "latency_p50_ms": _mean,
    "latency_p99_ms": max,
    "latency_max_ms": max,
    "overdue": max,
    "producer_lag_ms": max,
    "loop_lag_ms": max,
    "queued": max,
    "in_flight": max,
    "invocations": _mean,
    "invocation_errors": _mean,
    "concurrency": max,
    "connections": min,
}
"""What several seconds become: rates their mean, what is bad when it is high its worst, viewers the fewest."""
LOST = "lost"
"""A column of ours: deliveries lost, by the second in which they were due."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """Columns of equal length; None is what could not be seen."""

    step_s: int
    """Seconds in one point."""
    times_s: tuple[int, ...]
    columns: Mapping[str, tuple[float | None, ...]]

    def has(self, name: str) -> bool:
        """Whether anything was seen of a column."""
        return any(value is not None for value in self.columns[name])


def timeline(series: Sequence[Second], lost_by_second: Mapping[int, int], most_points: int = _MOST_POINTS) -> Timeline:
    """The series in at most about `most_points` points, each of the same number of seconds."""
    step_s = max(1, math.ceil(len(series) / most_points))
    chunks = [series[at : at + step_s] for at in range(0, len(series), step_s)]
    columns = {name: tuple(_one(chunk, name, how) for chunk in chunks) for name, how in HOW.items()}
    columns[LOST] = tuple(_mean([lost_by_second.get(each.t_s, 0) for each in chunk]) for chunk in chunks)
    return Timeline(step_s, tuple(chunk[0].t_s for chunk in chunks), columns)


def _one(chunk: Sequence[Second], name: str, how: Callable[[Sequence[float]], float]) -> float | None:
    values = [value for each in chunk if (value := getattr(each, name)) is not None]
    return how(values) if values else None
