"""Section 2 of the contract: what becomes of a message (M rows)."""

import json
import uuid
from urllib.parse import quote

import pytest

from harness.events import REQUEST_ID
from harness.probe import new_run
from harness.wire import BINARY

BACK = [{"return_event": True}]


def error_frame(message, event):
    """An error frame byte for byte (M05)."""
    context = event["requestContext"]
    connection_id, request_id = context["connectionId"], context["requestId"]
    return f'{{"message": "{message}", "connectionId":"{connection_id}", "requestId":"{request_id}"}}'


def route_of(probe, api, message):
    """The route key that a message was handled under."""
    socket = probe.open(api)
    socket.send({**message, "run": (run := new_run())})
    return probe.records.event(run)["requestContext"]["routeKey"]


# -- route selection ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("api", "message", "route_key"),
    [
        pytest.param("Sockets", {"action": "tell"}, "tell", id="without braces"),
        pytest.param("Bare", {"service": {"do": "known"}}, "known", id="with braces, nested"),
        pytest.param("Composite", {"action": "both", "detail": "7"}, "both-7", id="two paths and a literal"),
        pytest.param("Sockets", {"action": "$request.body.other", "other": "tell"}, "$default", id="evaluated once"),
        pytest.param("Sockets", {"action": "${request.body.other}", "other": "tell"}, "$default", id="and in braces"),
    ],
)
def test_M01_the_expression_selects_by_paths_and_literals(probe, api, message, route_key):
    assert route_of(probe, api, message) == route_key


@pytest.mark.parametrize(
    ("message", "route_key"),
    [
        pytest.param({"action": "join"}, "join-", id="missing is empty"),
        pytest.param({"action": "list", "detail": ["item1", "item2"]}, "list-[item1, item2]", id="a list"),
        pytest.param({"action": "both", "detail": 7}, "both-7", id="a number"),
        pytest.param({"action": "Both", "detail": 7}, "$default", id="case matters"),
        pytest.param({"action": "both", "detail": "70"}, "$default", id="all of it"),
    ],
)
def test_M02_what_is_missing_or_no_text_becomes_text_and_must_match_exactly(probe, message, route_key):
    assert route_of(probe, "Composite", message) == route_key


def test_M03_connect_and_disconnect_run_whatever_the_expression(probe):
    socket = probe.open("Composite", query={"action": "both", "detail": "7"})
    assert probe.records.connect_event(socket.id)["requestContext"]["routeKey"] == "$connect"
    socket.close()
    assert probe.records.disconnect_event(socket.id)["requestContext"]["routeKey"] == "$disconnect"


@pytest.mark.parametrize("message", ['{"action":"nobody"}', "{}", "no JSON", '["action"]', '{"action":'])
def test_M04_what_matches_no_route_goes_to_the_default(probe, message):
    socket = probe.open()
    socket.send(message)
    (event,) = probe.records.message_events(socket.id)
    assert (event["requestContext"]["routeKey"], event["body"]) == ("$default", message)


@pytest.mark.parametrize("message", ['{"service": {"do": "nobody"}}', "{}", "no JSON"])
def test_M05_without_a_default_the_client_is_told_forbidden_byte_for_byte(probe, message):
    socket = probe.open("Bare")
    known = {"service": {"do": "known"}, "do": BACK}
    socket.send(known)
    connection_id = socket.recv_json()["requestContext"]["connectionId"]
    socket.send(message)
    frame = socket.recv()
    request_id = json.loads(frame)["requestId"]
    assert frame == f'{{"message": "Forbidden", "connectionId":"{connection_id}", "requestId":"{request_id}"}}'
    socket.send(known)
    assert socket.recv_json()["requestContext"]["connectionId"] == connection_id


@pytest.mark.parametrize("key", ["$connect", "$disconnect", "$default"])
def test_M06_a_client_cannot_choose_a_reserved_route(probe, key):
    assert route_of(probe, "Sockets", {"action": key}) == "$default"
    bare = probe.open("Bare")
    bare.send({"service": {"do": key}})
    assert bare.recv_json()["message"] == "Forbidden"


