from __future__ import annotations

import io
import json
from array import array
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from simulator.load.audience import Group
from simulator.load.books import Books
from simulator.load.expectations import understand, with_defaults
from simulator.load.hostile_text import printable
from simulator.load.latency import Latencies
from simulator.load.ledger import Missing, Settled
from simulator.load.metrics import METRICS, value_in
from simulator.load.phases import PhaseTimes
from simulator.load.progress import Progress, Snapshot, progress_line
from simulator.load.render import render
from simulator.load.scenario import Scenario
from simulator.load.series import Series
from simulator.load.verdict import (
    Connections,
    Frames,
    Invocations,
    OwnFigures,
    RunFacts,
    StackFigures,
    VendorCounts,
    build_verdict,
)

SCENARIO = Scenario("market", "Does it hold?", 7, Path("market.toml"))
GROUPS = ((Group(), 2),)
PHASES = PhaseTimes(("warm_up", "rush"), (0.0, 2.0), 5.0)


def settled(number: int = 1, **changes: Any) -> Settled:
    """An update due at 102.5 (2.5 s into the run), 5 ms late, which two subscribers got after 10 and 30 ms."""
    values: dict[str, Any] = {
        "update_id": str(1000 + number),
        "vendor": "100",
        "due_s": 102.5,
        "sent_s": 102.505,
        "position": (1.0, 2.0),
        "expected": (2,),
        "lost": (0,),
        "cut_off": (0,),
        "duplicated": 0,
        "reordered": 0,
        "latencies": (array("d", [0.03, 0.01]),),
        "stories": {},
        "missing": (),
    }
    return Settled(**{**values, **changes})


def lost(number: int = 1, count: int = 1) -> Settled:
    return settled(
        number,
        expected=(count + 1,),
        lost=(count,),
        latencies=(array("d", [0.02]),),
        stories={"unknown": count},
        missing=tuple(Missing(each, "unknown") for each in range(1, min(count, 20) + 1)),
    )


def books(*entries: Settled) -> Books:
    found = Books(PHASES, ["viewer"], 100.0, Series())
    for each in entries or tuple(settled(number) for number in range(10)):
        found.enter(each)
    return found


def vendor(**changes: int) -> dict[str, VendorCounts]:
    return {"100": replace(VendorCounts("Ann's Truck", 20, 0, 0, 0), **changes)}


def facts(**changes: Any) -> RunFacts:
    values: dict[str, Any] = {
        "scenario": SCENARIO,
        "groups": GROUPS,
        "provenance": {"versions": {"tool": "1"}, "machine": {"cpus": 2}, "commit": None},
        "started_at": "2026-01-01T00:00:00.000+00:00",
        "books": books(),
        "connections": Connections(asked=2, opened=2, refusals={}, peak=2, rows_without_socket=0),
        "frames": Frames(total=20),
        "vendors": vendor(),
        "start_s": 100.0,
        "positions": (2, 0),
        "planned": 10,
        "planned_duration_s": 5.0,
        "publishing_s": 4.9,
        "duration_s": 6.0,
        "drain": {"outcome": "complete", "reason": "every expected delivery has arrived", "waited_s": 0.2},
        "invocations": {"send": Invocations(12, 0)},
        "dead_lettered": 0,
        "dead_letter_queue": "vendor-dlq",
        "most_queued": 3,
        "most_in_flight": 1,
        "own": OwnFigures(latencies(0.005), latencies(0.001), 0.0002, 80.0),
        "stack": StackFigures(300.0, 1.0, 90, 0.0),
    }
    return RunFacts(**{**values, **changes})


def latencies(*seconds: float) -> Latencies:
    found = Latencies()
    for each in seconds:
        found.record(each)
    return found


def expecting(text: str, phase: str = "run") -> Scenario:
    return replace(SCENARIO, expect=with_defaults([understand(text, phase, groups=["viewer"])]))


