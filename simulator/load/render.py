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
        f"{connections['opened'] - connections['reconnected']:,} of {connections['asked']:,} connected, "
        f"{connections['refused']:,} refused, "
        f"{connections['dropped']:,} dropped"
        f"{f', {again:,} reconnected' if (again := connections['reconnected']) else ''}"
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
        *_phase_rows(document),
        ("latency, all", _latency(latency["all"])),
        ("  to the last viewer", _latency(latency["last"])),
        ("  uncorrected, all", _latency(latency["uncorrected"]["all"])),
        ("rate", seen_rates),
        ("invocations", f"{_number(invocations['total'])}, {_number(invocations['errors'])} errors"),
        ("the load itself", _own(document["load"])),
    ]
    if document["drain"]:
        stopped = "stopped early; until then: " if document["partial"] else ""
        reason = f"{stopped}{document['drain']['reason']}"
        rows.append(("end", f"{reason} ({document['drain']['waited_s']:.1f} s of waiting)"))
    return rows


def _phase_rows(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    """A row for each phase and group, where there are several."""
    rows = []
    for what in ("phases", "groups"):
        found = document[what]
        if len(found) > 1:
            for name, figures in found.items():
                deliveries, last = figures["deliveries"], figures["latency_ms"]["last"]
                of = f"{counted(figures['updates']['published'], 'update')}, " if "updates" in figures else ""
                slowest = f"p99 to the last {last['p99']:,.1f} ms" if last["count"] else "nothing arrived"
                text = f"{of}{deliveries['received']:,} of {deliveries['expected']:,} received, {slowest}"
                rows.append((f"  {what[:-1]} {name}", text))
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


def _own(load: Mapping[str, Any]) -> str:
    """What the run cannot resolve: how late the load itself was."""
    sent, loop = load["producer_lag_ms"], load["loop_lag_ms"]
    parts = []
    if sent["p99"] is not None:
        parts.append(f"updates left up to {sent['p99']:,.1f} ms late (p99)")
    if loop["p99"] is not None:
        parts.append(f"arrivals were noted up to {loop['p99']:,.1f} ms late (p99)")
    if load["cpu_us_per_delivery"] is not None:
        parts.append(f"{load['cpu_us_per_delivery']:,.0f} µs of CPU per delivery")
    return ", ".join(parts) or "nothing to tell"


def _number(value: float | None) -> str:
    if value is None:
        return "unknown"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"
