from __future__ import annotations

import json
from typing import Any

import pytest

from simulator.load.frames import read_frame
from simulator.load.latency import Latencies
from simulator.load.ledger import Ledger
from simulator.load.reckoning import Deliveries, Loss, Positions, draw_balance, outstanding


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


def running(subscribers: int, *updates: dict[str, Any], opened: bool = True) -> Ledger:
    """A ledger whose updates are due at 10, 11, 12 … and leave 10 ms later."""
    ledger = Ledger(subscribers)
    if opened:
        for subscriber in range(subscribers):
            ledger.opened(subscriber, 1.0)
    for position, each in enumerate(updates):
        ledger.announce(each, 10.0 + position)
        ledger.mark_sent(each["id"], 10.01 + position)
    return ledger


def deliver(ledger: Ledger, each: dict[str, Any], at_s: float, *subscribers: int) -> None:
    for subscriber in subscribers:
        ledger.frame(subscriber, json.dumps(each), at_s)


def test_everything_arrives() -> None:
    first, second = update(1), update(2, "200")
    ledger = running(3, first, second)
    deliver(ledger, first, 10.1, 0, 1, 2)
    deliver(ledger, second, 11.1, 2, 1, 0)
    balance = draw_balance(ledger)
    assert balance.total == Deliveries(expected=6, received=6, lost=0, duplicated=0, reordered=0)
    assert balance.per_vendor == {"100": Deliveries(3, 3, 0, 0, 0), "200": Deliveries(3, 3, 0, 0, 0)}
    assert balance.per_subscriber == [Deliveries(2, 2, 0, 0, 0)] * 3
    assert balance.positions == Positions(checked=6, wrong=0)
    assert (balance.published, balance.broadcast, balance.losses) == (2, 2, ())
    assert outstanding(ledger) == 0


def test_a_delivery_that_never_comes_is_lost_and_told() -> None:
    first, second = update(1), update(2)
    ledger = running(9, first, second)
    deliver(ledger, first, 10.1, *range(9))
    deliver(ledger, second, 11.1, 0, 1, 2, 3, 4, 5, 6, 7)
    assert outstanding(ledger) == 1
    balance = draw_balance(ledger)
    assert balance.total == Deliveries(expected=18, received=17, lost=1, duplicated=0, reordered=0)
    assert balance.per_subscriber[8] == Deliveries(2, 1, 1, 0, 0)
    assert balance.losses == (Loss("1002", "100", 8, 11.0),)


def test_an_update_nobody_gets_is_published_and_not_broadcast() -> None:
    ledger = running(2, update(1))
    balance = draw_balance(ledger)
    assert (balance.published, balance.broadcast, balance.total.lost) == (1, 0, 2)
    assert balance.last_latency.count == 0


def test_an_update_that_never_left_is_expected_nowhere() -> None:
    ledger = running(2)
    ledger.announce(update(1), 10.0)
    assert outstanding(ledger) == 0
    assert draw_balance(ledger).published == 0


def test_a_second_copy_is_a_duplicate_and_no_delivery() -> None:
    first = update(1)
    ledger = running(1, first)
    deliver(ledger, first, 10.1, 0, 0, 0)
    balance = draw_balance(ledger)
    assert balance.total == Deliveries(1, 1, 0, 2, 0)
    assert balance.per_subscriber == [Deliveries(1, 1, 0, 2, 0)]
    assert ledger.all_latency.count == 1


def test_an_update_after_a_newer_one_of_its_vendor_is_reordered() -> None:
    first, second, other = update(1), update(2), update(3, "200")
    ledger = running(2, first, second, other)
    deliver(ledger, other, 12.1, 0)
    deliver(ledger, second, 12.2, 0)
    deliver(ledger, first, 12.3, 0)
    deliver(ledger, first, 12.4, 1)
    deliver(ledger, second, 12.5, 1)
    balance = draw_balance(ledger)
    assert balance.per_vendor["100"].reordered == 1
    assert balance.per_vendor["200"].reordered == 0
    assert [each.reordered for each in balance.per_subscriber] == [1, 0]
    assert balance.positions == Positions(checked=4, wrong=1), "subscriber 1 never saw vendor 200"


def test_a_late_duplicate_of_an_old_update_does_not_move_the_map_back() -> None:
    first, second = update(1, lat=1.0), update(2, lat=2.0)
    ledger = running(1, first, second)
    deliver(ledger, first, 11.1, 0)
    deliver(ledger, second, 11.2, 0)
    deliver(ledger, first, 11.3, 0)
    balance = draw_balance(ledger)
    assert balance.total == Deliveries(2, 2, 0, 1, 0)
    assert balance.positions == Positions(1, 0)


def test_a_lost_last_update_leaves_a_wrong_position_only_where_the_vendor_had_moved() -> None:
    first, parked, moved = update(1, "100", 1.0), update(2, "100", 1.0), update(4, "200", 9.0)
    before = update(3, "200", 8.0)
    ledger = running(1, first, parked, before, moved)
    deliver(ledger, first, 14.0, 0)
    deliver(ledger, before, 14.0, 0)
    assert draw_balance(ledger).positions == Positions(checked=2, wrong=1)


def test_an_altered_frame_is_received_counted_and_shows_a_wrong_position() -> None:
    first = update(1)
    ledger = running(2, first)
    ledger.frame(0, json.dumps({**first, "geo": {**first["geo"], "coordinates": {"lat": 1.5, "long": 2.0}}}), 10.1)
    ledger.frame(1, json.dumps({**first, "text": "there"}), 10.1)
    balance = draw_balance(ledger)
    assert ledger.altered_count == 2
    assert [each.altered for each in ledger.subscribers] == [1, 1]
    assert balance.total.lost == 0
    assert balance.positions == Positions(checked=2, wrong=1)


