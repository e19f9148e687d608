from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from simulator.load.hostile_text import printable
from simulator.load.latency import Latencies
from simulator.load.progress import Progress, Snapshot, progress_line
from simulator.load.reckoning import Balance, Deliveries, Loss, Positions
from simulator.load.render import render
from simulator.load.scenario import Expectations, MadeVendors, RunSettings, Scenario, StackSettings, Subscribers
from simulator.load.verdict import Connections, Frames, Invocations, RunFacts, build_verdict

SCENARIO = Scenario(
    name="market",
    description="Does it hold?",
    seed=7,
    file=Path("market.toml"),
    stack=StackSettings(),
    vendors=MadeVendors(),
    subscribers=Subscribers(),
    run=RunSettings(),
    expect=Expectations(),
)


def latencies(*seconds: float) -> Latencies:
    found = Latencies()
    for each in seconds:
        found.record(each)
    return found


def balance(**changes: Any) -> Balance:
    values: dict[str, Any] = {
        "published": 10,
        "broadcast": 10,
        "total": Deliveries(20, 20, 0, 0, 0),
        "per_vendor": {"100": Deliveries(20, 20, 0, 0, 0)},
        "per_subscriber": [Deliveries(10, 10, 0, 0, 0), Deliveries(10, 10, 0, 0, 0)],
        "losses": (),
        "positions": Positions(2, 0),
        "first_latency": latencies(0.01),
        "last_latency": latencies(0.03),
        "first_latency_uncorrected": latencies(0.005),
        "last_latency_uncorrected": latencies(0.025),
    }
    return Balance(**{**values, **changes})


def facts(**changes: Any) -> RunFacts:
    values: dict[str, Any] = {
        "scenario": SCENARIO,
        "provenance": {"versions": {"tool": "1"}, "machine": {"cpus": 2}, "commit": None},
        "started_at": "2026-01-01T00:00:00.000+00:00",
        "balance": balance(),
        "all_latency": latencies(0.01, 0.02, 0.03),
        "all_latency_uncorrected": latencies(0.005, 0.015, 0.025),
        "connections": Connections(asked=2, opened=2, refusals={}),
        "frames": Frames(total=20),
        "vendor_names": {"100": "Ann's Truck"},
        "start_s": 100.0,
        "planned": 10,
        "planned_duration_s": 5.0,
        "publishing_s": 4.9,
        "duration_s": 6.0,
        "drain": {"outcome": "complete", "reason": "every expected delivery has arrived", "waited_s": 0.2},
        "invocations": {"send": Invocations(12, 0)},
        "dead_lettered": 0,
        "dead_letter_queue": "vendor-dlq",
    }
    return RunFacts(**{**values, **changes})


def expecting(**limits: float) -> Scenario:
    return replace(SCENARIO, expect=replace(Expectations(), **limits))  # type: ignore[arg-type]


def test_a_good_run_passes_and_says_everything() -> None:
    document = build_verdict(facts()).to_json()
    assert document == {
        "scenario": "market",
        "description": "Does it hold?",
        "seed": 7,
        "versions": {"tool": "1"},
        "machine": {"cpus": 2},
        "commit": None,
        "started_at": "2026-01-01T00:00:00.000+00:00",
        "duration_s": 6.0,
        "partial": False,
        "passed": True,
        "failures": [],
        "updates": {"planned": 10, "published": 10, "broadcast": 10, "dead_lettered": 0},
        "deliveries": {
            "expected": 20,
            "received": 20,
            "lost": 0,
            "duplicated": 0,
            "reordered": 0,
            "altered": 0,
            "unexpected": 0,
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
            "per_subscriber": [{"expected": 10, "received": 10, "lost": 0, "duplicated": 0, "reordered": 0}] * 2,
            "first_losses": [],
        },
        "latency_ms": {
            "all": {"p50": 20.015, "p90": 30.0, "p99": 30.0, "max": 30.0, "count": 3},
            "first": {"p50": 10.0, "p90": 10.0, "p99": 10.0, "max": 10.0, "count": 1},
            "last": {"p50": 30.0, "p90": 30.0, "p99": 30.0, "max": 30.0, "count": 1},
            "uncorrected": {
                "all": {"p50": 15.007, "p90": 25.0, "p99": 25.0, "max": 25.0, "count": 3},
                "first": {"p50": 5.0, "p90": 5.0, "p99": 5.0, "max": 5.0, "count": 1},
                "last": {"p50": 25.0, "p90": 25.0, "p99": 25.0, "max": 25.0, "count": 1},
            },
        },
        "final_positions": {"checked": 2, "wrong": 0},
        "invocations": {"total": 12, "errors": 0, "by_function": {"send": {"total": 12, "errors": 0}}},
        "connections": {"asked": 2, "opened": 2, "refused": 0, "dropped": 0, "refusals": {}, "first_drops": []},
        "frames": {"total": 20, "errors": 0, "error_messages": {}, "strange": 0, "strange_examples": []},
        "rates": {
            "load": "open",
            "asked_updates_per_s": 2.0,
            "achieved_updates_per_s": 2.0,
            "deliveries_per_s": 3.333,
        },
        "drain": {"outcome": "complete", "reason": "every expected delivery has arrived", "waited_s": 0.2},
        "expectations": {
            name: {"limit": 0, "found": 0, "held": True}
            for name in ("lost", "wrong_positions", "altered", "unexpected", "dead_lettered", "refused", "dropped")
        },
        "notes": [],
    }
    assert json.loads(json.dumps(document)) == document


