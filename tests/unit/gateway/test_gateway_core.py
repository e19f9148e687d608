"""The rules of a WebSocket API, driven without a socket: what happened goes in, what to do comes out."""

import json

import pytest

from simulator.errors import InputError
from simulator.gateway.actions import Accept, Close, InvokeRoute, Refuse, Send
from simulator.gateway.core import ABNORMAL, GOING_AWAY, NO_STATUS, NORMAL_CLOSE, Handshake
from simulator.gateway.life import State
from simulator.gateway.moment import Moment
from simulator.gateway.proxy_result import Failure, ProxyResult

HELLO = Handshake(headers=[("Host", "a"), ("User-Agent", "sim/1.0")], query=[("room", "a")], source_ip="198.51.100.7")


def at(ms):
    """A moment at which both clocks read the same."""
    return Moment(ms, ms / 1000)


def event_of(action):
    assert isinstance(action, InvokeRoute)
    return json.loads(action.payload)


# -- the handshake -----------------------------------------------------------------------------------------------------


def test_H02_the_handshake_only_invokes_connect(make_core):
    core = make_core()
    connection_id, actions = core.handshake(HELLO, at(1_000))
    (invoke,) = actions
    assert (invoke.route_key, invoke.function, invoke.connection_id) == ("$connect", "on-connect", connection_id)
    assert core.find(connection_id).state is State.CONNECTING
    event = event_of(invoke)
    assert event["requestContext"]["connectionId"] == connection_id
    assert event["requestContext"]["connectedAt"] == 1_000
    assert event["requestContext"]["requestId"] == invoke.request_id
    assert event["queryStringParameters"] == {"room": "a"}


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_H03_any_2xx_accepts(make_core, status):
    core = make_core()
    connection_id, _ = core.handshake(HELLO, at(1_000))
    assert core.connect_returned(connection_id, ProxyResult(status), at(1_001)) == [Accept(connection_id, None)]
    assert core.find(connection_id).state is State.OPEN
    assert (core.opened, core.refused, core.open_count) == (1, 0, 1)


@pytest.mark.parametrize(
    ("outcome", "status", "message"),
    [
        pytest.param(ProxyResult(301), 301, "Internal server error", id="H04 redirect"),
        pytest.param(ProxyResult(400), 400, "Internal server error", id="H04 bad request"),
        pytest.param(ProxyResult(401), 401, "Unauthorized", id="H04 unauthorized"),
        pytest.param(ProxyResult(403), 403, "Forbidden", id="H04 forbidden"),
        pytest.param(ProxyResult(501), 501, "Internal server error", id="H04 not implemented"),
        pytest.param(Failure.ERROR, 502, "Internal server error", id="H05 raised"),
        pytest.param(Failure.MALFORMED, 502, "Internal server error", id="H05 malformed"),
        pytest.param(Failure.REFUSED, 500, "Internal server error", id="H06 Lambda refused"),
        pytest.param(Failure.TIMEOUT, 504, "Endpoint request timed out", id="H07 too slow"),
    ],
)
def test_anything_else_refuses_and_forgets_the_connection(make_core, outcome, status, message):
    core = make_core()
    connection_id, _ = core.handshake(HELLO, at(1_000))
    body = f'{{"message":"{message}"}}'.encode()
    assert core.connect_returned(connection_id, outcome, at(1_001)) == [Refuse(connection_id, status, body)]
    assert core.find(connection_id) is None
    assert (core.opened, core.refused, core.open_count) == (0, 1, 0)


def test_H08_without_a_connect_route_every_client_is_accepted(make_core):
    core = make_core({"$default": {}})
    connection_id, actions = core.handshake(HELLO, at(1_000))
    assert actions == [Accept(connection_id, None)]
    assert core.find(connection_id).state is State.OPEN


