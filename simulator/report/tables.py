"""The tables of a report that need putting together: expectations side by side, latency by phase and by group. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from simulator.load.raw_results import Distribution
from simulator.report.comparison import letter
from simulator.report.expectations import WHOLE_RUN, ExpectationRow
from simulator.report.figures import shown
from simulator.report.run_report import RunReport

LEVELS = (("p50", 50.0), ("p90", 90.0), ("p99", 99.0), ("p99.9", 99.9))
_OF = {"all": "all deliveries", "first": "first viewer", "last": "last viewer"}


@dataclass(frozen=True, slots=True)
class ExpectationLine:
    """One expectation over all runs; None where a run did not have it."""

    text: str
    phase: str
    cells: tuple[ExpectationRow | None, ...]


@dataclass(frozen=True, slots=True)
class LatencyLine:
    """One distribution. Milliseconds, in the order of `LEVELS`, then the maximum."""

    run: str
    """Letter of the run; empty when there is one."""
    phase: str
    group: str
    what: str
    values: tuple[float, ...]
    count: int


def expectation_lines(runs: Sequence[RunReport]) -> tuple[ExpectationLine, ...]:
    """Every expectation of any run, in the order in which they first appear."""
    by_run = [{each.key: each for each in run.expectations} for run in runs]
    keys = dict.fromkeys(key for expectations in by_run for key in expectations)
    lines = []
    for key in keys:
        cells = tuple(expectations.get(key) for expectations in by_run)
        one = next(each for each in cells if each is not None)
        lines.append(ExpectationLine(one.text, one.phase, cells))
    return tuple(lines)


def found_words(row: ExpectationRow) -> str:
    """What was found, for people: `deliveries.lost 3`, or the bare figure when the expectation names just one."""
    if len(row.found) == 1:
        return shown(row.found[0][1])
    return ", ".join(f"{name} {shown(value)}" for name, value in row.found)


def held_words(row: ExpectationRow) -> str:
    """`held`, `failed` or `not known`."""
    return "not known" if row.held is None else "held" if row.held else "failed"


def latency_lines(runs: Sequence[RunReport]) -> tuple[LatencyLine, ...]:
    """The whole run first, then each phase, then each group."""
    found = [
        _line(each, letter(number) if len(runs) > 1 else "")
        for number, run in enumerate(runs)
        for each in run.distributions
        if each.latencies.count and _is_told(each, run)
    ]
    return tuple(sorted(found, key=lambda each: (each.phase != WHOLE_RUN, bool(each.group))))


def _is_told(each: Distribution, run: RunReport) -> bool:
    if each.phase is not None and each.group is not None:
        return False
    if each.phase is None and each.group is None:
        return True
    only = len(run.phases) if each.phase is not None else len(run.groups)
    return each.corrected and only > 1


def _line(each: Distribution, run: str) -> LatencyLine:
    return LatencyLine(
        run=run,
        phase=each.phase or WHOLE_RUN,
        group=each.group or "",
        what=f"{_OF.get(each.of, each.of)}{'' if each.corrected else ', uncorrected'}",
        values=(
            *each.latencies.percentiles_ms([level for _, level in LEVELS]),
            each.latencies.max_us / 1000,
        ),
        count=each.latencies.count,
    )
