from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from simulator.load.frames import read_frame
from simulator.load.latency import Latencies
from simulator.load.ledger import LINGER_S, Ledger, Missing, Settled


def update(number: int, vendor: str = "100", lat: float = 1.0) -> dict[str, Any]:
    return {
        "id": str(1000 + number),
        "userId": vendor,
        "userName": f"Vendor {vendor}",
        "text": "here",
        "date": "2026-01-01T00:00:00.000+00:00",
        "geo": {
            "id": "g",
            "name": "n",
            "full_name": "f",
            "place_type": "city",
            "country": "c",
            "country_code": "US",
            "coordinates": {"lat": lat, "long": 2.0},
        },
    }


class Watched(Ledger):
    """A ledger that keeps what is settled."""

    def __init__(self, groups: Sequence[int], **settings: Any) -> None:
        self.settled: list[Settled] = []
        super().__init__(groups, settle=self.settled.append, **settings)


def running(subscribers: int, *updates: dict[str, Any], opened: bool = True, **settings: Any) -> Watched:
    """A ledger whose updates are due at 10, 11, 12 … and leave 10 ms later."""
    ledger = Watched([0] * subscribers, **settings)
    if opened:
        for subscriber in range(subscribers):
            ledger.opened(subscriber, 1.0)
    for position, each in enumerate(updates):
        ledger.announce(each, 10.0 + position)
        ledger.mark_sent(each["id"], 10.01 + position)
    return ledger


@dataclass(frozen=True)
class Balance:
    expected: int
    lost: int
    duplicated: int
    reordered: int
    cut_off: int = 0


def balance(ledger: Watched) -> Balance:
    """What became of everything, once the run is over."""
    for _ in ledger.settle_all():
        pass
    return Balance(
        sum(sum(each.expected) for each in ledger.settled),
        sum(sum(each.lost) for each in ledger.settled),
        sum(each.duplicated for each in ledger.vendors.values()),
        sum(each.reordered for each in ledger.vendors.values()),
        sum(sum(each.cut_off) for each in ledger.settled),
    )


def wrong_positions(ledger: Watched) -> tuple[int, int]:
    """Checked and wrong."""
    balance(ledger)
    return ledger.positions([True])


def deliver(ledger: Ledger, each: dict[str, Any], at_s: float, *subscribers: int) -> None:
    for subscriber in subscribers:
        ledger.frame(subscriber, json.dumps(each).encode(), at_s)


def test_everything_arrives() -> None:
    first, second = update(1), update(2, "200")
    ledger = running(3, first, second)
    deliver(ledger, first, 10.1, 0, 1, 2)
    deliver(ledger, second, 11.1, 2, 1, 0)
    assert ledger.outstanding() == 0
    assert balance(ledger) == Balance(expected=6, lost=0, duplicated=0, reordered=0)
    assert [(vendor.expected, vendor.lost) for vendor in ledger.vendors.values()] == [(3, 0), (3, 0)]
    assert ledger.positions([True]) == (6, 0)


def test_a_delivery_that_never_comes_is_lost_and_told() -> None:
    first, second = update(1), update(2)
    ledger = running(9, first, second)
    deliver(ledger, first, 10.1, *range(9))
    deliver(ledger, second, 11.1, 0, 1, 2, 3, 4, 5, 6, 7)
    assert ledger.outstanding() == 1
    assert balance(ledger) == Balance(expected=18, lost=1, duplicated=0, reordered=0)
    assert [each.lost for each in ledger.roll.subscribers] == [0] * 8 + [1]
    assert ledger.settled[-1].missing == (Missing(8, "unknown"),)