# -- failures ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["tell", "reply", "other"], ids=["one-way", "two-way", "default"])
def test_M07_a_handler_that_raises_shows_as_a_frame_and_the_connection_stays(probe, action):
    socket = probe.open()
    frame = socket.ask(action, {"raise": "broken"})
    (event,) = probe.records.message_events(socket.id)
    assert frame == error_frame("Internal server error", event)
    socket.still_works()


@pytest.mark.parametrize("action", ["blocked", "blockedreply"], ids=["one-way", "two-way"])
def test_M07_so_does_a_function_that_lambda_throttles(probe, action):
    socket = probe.open()
    frame = json.loads(socket.ask(action))
    assert (frame["message"], frame["connectionId"]) == ("Internal server error", socket.id)
    socket.still_works()


def test_M07_so_does_a_function_that_exceeds_its_own_timeout(probe):
    socket = probe.open()
    frame = socket.ask("brief", {"sleep_ms": 4000})
    (event,) = probe.records.message_events(socket.id)
    assert frame == error_frame("Internal server error", event)


def test_M08_a_slow_handler_shows_as_a_frame_and_goes_on_to_post(probe):
    go_on = new_run()
    socket = probe.open()
    frame = socket.ask("hasty", {"wait_for": go_on}, {"post": {"to": "self", "data": "late"}})
    (event,) = probe.records.message_events(socket.id)
    assert frame == error_frame("Endpoint request timed out", event)
    probe.records.put(go_on)
    assert socket.recv() == "late"


@pytest.mark.parametrize(
    "message",
    [
        pytest.param({}, id="missing"),
        pytest.param({"amount": "7"}, id="wrong type"),
        pytest.param({"amount": 0}, id="too small"),
    ],
)
def test_M09_a_message_that_does_not_fit_the_model_of_its_route_reaches_no_handler(probe, message):
    socket = probe.open()
    socket.tell("modelled", amount=1)
    (good,) = probe.records.message_events(socket.id)
    assert good["requestContext"]["routeKey"] == "modelled"
    socket.send({"action": "modelled", **message})
    frame = socket.recv_json()
    message_id = frame.pop("messageId")
    assert REQUEST_ID.fullmatch(message_id)
    assert frame == {"message": "Bad request body", "connectionId": socket.id}
    socket.still_works()
    keys = [event["requestContext"]["routeKey"] for event in probe.records.message_events(socket.id)]
    assert keys == ["modelled", "reply"]


@pytest.mark.parametrize("status", [200, 301, 401, 501])
def test_M10_the_status_of_a_message_is_ignored(probe, status):
    socket = probe.open()
    socket.tell("tell", {"return": {"statusCode": status, "body": "no"}})
    probe.records.message_events(socket.id)
    socket.still_works()


def test_M11_a_message_may_return_nothing(probe):
    socket = probe.open()
    socket.tell("tell", {"return": None})
    probe.records.message_events(socket.id)
    socket.still_works()


def test_M12_a_one_way_route_discards_the_body_and_a_two_way_route_sends_it_back(probe):
    socket = probe.open()
    answer = {"return": {"statusCode": 200, "body": "né"}}
    socket.tell("tell", answer)
    probe.records.message_events(socket.id)
    assert socket.ask("reply", answer) == "né"
    socket.still_works()


def test_M13_a_route_response_on_connect_sends_nothing(probe):
    socket = probe.open("Composite", do=[{"return": {"statusCode": 200, "body": "too early"}}])
    probe.management("Composite").post_to_connection(ConnectionId=socket.id, Data=b"first")
    assert socket.recv() == "first"


def test_M13_what_disconnect_returns_or_raises_is_ignored(probe):
    other = probe.open()
    for step in ({"raise": "broken"}, {"return": {"statusCode": 500}}):
        socket = probe.open(do=[{"at_disconnect": [step]}])
        connection_id = socket.id
        socket.close()
        probe.records.disconnect_event(connection_id)
    other.still_works()


# -- content -----------------------------------------------------------------------------------------------------------


