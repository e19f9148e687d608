"""The verdict for people: a short table, then `passed`, or `FAILED:` and each reason.

`--json` has every figure; this has those that answer the scenario's question. Plain text when it does not go to a
terminal, no colour under `NO_COLOR`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.text import Text

from simulator.load.hostile_text import printable
from simulator.load.verdict import Verdict
from simulator.load.wording import counted

_PLAIN_WIDTH = 120
"""Of output that goes to a file or a pipe."""
_SENTENCE_LIMIT = 2_000
_NAME_WIDTH = 24


def render(verdict: Verdict, *, to_stderr: bool = False, console: Console | None = None) -> None:
    """Print the verdict on stdout (on stderr when stdout carries the JSON), or on `console`."""
    if console is None:
        console = Console(stderr=to_stderr, highlight=False, emoji=False)
        if not console.is_terminal:
            console.width = _PLAIN_WIDTH
    document = verdict.document
    console.print(Text(printable(f"{document['scenario']} · seed {document['seed']}"), style="bold"))
    if document["partial"]:
        console.print(Text("partial: the run was stopped before its end", style="yellow"))
    for name, value in _rows(document):
        console.print(
            Text.assemble((f"{name:<{_NAME_WIDTH}}", "bold"), printable(value, _SENTENCE_LIMIT)), soft_wrap=True
        )
    for note in document["notes"]:
        console.print(Text(f"note: {printable(note, _SENTENCE_LIMIT)}", style="dim"))
    if verdict.passed:
        console.print(Text("passed", style="bold green"))
    for failure in verdict.failures:
        sentence = printable(failure, _SENTENCE_LIMIT)
        console.print(Text.assemble(("FAILED: ", "bold red"), sentence), soft_wrap=True)


def _rows(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    updates, deliveries, connections = document["updates"], document["deliveries"], document["connections"]
    positions, invocations, rates = document["final_positions"], document["invocations"], document["rates"]
    latency = document["latency_ms"]
    seen_updates = (
        f"{_number(updates['published'])} published, {_number(updates['broadcast'])} broadcast, "
        f"{_number(updates['dead_lettered'])} dead-lettered, by {counted(len(deliveries['per_vendor']), 'vendor')}"
    )
    seen_subscribers = (
        f"{connections['opened']:,} of {connections['asked']:,} connected, {connections['refused']:,} refused, "
        f"{connections['dropped']:,} dropped"
    )
    seen_deliveries = (
        f"{deliveries['received']:,} of {deliveries['expected']:,} received, {deliveries['lost']:,} lost, "
        f"{deliveries['duplicated']:,} duplicated, {deliveries['reordered']:,} reordered"
        f"{_unusual(deliveries, document['frames'])}"
    )
    seen_rates = (
        f"{_number(rates['asked_updates_per_s'])} updates/s asked, {_number(rates['achieved_updates_per_s'])} "
        f"achieved, {_number(rates['deliveries_per_s'])} deliveries/s over {document['duration_s']:,.1f} s"
    )
    rows = [
        ("updates", seen_updates),
        ("subscribers", seen_subscribers),
        ("deliveries", seen_deliveries),
        ("final positions", f"{positions['checked']:,} checked, {positions['wrong']:,} wrong"),
        ("latency, all", _latency(latency["all"])),
        ("  to the last viewer", _latency(latency["last"])),
        ("  uncorrected, all", _latency(latency["uncorrected"]["all"])),
        ("rate", seen_rates),
        ("invocations", f"{_number(invocations['total'])}, {_number(invocations['errors'])} errors"),
    ]
    if document["drain"]:
        stopped = "stopped early; until then: " if document["partial"] else ""
        reason = f"{stopped}{document['drain']['reason']}"
        rows.append(("end", f"{reason} ({document['drain']['waited_s']:.1f} s of waiting)"))
    return rows


def _unusual(deliveries: Mapping[str, Any], frames: Mapping[str, Any]) -> str:
    counts = {
        "altered": deliveries["altered"],
        "unexpected": deliveries["unexpected"],
        "error frames": frames["errors"],
        "strange frames": frames["strange"],
    }
    return "".join(f", {count:,} {name}" for name, count in counts.items() if count)


def _latency(summary: Mapping[str, float | int | None]) -> str:
    if not summary["count"]:
        return "nothing arrived"
    return ", ".join(f"{name} {summary[name]:,.1f} ms" for name in ("p50", "p90", "p99", "max"))


def _number(value: float | None) -> str:
    if value is None:
        return "unknown"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"