@pytest.mark.parametrize(
    ("happens", "story"),
    [
        pytest.param(lambda ledger: None, "unknown", id="somebody else got it"),
        pytest.param(lambda ledger: ledger.closed(1, 9.0, "broke"), "socket closed before", id="before"),
        pytest.param(lambda ledger: ledger.closed(1, 10.5, "broke"), "socket closed after", id="after"),
    ],
)
def test_a_loss_comes_with_its_story(happens: Callable[[Ledger], None], story: str) -> None:
    first = update(1)
    ledger = running(2, first)
    happens(ledger)
    deliver(ledger, first, 10.1, 0)
    balance(ledger)
    assert ledger.settled[0].stories == {story: 1}


def test_an_update_that_reached_nobody_was_never_broadcast() -> None:
    ledger = running(2, update(1))
    assert balance(ledger).lost == 2
    assert ledger.settled[0].stories == {"never broadcast": 2}


def test_who_had_just_connected_may_not_have_been_in_the_table_yet() -> None:
    first = update(1)
    ledger = running(2, opened=False)
    ledger.opened(0, 1.0)
    ledger.opened(1, 9.8)
    ledger.announce(first, 10.0)
    ledger.mark_sent(first["id"], 10.0)
    deliver(ledger, first, 10.1, 0)
    balance(ledger)
    assert ledger.settled[0].stories == {"just connected": 1}


def test_an_update_that_never_left_is_expected_nowhere() -> None:
    ledger = running(2)
    ledger.announce(update(1), 10.0)
    assert ledger.outstanding() == 0
    assert balance(ledger) == Balance(0, 0, 0, 0)
    assert ledger.settled[0].sent_s is None


def test_a_second_copy_is_a_duplicate_and_no_delivery() -> None:
    first = update(1)
    ledger = running(1, first)
    deliver(ledger, first, 10.1, 0, 0, 0)
    assert balance(ledger) == Balance(1, 0, 2, 0)
    assert ledger.roll.subscribers[0].duplicated == 2
    assert list(ledger.settled[0].latencies[0]) == [pytest.approx(0.1)]


def test_an_update_after_a_newer_one_of_its_vendor_is_reordered() -> None:
    first, second, other = update(1), update(2), update(3, "200")
    ledger = running(2, first, second, other)
    deliver(ledger, other, 12.1, 0)
    deliver(ledger, second, 12.2, 0)
    deliver(ledger, first, 12.3, 0)
    deliver(ledger, first, 12.4, 1)
    deliver(ledger, second, 12.5, 1)
    assert wrong_positions(ledger) == (4, 1), "subscriber 1 never saw vendor 200"
    assert [each.reordered for each in ledger.vendors.values()] == [1, 0]
    assert [each.reordered for each in ledger.roll.subscribers] == [1, 0]


def test_an_older_fix_that_was_to_leave_later_is_not_reordered_and_moves_no_map_back() -> None:
    newer, older = update(2, lat=2.0), update(1, lat=1.0)
    ledger = running(1, newer, older)
    deliver(ledger, newer, 12.0, 0)
    deliver(ledger, older, 12.1, 0)
    assert balance(ledger) == Balance(2, 0, 0, 0)
    assert ledger.positions([True]) == (1, 0)


def test_a_late_duplicate_of_an_old_update_does_not_move_the_map_back() -> None:
    first, second = update(1, lat=1.0), update(2, lat=2.0)
    ledger = running(1, first, second)
    deliver(ledger, first, 11.1, 0)
    deliver(ledger, second, 11.2, 0)
    deliver(ledger, first, 11.3, 0)
    assert balance(ledger) == Balance(2, 0, 1, 0)
    assert ledger.positions([True]) == (1, 0)


def test_a_lost_last_update_leaves_a_wrong_position_only_where_the_vendor_had_moved() -> None:
    first, parked, moved = update(1, "100", 1.0), update(2, "100", 1.0), update(4, "200", 9.0)
    before = update(3, "200", 8.0)
    ledger = running(1, first, parked, before, moved)
    deliver(ledger, first, 14.0, 0)
    deliver(ledger, before, 14.0, 0)
    assert wrong_positions(ledger) == (2, 1)


