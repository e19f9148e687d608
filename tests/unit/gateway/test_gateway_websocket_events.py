"""WebSocket events as whole values, against the samples in `tests/events` (E01–E12)."""

from itertools import pairwise

import pytest

from simulator.gateway.websocket_events import (
    ApiFacts,
    ConnectionFacts,
    authorizer_event,
    clf_time,
    connect_event,
    disconnect_event,
    forwarded_headers,
    message_event,
    method_arn,
)

API = ApiFacts("k3v9q2d7xa", "k3v9q2d7xa.execute-api.us-east-1.amazonaws.com", "primary", {})
AGENT = "Mozilla/5.0 (X11; Linux x86_64) sim/1.0"
CONNECTION = ConnectionFacts("Uz7QaeXyoAMCJ5g=", 1_710_277_498_112, "198.51.100.7", AGENT)
TRACE = "Root=1-65f0c1aa-0a1b2c3d4e5f60718293a4b5"
HANDSHAKE_HEADERS = [
    ("Host", "k3v9q2d7xa.execute-api.us-east-1.amazonaws.com"),
    ("Connection", "keep-alive, Upgrade"),
    ("Upgrade", "websocket"),
    ("Origin", "https://app.example.test"),
    ("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits"),
    ("Sec-WebSocket-Key", "q8Yt0PZ1mJ4c7W2nUeRr5A=="),
    ("Sec-WebSocket-Version", "13"),
    ("User-Agent", AGENT),
]


def connect(headers=HANDSHAKE_HEADERS, query=(), api=API, connection=CONNECTION):
    return connect_event(
        api,
        connection,
        headers=headers,
        query=query,
        request_id="Uz7QaHk2oAMFt_w=",
        trace_id=TRACE,
        now_ms=1_710_277_498_115,
    )


def message(api=API, connection=CONNECTION, body='{"action":"sendvendor","data":{"id":"v-17"}}'):
    return message_event(
        api,
        connection,
        route_key="sendvendor",
        body=body,
        message_id="Uz7RBd1-oAMCJ5g=",
        request_id="Uz7RBGmNoAMFqPA=",
        now_ms=1_710_277_502_431,
    )


def disconnect(api=API, connection=CONNECTION):
    return disconnect_event(
        api,
        connection,
        code=1005,
        reason="Client-side close frame status not set",
        request_id="Uz7TxF0yoAMFlkQ=",
        now_ms=1_710_277_519_870,
    )


def authorizer(headers=HANDSHAKE_HEADERS, query=(), api=API, connection=CONNECTION):
    return authorizer_event(
        api,
        connection,
        headers=headers,
        query=query,
        method_arn=method_arn("us-east-1", "123456789012", api.api_id, api.stage),
        request_id="Uz7QaHk2oAMFt_w=",
        trace_id=TRACE,
        now_ms=1_710_277_498_115,
    )


def test_A04_an_authorizer_event_is_the_sample(sample_event):
    assert authorizer(query=[("token", "a"), ("token", "b")]) == sample_event("websocket_authorizer")


def test_A04_the_request_context_is_that_of_the_connect_event():
    assert authorizer()["requestContext"] == connect()["requestContext"]


@pytest.mark.parametrize("absent", ["pathParameters", "httpMethod", "body", "isBase64Encoded", "path", "resource"])
def test_A04_an_authorizer_event_has_no(absent):
    assert absent not in authorizer()


def test_A04_maps_are_there_even_when_they_are_empty():
    event = authorizer()
    assert event["queryStringParameters"] == event["multiValueQueryStringParameters"] == event["stageVariables"] == {}


def test_A04_stage_variables_come_along():
    api = ApiFacts(API.api_id, API.domain_name, API.stage, {"colour": "blue"})
    assert authorizer(api=api)["stageVariables"] == {"colour": "blue"}


def test_A04_a_client_cannot_say_how_long_its_body_is():
    event = authorizer(headers=[("Content-Length", "7"), ("connection", "x"), ("upgrade", "y")])
    told = {name: value for name, value in event["headers"].items() if not name.startswith("X-")}
    assert told == {"Connection": "upgrade", "content-length": "0", "Upgrade": "websocket"}


@pytest.mark.parametrize(
    ("region", "first"),
    [("us-east-1", "arn:aws:"), ("cn-north-1", "arn:aws-cn:"), ("us-gov-west-1", "arn:aws-us-gov:")],
)
def test_A04_a_method_arn_has_its_regions_partition(region, first):
    assert (
        method_arn(region, "123456789012", "abc", "dev") == f"{first}execute-api:{region}:123456789012:abc/dev/$connect"
    )


def test_a_connect_event_is_the_sample(sample_event):
    assert connect() == sample_event("websocket_connect")


def test_a_message_event_is_the_sample(sample_event):
    assert message() == sample_event("websocket_message_sendvendor")


def test_a_disconnect_event_is_the_sample(sample_event):
    assert disconnect() == sample_event("websocket_disconnect")


def test_E02_only_messages_have_a_message_id():
    assert message()["requestContext"]["messageId"] == "Uz7RBd1-oAMCJ5g="
    assert "messageId" not in connect()["requestContext"]
    assert "messageId" not in disconnect()["requestContext"]


@pytest.mark.parametrize("build", [connect, message, disconnect])
def test_E03_both_request_ids_are_the_same(build):
    context = build()["requestContext"]
    assert context["requestId"] == context["extendedRequestId"]


def test_E04_connected_at_stays_and_time_goes_on():
    contexts = [build()["requestContext"] for build in (connect, message, disconnect)]
    assert {context["connectedAt"] for context in contexts} == {1_710_277_498_112}
    assert all(context["connectedAt"] <= context["requestTimeEpoch"] for context in contexts)
    assert all(one["requestTimeEpoch"] < two["requestTimeEpoch"] for one, two in pairwise(contexts))