def test_a_good_run_passes_and_says_everything() -> None:
    document = build_verdict(facts()).to_json()
    assert json.loads(json.dumps(document)) == document
    assert document["passed"] is True
    assert document["failures"] == []
    assert document["updates"] == {"planned": 10, "published": 10, "broadcast": 10, "dead_lettered": 0}
    assert document["deliveries"] == {
        "expected": 20,
        "received": 20,
        "lost": 0,
        "cut_off": 0,
        "duplicated": 0,
        "reordered": 0,
        "altered": 0,
        "unexpected": 0,
        "late": 0,
        "stories": {},
        "first_losses": [],
        "per_vendor": {
            "100": {
                "name": "Ann's Truck",
                "expected": 20,
                "received": 20,
                "lost": 0,
                "duplicated": 0,
                "reordered": 0,
            }
        },
    }
    assert document["latency_ms"]["first"] == {
        **dict.fromkeys(("p50", "p90", "p99", "p999", "max"), 10.0),
        "count": 10,
    }
    assert document["latency_ms"]["last"]["max"] == 30.0
    assert document["latency_ms"]["all"]["count"] == 20
    assert document["latency_ms"]["uncorrected"]["last"]["max"] == 25.0
    assert document["rates"] == {
        "load": "open",
        "asked_updates_per_s": 2.0,
        "achieved_updates_per_s": 2.0,
        "deliveries_per_s": 3.333,
    }
    assert document["load"]["cpu_us_per_delivery"] == 10.0
    assert document["expectations"][0] == {
        "that": "deliveries.lost == 0",
        "phase": "run",
        "held": True,
        "found": {"deliveries.lost": 0},
    }
    assert document["groups"]["viewer"]["deliveries"] == {"expected": 20, "received": 20, "lost": 0, "cut_off": 0}
    assert document["phases"]["warm_up"]["updates"] == {"planned": 0, "published": 0, "broadcast": 0}
    rush = document["phases"]["rush"]
    assert rush["deliveries"]["received"] == 20
    assert rush["rates"] == {"asked_updates_per_s": 3.333, "achieved_updates_per_s": 3.333}
    assert rush["groups"]["viewer"]["latency_ms"]["last"]["max"] == 30.0


def figures_in(document: Any, path: str = "") -> Iterator[str]:
    for name, value in document.items():
        if isinstance(value, dict):
            yield from figures_in(value, f"{path}{name}.")
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            yield f"{path}{name}"


def test_every_figure_of_a_verdict_can_be_expected_and_every_metric_is_in_the_verdict() -> None:
    document = build_verdict(facts()).to_json()
    apart = ("versions", "machine", "drain", "phases", "groups")
    figures = {
        each
        for each in figures_in({name: value for name, value in document.items() if name not in apart})
        if not each.endswith(".count") and "per_vendor" not in each and "by_function" not in each
    } - {"seed", "duration_s", "load.producer_lag_ms.p50", "load.loop_lag_ms.p50"}
    assert figures == set(METRICS)
    phase, group = document["phases"]["rush"], document["groups"]["viewer"]
    assert {name for name in METRICS if value_in(phase, name) is not None} == {
        name for name, metric in METRICS.items() if metric.of_phase
    }
    assert {name for name in METRICS if value_in(group, name) is not None} == {
        name for name, metric in METRICS.items() if metric.of_group
    }