def test_an_altered_frame_is_received_counted_and_shows_a_wrong_position() -> None:
    first = update(1)
    ledger = running(2, first)
    moved = {**first, "geo": {**first["geo"], "coordinates": {"lat": 1.5, "long": 2.0}}}
    deliver(ledger, moved, 10.1, 0)
    deliver(ledger, {**first, "text": "there"}, 10.1, 1)
    assert ledger.altered_count == 2
    assert [each.altered for each in ledger.roll.subscribers] == [1, 1]
    assert wrong_positions(ledger) == (2, 1)
    assert balance(ledger).lost == 0


def test_spacing_and_the_order_of_keys_alter_nothing() -> None:
    first = update(1)
    ledger = running(1, first)
    ledger.frame(0, json.dumps(dict(reversed(first.items())), indent=2).encode(), 10.1)
    assert ledger.altered_count == 0
    assert ledger.received == 1


def test_an_update_that_was_never_published_is_unexpected() -> None:
    ledger = running(1, update(1))
    deliver(ledger, update(7), 10.1, 0, 0)
    assert (ledger.unexpected_count, ledger.unexpected, ledger.received) == (2, ["1007"], 0)


def test_who_connects_after_an_update_was_due_is_not_expected_to_get_it() -> None:
    ledger = Watched([0, 0])
    ledger.opened(0, 9.0)
    for number, due_s in ((1, 10.0), (2, 11.0)):
        ledger.announce(update(number), due_s)
    ledger.opened(1, 10.5)
    for number in (1, 2):
        ledger.mark_sent(update(number)["id"], 11.5)
    assert balance(ledger).expected == 3
    assert [each.lost for each in ledger.roll.subscribers] == [2, 1]


def test_a_frame_for_someone_who_was_not_expected_to_get_it_does_not_hide_a_loss() -> None:
    first = update(1)
    ledger = running(2, opened=False)
    ledger.opened(0, 9.0)
    ledger.announce(first, 10.0)
    ledger.opened(1, 10.5)
    ledger.mark_sent(first["id"], 10.6)
    deliver(ledger, first, 11.0, 1)
    assert ledger.outstanding() == 1
    assert balance(ledger) == Balance(expected=1, lost=1, duplicated=0, reordered=0)


def test_who_left_is_not_expected_to_receive_and_what_was_on_its_way_is_cut_off() -> None:
    first, second, third = update(1), update(2), update(3)
    ledger = Watched([0, 0], grace_s=0.4)
    for subscriber in (0, 1):
        ledger.opened(subscriber, 1.0)
    for position, each in enumerate((first, second)):
        ledger.announce(each, 10.0 + position)
        ledger.mark_sent(each["id"], 10.0 + position)
        deliver(ledger, each, 10.2 + position, 0)
    ledger.closed(1, 11.3, "left")
    ledger.announce(third, 12.0)
    ledger.mark_sent(third["id"], 12.0)
    deliver(ledger, third, 12.2, 0)
    assert ledger.outstanding() == 1, "the first was due 1.3 s before it left"
    assert balance(ledger) == Balance(expected=4, lost=1, duplicated=0, reordered=0, cut_off=1)
    assert ledger.positions([True]) == (1, 0), "who left has no map any more"


def test_who_broke_and_comes_back_is_expected_to_receive_only_while_connected() -> None:
    ledger = Watched([0], comes_back=[True], grace_s=5.0)
    ledger.opened(0, 1.0)
    ledger.closed(0, 10.5, "broke")
    ledger.opened(0, 12.5)
    updates = [update(number) for number in range(4)]
    for position, each in enumerate(updates):
        ledger.announce(each, 10.0 + position)
        ledger.mark_sent(each["id"], 10.0 + position)
    deliver(ledger, updates[3], 13.1, 0)
    assert balance(ledger) == Balance(expected=1, lost=0, duplicated=0, reordered=0, cut_off=1)
    assert ledger.positions([True]) == (1, 0)