@pytest.mark.parametrize(
    ("epoch_ms", "text"),
    [
        pytest.param(0, "01/Jan/1970:00:00:00 +0000", id="epoch"),
        pytest.param(1_707_502_303_999, "09/Feb/2024:18:11:43 +0000", id="milliseconds are cut"),
        pytest.param(1_709_164_799_000, "28/Feb/2024:23:59:59 +0000", id="before a leap day"),
        pytest.param(1_709_164_800_000, "29/Feb/2024:00:00:00 +0000", id="leap day"),
        pytest.param(1_735_689_599_000, "31/Dec/2024:23:59:59 +0000", id="year's end"),
        pytest.param(4_102_444_800_000, "01/Jan/2100:00:00:00 +0000", id="far off"),
    ],
)
def test_E04_request_time_is_clf_in_utc(epoch_ms, text):
    assert clf_time(epoch_ms) == text


@pytest.mark.parametrize(
    ("build", "event_type", "route_key"),
    [(connect, "CONNECT", "$connect"), (message, "MESSAGE", "sendvendor"), (disconnect, "DISCONNECT", "$disconnect")],
)
def test_E05_direction_type_and_route(build, event_type, route_key):
    context = build()["requestContext"]
    assert (context["messageDirection"], context["eventType"], context["routeKey"]) == ("IN", event_type, route_key)


@pytest.mark.parametrize("build", [connect, message, disconnect])
def test_E06_identity_has_no_user_agent_when_the_client_sent_none(build):
    nameless = ConnectionFacts("Uz7QaeXyoAMCJ5g=", 1_710_277_498_112, "198.51.100.7", None)
    assert build(connection=nameless)["requestContext"]["identity"] == {"sourceIp": "198.51.100.7"}


def test_E07_query_keys_exist_only_when_a_query_was_sent():
    plain = connect()
    assert "queryStringParameters" not in plain
    assert "multiValueQueryStringParameters" not in plain
    asked = connect(query=[("room", "a"), ("room", "b"), ("flag", "")])
    assert asked["queryStringParameters"] == {"room": "b", "flag": ""}
    assert asked["multiValueQueryStringParameters"] == {"room": ["a", "b"], "flag": [""]}


def test_E07_a_repeated_header_keeps_all_values_in_one_map_and_the_last_in_the_other():
    event = connect(headers=[("Cookie", "a=1"), ("Cookie", "b=2")])
    assert event["headers"]["Cookie"] == "b=2"
    assert event["multiValueHeaders"]["Cookie"] == ["a=1", "b=2"]


@pytest.mark.parametrize("absent", ["body", "path", "stageVariables"])
def test_E07_a_connect_event_has_no(absent):
    assert absent not in connect()


def test_E08_names_keep_their_casing_and_hop_by_hop_headers_go():
    assert forwarded_headers(
        [("uSeR-aGeNt", "x"), ("connection", "Upgrade"), ("UPGRADE", "websocket")], "203.0.113.9", TRACE
    ) == [
        ("uSeR-aGeNt", "x"),
        ("X-Amzn-Trace-Id", TRACE),
        ("X-Forwarded-For", "203.0.113.9"),
        ("X-Forwarded-Port", "443"),
        ("X-Forwarded-Proto", "https"),
    ]


def test_E08_the_address_is_put_after_a_forwarded_for_that_the_client_sent():
    sent = [("x-forwarded-for", "192.0.2.1"), ("X-Forwarded-For", "192.0.2.2")]
    assert ("X-Forwarded-For", "192.0.2.1, 192.0.2.2, 203.0.113.9") in forwarded_headers(sent, "203.0.113.9", TRACE)


def test_E08_a_client_cannot_say_how_it_was_forwarded():
    sent = [("x-forwarded-proto", "http"), ("x-forwarded-port", "80")]
    names = [name.lower() for name, _ in forwarded_headers(sent, "203.0.113.9", TRACE)]
    assert sorted(names) == ["x-amzn-trace-id", "x-forwarded-for", "x-forwarded-port", "x-forwarded-proto"]


def test_E08_a_trace_that_the_client_began_goes_on():
    theirs = "Root=1-00000000-000000000000000000000000"
    passed = forwarded_headers([("X-Amzn-Trace-Id", theirs)], "203.0.113.9", TRACE)
    assert [value for name, value in passed if name == "X-Amzn-Trace-Id"] == [theirs]


@pytest.mark.parametrize("absent", ["headers", "multiValueHeaders", "queryStringParameters"])
def test_E09_a_message_event_has_no(absent):
    assert absent not in message()


def test_E10_a_disconnect_event_has_synthetic_headers_only():
    event = disconnect()
    assert event["headers"] == {"Host": API.domain_name, "x-api-key": "", "X-Forwarded-For": "", "x-restapi": ""}
    assert event["multiValueHeaders"] == {name: [value] for name, value in event["headers"].items()}


def test_E11_a_disconnect_event_tells_code_and_reason():
    context = disconnect()["requestContext"]
    assert context["disconnectStatusCode"] == 1005
    assert context["disconnectReason"] == "Client-side close frame status not set"


@pytest.mark.parametrize("build", [connect, message, disconnect])
def test_E12_stage_variables_come_along_when_the_stage_has_some(build):
    api = ApiFacts(API.api_id, API.domain_name, API.stage, {"colour": "blue"})
    assert build(api=api)["stageVariables"] == {"colour": "blue"}
    assert "stageVariables" not in build()


def test_M14_a_message_is_never_base64():
    assert message(body="AAEC")["isBase64Encoded"] is False
