"""Section 2 of the contract: what becomes of a message (M rows)."""

import json

import pytest


@pytest.mark.parametrize("message", ['{"action":"nobody"}', "{}", "no JSON", '["action"]'])
def test_M04_what_matches_no_route_goes_to_the_default(probe, message):
    socket = probe.open()
    socket.send(message)
    (event,) = probe.records.message_events(socket.id)
    assert (event["requestContext"]["routeKey"], event["body"]) == ("$default", message)


def test_M05_without_a_default_the_client_is_told_forbidden_byte_for_byte(probe):
    socket = probe.open("Bare")
    known = {"service": {"do": "known"}, "do": [{"return_event": True}]}
    socket.send(known)
    connection_id = json.loads(socket.recv())["requestContext"]["connectionId"]
    socket.send('{"action": "nobody"}')
    frame = socket.recv()
    request_id = json.loads(frame)["requestId"]
    assert frame == f'{{"message": "Forbidden", "connectionId":"{connection_id}", "requestId":"{request_id}"}}'
    socket.send(known)
    assert json.loads(socket.recv())["requestContext"]["connectionId"] == connection_id


@pytest.mark.parametrize("action", ["tell", "reply"])
def test_M07_a_handler_that_raises_shows_as_a_frame_and_the_connection_stays(probe, action):
    socket = probe.open()
    frame = socket.ask(action, {"raise": "broken"})
    (event,) = probe.records.message_events(socket.id)
    request_id = event["requestContext"]["requestId"]
    assert frame == f'{{"message": "Internal server error", "connectionId":"{socket.id}", "requestId":"{request_id}"}}'
    socket.still_works()