def test_nothing_is_expected_to_reach_a_group_that_does_not_read() -> None:
    first = update(1)
    ledger = Watched([0, 1], comes_back=[False, False], counts=[True, False])
    for subscriber in (0, 1):
        ledger.opened(subscriber, 1.0)
    ledger.announce(first, 10.0)
    ledger.mark_sent(first["id"], 10.0)
    deliver(ledger, first, 10.1, 0)
    assert balance(ledger).expected == 1
    assert ledger.settled[0].expected == (1, 0)


def test_who_never_connected_is_expected_nothing() -> None:
    ledger = running(3, opened=False)
    ledger.opened(1, 1.0)
    ledger.announce(update(1), 10.0)
    ledger.mark_sent(update(1)["id"], 10.0)
    balance(ledger)
    assert [each.lost for each in ledger.roll.subscribers] == [0, 1, 0]


def test_a_frame_that_overtakes_the_news_of_its_departure_is_recorded_all_the_same() -> None:
    ledger = running(1)
    first = update(1)
    ledger.announce(first, 10.0)
    deliver(ledger, first, 10.3, 0)
    ledger.mark_sent(first["id"], 10.1)
    assert balance(ledger) == Balance(1, 0, 0, 0)
    (settled,) = ledger.settled
    assert (settled.sent_s, list(settled.latencies[0])) == (10.1, [pytest.approx(0.3)])


def test_overdue_counts_what_was_due_a_second_ago_and_is_missing() -> None:
    first, second = update(1), update(2)
    ledger = running(2, first, second)
    deliver(ledger, first, 10.1, 0)
    assert [ledger.overdue(now_s) for now_s in (10.9, 11.1, 12.1)] == [0, 1, 3]
    deliver(ledger, first, 12.2, 1)
    assert ledger.overdue(12.3) == 2


def test_an_update_that_everybody_has_is_settled_after_a_while_and_late_copies_are_still_counted() -> None:
    first = update(1)
    ledger = running(2, first)
    deliver(ledger, first, 10.1, 0, 1)
    assert ledger.sweep(10.2) == 0
    deliver(ledger, first, 11.0, 0)
    assert ledger.sweep(10.1 + LINGER_S) == 1
    assert (ledger.open_updates, ledger.settled[0].duplicated) == (0, 1)
    deliver(ledger, first, 20.0, 1)
    ledger._meanings.clear()
    deliver(ledger, first, 30.0, 1)
    assert ledger.duplicated == 3
    assert ledger.late_copies == {10.0: 1}, "of the one that is forgotten nobody knows when it was due"
    assert ledger.unexpected_count == 0


def test_an_update_is_given_up_after_its_time_and_what_comes_then_is_late() -> None:
    first = update(1)
    ledger = running(2, first, give_up_s=60.0)
    deliver(ledger, first, 10.1, 0)
    assert ledger.sweep(69.9) == 0
    assert ledger.sweep(70.1) == 1
    deliver(ledger, first, 71.0, 1)
    assert (ledger.lost, ledger.late_count, ledger.duplicated) == (1, 1, 0)


def test_an_update_that_leaves_very_late_is_not_given_up_before() -> None:
    first = update(1)
    ledger = running(1, give_up_s=60.0)
    ledger.announce(first, 10.0)
    assert ledger.sweep(500.0) == 0
    ledger.mark_sent(first["id"], 500.0)
    assert ledger.sweep(559.0) == 0
    deliver(ledger, first, 559.5, 0)
    assert balance(ledger) == Balance(1, 0, 0, 0)


def test_a_long_run_keeps_only_what_is_open() -> None:
    ledger = Watched([0])
    ledger.opened(0, 1.0)
    for number in range(2_000):
        each = update(number)
        ledger.announce(each, 10.0 + number)
        ledger.mark_sent(each["id"], 10.0 + number)
        deliver(ledger, each, 10.1 + number, 0)
        ledger.sweep(11.0 + number)
    assert ledger.open_updates <= LINGER_S + 2
    assert len(ledger._by_id) == ledger.open_updates
    assert len(ledger.roll._times_s) == 1


