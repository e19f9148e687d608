"""Idle and age limits (L04–L08): the core says when it wants waking, and closes what is due."""

import pytest

from simulator.gateway import management
from simulator.gateway.actions import Close
from simulator.gateway.core import NO_STATUS
from simulator.gateway.deadlines import Deadlines
from simulator.gateway.life import State
from simulator.gateway.moment import Moment
from simulator.gateway.proxy_result import Failure, ProxyResult

IDLE = {"$connect": {}, "$disconnect": {}, "$default": {}}


def at(seconds):
    return Moment(round(seconds * 1000), seconds)


def test_L04_ten_minutes_without_data_close_with_1001(make_core, open_connection):
    core = make_core(IDLE)
    connection_id = open_connection(core, now_ms=1_000)
    assert core.wake_in_s(at(1)) == 600
    assert core.wake(at(600.9)) == []
    assert core.wake(at(601)) == [Close(connection_id, 1001, "Going away")]
    assert core.find(connection_id).state is State.CLOSING
    assert core.wake_in_s(at(601)) is None


def test_L04_disconnect_reports_the_idle_close(make_core, open_connection):
    core = make_core(IDLE)
    connection_id = open_connection(core, now_ms=1_000)
    core.wake(at(601))
    (invoke,) = core.gone(connection_id, *NO_STATUS, at(602))
    assert b'"disconnectStatusCode":1001,"disconnectReason":"Going away"' in invoke.payload


def by_message(core, ids, connection_id, now):
    core.message(connection_id, "hello", now)


def by_callback(core, ids, connection_id, now):
    assert management.answer(core, ids, "POST", connection_id, b"x", now=now).status == 200


def by_error_frame(core, ids, connection_id, now):
    (invoke,) = core.message(connection_id, "hello", at(2))
    core.message_returned(invoke, Failure.ERROR, now)


def by_route_response(core, ids, connection_id, now):
    (invoke,) = core.message(connection_id, '{"action":"ask"}', at(2))
    core.message_returned(invoke, ProxyResult(200, body=b"hi"), now)


@pytest.mark.parametrize("data", [by_message, by_callback, by_error_frame, by_route_response])
def test_L05_data_in_either_direction_resets_the_idle_timer(make_core, open_connection, ids, data):
    core = make_core({**IDLE, "ask": {"route_response": True}})
    connection_id = open_connection(core, now_ms=1_000)
    data(core, ids, connection_id, at(600))
    assert core.wake(at(601)) == []
    assert core.wake_in_s(at(601)) == 599
    assert core.wake(at(1_200)) == [Close(connection_id, 1001, "Going away")]


@pytest.mark.parametrize(
    "nothing",
    [
        lambda core, ids, connection_id, now: core.ping(connection_id, now),
        lambda core, ids, connection_id, now: management.answer(core, ids, "GET", connection_id, b"", now=now),
    ],
    ids=["ping", "get"],
)
def test_L06_a_ping_or_a_look_does_not_reset_the_idle_timer(make_core, open_connection, ids, nothing):
    core = make_core(IDLE)
    connection_id = open_connection(core, now_ms=1_000)
    nothing(core, ids, connection_id, at(600))
    assert core.wake(at(601)) == [Close(connection_id, 1001, "Going away")]


def test_L06_a_ping_resets_it_where_the_setting_says_so(make_core, open_connection):
    core = make_core(IDLE, ping_resets_idle_timer=True)
    connection_id = open_connection(core, now_ms=1_000)
    core.ping(connection_id, at(600))
    core.ping("Uz7QaeXyoAMCJ5g=", at(600))
    assert core.wake(at(601)) == []


def test_L08_two_hours_close_whatever_was_said(make_core, open_connection):
    core = make_core(IDLE)
    connection_id = open_connection(core, now_ms=1_000)
    for minute in range(1, 120):
        core.message(connection_id, "still here", at(1 + minute * 60))
        assert core.wake(at(1 + minute * 60)) == []
    assert core.wake(at(7_201)) == [Close(connection_id, 1001, "Going away")]


def test_L08_the_close_code_at_the_maximum_age_is_a_setting(make_core, open_connection):
    core = make_core(IDLE, max_age_s=5, max_age_close_code=1000)
    connection_id = open_connection(core, now_ms=1_000)
    assert core.wake(at(6)) == [Close(connection_id, 1000, "Going away")]


def test_the_clock_of_the_timers_can_run_faster(make_core, open_connection):
    core = make_core(IDLE, clock_speed=600)
    connection_id = open_connection(core, now_ms=1_000)
    assert core.wake_in_s(at(1)) == pytest.approx(1)
    assert core.wake(at(1.9)) == []
    assert core.wake(at(2.01)) == [Close(connection_id, 1001, "Going away")]


def test_the_clock_of_the_timers_can_be_moved_by_hand_only(make_core, open_connection):
    core = make_core(IDLE, clock_speed=0)
    connection_id = open_connection(core, now_ms=1_000)
    assert core.wake_in_s(at(90_000)) is None
    core.advance(599)
    assert core.wake(at(90_000)) == []
    core.advance(1)
    assert core.wake_in_s(at(90_000)) == 0
    assert core.wake(at(90_000)) == [Close(connection_id, 1001, "Going away")]


def test_a_connection_that_left_wakes_nobody_up(make_core, open_connection):
    core = make_core(IDLE)
    connection_id = open_connection(core, now_ms=1_000)
    core.gone(connection_id, *NO_STATUS, at(2))
    assert core.wake(at(601)) == []
    assert core.wake_in_s(at(601)) is None


def test_a_handshake_under_way_has_no_idle_timer(make_core):
    """The integration's own time-out ends it (H07)."""
    core = make_core(IDLE)
    assert core.wake_in_s(at(1)) is None


def test_each_connection_has_its_own_deadline(make_core, open_connection):
    core = make_core(IDLE)
    first, second = open_connection(core, now_ms=1_000), open_connection(core, now_ms=5_000)
    assert core.wake(at(602)) == [Close(first, 1001, "Going away")]
    assert core.wake_in_s(at(602)) == 3
    assert core.wake(at(605)) == [Close(second, 1001, "Going away")]


def test_a_deadline_that_moved_back_is_watched_again_and_one_that_is_gone_is_not():
    deadlines = Deadlines()
    now = {"a": 5.0, "b": 9.0}
    for key in ("a", "b", "c"):
        deadlines.watch(key, 4.0)
    assert list(deadlines.due(6.0, now.get)) == ["a"]
    assert deadlines.next_s() == 9.0
    assert list(deadlines.due(9.0, now.get)) == ["b"]
    assert deadlines.next_s() is None