LOSS = Loss("1001", "100", 1, 102.5)


@pytest.mark.parametrize(
    ("changes", "failure"),
    [
        pytest.param(
            {"balance": balance(total=Deliveries(20, 19, 1, 0, 0), losses=(LOSS,))},
            "1 of 20 deliveries was lost: update 1001 of Ann's Truck, due at 2.5 s, never reached subscriber 1 (at "
            "most 0 expected).",
            id="lost",
        ),
        pytest.param(
            {"balance": balance(total=Deliveries(200, 80, 120, 0, 0), losses=(LOSS,) * 10)},
            "120 of 200 deliveries were lost: "
            + "; ".join(["update 1001 of Ann's Truck, due at 2.5 s, never reached subscriber 1"] * 3)
            + "; and 117 more (at most 0 expected).",
            id="many lost",
        ),
        pytest.param(
            {"balance": balance(positions=Positions(2, 1))},
            "1 of 2 last positions on the subscribers' maps is wrong (at most 0 expected).",
            id="wrong positions",
        ),
        pytest.param(
            {"frames": Frames(total=20, altered=2)},
            "2 frames had another content than the update that was published (at most 0 expected).",
            id="altered",
        ),
        pytest.param(
            {"frames": Frames(total=20, unexpected=1, unexpected_examples=["77"])},
            "1 frame carried an update that was never published: 77 (at most 0 expected).",
            id="unexpected",
        ),
        pytest.param(
            {
                "scenario": expecting(duplicated=1),
                "balance": balance(total=Deliveries(20, 20, 0, 2, 0)),
            },
            "2 deliveries came more than once (at most 1 expected).",
            id="duplicated",
        ),
        pytest.param(
            {
                "scenario": expecting(reordered=0),
                "balance": balance(total=Deliveries(20, 20, 0, 0, 3), per_vendor={"100": Deliveries(20, 20, 0, 0, 3)}),
            },
            "3 deliveries came after a newer update of the same vendor: 3 of them from Ann's Truck (at most 0 "
            "expected).",
            id="reordered",
        ),
        pytest.param(
            {"dead_lettered": 3, "invocations": {"send": Invocations(12, 5), "connect": Invocations(2, 0)}},
            "3 updates are in the dead-letter queue vendor-dlq: each was given to the function as often as the queue "
            "allows and failed every time: send: 5 errors in 12 invocations; the stack's log says why (at most 0 "
            "expected).",
            id="dead-lettered",
        ),
        pytest.param(
            {"dead_lettered": None},
            "dead_lettered could not be found out, and at most 0 was expected.",
            id="dead letters unknown",
        ),
        pytest.param(
            {"connections": Connections(5, 3, {"HTTP 403": 1, "HTTP 500": 1})},
            "2 handshakes of 5 failed: 1 × HTTP 403; 1 × HTTP 500 (at most 0 expected).",
            id="refused",
        ),
        pytest.param(
            {"connections": Connections(2, 2, {}, [{"subscriber": 1, "code": 1006, "reason": "gone", "at_s": 3.2}])},
            "1 subscriber lost the connection: subscriber 1 at 3.2 s, code 1006, gone (at most 0 expected).",
            id="dropped",
        ),
        pytest.param(
            {"scenario": expecting(invocation_errors=0), "invocations": {"send": Invocations(12, 1)}},
            "Functions ended in an error: send: 1 error in 12 invocations (at most 0 expected).",
            id="invocation errors",
        ),
        pytest.param(
            {"scenario": expecting(invocation_errors=0), "invocations": None},
            "invocation_errors could not be found out, and at most 0 was expected.",
            id="invocations unknown",
        ),
        pytest.param(
            {"scenario": expecting(p99_ms=29.5)},
            "The 99th percentile of latency is 30.0 ms over all deliveries (at most 29.5 expected).",
            id="p99",
        ),
        pytest.param(
            {"scenario": expecting(last_p99_ms=29.5)},
            "The 99th percentile of latency to the last subscriber is 30.0 ms (at most 29.5 expected).",
            id="last p99",
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
            {"balance": balance(published=0, total=Deliveries(0, 0, 0, 0, 0)), "planned": 0},
            "No update was published, so nothing was put to the test.",
            id="nothing published",
        ),
        pytest.param(
            {
                "connections": Connections(2, 0, {}),
                "balance": balance(published=0, total=Deliveries(0, 0, 0, 0, 0)),
                "planned": None,
            },
            "No subscriber could connect, so nothing was put to the test.",
            id="nobody connected",
        ),
    ],
)
def test_each_expectation_can_fail_and_says_why(changes: dict[str, Any], failure: str) -> None:
    verdict = build_verdict(facts(**changes))
    assert verdict.failures == [failure]
    assert not verdict.passed


