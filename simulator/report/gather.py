"""From a folder of results to a `RunReport`: the only place of this room that reads files."""

from __future__ import annotations

import heapq
import itertools
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from simulator.errors import InputError
from simulator.load.raw_results import RUN_FILE, Results, UpdateRow, read_results
from simulator.report.expectations import expectation_rows
from simulator.report.run_report import GroupRow, Losses, RunReport, Span, VendorRow

_SLOWEST = 10
_WHEN = {"start_s", "duration_s"}
"""When a fault was to act; not told of one that did, beside when that was."""
_SERIES_MAY_END_EARLY_S = 5


def read_run(folder: Path) -> RunReport:
    """Read one folder of results (or its run.json).

    Raises InputError, one sentence naming the file and the remedy, for a folder that is none, one that is not whole,
    a format that is not known, and files that are damaged.
    """
    results = read_results(folder)
    try:
        return _report(results)
    except (KeyError, TypeError, ValueError, AttributeError, AssertionError) as error:
        what = f"it has no {error}" if isinstance(error, KeyError) else f"{type(error).__name__}: {error}"
        raise InputError(
            f"{results.folder / RUN_FILE} is not as a run leaves it ({what}); the results are damaged or of another "
            f"version: run the scenario again."
        ) from error


def _report(results: Results) -> RunReport:
    run, verdict = results.run, results.run["verdict"]
    digest = _digest(results.updates())
    series = tuple(results.series())
    duration_s = float(run["duration_s"])
    notes = [str(each) for each in verdict["notes"]]
    if series and series[-1].t_s + _SERIES_MAY_END_EARLY_S < duration_s:
        notes.append(f"The time series ends at {series[-1].t_s + 1} s, the run at {duration_s:.0f} s.")
    return RunReport(
        folder=results.folder.resolve().name,
        scenario=str(verdict["scenario"]),
        question=str(run["scenario"].get("question") or run["scenario"].get("description") or ""),
        seed=int(run["seed"]),
        started_at=str(run["started_at"]),
        duration_s=duration_s,
        target=str(run["target"]),
        passed=bool(verdict["passed"]),
        partial=bool(verdict["partial"]),
        failures=tuple(str(each) for each in verdict["failures"]),
        notes=tuple(notes),
        expectations=expectation_rows(verdict["expectations"]),
        verdict=verdict,
        settings=run["scenario"],
        versions=run["versions"],
        machine=run["machine"],
        commit=run["commit"],
        phases=tuple(_phase(each) for each in run["phases"]),
        faults=tuple(_fault(each) for each in run["faults"]),
        groups=_groups(run, verdict),
        vendors=_vendors(run, verdict, digest),
        series=series,
        distributions=tuple(results.distributions()),
        losses=_losses(results, verdict, digest),
        slowest=tuple(digest.slowest()),
        tracks=tuple(results.tracks()),
    )


@dataclass(slots=True)
class _Digest:
    """What is kept of the updates, which may be millions."""

    updates: Counter[str] = field(default_factory=Counter)
    slowest_ms: dict[str, float] = field(default_factory=dict)
    lost_by_second: Counter[int] = field(default_factory=Counter)
    heap: list[tuple[float, int, UpdateRow]] = field(default_factory=list)

    def slowest(self) -> list[UpdateRow]:
        return [update for _, _, update in sorted(self.heap, key=lambda each: (-each[0], each[1]))]


def _digest(rows: Iterable[UpdateRow]) -> _Digest:
    digest = _Digest()
    for number, row in enumerate(rows):
        digest.updates[row.vendor] += 1
        if row.lost:
            digest.lost_by_second[math.floor(row.due_s)] += row.lost
        last_ms = row.last_ms
        if last_ms is None:
            continue
        if last_ms > digest.slowest_ms.get(row.vendor, -1.0):
            digest.slowest_ms[row.vendor] = last_ms
        if len(digest.heap) < _SLOWEST:
            heapq.heappush(digest.heap, (last_ms, number, row))
        elif last_ms > digest.heap[0][0]:
            heapq.heapreplace(digest.heap, (last_ms, number, row))
    return digest


def _phase(each: Mapping[str, Any]) -> Span:
    planned = "" if each.get("planned_s") is None else f"planned {each['planned_s']:g} s"
    return Span(str(each["name"]), float(each["began_s"]), _optional(each["ended_s"]), details=planned)


def _fault(each: Mapping[str, Any]) -> Span:
    told_elsewhere = {"kind", "began_s", "ended_s", "trouble"} | (_WHEN if each.get("began_s") is not None else set())
    details = {name: value for name, value in each.items() if name not in told_elsewhere}
    began_s = each["began_s"] if each.get("began_s") is not None else each.get("start_s") or 0.0
    return Span(
        str(each["kind"]), float(began_s), _optional(each.get("ended_s")), each.get("trouble"), details=_told(details)
    )


def _told(details: Mapping[str, Any]) -> str:
    """`probability 0.1, attributes (bytes 10)`; what is not set is left out."""
    parts = []
    for name, value in details.items():
        if isinstance(value, Mapping):
            inner = _told(value)
            parts += [inner] if inner else []
        elif value is not None:
            parts.append(f"{name} {value}")
    return ", ".join(parts)


def _optional(value: Any) -> float | None:
    return None if value is None else float(value)


def _groups(run: Mapping[str, Any], verdict: Mapping[str, Any]) -> tuple[GroupRow, ...]:
    known = verdict.get("groups") or {}
    rows = []
    for each in run["groups"]:
        counts = known.get(each["name"], {}).get("deliveries", {})
        if not counts and len(run["groups"]) == 1:
            counts = verdict["deliveries"]
        rows.append(
            GroupRow(
                str(each["name"]),
                str(each["kind"]),
                int(each["count"]),
                *(counts.get(name) for name in ("expected", "received", "lost", "cut_off")),
            )
        )
    return tuple(rows)


def _vendors(run: Mapping[str, Any], verdict: Mapping[str, Any], digest: _Digest) -> tuple[VendorRow, ...]:
    names = {str(each["id"]): str(each["name"]) for each in run["vendors"]}
    counts = verdict["deliveries"].get("per_vendor") or {}
    rows = [
        VendorRow(
            vendor=vendor,
            name=names.get(vendor, ""),
            updates=digest.updates[vendor],
            slowest_ms=digest.slowest_ms.get(vendor),
            **{name: int(counts.get(vendor, {}).get(name) or 0) for name in _COUNTS},
        )
        for vendor in dict.fromkeys(itertools.chain(names, counts))
    ]
    return tuple(sorted(rows, key=lambda each: (-each.lost, -each.reordered, -each.duplicated, each.name)))


_COUNTS = ("expected", "lost", "duplicated", "reordered")


def _losses(results: Results, verdict: Mapping[str, Any], digest: _Digest) -> Losses:
    told = tuple(results.losses())
    return Losses(
        total=int(verdict["deliveries"]["lost"]),
        told=told,
        by_story=tuple(Counter(each.story for each in told).most_common()),
        by_second=dict(digest.lost_by_second),
    )