@pytest.mark.parametrize(
    ("changes", "failure"),
    [
        pytest.param(
            {"books": books(lost())},
            "1 of 2 deliveries was lost: update 1001 of Ann's Truck, due at 2.5 s, never reached subscriber 1 "
            "(unknown) "
            "(`deliveries.lost == 0` was expected).",
            id="lost",
        ),
        pytest.param(
            {"books": books(lost(count=120))},
            "120 of 121 deliveries were lost: "
            + "; ".join(
                f"update 1001 of Ann's Truck, due at 2.5 s, never reached subscriber {each} (unknown)"
                for each in (1, 2, 3)
            )
            + "; and 117 more (`deliveries.lost == 0` was expected).",
            id="many lost",
        ),
        pytest.param(
            {"positions": (2, 1)},
            "1 of 2 last positions on the subscribers' maps is wrong (`final_positions.wrong == 0` was expected).",
            id="wrong positions",
        ),
        pytest.param(
            {"frames": Frames(total=20, altered=2)},
            "2 frames had another content than the update that was published (`deliveries.altered == 0` was expected).",
            id="altered",
        ),
        pytest.param(
            {"frames": Frames(total=20, unexpected=1, unexpected_examples=["77"])},
            "1 frame carried an update that was never published: 77 (`deliveries.unexpected == 0` was expected).",
            id="unexpected",
        ),
        pytest.param(
            {"scenario": expecting("deliveries.duplicated <= 1"), "books": books(settled(duplicated=2))},
            "2 deliveries came more than once (`deliveries.duplicated <= 1` was expected).",
            id="duplicated",
        ),
        pytest.param(
            {
                "scenario": expecting("deliveries.reordered == 0"),
                "books": books(settled(reordered=3)),
                "vendors": vendor(reordered=3),
            },
            "3 deliveries came after a newer update of the same vendor: 3 of them from Ann's Truck "
            "(`deliveries.reordered == 0` was expected).",
            id="reordered",
        ),
        pytest.param(
            {"dead_lettered": 3, "invocations": {"send": Invocations(12, 5), "connect": Invocations(2, 0)}},
            "3 updates are in the dead-letter queue vendor-dlq: each was given to the function as often as the queue "
            "allows and failed every time: send: 5 errors in 12 invocations; the stack's log says why "
            "(`updates.dead_lettered == 0` was expected).",
            id="dead-lettered",
        ),
        pytest.param(
            {"dead_lettered": None},
            "updates.dead_lettered could not be found out, and `updates.dead_lettered == 0` was expected.",
            id="dead letters unknown",
        ),
        pytest.param(
            {"connections": Connections(5, 3, {"HTTP 403": 1, "HTTP 500": 1})},
            "2 handshakes of 5 failed: 1 × HTTP 403; 1 × HTTP 500 (`connections.refused == 0` was expected).",
            id="refused",
        ),
        pytest.param(
            {"connections": Connections(2, 2, {}, 1, [{"subscriber": 1, "code": 1006, "reason": "gone", "at_s": 3.2}])},
            "1 subscriber lost the connection: subscriber 1 at 3.2 s, code 1006, gone (`connections.dropped == 0` was "
            "expected).",
            id="dropped",
        ),
        pytest.param(
            {"scenario": expecting("invocations.errors == 0"), "invocations": {"send": Invocations(12, 1)}},
            "Functions ended in an error: send: 1 error in 12 invocations (`invocations.errors == 0` was expected).",
            id="invocation errors",
        ),
        pytest.param(
            {"scenario": expecting("invocations.errors == 0"), "invocations": None},
            "invocations.errors could not be found out, and `invocations.errors == 0` was expected.",
            id="invocations unknown",
        ),
        pytest.param(
            {"scenario": expecting("latency_ms.last.p99 < 29.5")},
            "latency_ms.last.p99 is 30.0 ms (`latency_ms.last.p99 < 29.5` was expected).",
            id="p99",
        ),
        pytest.param(
            {"scenario": expecting("latency_ms.last.p99 < 29.5", "rush")},
            "latency_ms.last.p99 is 30.0 ms in the phase rush (`latency_ms.last.p99 < 29.5` was expected).",
            id="p99 of a phase",
        ),
        pytest.param(
            {"scenario": expecting("latency_ms.last.p99 < 29.5", "warm_up")},
            "latency_ms.last.p99 in the phase warm_up could not be found out, and `latency_ms.last.p99 < 29.5` was "
            "expected.",
            id="a phase without updates",
        ),
        pytest.param(
            {"scenario": expecting("groups.viewer.latency_ms.last.p99 < 29.5")},
            "groups.viewer.latency_ms.last.p99 is 30.0 ms (`groups.viewer.latency_ms.last.p99 < 29.5` was expected).",
            id="p99 of a group",
        ),
        pytest.param(
            {"scenario": expecting("deliveries.received / updates.published > 2")},
            "deliveries.received is 20, updates.published is 10 (`deliveries.received / updates.published > 2` was "
            "expected).",
            id="arithmetic",
        ),
        pytest.param({"planned": 12}, "2 updates of 12 could not be published.", id="not all published"),
        pytest.param(
            {"drain": {"outcome": "limit", "reason": "still 3 messages in the queue after 60 s", "waited_s": 60.0}},
            "The run did not come to an end: still 3 messages in the queue after 60 s.",
            id="no end",
        ),
        pytest.param({"troubles": ["The queue is gone."]}, "The queue is gone.", id="trouble"),
        pytest.param(
            {"interruption": "Stopped before its end."}, "Stopped before its end.", id="a partial run never passes"
        ),
        pytest.param(
            {"books": books(settled(sent_s=None, expected=(0,), latencies=(array("d"),))), "planned": 0},
            "No update was published, so nothing was put to the test.",
            id="nothing published",
        ),
        pytest.param(
            {
                "connections": Connections(2, 0, {}),
                "books": books(settled(sent_s=None, expected=(0,), latencies=(array("d"),))),
                "planned": None,
            },
            "No subscriber could connect, so nothing was put to the test.",
            id="nobody connected",
        ),
    ],
)
def test_each_expectation_can_fail_and_says_why(changes: dict[str, Any], failure: str) -> None:
    if "books" in changes and "planned" not in changes:
        changes = {**changes, "planned": 1}
    verdict = build_verdict(facts(**changes))
    assert verdict.failures == [failure]
    assert not verdict.passed