@pytest.mark.parametrize("name", ["Sec-WebSocket-Protocol", "sec-websocket-protocol", "SEC-WEBSOCKET-PROTOCOL"])
def test_H09_only_the_subprotocol_of_the_headers_is_passed_on(make_core, name):
    core = make_core()
    connection_id, _ = core.handshake(HELLO, at(1_000))
    result = ProxyResult(200, headers={"Set-Cookie": "a=1", name: "chat.v2"}, body=b"hello")
    assert core.connect_returned(connection_id, result, at(1_001)) == [Accept(connection_id, "chat.v2")]


def test_H10_an_empty_subprotocol_is_none(make_core):
    core = make_core()
    connection_id, _ = core.handshake(HELLO, at(1_000))
    result = ProxyResult(200, headers={"Sec-WebSocket-Protocol": ""})
    assert core.connect_returned(connection_id, result, at(1_001)) == [Accept(connection_id, None)]


def test_M20_a_refused_handshake_never_disconnects(make_core):
    core = make_core()
    connection_id, _ = core.handshake(HELLO, at(1_000))
    core.connect_returned(connection_id, ProxyResult(401), at(1_001))
    assert core.gone(connection_id, *ABNORMAL, at(1_002)) == []


def test_a_client_that_leaves_during_connect_is_disconnected_once_connect_has_succeeded(make_core):
    """Otherwise the row that `$connect` wrote would stay for ever."""
    core = make_core()
    connection_id, _ = core.handshake(HELLO, at(1_000))
    assert core.gone(connection_id, *ABNORMAL, at(1_001)) == []
    (invoke,) = core.connect_returned(connection_id, ProxyResult(200), at(1_500))
    context = event_of(invoke)["requestContext"]
    assert (invoke.route_key, context["disconnectStatusCode"]) == ("$disconnect", 1006)
    assert (context["connectedAt"], context["requestTimeEpoch"]) == (1_000, 1_500)
    assert core.find(connection_id) is None
    assert (core.opened, core.refused) == (0, 0)


@pytest.mark.parametrize("outcome", [ProxyResult(401), Failure.ERROR])
def test_a_client_that_leaves_during_a_connect_that_fails_is_forgotten(make_core, outcome):
    core = make_core()
    connection_id, _ = core.handshake(HELLO, at(1_000))
    core.gone(connection_id, *ABNORMAL, at(1_001))
    assert core.connect_returned(connection_id, outcome, at(1_002)) == []
    assert core.find(connection_id) is None
    assert (core.opened, core.refused) == (0, 0)


def test_a_connection_id_in_use_is_not_given_again(make_core, ids, monkeypatch):
    core = make_core()
    repeated = iter(["Uz7QaeXyoAMCJ5g=", "Uz7QaeXyoAMCJ5g=", "JC1dgf9yoAMCK-g="])
    monkeypatch.setattr(ids, "connection_id", lambda: next(repeated))
    assert core.handshake(HELLO, at(1_000))[0] == "Uz7QaeXyoAMCJ5g="
    assert core.handshake(HELLO, at(1_000))[0] == "JC1dgf9yoAMCK-g="


def test_an_expression_that_cannot_be_used_names_the_api(make_core):
    with pytest.raises(InputError, match=r"RouteSelectionExpression of Sockets .*request\.body\.action"):
        make_core(expression="$request.header.action")


# -- messages ----------------------------------------------------------------------------------------------------------


def test_M04_a_message_invokes_the_route_it_names(make_core, open_connection):
    core = make_core({"$connect": {}, "$default": {}, "sendvendor": {}})
    connection_id = open_connection(core)
    (invoke,) = core.message(connection_id, '{"action":"sendvendor"}', at(2_000))
    event = event_of(invoke)
    assert (invoke.route_key, invoke.function) == ("sendvendor", "on-sendvendor")
    assert event["body"] == '{"action":"sendvendor"}'
    assert event["requestContext"]["routeKey"] == "sendvendor"
    assert event["requestContext"]["messageId"][8:] == connection_id[8:]


