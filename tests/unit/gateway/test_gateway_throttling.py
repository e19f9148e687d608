"""Who is told to come again later (H14, L09–L11, C14, P17)."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.gateway.actions import InvokeRoute, Refuse, Send
from simulator.gateway.core import Handshake
from simulator.gateway.life import State
from simulator.gateway.moment import Moment
from simulator.gateway.settings import GatewaySettings
from simulator.gateway.throttling import AccountThrottle, RouteThrottles, TokenBucket
from simulator.stack.model import Throttle

HELLO = Handshake(headers=[], query=[], source_ip="198.51.100.7")
TOO_MANY = b'{"message":"Too Many Requests"}'


def at(seconds):
    return Moment(round(seconds * 1000), seconds)


def took(bucket, now_s):
    if not bucket.has_token(now_s):
        return False
    bucket.take()
    return True


def test_a_bucket_gives_its_burst_at_once_and_then_its_rate():
    bucket = TokenBucket(rate_per_s=2, burst=3)
    assert [took(bucket, 0.0) for _ in range(4)] == [True, True, True, False]
    assert [took(bucket, 0.5) for _ in range(2)] == [True, False]
    assert [took(bucket, 60.0) for _ in range(4)] == [True, True, True, False]


@given(
    rate=st.floats(0, 100),
    burst=st.integers(0, 20),
    gaps=st.lists(st.floats(0, 2), max_size=60),
)
def test_no_bucket_ever_gives_more_than_its_burst_and_what_it_gained(rate, burst, gaps):
    bucket, now_s, given_out = TokenBucket(rate, burst), 0.0, 0
    for gap in gaps:
        now_s += gap
        given_out += took(bucket, now_s)
        assert given_out <= burst + rate * now_s + 1e-6


def test_H14_new_connections_beyond_the_burst_get_429(make_core):
    core = make_core(connects_burst=2, connects_per_s=1)
    assert [isinstance(core.handshake(HELLO, at(0))[1][0], InvokeRoute) for _ in range(2)] == [True, True]
    connection_id, actions = core.handshake(HELLO, at(0))
    assert actions == [Refuse(connection_id, 429, TOO_MANY)]
    assert core.find(connection_id) is None
    assert core.refused == 1
    assert isinstance(core.handshake(HELLO, at(1))[1][0], InvokeRoute)


@pytest.mark.parametrize("routes", [None, {"$default": {}}], ids=["with $connect", "without"])
@pytest.mark.parametrize(
    "throttle", [Throttle(rate_per_s=0, burst=0), Throttle(burst=0), Throttle(rate_per_s=5, burst=0)]
)
def test_H14_a_stage_with_a_limit_of_nothing_refuses_every_connection(make_core, throttle, routes):
    core = make_core(routes, throttle=throttle)
    connection_id, actions = core.handshake(HELLO, at(0))
    assert actions == [Refuse(connection_id, 429, TOO_MANY)]


def test_L11_a_throttled_message_is_told_and_the_connection_stays(make_core, open_connection):
    core = make_core({"$connect": {}, "sendvendor": {"throttle": Throttle(rate_per_s=1, burst=1)}, "$default": {}})
    connection_id = open_connection(core, now_ms=0)
    assert isinstance(core.message(connection_id, '{"action":"sendvendor"}', at(1))[0], InvokeRoute)
    (sent,) = core.message(connection_id, '{"action":"sendvendor"}', at(1))
    assert isinstance(sent, Send)
    frame = json.loads(sent.payload)
    assert (frame["message"], frame["connectionId"]) == ("Too Many Requests", connection_id)
    assert core.find(connection_id).state is State.OPEN
    assert isinstance(core.message(connection_id, "another route", at(1))[0], InvokeRoute)


def test_L11_the_text_of_that_frame_is_a_setting(make_core, open_connection):
    core = make_core({"$default": {"throttle": Throttle(burst=0)}}, throttled_message="Slow down")
    (sent,) = core.message(open_connection(core), "x", at(1))
    assert json.loads(sent.payload)["message"] == "Slow down"


def test_L10_messages_of_all_routes_and_no_route_share_the_account(make_core, open_connection):
    core = make_core({"$connect": {}, "a": {}}, account_burst=3, account_rate_per_s=1)
    connection_id = open_connection(core, now_ms=0)
    messages = [
        json.loads(core.message(connection_id, text, at(0))[0].payload) for text in ('{"action":"a"}', "?", "?")
    ]
    assert "requestContext" in messages[0]
    assert [each["message"] for each in messages[1:]] == ["Forbidden", "Too Many Requests"]


def throttles(account, stage=None, **routes):
    return RouteThrottles(account, stage, routes)


def test_a_route_without_limits_of_its_own_has_the_stages_in_a_bucket_of_its_own():
    account = AccountThrottle(GatewaySettings())
    limits = throttles(account, Throttle(rate_per_s=1, burst=1), a=None, b=Throttle(burst=2))
    assert [limits.admits("a", 0.0) for _ in range(2)] == [True, False]
    assert [limits.admits("b", 0.0) for _ in range(3)] == [True, True, False]
    assert [limits.admits(None, 0.0) for _ in range(2)] == [True, False]
    assert limits.admits("b", 1.0)


def test_a_request_that_one_bucket_refuses_takes_from_no_other():
    account = AccountThrottle(GatewaySettings(account_burst=2, account_rate_per_s=0))
    limits = throttles(account, a=Throttle(rate_per_s=0, burst=0), b=None)
    assert [limits.admits("a", 0.0) for _ in range(5)] == [False] * 5
    assert [limits.admits("b", 0.0) for _ in range(3)] == [True, True, False]


def test_L10_two_apis_share_what_the_account_has():
    account = AccountThrottle(GatewaySettings(account_burst=2, account_rate_per_s=0))
    one, two = throttles(account, a=None), throttles(account, a=None)
    assert [one.admits("a", 0.0), two.admits("a", 0.0), one.admits("a", 0.0)] == [True, True, False]
    assert not account.admits(0.0)
