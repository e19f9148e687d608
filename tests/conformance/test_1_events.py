"""Section 1.3 of the contract: identifiers and the events of a connection (E rows)."""

import json
from urllib.parse import quote

from harness.events import CONNECTION_ID, REQUEST_ID, context_of, domain_name, settled, single
from harness.probe import new_run

COLOUR = {"colour": "green"}


def open_by_hand(probe, query, *headers):
    """A WebSocket on a plain socket with exactly these headers besides the necessary ones; and its CONNECT event."""
    run = new_run()
    wire = probe.wire()
    wire.upgraded(f"?run={run}{query}", list(headers))
    return wire, probe.records.connect_event(run)


def test_E01_connection_ids_have_sixteen_characters_and_are_never_the_same(probe):
    ids = [probe.open().id for _ in range(20)]
    assert len(set(ids)) == 20
    for each in ids:
        assert CONNECTION_ID.fullmatch(each)


def test_E01_an_id_with_another_last_letter_is_well_formed_too(probe):
    assert probe.connections("GET", quote("H111mc0HywMCEEf=")).status == 410


def test_E02_a_message_id_ends_like_its_connection_id(probe):
    socket = probe.open()
    for number in (1, 2):
        socket.tell("tell", number=number)
        probe.records.message_events(socket.id, at_least=number)
    ids = [event["requestContext"]["messageId"] for event in probe.records.message_events(socket.id)]
    assert len(set(ids)) == 2
    for each in ids:
        assert REQUEST_ID.fullmatch(each)
        assert each[-4:] == socket.id[-4:]
    assert "messageId" not in probe.records.connect_event(socket.id)["requestContext"]


def test_E03_the_request_id_is_new_in_every_event_and_stands_there_twice(probe):
    socket = probe.open()
    connection_id = socket.id
    socket.still_works()
    socket.close()
    probe.records.disconnect_event(connection_id)
    contexts = [event["requestContext"] for event in probe.records.events(connection_id, at_least=3)]
    assert all(context["requestId"] == context["extendedRequestId"] for context in contexts)
    assert len({context["requestId"] for context in contexts}) == 3


def test_E04_connected_at_stays_and_is_no_later_than_the_request(probe):
    socket = probe.open()
    connection_id = socket.id
    socket.still_works()
    socket.close()
    probe.records.disconnect_event(connection_id)
    contexts = [event["requestContext"] for event in probe.records.events(connection_id, at_least=3)]
    assert len({context["connectedAt"] for context in contexts}) == 1
    times = [context["requestTimeEpoch"] for context in contexts]
    assert contexts[0]["connectedAt"] <= times[0]
    assert times == sorted(times)


def test_E06_without_a_user_agent_the_identity_is_the_address_alone(probe):
    _, event = open_by_hand(probe, "")
    assert set(event["requestContext"]["identity"]) == {"sourceIp"}


def test_E05_E07_E08_the_whole_connect_event(probe):
    run = new_run()
    wire = probe.wire()
    wire.upgraded(
        f"?run={run}&room=a&room=b&empty=",
        [
            ("User-Agent", "probe/1.0"),
            ("ORIGIN", "https://app.example.test"),
            ("x-Mixed-Case", "kept"),
            ("X-Twice", "first"),
            ("X-Twice", "second"),
        ],
    )
    event = probe.records.connect_event(run)
    key = event["headers"]["Sec-WebSocket-Key"]
    headers = {
        "Host": ["<domainName>"],
        "Sec-WebSocket-Version": ["13"],
        "Sec-WebSocket-Key": [key],
        "User-Agent": ["probe/1.0"],
        "ORIGIN": ["https://app.example.test"],
        "x-Mixed-Case": ["kept"],
        "X-Twice": ["first", "second"],
        "X-Amzn-Trace-Id": ["<trace>"],
        "X-Forwarded-For": ["<sourceIp>"],
        "X-Forwarded-Port": ["443"],
        "X-Forwarded-Proto": ["https"],
    }
    query = {"run": [run], "room": ["a", "b"], "empty": [""]}
    assert settled(event, probe.target) == {
        "headers": single(headers),
        "multiValueHeaders": headers,
        "queryStringParameters": single(query),
        "multiValueQueryStringParameters": query,
        "stageVariables": COLOUR,
        "requestContext": context_of("$connect", "CONNECT"),
        "isBase64Encoded": False,
    }