@pytest.mark.parametrize("text", ["hello", '{"action":"other"}', "{}", ""])
def test_M04_what_names_no_route_goes_to_the_default(make_core, open_connection, text):
    core = make_core({"$connect": {}, "$default": {}, "sendvendor": {}})
    (invoke,) = core.message(open_connection(core), text, at(2_000))
    assert invoke.route_key == "$default"
    assert event_of(invoke)["requestContext"]["routeKey"] == "$default"
    assert event_of(invoke)["body"] == text


@pytest.mark.parametrize("text", ["hello", '{"action":"$connect"}', '{"action":"$disconnect"}'])
def test_M05_without_a_default_the_client_is_told_forbidden(make_core, open_connection, text):
    core = make_core()
    connection_id = open_connection(core)
    (answer,) = core.message(connection_id, text, at(2_000))
    assert answer.connection_id == connection_id
    frame = json.loads(answer.payload)
    assert (frame["message"], frame["connectionId"]) == ("Forbidden", connection_id)
    assert core.find(connection_id).state is State.OPEN


def test_M03_route_selection_never_applies_to_the_lifecycle_routes(make_core):
    core = make_core({"$connect": {}, "$disconnect": {}, "$default": {}}, expression="$request.body.never")
    connection_id, (invoke,) = core.handshake(HELLO, at(1_000))
    assert invoke.route_key == "$connect"
    core.connect_returned(connection_id, ProxyResult(200), at(1_001))
    (invoke,) = core.gone(connection_id, *NO_STATUS, at(1_002))
    assert invoke.route_key == "$disconnect"


def test_M16_messages_of_one_connection_do_not_wait_for_each_other(make_core, open_connection):
    core = make_core()
    connection_id = open_connection(core)
    invoked = [core.message(connection_id, '{"action":"sendvendor"}', at(2_000))[0] for _ in range(3)]
    assert len({invoke.request_id for invoke in invoked}) == 3
    assert (
        core.message_returned(invoked[2], None, at(3_000)) == core.message_returned(invoked[0], None, at(3_000)) == []
    )


def test_messages_before_the_connection_is_open_are_ignored(make_core):
    core = make_core()
    connection_id, _ = core.handshake(HELLO, at(1_000))
    assert core.message(connection_id, '{"action":"sendvendor"}', at(1_001)) == []
    assert core.message("Uz7QaeXyoAMCJ5g=", '{"action":"sendvendor"}', at(1_001)) == []


@pytest.mark.parametrize(
    ("outcome", "message"),
    [
        pytest.param(Failure.ERROR, "Internal server error", id="M07 raised"),
        pytest.param(Failure.REFUSED, "Internal server error", id="M07 Lambda refused"),
        pytest.param(Failure.TIMEOUT, "Endpoint request timed out", id="M08"),
    ],
)
@pytest.mark.parametrize("two_way", [False, True], ids=["one-way", "two-way"])
def test_a_failure_shows_as_a_frame_and_the_connection_stays(make_core, open_connection, outcome, message, two_way):
    core = make_core({"sendvendor": {"route_response": two_way}})
    connection_id = open_connection(core)
    (invoke,) = core.message(connection_id, '{"action":"sendvendor"}', at(2_000))
    (sent,) = core.message_returned(invoke, outcome, at(3_000))
    expected = {"message": message, "connectionId": connection_id, "requestId": invoke.request_id}
    assert json.loads(sent.payload) == expected
    assert core.find(connection_id).state is State.OPEN


@pytest.mark.parametrize("status", [200, 301, 401, 501])
def test_M10_the_status_of_a_message_is_ignored(make_core, open_connection, status):
    core = make_core()
    (invoke,) = core.message(open_connection(core), '{"action":"sendvendor"}', at(2_000))
    assert core.message_returned(invoke, ProxyResult(status, body=b"hello"), at(3_000)) == []