@pytest.mark.parametrize(
    ("scenario", "changes"),
    [
        pytest.param(
            expecting("deliveries.lost <= 1"), {"books": books(lost()), "planned": 1}, id="as many as allowed"
        ),
        pytest.param(SCENARIO, {"books": books(settled(duplicated=9, reordered=9)), "planned": 1}, id="not looked at"),
        pytest.param(SCENARIO, {"invocations": None}, id="not needed"),
    ],
)
def test_what_is_allowed_passes(scenario: Scenario, changes: dict[str, Any]) -> None:
    assert build_verdict(facts(scenario=scenario, **changes)).failures == []


def test_a_partial_run_is_marked() -> None:
    verdict = build_verdict(facts(interruption="Stopped.", planned=None))
    assert verdict.partial
    assert verdict.document["updates"]["planned"] is None
    assert verdict.document["rates"]["asked_updates_per_s"] is None


def test_a_late_load_that_was_stopped_does_not_know_what_was_asked() -> None:
    late = OwnFigures(latencies(2.0), Latencies(), 0.1, 80.0)
    (note,) = build_verdict(facts(own=late, publishing_s=10.0, planned=None)).document["notes"]
    assert note.endswith("took 1.0 updates a second, so that is the rate that was put to the test.")


def test_a_load_that_could_not_keep_up_says_what_was_put_to_the_test() -> None:
    late = OwnFigures(latencies(2.0), latencies(0.25), 0.1, 80.0)
    assert build_verdict(facts(own=late, publishing_s=10.0)).document["notes"] == [
        (
            "Updates left up to 2.0 s late (p99): the vendors table and the queue took 1.0 updates a second of "
            "the 2.0 that "
            "were asked, so that is the rate that was put to the test."
        ),
        (
            "Arrivals were noted up to 250 ms late (p99), because the load had too little of the processor: "
            "latencies are no "
            "finer than that."
        ),
    ]


def test_drops_are_all_counted_and_the_first_are_told() -> None:
    drops = [{"subscriber": number, "code": 1006, "reason": "", "at_s": 1.0} for number in range(50)]
    connections = build_verdict(facts(connections=Connections(50, 50, {}, 50, drops))).document["connections"]
    assert connections["dropped"] == 50
    assert connections["first_drops"] == drops[:20]


def rendered(run: RunFacts) -> str:
    out = io.StringIO()
    render(build_verdict(run), console=Console(file=out, width=120))
    return out.getvalue()


def test_a_passed_verdict_ends_with_passed_and_is_plain_text_without_a_terminal() -> None:
    assert rendered(facts()).splitlines() == [
        "market · seed 7",
        "updates                 10 published, 10 broadcast, 0 dead-lettered, by 1 vendor",
        "subscribers             2 of 2 connected, 0 refused, 0 dropped",
        "deliveries              20 of 20 received, 0 lost, 0 duplicated, 0 reordered",
        "final positions         2 checked, 0 wrong",
        "  phase warm_up         0 updates, 0 of 0 received, nothing arrived",
        "  phase rush            10 updates, 20 of 20 received, p99 to the last 30.0 ms",
        "latency, all            p50 10.0 ms, p90 30.0 ms, p99 30.0 ms, max 30.0 ms",
        "  to the last viewer    p50 30.0 ms, p90 30.0 ms, p99 30.0 ms, max 30.0 ms",
        "  uncorrected, all      p50 5.0 ms, p90 25.0 ms, p99 25.0 ms, max 25.0 ms",
        "rate                    2.0 updates/s asked, 2.0 achieved, 3.3 deliveries/s over 6.0 s",
        "invocations             12, 0 errors",
        (
            "the load itself         updates left up to 5.0 ms late (p99), arrivals were noted up to 1.0 ms late (p99)"
            ", 10 µs of CPU per delivery"
        ),
        "end                     every expected delivery has arrived (0.2 s of waiting)",
        "passed",
    ]


def test_a_failed_verdict_ends_with_its_reasons() -> None:
    lines = rendered(
        facts(troubles=["One."], frames=Frames(20, strange=1, altered=1), notes=["Mind this."])
    ).splitlines()
    assert lines[-3:] == [
        "note: Mind this.",
        "FAILED: One.",
        (
            "FAILED: 1 frame had another content than the update that was published "
            "(`deliveries.altered == 0` was expected)."
        ),
    ]
    assert "0 reordered, 1 altered, 1 strange frames" in "\n".join(lines)


