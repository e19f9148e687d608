"""The charts of a report as data: what is drawn, with which words. Pure; `assets/page.js` draws it with Chart.js.

Series are told apart by colour and by dashes, so that nobody depends on colours alone: in one run each column has its
own; in a comparison each run has its colour and each column its dashes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from simulator.report.comparison import letter
from simulator.report.curve import percentile_curve
from simulator.report.run_report import RunReport
from simulator.report.timeline import LOST, Timeline, timeline
from simulator.report.vendor_map import VendorMap, vendor_map

_DIGITS = 4
_SEVERAL_RUNS_MOST_POINTS = 600


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a chart."""

    label: str
    colour: int
    """Number of a colour of the page, from 0."""
    dash: int
    """Number of a dash pattern of the page; 0 is a whole line."""
    run: int
    y: tuple[float | None, ...]
    x: tuple[float, ...] | None = None
    """None is the timeline of the run."""


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart with its words."""

    name: str
    """Unique; part of the element's id."""
    section: str
    title: str
    caption: str
    y_title: str
    lines: tuple[Line, ...]
    kind: str = "time"
    """`time` (seconds across) or `percentile` (nines across)."""
    is_log: bool = False


_TIME_CHARTS: tuple[tuple[str, str, str, str, str, tuple[tuple[str, str], ...], bool], ...] = (
    (
        "latency",
        "latency",
        "Latency over time",
        "Of the updates that were due in each second, from the due time to the viewers.",
        "ms, logarithmic",
        (("latency_p50_ms", "p50"), ("latency_p99_ms", "p99"), ("latency_max_ms", "max")),
        True,
    ),
    (
        "updates",
        "rates",
        "Updates: asked and sent",
        "The load is open: updates are due at their times, whether or not the stack keeps up.",
        "updates per second",
        (("asked_updates", "asked"), ("sent_updates", "sent")),
        False,
    ),
    (
        "deliveries",
        "rates",
        "Deliveries",
        "First copies and later copies, by the second in which they arrived.",
        "deliveries per second",
        (("deliveries", "arrived"), ("duplicates", "duplicates")),
        False,
    ),
    (
        "losses",
        "rates",
        "Overdue and lost",
        "Overdue: missing by then, a second or more after they were due. Lost: never came, by when they were due.",
        "deliveries",
        (("overdue", "overdue"), (LOST, "lost")),
        False,
    ),
    (
        "queue",
        "stack",
        "Vendor queue",
        "Queued: to be received. In flight: received and not yet deleted.",
        "messages",
        (("queued", "queued"), ("in_flight", "in flight")),
        False,
    ),
    (
        "invocations",
        "stack",
        "Invocations",
        "Of all functions.",
        "per second",
        (("invocations", "invocations"), ("invocation_errors", "errors")),
        False,
    ),
    (
        "concurrency",
        "stack",
        "Concurrency",
        "Execution environments alive, all functions.",
        "environments",
        (("concurrency", "environments"),),
        False,
    ),
    (
        "connections",
        "stack",
        "Viewers connected",
        "Open sockets.",
        "viewers",
        (("connections", "viewers"),),
        False,
    ),
    (
        "lag",
        "limits",
        "The load's own lateness",
        "What this run cannot resolve: how late updates left, and how late arrivals may have been noted.",
        "ms, logarithmic",
        (("producer_lag_ms", "updates left late"), ("loop_lag_ms", "arrivals noted late")),
        True,
    ),
)
"""Name, section, title, caption, unit, columns with their words, logarithmic."""


def timelines(runs: Sequence[RunReport]) -> list[Timeline]:
    """The timeline of each run, thinner when there are several."""
    if len(runs) == 1:
        return [timeline(runs[0].series, runs[0].losses.by_second)]
    return [timeline(run.series, run.losses.by_second, _SEVERAL_RUNS_MOST_POINTS) for run in runs]


def charts(runs: Sequence[RunReport], lines: Sequence[Timeline]) -> tuple[Chart, ...]:
    """Every chart for which there is something to draw."""
    return tuple(each for each in (*_curves(runs), *_times(lines)) if each.lines)