@pytest.mark.parametrize("outcome", [None, Failure.MALFORMED])
@pytest.mark.parametrize("two_way", [False, True], ids=["one-way", "two-way"])
def test_M11_a_result_without_a_body_sends_nothing(make_core, open_connection, outcome, two_way):
    core = make_core({"sendvendor": {"route_response": two_way}})
    (invoke,) = core.message(open_connection(core), '{"action":"sendvendor"}', at(2_000))
    assert core.message_returned(invoke, outcome, at(3_000)) == []


def test_M12_a_route_response_sends_the_body_back_whatever_the_status(make_core, open_connection):
    core = make_core({"ask": {"route_response": True}, "tell": {}})
    connection_id = open_connection(core)
    (ask,) = core.message(connection_id, '{"action":"ask"}', at(2_000))
    assert core.wants_result("ask")
    assert not core.wants_result("tell")
    assert not core.wants_result("nobody")
    assert core.message_returned(ask, ProxyResult(500, body="né".encode()), at(3_000)) == [
        Send(connection_id, "né".encode())
    ]
    assert core.message_returned(ask, ProxyResult(200), at(3_000)) == []


@pytest.mark.parametrize("outcome", [Failure.ERROR, ProxyResult(200, body=b"hello")])
def test_a_result_for_a_connection_that_is_closing_or_gone_is_dropped(make_core, open_connection, outcome):
    core = make_core({"ask": {"route_response": True}})
    connection_id = open_connection(core)
    (ask,) = core.message(connection_id, '{"action":"ask"}', at(2_000))
    core.closing(connection_id)
    assert core.message_returned(ask, outcome, at(3_000)) == []
    core.gone(connection_id, *NO_STATUS, at(2_001))
    assert core.message_returned(ask, outcome, at(3_000)) == []


# -- the end -----------------------------------------------------------------------------------------------------------


def test_M19_disconnect_runs_when_the_socket_is_gone_and_only_once(make_core, open_connection):
    core = make_core()
    connection_id = open_connection(core, now_ms=1_000)
    core.closing(connection_id)
    (invoke,) = core.gone(connection_id, *NO_STATUS, at(3_000))
    context = event_of(invoke)["requestContext"]
    assert invoke.route_key == "$disconnect"
    assert (context["disconnectStatusCode"], context["disconnectReason"]) == NO_STATUS
    assert core.find(connection_id) is None
    assert core.gone(connection_id, *NO_STATUS, at(3_001)) == []


def test_M19_without_a_disconnect_route_nothing_runs(make_core, open_connection):
    core = make_core({"$connect": {}})
    connection_id = open_connection(core)
    assert core.gone(connection_id, *NO_STATUS, at(3_000)) == []
    assert core.find(connection_id) is None


@pytest.mark.parametrize(("code", "reason"), [NORMAL_CLOSE, GOING_AWAY, (1003, "")])
def test_L13_after_a_close_of_ours_disconnect_reports_our_code(make_core, open_connection, code, reason):
    core = make_core()
    connection_id = open_connection(core)
    assert core.close(connection_id, code, reason) == [Close(connection_id, code, reason)]
    (invoke,) = core.gone(connection_id, *ABNORMAL, at(3_000))
    context = event_of(invoke)["requestContext"]
    assert (context["disconnectStatusCode"], context["disconnectReason"]) == (code, reason)


def test_closing_twice_does_nothing_more(make_core, open_connection):
    core = make_core()
    connection_id = open_connection(core)
    core.close(connection_id, *NORMAL_CLOSE)
    assert core.close(connection_id, *GOING_AWAY) == []
    core.closing(connection_id)
    assert core.find(connection_id).state is State.CLOSING


def test_C15_a_connection_whose_connect_has_not_returned_cannot_be_closed(make_core):
    core = make_core()
    connection_id, _ = core.handshake(HELLO, at(1_000))
    assert core.close(connection_id, *NORMAL_CLOSE) == []
    assert core.find(connection_id).state is State.CONNECTING


def test_outcomes_for_a_connection_that_nobody_knows_do_nothing(make_core):
    assert make_core().connect_returned("Uz7QaeXyoAMCJ5g=", ProxyResult(200), at(1)) == []
