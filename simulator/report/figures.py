"""The figures of a verdict that tables show, for one run or side by side for several.

A figure is named by its path in the verdict (docs/verdict.md); what a run does not know is left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from simulator.report.run_report import RunReport

_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.\d+)?(?:Z|\+00:00)")
_SECTIONS: tuple[tuple[str, tuple[tuple[str, str, str, int], ...]], ...] = (
    (
        "Updates",
        (
            ("published", "updates.published", "", 0),
            ("broadcast", "updates.broadcast", "", 0),
            ("dead-lettered", "updates.dead_lettered", "", -1),
            ("asked", "rates.asked_updates_per_s", "per s", 0),
            ("achieved", "rates.achieved_updates_per_s", "per s", 1),
        ),
    ),
    (
        "Deliveries",
        (
            ("expected", "deliveries.expected", "", 0),
            ("received", "deliveries.received", "", 0),
            ("lost", "deliveries.lost", "", -1),
            ("cut off", "deliveries.cut_off", "", 0),
            ("late", "deliveries.late", "", -1),
            ("duplicated", "deliveries.duplicated", "", -1),
            ("reordered", "deliveries.reordered", "", -1),
            ("altered", "deliveries.altered", "", -1),
            ("unexpected", "deliveries.unexpected", "", -1),
            ("rate", "rates.deliveries_per_s", "per s", 0),
            ("final positions checked", "final_positions.checked", "", 0),
            ("final positions wrong", "final_positions.wrong", "", -1),
        ),
    ),
    (
        "Latency",
        tuple(
            (f"{words}, {level}", f"latency_ms.{path}.{level}", "ms", -1)
            for words, path in (("all", "all"), ("last viewer", "last"), ("all, uncorrected", "uncorrected.all"))
            for level in ("p50", "p90", "p99", "p999", "max")
        ),
    ),
    (
        "Connections",
        (
            ("asked", "connections.asked", "", 0),
            ("opened", "connections.opened", "", 0),
            ("refused", "connections.refused", "", -1),
            ("dropped", "connections.dropped", "", -1),
            ("reconnected", "connections.reconnected", "", 0),
            ("most at once", "connections.peak", "", 0),
            ("rows without a socket", "connections.rows_without_socket", "", -1),
            ("error frames", "frames.errors", "", -1),
            ("strange frames", "frames.strange", "", -1),
        ),
    ),
    (
        "Stack",
        (
            ("invocations", "invocations.total", "", 0),
            ("invocation errors", "invocations.errors", "", -1),
            ("most queued", "queue.most_queued", "messages", -1),
            ("most in flight", "queue.most_in_flight", "messages", 0),
            ("memory, most", "stack.memory_mb.max", "MB", -1),
            ("memory, growth", "stack.memory_mb.growth", "MB", -1),
            ("descriptors, most", "stack.descriptors.max", "", -1),
            ("descriptors, growth", "stack.descriptors.growth", "", -1),
        ),
    ),
    (
        "The load itself",
        (
            ("updates left late, p99", "load.producer_lag_ms.p99", "ms", -1),
            ("updates left late, most", "load.producer_lag_ms.max", "ms", -1),
            ("arrivals noted late, p99", "load.loop_lag_ms.p99", "ms", -1),
            ("arrivals noted late, most", "load.loop_lag_ms.max", "ms", -1),
            ("CPU for a delivery", "load.cpu_us_per_delivery", "µs", -1),
            ("memory, most", "load.memory_mb.max", "MB", -1),
        ),
    ),
)
"""Words, path, unit, and whether more is better (1), worse (-1) or neither (0)."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One row: the same figure of each run."""

    name: str
    path: str
    unit: str
    values: tuple[float | None, ...]
    better: int
    """1 when more is better, -1 when less is, 0 when neither."""

    @property
    def differences(self) -> tuple[float | None, ...]:
        """Of each further run to the first."""
        base = self.values[0]
        return tuple(None if base is None or value is None else value - base for value in self.values[1:])

    def judged(self, difference: float | None) -> str:
        """`better`, `worse` or nothing, for a difference to the first run."""
        if not difference or not self.better:
            return ""
        return "better" if (difference > 0) == (self.better > 0) else "worse"


@dataclass(frozen=True, slots=True)
class Section:
    """Figures that belong together."""

    name: str
    figures: tuple[Figure, ...]


def sections(runs: Sequence[RunReport]) -> tuple[Section, ...]:
    """Every figure that at least one of the runs knows."""
    found = []
    for name, rows in _SECTIONS:
        figures = (
            Figure(words, path, unit, tuple(number_in(run.verdict, path) for run in runs), better)
            for words, path, unit, better in rows
        )
        known = tuple(each for each in figures if any(value is not None for value in each.values))
        if known:
            found.append(Section(name, known))
    return tuple(found)


def number_in(document: Mapping[str, Any], path: str) -> float | None:
    """The number at a path of names and dots; None where there is none."""
    value: Any = document
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def shown(value: float | None, unit: str = "") -> str:
    """A figure for people: thousands apart, one decimal where it is not whole, a dash for what is not known.

    >>> shown(18750), shown(12.345, "ms"), shown(None), shown(0.004, "ms")
    ('18,750', '12.3 ms', '–', '0.004 ms')
    """
    if value is None:
        return "–"
    if isinstance(value, int):
        text = f"{value:,}"
    else:
        text = f"{value:,.1f}" if abs(value) >= 1 or value == 0 else f"{value:.2g}"
    return f"{text} {unit}" if unit else text


def moment(started_at: str) -> str:
    """A moment of the raw results for people; what is none stays as it is.

    >>> moment("2026-11-25T14:07:57.562+00:00"), moment("then")
    ('2026-11-25 14:07:57 UTC', 'then')
    """
    found = _MOMENT.fullmatch(started_at)
    return f"{found[1]} {found[2]} UTC" if found else started_at


def shown_difference(figure: Figure, number: int) -> str:
    """The difference of run `number` (from 1) to the first: `+12.3 (+45 %)`; `same` when there is none."""
    difference, base = figure.differences[number - 1], figure.values[0]
    if difference is None:
        return "–"
    if not difference:
        return "same"
    share = f" ({difference / base:+.0%})".replace("%", " %") if base else ""
    return f"{'+' if difference > 0 else '−'}{shown(abs(difference))}{share}"