def test_two_updates_with_one_id_are_refused() -> None:
    ledger = running(1, update(1))
    with pytest.raises(ValueError, match="two updates have the id 1001"):
        ledger.announce(update(1), 11.0)


@pytest.mark.parametrize(
    ("payload", "kind"),
    [
        pytest.param('{"message": "Internal server error", "connectionId":"x", "requestId":"y"}', "error", id="M07"),
        pytest.param('{"message": "Forbidden", "connectionId":"x", "requestId":"y"}', "error", id="M05"),
        pytest.param("", "strange", id="empty"),
        pytest.param("not json", "strange", id="not JSON"),
        pytest.param("[]", "strange", id="a list"),
        pytest.param("null", "strange", id="null"),
        pytest.param("[" * 100_000, "strange", id="deep nesting"),
        pytest.param("1" * 10_000, "strange", id="a huge number"),
        pytest.param('{"id": "1"}', "strange", id="half an update"),
        pytest.param(json.dumps({**update(1), "id": 5}), "strange", id="id is a number"),
        pytest.param(json.dumps(update(1)).replace("1.0", "NaN"), "strange", id="position is not a number"),
        pytest.param(json.dumps(update(1)).replace("1.0", "9" * 400), "strange", id="position beyond a float"),
        pytest.param(json.dumps(update(1)).replace("1.0", "true"), "strange", id="position is a flag"),
        pytest.param(json.dumps({**update(1), "geo": []}), "strange", id="geo is a list"),
        pytest.param(json.dumps({**update(1), "id": "x" * 5_000}), "unexpected", id="absurd id"),
        pytest.param(json.dumps({**update(1), "id": "\u0661"}), "unexpected", id="foreign digits"),
        pytest.param(json.dumps({**update(1), "id": "9" * 5_000}), "unexpected", id="endless digits"),
        pytest.param(b"\xff\xfe", "strange", id="not UTF-8"),
        pytest.param('{"message": "\\ud800"}', "error", id="lone surrogate"),
    ],
)
def test_hostile_frames_are_counted_apart_and_hide_nothing(payload: str | bytes, kind: str) -> None:
    ledger = running(1, update(1))
    ledger.frame(0, payload if isinstance(payload, bytes) else payload.encode("utf-8", "surrogatepass"), 10.1)
    counts = {
        "error": ledger.error_frames.total(),
        "strange": ledger.strange_count,
        "unexpected": ledger.unexpected_count,
    }
    assert counts == {**dict.fromkeys(counts, 0), kind: 1}
    assert balance(ledger).lost == 1


def test_an_error_frame_is_known_by_its_message() -> None:
    ledger = running(1)
    ledger.frame(0, b'{"message": "Internal server error", "connectionId":"x", "requestId":"y"}', 1.0)
    assert ledger.error_frames == {"Internal server error": 1}
    assert ledger.roll.subscribers[0].error_frames == 1


def test_a_deeply_nested_update_is_noise() -> None:
    deep = json.dumps(update(1))[:-1] + ', "x": ' + "[" * 900 + "]" * 900 + "}"
    assert type(read_frame(deep.encode())).__name__ in {"NoiseFrame", "UpdateFrame"}


def test_texts_are_forgotten_without_losing_count() -> None:
    updates = [update(number) for number in range(9_000)]
    ledger = running(1, *updates)
    for each in updates:
        deliver(ledger, each, 20_000.0, 0)
    assert balance(ledger) == Balance(9_000, 0, 0, 0)


