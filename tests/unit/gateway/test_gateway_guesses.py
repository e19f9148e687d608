"""What nobody has seen on AWS (the contract's I rows) is a setting: each changes what it says it changes."""

import json

import pytest

from simulator.gateway import management
from simulator.gateway.actions import Accept, InvokeRoute, Refuse, Send
from simulator.gateway.core import ABNORMAL, Handshake
from simulator.gateway.moment import Moment
from simulator.gateway.proxy_result import Failure, ProxyResult

HELLO = Handshake(headers=[], query=[("a", "1"), ("a", "2")], source_ip="198.51.100.7")


def at(ms):
    return Moment(ms, ms / 1000)


def refusal(core, outcome):
    connection_id, _ = core.handshake(HELLO, at(1_000))
    return core.connect_returned(connection_id, outcome, at(1_001))


def test_H07_status_of_a_connect_that_is_too_slow(make_core):
    assert refusal(make_core(connect_timeout_status=503), Failure.TIMEOUT)[0].status == 503


def test_H08_without_a_connect_route_nobody_may_connect(make_core):
    core = make_core({"$default": {}}, accept_without_connect_route=False)
    connection_id, actions = core.handshake(HELLO, at(1_000))
    assert actions == [Refuse(connection_id, 403, b'{"message":"Forbidden"}')]


@pytest.mark.parametrize(
    ("choice", "body"), [("message", b'{"message":"Forbidden"}'), ("handler", b"go away"), ("empty", b"")]
)
def test_H16_body_of_a_refused_handshake(make_core, choice, body):
    assert refusal(make_core(refusal_body=choice), ProxyResult(403, body=b"go away"))[0].body == body


@pytest.mark.parametrize(("choice", "value"), [("last", "2"), ("first", "1")])
def test_E07_which_value_of_a_repeated_query_key_is_kept(make_core, choice, value):
    _, (invoke,) = make_core(repeated_query_value=choice).handshake(HELLO, at(1_000))
    event = json.loads(invoke.payload)
    assert event["queryStringParameters"] == {"a": value}
    assert event["multiValueQueryStringParameters"] == {"a": ["1", "2"]}


def test_M06_a_message_picks_a_reserved_key_by_name(make_core, open_connection):
    core = make_core({"$connect": {}, "$default": {}}, reserved_keys_selectable=True)
    (invoke,) = core.message(open_connection(core), '{"action":"$connect"}', at(2_000))
    assert invoke.route_key == "$connect"
    assert json.loads(invoke.payload)["requestContext"]["eventType"] == "MESSAGE"


@pytest.mark.parametrize(("choice", "has_body"), [("empty", True), ("absent", False)])
def test_M15_body_of_an_empty_text_frame(make_core, open_connection, choice, has_body):
    core = make_core({"$default": {}}, empty_text_body=choice)
    (invoke,) = core.message(open_connection(core), "", at(2_000))
    event = json.loads(invoke.payload)
    assert ("body" in event) is has_body
    assert event.get("body", "") == ""


def test_M20_a_refused_handshake_is_followed_by_disconnect(make_core):
    refused, disconnect = refusal(make_core(disconnect_after_refusal=True), ProxyResult(401))
    assert isinstance(refused, Refuse)
    assert isinstance(disconnect, InvokeRoute)
    assert disconnect.route_key == "$disconnect"


def test_L13_code_after_a_reset(make_core, open_connection):
    core = make_core(reset_close_code=1005)
    (invoke,) = core.gone(open_connection(core), *ABNORMAL, at(2_000))
    assert json.loads(invoke.payload)["requestContext"]["disconnectStatusCode"] == 1005


@pytest.mark.parametrize(("moves", "seen"), [(True, "1970-01-01T00:00:05.000Z"), (False, "1970-01-01T00:00:01.000Z")])
def test_C07_whether_a_post_moves_last_active_at(make_core, open_connection, ids, moves, seen):
    core = make_core({"$default": {}}, callbacks_move_last_active=moves)
    connection_id = open_connection(core, now_ms=1_000)
    management.answer(core, ids, "POST", connection_id, b"x", now=at(5_000))
    answer = management.answer(core, ids, "GET", connection_id, b"", now=at(6_000))
    assert json.loads(answer.body)["lastActiveAt"] == seen


def test_C18_a_post_becomes_a_binary_frame(make_core, open_connection, ids):
    core = make_core({"$default": {}}, callback_frame="binary")
    connection_id = open_connection(core)
    answer = management.answer(core, ids, "POST", connection_id, b"\xff\x00", now=at(5_000))
    assert answer.actions == (Send(connection_id, b"\xff\x00", binary=True),)


@pytest.mark.parametrize(("status", "sent"), [(400, 0), (413, 0), (200, 1)])
def test_C19_status_of_a_post_without_a_body(make_core, open_connection, ids, status, sent):
    core = make_core({"$default": {}}, empty_callback_status=status)
    answer = management.answer(core, ids, "POST", open_connection(core), b"", now=at(5_000))
    assert (answer.status, len(answer.actions)) == (status, sent)


def test_without_any_change_the_contracts_values_hold(make_core):
    core = make_core({"$default": {}})
    assert isinstance(core.handshake(HELLO, at(1_000))[1][0], Accept)