def test_spacing_and_the_order_of_keys_alter_nothing() -> None:
    first = update(1)
    ledger = running(1, first)
    ledger.frame(0, json.dumps(dict(reversed(first.items())), indent=2), 10.1)
    assert ledger.altered_count == 0
    assert ledger.received == 1


def test_an_update_that_was_never_published_is_unexpected() -> None:
    ledger = running(1, update(1))
    deliver(ledger, update(7), 10.1, 0, 0)
    assert (ledger.unexpected_count, ledger.unexpected, ledger.received) == (2, ["1007"], 0)


def test_who_connects_after_an_update_was_due_is_not_expected_to_get_it() -> None:
    first, second = update(1), update(2)
    ledger = running(2, first, second, opened=False)
    ledger.opened(0, 9.0)
    ledger.opened(1, 10.5)
    balance = draw_balance(ledger)
    assert balance.total.expected == 3
    assert [each.expected for each in balance.per_subscriber] == [2, 1]


def test_who_was_closed_on_purpose_is_no_longer_expected_to_receive() -> None:
    ledger = running(2, update(1), update(2))
    ledger.closed(1, 10.5)
    assert [each.expected for each in draw_balance(ledger).per_subscriber] == [2, 1]


def test_a_frame_for_someone_who_was_not_expected_to_get_it_does_not_hide_a_loss() -> None:
    first = update(1)
    ledger = running(2, first, opened=False)
    ledger.opened(0, 9.0)
    ledger.opened(1, 10.5)
    deliver(ledger, first, 11.0, 1)
    assert draw_balance(ledger).total == Deliveries(expected=1, received=0, lost=1, duplicated=0, reordered=0)


def test_who_never_connected_is_expected_nothing() -> None:
    ledger = running(3, update(1), opened=False)
    ledger.opened(1, 1.0)
    assert [each.expected for each in draw_balance(ledger).per_subscriber] == [0, 1, 0]


def test_latency_counts_from_the_due_time_and_beside_it_from_the_departure() -> None:
    first = update(1)
    ledger = running(2, first)
    deliver(ledger, first, 10.1, 0)
    deliver(ledger, first, 10.3, 1)
    balance = draw_balance(ledger)
    assert ledger.all_latency.summary_ms() == {"p50": 100.031, "p90": 300.0, "p99": 300.0, "max": 300.0, "count": 2}
    assert ledger.all_latency_uncorrected.summary_ms()["max"] == 290.0
    assert balance.first_latency.summary_ms()["max"] == 100.0
    assert balance.last_latency.summary_ms()["max"] == 300.0
    assert balance.last_latency_uncorrected.summary_ms()["max"] == 290.0


def test_a_frame_that_overtakes_the_news_of_its_departure_is_recorded_all_the_same() -> None:
    ledger = running(1)
    first = update(1)
    ledger.announce(first, 10.0)
    deliver(ledger, first, 10.3, 0)
    assert ledger.all_latency_uncorrected.count == 0
    ledger.mark_sent(first["id"], 10.1)
    assert ledger.all_latency_uncorrected.summary_ms()["max"] == 200.0
    assert draw_balance(ledger).total == Deliveries(1, 1, 0, 0, 0)


def test_overdue_counts_what_was_due_a_second_ago_and_is_missing() -> None:
    first, second = update(1), update(2)
    ledger = running(2, first, second)
    deliver(ledger, first, 10.1, 0)
    assert [ledger.overdue(now_s) for now_s in (10.9, 11.1, 12.1)] == [0, 1, 3]
    deliver(ledger, first, 12.2, 1)
    assert ledger.overdue(12.3) == 2


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
        pytest.param(json.dumps(update(1)).encode(), "strange", id="binary"),
        pytest.param('{"message": "\\ud800"}', "error", id="lone surrogate"),
    ],
)
def test_hostile_frames_are_counted_apart_and_hide_nothing(payload: str | bytes, kind: str) -> None:
    ledger = running(1, update(1))
    ledger.frame(0, payload, 10.1)
    counts = {
        "error": ledger.error_frames.total(),
        "strange": ledger.strange_count,
        "unexpected": ledger.unexpected_count,
    }
    assert counts == {**dict.fromkeys(counts, 0), kind: 1}
    assert draw_balance(ledger).total.lost == 1


def test_an_error_frame_is_known_by_its_message() -> None:
    ledger = running(1)
    ledger.frame(0, '{"message": "Internal server error", "connectionId":"x", "requestId":"y"}', 1.0)
    assert ledger.error_frames == {"Internal server error": 1}
    assert ledger.subscribers[0].error_frames == 1


def test_a_deeply_nested_update_is_noise() -> None:
    deep = json.dumps(update(1))[:-1] + ', "x": ' + "[" * 900 + "]" * 900 + "}"
    assert type(read_frame(deep)).__name__ in {"NoiseFrame", "UpdateFrame"}


def test_texts_are_forgotten_without_losing_count() -> None:
    updates = [update(number) for number in range(9_000)]
    ledger = running(1, *updates)
    for each in updates:
        deliver(ledger, each, 20_000.0, 0)
    assert draw_balance(ledger).total == Deliveries(9_000, 9_000, 0, 0, 0)


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
    assert latencies.summary_ms() == {**dict.fromkeys(("p50", "p90", "p99", "max"), milliseconds), "count": 1}
    assert latencies.percentile_ms(99.0) == milliseconds


def test_no_latencies_have_no_figures() -> None:
    assert Latencies().summary_ms() == {"p50": None, "p90": None, "p99": None, "max": None, "count": 0}
    assert Latencies().percentile_ms(50.0) is None
