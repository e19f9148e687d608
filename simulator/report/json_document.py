"""The report as one JSON document: what docs/report.md lists, with units in the keys. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from simulator.report.comparison import differences, letter
from simulator.report.figures import sections
from simulator.report.limits import limits
from simulator.report.run_report import RunReport
from simulator.report.tables import LEVELS, LatencyLine, latency_lines

KIND = "tracker-sim report"
FORMAT = 1


def json_document(runs: Sequence[RunReport]) -> dict[str, Any]:
    """One run, or several with what is different about them; the first is what the others are set against."""
    return {
        "kind": KIND,
        "format": FORMAT,
        "runs": [_run(run, number) for number, run in enumerate(runs)],
        "not_comparable": list(differences(runs)),
        "figures": [
            {
                "section": section.name,
                "name": row.name,
                "path": row.path,
                "unit": row.unit or "count",
                "values": list(row.values),
                "differences": list(row.differences),
                "judged": [row.judged(each) for each in row.differences],
            }
            for section in sections(runs)
            for row in section.figures
        ],
    }


def _run(run: RunReport, number: int) -> dict[str, Any]:
    return {
        "run": letter(number),
        "results": run.folder,
        "outcome": run.outcome,
        "expectations": [
            {"that": each.text, "phase": each.phase, "found": dict(each.found), "held": each.held}
            for each in run.expectations
        ],
        "latency_ms": [_latency(each) for each in latency_lines([run])],
        "groups": [asdict(each) for each in run.groups],
        "phases": [asdict(each) for each in run.phases],
        "faults": [asdict(each) for each in run.faults],
        "vendors": [asdict(each) for each in run.vendors],
        "losses": {
            "total": run.losses.total,
            "told": len(run.losses.told),
            "by_story": dict(run.losses.by_story),
        },
        "slowest_updates": [asdict(each) for each in run.slowest],
        "limits": list(limits(run)),
        "notes": list(run.notes),
        "verdict": dict(run.verdict),
    }


def _latency(each: LatencyLine) -> dict[str, Any]:
    names = [name.replace(".", "_") for name, _ in LEVELS]
    return {
        "phase": each.phase,
        "group": each.group or None,
        "to": each.what,
        **dict(zip([*names, "max"], each.values, strict=True)),
        "count": each.count,
    }
