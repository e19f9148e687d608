from __future__ import annotations

from array import array
from typing import Any

import pytest

from simulator.load.books import Books, merged
from simulator.load.ledger import Missing, Settled
from simulator.load.phases import Phase, PhaseTimes
from simulator.load.raw_results import LossRow, UpdateRow
from simulator.load.series import Seen, Series

PHASES = PhaseTimes(("calm", "rush"), (0.0, 10.0), 20.0)


def settled(update_id: str = "1", due_s: float = 105.0, **changes: Any) -> Settled:
    values: dict[str, Any] = {
        "update_id": update_id,
        "vendor": "v",
        "due_s": due_s,
        "sent_s": due_s + 0.01,
        "position": (1.0, 2.0),
        "expected": (3, 1),
        "lost": (1, 0),
        "cut_off": (0, 2),
        "duplicated": 4,
        "reordered": 5,
        "latencies": (array("d", [0.2, 0.1]), array("d", [0.4])),
        "stories": {"unknown": 1},
        "missing": (Missing(2, "unknown"),),
    }
    return Settled(**{**values, **changes})


def books(*entries: Settled, rows: list[UpdateRow] | None = None, series: Series | None = None) -> Books:
    found = Books(PHASES, ["viewer", "slow"], 100.0, series or Series(), ([] if rows is None else rows).append)
    for each in entries:
        found.enter(each)
    return found


def test_figures_are_kept_by_phase_and_group_and_add_up() -> None:
    found = books(settled("1"), settled("2", 115.0, latencies=(array("d", [0.3]), array("d"))))
    whole = found.tally()
    assert (whole.expected, whole.received, whole.lost, whole.cut_off) == (8, 6, 2, 4)
    assert (whole.duplicated, whole.reordered) == (8, 10)
    assert (found.tally(phase=1).expected, found.tally(phase=1, group=0).expected, found.tally(group=1).lost) == (
        4,
        3,
        0,
    )
    assert found.latencies("all", corrected=True).count == 4
    assert found.latencies("all", corrected=True, group=1).summary_ms()["max"] == 400.0
    assert found.latencies("last", corrected=True).summary_ms()["max"] == 400.0
    assert found.latencies("last", corrected=True, group=0).summary_ms()["max"] == 300.0
    assert found.latencies("first", corrected=False, phase=0).summary_ms()["max"] == 90.0
    assert [each.published for each in found.updates] == [1, 1]


def test_a_row_says_what_became_of_an_update() -> None:
    rows: list[UpdateRow] = []
    books(settled(), rows=rows)
    assert rows == [
        UpdateRow("1", "v", "calm", 5.0, pytest.approx(5.01), 1.0, 2.0, 4, 3, 1, 4, 5, 100.0, 200.0, 400.0, 400.0)  # type: ignore[arg-type]
    ]


def test_an_update_that_never_left_is_planned_and_nothing_else() -> None:
    nothing = (array("d"), array("d"))
    found = books(settled(sent_s=None, expected=(0, 0), lost=(0, 0), cut_off=(0, 0), latencies=nothing))
    assert (found.updates[0].planned, found.updates[0].published) == (1, 0)
    assert found.tracks({}) == []


def test_copies_that_come_late_are_told_of_the_phase_in_which_their_update_was_due() -> None:
    kept = books(settled(due_s=105.0, duplicated=1))
    kept.add_copies(105.0, 2)
    assert kept.tally(phase=kept.phases.index_at(5.0)).duplicated == kept.tally().duplicated == 3


def test_a_dead_letter_is_the_story_of_those_whom_its_update_did_not_reach() -> None:
    nobody = {"latencies": (array("d"), array("d")), "stories": {"never broadcast": 1}}
    gone = {"missing": (Missing(2, "socket closed after"),), "stories": {"socket closed after": 1}}
    found = books(
        settled("1", missing=(Missing(0, "never broadcast"),), **nobody),
        settled("2", missing=(Missing(1, "never broadcast"),), **nobody),
        settled("3"),
        settled("4"),
        settled("5", **gone),
    )
    found.note_dead_letters(["2", "3", "5", "unheard of"])
    assert found.stories == {"never broadcast": 1, "dead-lettered": 2, "unknown": 1, "socket closed after": 1}
    assert found.loss_rows([0, 1, 0]) == [
        LossRow("1", "v", 0, "viewer", 5.0, "never broadcast"),
        LossRow("2", "v", 1, "slow", 5.0, "dead-lettered"),
        LossRow("3", "v", 2, "viewer", 5.0, "dead-lettered"),
        LossRow("4", "v", 2, "viewer", 5.0, "unknown"),
        LossRow("5", "v", 2, "viewer", 5.0, "socket closed after"),
    ]