@pytest.mark.parametrize(
    ("seconds", "milliseconds"),
    [
        pytest.param(-0.5, 0.0, id="left early"),
        pytest.param(0.000_25, 0.25, id="below a millisecond"),
        pytest.param(1.234567, 1234.567, id="the maximum is exact"),
        pytest.param(99_999.0, 3_600_000.0, id="beyond the hour"),
    ],
)
def test_latencies_are_in_milliseconds_with_microseconds(seconds: float, milliseconds: float) -> None:
    latencies = Latencies()
    latencies.record(seconds)
    assert latencies.summary_ms() == {**dict.fromkeys(("p50", "p90", "p99", "p999", "max"), milliseconds), "count": 1}
    assert latencies.percentile_ms(99.0) == milliseconds


def test_no_latencies_have_no_figures() -> None:
    assert Latencies().summary_ms() == {**dict.fromkeys(("p50", "p90", "p99", "p999", "max")), "count": 0}
    assert Latencies().percentile_ms(50.0) is None


def test_latencies_recorded_together_are_those_recorded_one_by_one() -> None:
    seconds = [-0.2, 0.0, 0.000_001, 0.002_047, 0.002_048, 0.1, 0.123_456, 59.99, 7_200.0]
    together, one_by_one = Latencies(), Latencies()
    together.record_all(seconds, 0.05)
    for each in seconds:
        one_by_one.record(each - 0.05)
    assert together.summary_ms() == one_by_one.summary_ms()
    assert together.encoded() == one_by_one.encoded()
    together.record_all([])
    assert together.count == len(seconds)


def test_a_sweep_while_everything_is_settled_settles_nothing_twice() -> None:
    ledger = running(1, update(0), update(1), update(2))
    for number in range(3):
        ledger.frame(0, json.dumps(update(number)).encode(), 20.0)
    settling = ledger.settle_all()
    next(settling)
    assert ledger.sweep(20.0 + LINGER_S) == 2
    assert len(list(settling)) == 2
    assert [each.update_id for each in ledger.settled] == ["1000", "1001", "1002"]


def row(*updates: Any) -> dict[str, Any]:
    return {"twitterId": "100", "tweets": list(updates)}


def test_who_asks_for_all_vendors_must_know_what_it_missed() -> None:
    ledger = running(2, update(0), update(1, lat=5.0), opened=False, asks=[True])
    ledger.opened(0, 20.0)
    ledger.pictured(0, [row(update(1, lat=5.0), update(0))])  # by its id, whatever the order
    ledger.opened(1, 20.0)
    assert wrong_positions(ledger) == (2, 1)
    assert balance(ledger) == Balance(0, 0, 0, 0)


def test_a_picture_is_no_delivery_and_takes_nothing_back() -> None:
    ledger = running(1, update(0), update(1, lat=5.0), asks=[True])
    ledger.frame(0, json.dumps(update(1, lat=5.0)).encode(), 12.0)
    ledger.pictured(0, [row(update(0))])
    assert wrong_positions(ledger) == (1, 0)
    assert balance(ledger) == Balance(2, 1, 0, 0)


def test_a_frame_that_comes_after_the_picture_of_a_newer_update_is_not_reordered() -> None:
    ledger = running(1, update(0), update(1, lat=5.0), asks=[True])
    ledger.pictured(0, [row(update(1, lat=5.0))])
    for number, lat in ((0, 1.0), (1, 5.0)):
        ledger.frame(0, json.dumps(update(number, lat=lat)).encode(), 12.0)
    assert wrong_positions(ledger) == (1, 0)
    assert balance(ledger) == Balance(2, 0, 0, 0)


@pytest.mark.parametrize("tweets", [None, "x", [None, 3, {}, {"id": 4}, {"id": "1"}, update(7, vendor="stranger")]])
def test_a_row_may_hold_anything(tweets: Any) -> None:
    ledger = running(1, update(0), asks=[True])
    ledger.pictured(0, [{"tweets": tweets}, {}])
    assert wrong_positions(ledger) == (1, 1)
    assert set(ledger.vendors) == {"100"}