@pytest.mark.parametrize(
    ("scenario", "changes"),
    [
        pytest.param(
            expecting(lost=1), {"balance": balance(total=Deliveries(20, 19, 1, 0, 0))}, id="as many as allowed"
        ),
        pytest.param(SCENARIO, {"balance": balance(total=Deliveries(20, 20, 0, 9, 9))}, id="not looked at"),
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


def test_drops_are_all_counted_and_the_first_are_told() -> None:
    drops = [{"subscriber": number, "code": 1006, "reason": "", "at_s": 1.0} for number in range(50)]
    connections = build_verdict(facts(connections=Connections(50, 50, {}, drops))).document["connections"]
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
        "latency, all            p50 20.0 ms, p90 30.0 ms, p99 30.0 ms, max 30.0 ms",
        "  to the last viewer    p50 30.0 ms, p90 30.0 ms, p99 30.0 ms, max 30.0 ms",
        "  uncorrected, all      p50 15.0 ms, p90 25.0 ms, p99 25.0 ms, max 25.0 ms",
        "rate                    2.0 updates/s asked, 2.0 achieved, 3.3 deliveries/s over 6.0 s",
        "invocations             12, 0 errors",
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
        "FAILED: 1 frame had another content than the update that was published (at most 0 expected).",
    ]
    assert "0 reordered, 1 altered, 1 strange frames" in "\n".join(lines)


def test_a_run_without_figures_is_rendered() -> None:
    empty = facts(all_latency=Latencies(), dead_lettered=None, invocations=None, drain={}, interruption="Stopped.")
    text = rendered(empty)
    assert "latency, all            nothing arrived" in text
    assert "unknown dead-lettered" in text
    assert "partial: the run was stopped before its end" in text


def test_hostile_text_reaches_no_terminal() -> None:
    drop = {"subscriber": 1, "code": 1000, "reason": "\x1b]0;owned\x07\n[red]passed[/red]\u202e", "at_s": 1.0}
    text = rendered(facts(connections=Connections(2, 2, {"\x1b[2J": 1}, [drop])))
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
    lines = out.getvalue().splitlines()
    assert lines[0] == "0 \\x1b[31m ERROR"
    assert lines[10:] == ["2 further problems are in the stack's log"]


def test_every_key_is_explained_in_the_docs() -> None:
    text = (Path(__file__).parents[3] / "docs" / "verdict.md").read_text(encoding="utf-8")
    document = build_verdict(facts()).to_json()
    keys = [key for key in document if f"`{key}" not in text]
    for key, value in document.items():
        if key not in ("versions", "machine", "commit", "expectations") and isinstance(value, dict):
            keys += [f"{key}.{inner}" for inner in value if f".{inner}`" not in text]
    assert keys == []