def test_what_posts_were_answered_is_the_story_of_what_has_none() -> None:
    gone = {"missing": (Missing(2, "socket closed after"),), "stories": {"socket closed after": 1}}
    nobody = {"latencies": (array("d"), array("d")), "stories": {"never broadcast": 1}}
    unseen = settled("5", missing=(Missing(2, "never broadcast"),), **nobody)
    found = books(settled("1"), settled("2"), settled("3", **gone), settled("4"), unseen)
    found.note_dead_letters(["2"])
    answered = "post answered 429"
    found.note_posts(
        {("1", 2): answered, ("2", 2): answered, ("3", 2): answered, ("4", 9): answered}, {2: "not posted"}
    )
    assert found.stories == {
        answered: 1,
        f"dead-lettered, {answered}": 1,
        "socket closed after": 1,
        "not posted": 1,
        "never broadcast": 1,
    }
    assert [each.story for _, each in found.losses] == [
        answered,
        f"dead-lettered, {answered}",
        "socket closed after",
        "not posted",
        "never broadcast",
    ]


def test_what_two_swarms_saw_of_an_update_is_merged_as_if_one_had_seen_it() -> None:
    here = settled(expected=(2, 0), lost=(0, 0), cut_off=(0, 0), stories={}, missing=(), duplicated=1, reordered=0)
    there = settled(
        expected=(1, 1),
        lost=(1, 1),
        cut_off=(0, 2),
        latencies=(array("d"), array("d")),
        stories={"never broadcast": 2},
        missing=(Missing(2, "never broadcast"), Missing(3, "never broadcast")),
        duplicated=3,
        reordered=5,
        sent_s=None,
    )
    assert merged([there, here]) == settled(
        lost=(1, 1),
        stories={"unknown": 2},
        missing=(Missing(2, "unknown"), Missing(3, "unknown")),
    )


def test_a_long_track_is_thinned_out_evenly_and_keeps_its_beginning() -> None:
    found = books(*(settled(str(number), 100.0 + number / 100) for number in range(10_000)))
    (track,) = found.tracks({"v": "Ann"})
    assert (track.vendor, track.name) == ("v", "Ann")
    assert 1_000 <= len(track.points) <= 2_001
    assert track.points[0][0] == 0.0
    gaps = {round(later[0] - earlier[0], 6) for earlier, later in zip(track.points, track.points[1:], strict=False)}
    assert len(gaps) == 1


def seen(**changes: Any) -> Seen:
    return Seen(**{"overdue": 0, "connections": 2, "received": 0, "duplicated": 0, **changes})


def test_the_series_has_a_row_for_every_second_with_what_happened_in_it() -> None:
    series = Series()
    series.see(-1.5, seen(connections=1, invocations=100, errors=1))
    series.due(0.2)
    series.sent(0.25, 0.05)
    series.sent(0.3, 0.01)
    series.loop_was_late(0.9, 0.002)
    series.see(0.95, seen(received=3, duplicated=1, queued=7, in_flight=2, invocations=104, errors=2, concurrency=3))
    books(settled(due_s=100.2, latencies=(array("d", [0.1, 0.3]), array("d"))), series=series)
    series.see(2.5, seen(received=4, overdue=9, queued=3))
    series.finish_before(2.0)
    rows = series.rows(PHASES)
    assert [(row.t_s, row.phase) for row in rows] == [
        (-2, "connecting"),
        (-1, "connecting"),
        *((n, "calm") for n in range(3)),
    ]
    first = rows[2]
    assert (first.asked_updates, first.sent_updates, first.deliveries, first.duplicates) == (1, 2, 3, 1)
    assert (first.latency_p50_ms, first.latency_p99_ms, first.latency_max_ms) == (100.0, 300.0, 300.0)
    assert (first.producer_lag_ms, first.loop_lag_ms, first.invocations, first.invocation_errors) == (50.0, 2.0, 4, 1)
    assert (first.queued, first.in_flight, first.concurrency, first.connections) == (7, 2, 3, 2)
    assert (rows[4].deliveries, rows[4].overdue, rows[4].queued) == (1, 9, 3)
    assert rows[3].latency_p50_ms is None
    assert (series.most_queued, series.most_in_flight) == (7, 2)


def test_latencies_of_a_closed_second_are_not_kept() -> None:
    series = Series()
    series.due(0.0)
    series.finish_before(5.0)
    series.settled(0.5, [0.1])
    assert series.rows(PHASES)[0].latency_max_ms is None


@pytest.mark.parametrize(
    ("at_s", "name"), [(-0.1, "connecting"), (0.0, "calm"), (9.999, "calm"), (10.0 - 1e-9, "rush"), (20.0, "draining")]
)
def test_a_moment_belongs_to_a_phase(at_s: float, name: str) -> None:
    assert PHASES.name_at(at_s) == name


def test_phases_of_a_schedule_end_with_it() -> None:
    phases = [Phase("a", 10.0), Phase("b", 10.0), Phase("c")]
    assert PhaseTimes.of(phases, 15.0) == PhaseTimes(("a", "b"), (0.0, 10.0), 15.0)
    assert PhaseTimes.of(phases, 50.0) == PhaseTimes(("a", "b", "c"), (0.0, 10.0, 20.0), 50.0)
    assert PhaseTimes.of(phases, 50.0).span(2) == (20.0, 50.0)