def test_E07_without_a_query_its_keys_are_absent(probe):
    wire = probe.wire()
    wire.upgraded()
    wire.send_frame(1, json.dumps({"action": "reply", "do": [{"return_event": True}]}).encode())
    connection_id = json.loads(wire.frame().payload)["requestContext"]["connectionId"]
    assert set(probe.records.connect_event(connection_id)) == {
        "headers",
        "multiValueHeaders",
        "stageVariables",
        "requestContext",
        "isBase64Encoded",
    }


def test_E08_the_extensions_that_a_client_offers_are_passed_on(probe):
    _, event = open_by_hand(probe, "", ("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits"))
    assert event["headers"]["Sec-WebSocket-Extensions"] == "permessage-deflate; client_max_window_bits"


def test_E02_E05_E09_the_whole_message_event(probe):
    wire, connected = open_by_hand(probe, "", ("User-Agent", "probe/1.0"))
    body = '{"action": "tell", "né": [1, null]}'
    wire.send_frame(1, body.encode())
    (event,) = probe.records.message_events(connected["requestContext"]["connectionId"])
    assert settled(event, probe.target) == {
        "stageVariables": COLOUR,
        "requestContext": context_of("tell", "MESSAGE", messageId="<messageId>"),
        "body": body,
        "isBase64Encoded": False,
    }


def test_E05_the_route_key_is_the_selected_one(probe):
    socket = probe.open()
    socket.tell("nobody")
    (event,) = probe.records.message_events(socket.id)
    assert event["requestContext"]["routeKey"] == "$default"


def test_E05_E10_E11_the_whole_disconnect_event(probe):
    wire, connected = open_by_hand(probe, "&room=a", ("User-Agent", "probe/1.0"), ("X-Custom", "gone by then"))
    wire.send_frame(8, b"")
    headers = {"Host": ["<domainName>"], "x-api-key": [""], "X-Forwarded-For": [""], "x-restapi": [""]}
    event = probe.records.disconnect_event(connected["requestContext"]["connectionId"])
    assert type(event["requestContext"]["disconnectStatusCode"]) is int
    assert settled(event, probe.target) == {
        "headers": single(headers),
        "multiValueHeaders": headers,
        "stageVariables": COLOUR,
        "requestContext": context_of(
            "$disconnect",
            "DISCONNECT",
            disconnectStatusCode=1005,
            disconnectReason="Client-side close frame status not set",
        ),
        "isBase64Encoded": False,
    }


def test_E12_without_stage_variables_the_key_is_absent(probe):
    socket = probe.open("Bare")
    socket.send({"service": {"do": "known"}, "do": [{"return_event": True}]})
    assert "stageVariables" not in socket.recv_json()


def test_E12_the_stage_variables_are_in_every_event(probe):
    socket = probe.open()
    connection_id = socket.id
    socket.still_works()
    socket.close()
    probe.records.disconnect_event(connection_id)
    assert [event["stageVariables"] for event in probe.records.events(connection_id, at_least=3)] == [COLOUR] * 3


def test_E13_the_address_in_the_event_is_the_address_for_callbacks(probe):
    socket = probe.open()
    socket.tell("tell", {"post": {"to": "self", "data": "by the event's own address"}})
    assert socket.recv() == "by the event's own address"
    (posted,) = probe.records.wait(socket.id, "posted")
    assert posted["url"] == f"https://{domain_name(probe.target)}/probe"