def test_M14_a_binary_message_closes_with_1003_and_reaches_no_handler(probe):
    socket = probe.open()
    connection_id = socket.id
    socket.send(b'{"action": "tell"}')
    assert socket.closed_with()[0] == 1003
    assert probe.records.disconnect_event(connection_id)["requestContext"]["disconnectStatusCode"] == 1003
    kinds = [event["requestContext"]["eventType"] for event in probe.records.events(connection_id)]
    assert kinds == ["CONNECT", "DISCONNECT"]


def test_M14_so_does_a_binary_message_in_fragments(probe):
    wire, _ = probe.upgraded()
    wire.send_frame(BINARY, b"a", fin=False)
    wire.send_frame(0, b"b")
    assert wire.frame().close_code == 1003


def test_M15_an_empty_message_goes_to_the_default(probe):
    socket = probe.open()
    socket.send("")
    (event,) = probe.records.message_events(socket.id)
    assert (event["requestContext"]["routeKey"], event.get("body", "")) == ("$default", "")


# -- order and ends ----------------------------------------------------------------------------------------------------


@pytest.mark.not_in_process("handlers run one at a time")
def test_M16_messages_of_one_connection_are_handled_side_by_side_and_replies_overtake(probe):
    go_on = new_run()
    socket = probe.open()
    socket.tell("reply", {"wait_for": go_on}, {"return": {"statusCode": 200, "body": "first"}})
    socket.tell("reply", {"return": {"statusCode": 200, "body": "second"}})
    assert socket.recv() == "second"
    probe.records.put(go_on)
    assert socket.recv() == "first"


def test_M17_posts_one_after_the_other_arrive_in_order(probe):
    socket = probe.open()
    management = probe.management()
    for number in range(20):
        management.post_to_connection(ConnectionId=socket.id, Data=str(number).encode())
    assert [socket.recv() for _ in range(20)] == [str(number) for number in range(20)]


def test_M18_a_message_that_fails_is_not_tried_again(probe):
    socket = probe.open()
    socket.ask("tell", {"raise": "broken"}, mark="the one that fails")
    socket.still_works()
    events = probe.records.message_events(socket.id, at_least=2)
    assert sum("the one that fails" in event["body"] for event in events) == 1


def test_M19_disconnect_runs_once_and_the_connection_is_gone_by_then(probe):
    socket = probe.open(do=[{"at_disconnect": [{"post": {"to": "self", "data": "too late"}}]}])
    connection_id = socket.id
    socket.close()
    (posted,) = probe.records.wait(connection_id, "posted")
    assert posted["outcome"] == "410 GoneException"
    probe.open().still_works()
    events = [event["requestContext"]["eventType"] for event in probe.records.events(connection_id)]
    assert events == ["CONNECT", "DISCONNECT"]


def test_M19_disconnect_runs_after_delete(probe):
    socket = probe.open()
    connection_id = socket.id
    assert probe.connections("DELETE", quote(connection_id)).status == 204
    assert probe.records.disconnect_event(connection_id)["requestContext"]["routeKey"] == "$disconnect"


@pytest.mark.parametrize(
    ("api", "do", "status"),
    [
        pytest.param("Sockets", [{"return": {"statusCode": 401}}], 401, id="refused"),
        pytest.param("Sockets", [{"raise": "broken"}], 502, id="raised"),
        pytest.param("BriefConnect", [{"sleep_ms": 4000}], 502, id="timed out"),
        pytest.param("HastyConnect", [{"sleep_ms": 400}], 504, id="too slow for the integration"),
    ],
)
def test_M20_a_refused_handshake_is_never_disconnected(probe, api, do, status):
    run = uuid.uuid4().hex
    assert probe.refused(api, do=do, run=run).status_code == status
    connection_id = probe.records.connect_event(run)["requestContext"]["connectionId"]
    accepted = probe.open()
    accepted_id = accepted.id
    accepted.close()
    probe.records.disconnect_event(accepted_id)
    (only,) = probe.records.events(connection_id)
    assert only["requestContext"]["eventType"] == "CONNECT"