def _curves(runs: Sequence[RunReport]) -> Iterator[Chart]:
    for name, of, title, caption in (
        ("curve-all", "all", "Latency by percentile", "Over all deliveries."),
        ("curve-last", "last", "Latency to the last viewer, by percentile", "To the last viewer of each update."),
    ):
        yield Chart(
            name,
            "latency",
            title,
            f"{caption} Corrected counts from the moment an update was due; uncorrected from the moment it left, which "
            f"hides the time that a slow system kept the load waiting.",
            "ms",
            tuple(_curve_lines(runs, of)),
            kind="percentile",
        )


def _curve_lines(runs: Sequence[RunReport], of: str) -> Iterator[Line]:
    for number, run in enumerate(runs):
        for dash, (corrected, words) in enumerate(((True, "corrected"), (False, "uncorrected"))):
            found = run.distribution(of, corrected=corrected)
            if found is None:
                continue
            points = percentile_curve(found.latencies)
            yield Line(
                label=words if len(runs) == 1 else f"{letter(number)} {words}",
                colour=dash if len(runs) == 1 else number,
                dash=dash,
                run=number,
                x=tuple(round(nines, _DIGITS) for nines, _ in points),
                y=tuple(_short(ms) for _, ms in points),
            )


def _times(lines: Sequence[Timeline]) -> Iterator[Chart]:
    for name, section, title, caption, y_title, columns, is_log in _TIME_CHARTS:
        drawn = [
            Line(
                label=words if len(lines) == 1 else f"{letter(number)} {words}",
                colour=place if len(lines) == 1 else number,
                dash=place,
                run=number,
                y=tuple(_short(value) for value in line.columns[column]),
            )
            for number, line in enumerate(lines)
            for place, (column, words) in enumerate(columns)
            if line.has(column)
        ]
        yield Chart(name, section, title, caption, y_title, tuple(drawn), is_log=is_log)


def to_data(runs: Sequence[RunReport], lines: Sequence[Timeline], drawn: Sequence[Chart]) -> dict[str, Any]:
    """Everything that the page's script needs, as JSON values."""
    return {
        "runs": [
            {
                "name": letter(number) if len(runs) > 1 else "",
                "times": lines[number].times_s,
                "step": lines[number].step_s,
                "spans": [
                    {"kind": kind, "name": span.name, "from": span.began_s, "to": _end(span.ended_s, run)}
                    for kind, spans in (("phase", run.phases), ("fault", run.faults))
                    for span in spans
                    if span.trouble is None or span.ended_s is not None
                ],
            }
            for number, run in enumerate(runs)
        ],
        "charts": [
            {
                "name": chart.name,
                "kind": chart.kind,
                "title": chart.title,
                "unit": chart.y_title,
                "log": chart.is_log,
                "lines": [
                    {
                        "label": line.label,
                        "colour": line.colour,
                        "dash": line.dash,
                        "run": line.run,
                        "y": line.y,
                        **({} if line.x is None else {"x": line.x}),
                    }
                    for line in chart.lines
                ],
            }
            for chart in drawn
        ],
        "maps": [_map_data(vendor_map(run.tracks), run) for run in runs],
    }


def _end(ended_s: float | None, run: RunReport) -> float:
    return run.duration_s if ended_s is None else ended_s


def _map_data(made: VendorMap | None, run: RunReport) -> dict[str, Any] | None:
    if made is None:
        return None
    lost = {each.vendor: each.lost for each in run.vendors}
    return {
        "width": made.width,
        "height": made.height,
        "metresPerStep": made.m_per_step,
        "bounds": [made.west, made.south, made.east, made.north],
        "vendors": [
            {
                "id": path.vendor,
                "name": path.name or path.vendor,
                "lost": lost.get(path.vendor, 0),
                "xy": [coordinate for point in path.points for coordinate in point],
            }
            for path in made.paths
        ],
    }


def _short(value: float | None) -> float | None:
    """Four significant digits: nobody sees more in a chart, and the file is half as large."""
    if value is None:
        return None
    short = float(f"{value:.{_DIGITS}g}")
    return int(short) if short.is_integer() else short