def test_a_run_without_figures_is_rendered() -> None:
    nothing = Books(PHASES, ["viewer"], 100.0, Series())
    text = rendered(facts(books=nothing, dead_lettered=None, invocations=None, drain={}, interruption="Stopped."))
    assert "latency, all            nothing arrived" in text
    assert "unknown dead-lettered" in text
    assert "partial: the run was stopped before its end" in text


def test_hostile_text_reaches_no_terminal() -> None:
    drop = {"subscriber": 1, "code": 1000, "reason": "\x1b]0;owned\x07\n[red]passed[/red]\u202e", "at_s": 1.0}
    text = rendered(facts(connections=Connections(2, 2, {"\x1b[2J": 1}, 1, [drop])))
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "\\x1b]0;owned\\x07\\n[red]passed[/red]\\u202e" in text


def test_colour_is_only_for_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    out = io.StringIO()
    render(build_verdict(facts()), console=Console(file=out, force_terminal=True, width=120))
    assert "\x1b[32m" not in out.getvalue()
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "xterm")
    render(build_verdict(facts()), console=Console(file=out, force_terminal=True, width=120))
    assert "32m" in out.getvalue()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("Ann's Truck · bánh mì 🚚", "Ann's Truck · bánh mì 🚚", id="ordinary"),
        pytest.param("a\r\nb", "a\\r\\nb", id="line breaks"),
        pytest.param("\x9b31m", "\\x9b31m", id="C1 control"),
        pytest.param("\ud800", "\\ud800", id="lone surrogate"),
        pytest.param("x" * 300, "x" * 199 + "…", id="long"),
    ],
)
def test_unprintable_characters_are_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown


SNAPSHOT = Snapshot("publishing", 4.0, 15.0, 50, 100, 4950, 2, None)


def test_a_progress_line_says_where_the_run_is() -> None:
    assert progress_line(SNAPSHOT) == (
        "publishing 4/15 s · 50 subscribers · 100 updates · 4,950 deliveries (1,238/s) · 2 missing · p99 –"
    )


@pytest.mark.parametrize("room", range(120))
def test_in_a_narrow_terminal_a_progress_line_keeps_what_matters_most(room: int) -> None:
    line = progress_line(SNAPSHOT, room)
    assert line.startswith("publishing 4/15 s")
    assert len(line) <= room or line == "publishing 4/15 s"
    assert ("2 missing" in line) == (room >= len("publishing 4/15 s · 2 missing"))
    assert ("p99 –" in line) == (room >= len("publishing 4/15 s · 2 missing · p99 –"))


def test_the_live_line_fits_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "60")
    out = io.StringIO()
    out.isatty = lambda: True  # type: ignore[method-assign]
    with Progress(SCENARIO, stream=out) as progress:
        progress.show(SNAPSHOT)
    assert "market: publishing 4/15 s · 100 updates · 2 missing · p99 –" in out.getvalue()
    assert "…" not in out.getvalue()


def test_without_a_terminal_progress_is_a_line_every_five_seconds_and_one_per_phase() -> None:
    out = io.StringIO()
    now = [0.0]
    with Progress(SCENARIO, stream=out, monotonic_s=lambda: now[0]) as progress:
        for at_s in range(11):
            now[0] = float(at_s)
            progress.show(replace(SNAPSHOT, elapsed_s=float(at_s)))
        progress.show(replace(SNAPSHOT, phase="draining", elapsed_s=10.0))
    shown = [line.removeprefix("market: ").split(" s ·")[0] for line in out.getvalue().splitlines()]
    assert shown == ["publishing 0/15", "publishing 5/15", "publishing 10/15", "draining 10/15"]


def test_problems_are_shown_escaped_and_only_the_first_few() -> None:
    out = io.StringIO()
    with Progress(SCENARIO, stream=out) as progress:
        for number in range(12):
            progress.problem(f"{number} \x1b[31m ERROR")
        progress.finish()
        progress.problem("everybody leaves")
    lines = out.getvalue().splitlines()
    assert lines[0] == "0 \\x1b[31m ERROR"
    assert lines[10:] == ["2 further problems are in the stack's log"]


def test_every_key_is_explained_in_the_docs() -> None:
    text = (Path(__file__).parents[3] / "docs" / "verdict.md").read_text(encoding="utf-8")
    document = build_verdict(facts()).to_json()
    keys = [key for key in document if f"`{key}" not in text]
    for key, value in document.items():
        if key not in ("versions", "machine", "commit", "phases", "groups") and isinstance(value, dict):
            keys += [f"{key}.{inner}" for inner in value if f".{inner}`" not in text]
    assert keys == []
