"""The events that functions get from real connections (E rows)."""

import asyncio
import re
import ssl
import time

import pytest
from botocore.httpsession import where

from simulator.gateway.ids import is_connection_id
from simulator.gateway.tls import ThrowawayAuthority

ROUTES = {"$connect": {}, "$disconnect": {}, "$default": {}, "sendvendor": {}}


async def one_life(served):
    """Connect, say something, leave: the three events."""
    client = await served.client(f"{served.websocket_url}?room=a&room=b", user_agent_header="sim/1.0")
    connect = await served.functions.event("on-connect")
    await client.send('{"action":"sendvendor"}')
    message = await served.functions.event("on-sendvendor")
    await client.close(4001, "bye")
    return connect, message, await served.functions.event("on-disconnect")


async def test_E01_connection_ids_have_the_shape_of_aws_and_do_not_repeat(serve):
    served = await serve()
    ids = [(await served.client_and_id())[1] for _ in range(5)]
    assert all(is_connection_id(connection_id) for connection_id in ids)
    assert len(set(ids)) == 5


async def test_E02_a_message_id_is_on_messages_only_and_ends_like_the_connection_id(serve):
    served = await serve(ROUTES)
    connect, message, disconnect = [event["requestContext"] for event in await one_life(served)]
    assert message["messageId"][8:] == message["connectionId"][8:]
    assert "messageId" not in connect
    assert "messageId" not in disconnect


async def test_E03_request_ids_are_new_for_every_event(serve):
    served = await serve(ROUTES)
    contexts = [event["requestContext"] for event in await one_life(served)]
    assert all(context["requestId"] == context["extendedRequestId"] for context in contexts)
    assert len({context["requestId"] for context in contexts}) == 3


async def test_E04_times_are_milliseconds_and_connected_at_stays(serve):
    served = await serve(ROUTES)
    before_ms = time.time_ns() // 1_000_000
    contexts = [event["requestContext"] for event in await one_life(served)]
    after_ms = time.time_ns() // 1_000_000
    (connected_at,) = {context["connectedAt"] for context in contexts}
    times = [context["requestTimeEpoch"] for context in contexts]
    assert before_ms <= connected_at <= times[0] <= times[1] <= times[2] <= after_ms
    assert all(
        re.fullmatch(r"\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000", context["requestTime"]) for context in contexts
    )


async def test_E05_direction_type_and_selected_route(serve):
    served = await serve(ROUTES)
    contexts = [event["requestContext"] for event in await one_life(served)]
    assert [(c["eventType"], c["routeKey"], c["messageDirection"]) for c in contexts] == [
        ("CONNECT", "$connect", "IN"),
        ("MESSAGE", "sendvendor", "IN"),
        ("DISCONNECT", "$disconnect", "IN"),
    ]


async def test_E06_identity_is_the_peers_address_and_its_user_agent(serve):
    served = await serve(ROUTES)
    for event in await one_life(served):
        assert event["requestContext"]["identity"] == {"sourceIp": "127.0.0.1", "userAgent": "sim/1.0"}


async def test_E07_connect_has_headers_and_the_query_that_was_sent(serve):
    served = await serve(ROUTES)
    connect, _, _ = await one_life(served)
    assert connect["queryStringParameters"] == {"room": "b"}
    assert connect["multiValueQueryStringParameters"] == {"room": ["a", "b"]}
    assert connect["multiValueHeaders"] == {name: [value] for name, value in connect["headers"].items()}
    assert "body" not in connect
    await served.client()
    plain = await served.functions.event("on-connect")
    assert "queryStringParameters" not in plain
    assert "multiValueQueryStringParameters" not in plain


async def test_E08_the_clients_headers_pass_and_the_gateways_are_added(serve):
    served = await serve()
    await served.client(
        origin="https://app.example.test", additional_headers={"x-cAsE": "kept", "X-Forwarded-For": "192.0.2.1"}
    )
    headers = (await served.functions.event("on-connect"))["headers"]
    assert headers["Host"] == f"127.0.0.1:{served.port}"
    assert headers["Origin"] == "https://app.example.test"
    assert headers["x-cAsE"] == "kept"
    assert headers["Sec-WebSocket-Version"] == "13"
    assert re.fullmatch(r"Root=1-[0-9a-f]{8}-[0-9a-f]{24}", headers["X-Amzn-Trace-Id"])
    assert headers["X-Forwarded-For"] == "192.0.2.1, 127.0.0.1"
    assert (headers["X-Forwarded-Port"], headers["X-Forwarded-Proto"]) == ("443", "https")
    assert {"connection", "upgrade"}.isdisjoint(name.lower() for name in headers)


async def test_E09_a_message_has_neither_headers_nor_a_query(serve):
    served = await serve(ROUTES)
    _, message, _ = await one_life(served)
    assert set(message) == {"requestContext", "body", "isBase64Encoded"}
    assert message["body"] == '{"action":"sendvendor"}'


async def test_E10_disconnect_has_synthetic_headers(serve):
    served = await serve(ROUTES)
    _, _, disconnect = await one_life(served)
    assert disconnect["headers"] == {
        "Host": f"127.0.0.1:{served.port}",
        "x-api-key": "",
        "X-Forwarded-For": "",
        "x-restapi": "",
    }


async def test_E11_disconnect_tells_code_and_reason(serve):
    served = await serve(ROUTES)
    _, _, disconnect = await one_life(served)
    context = disconnect["requestContext"]
    assert (context["disconnectStatusCode"], context["disconnectReason"]) == (4001, "bye")


@pytest.mark.parametrize("scheme", ["https", "http"])
async def test_E13_the_address_in_an_event_is_that_of_the_callbacks(serve, scheme):
    """`https://{domainName}/{stage}`, given to boto3 as handlers do, with the bundle that functions trust."""
    served = await serve(ROUTES)
    bundle = str(served.gateway.ca_bundle)

    async def echo(event):
        context = event["requestContext"]
        url = f"{scheme}://{context['domainName']}/{context['stage']}"
        callbacks = served.boto3_client(url, verify=bundle if scheme == "https" else None)
        await asyncio.to_thread(
            callbacks.post_to_connection, ConnectionId=context["connectionId"], Data=event["body"].encode()
        )

    served.functions.handlers["on-default"] = echo
    client = await served.client()
    await client.send("hello")
    assert await client.recv() == "hello"


async def test_E13_websockets_and_requests_work_over_tls_on_the_same_port(serve):
    served = await serve({"$connect": {}, "$default": {"route_response": True}})
    served.functions.handlers["on-default"] = lambda event: {"statusCode": 200, "body": event["body"]}
    trusting = ssl.create_default_context(cafile=str(served.gateway.ca_bundle))
    client = await served.client(f"wss://127.0.0.1:{served.port}/primary", ssl=trusting)
    await client.send("hello")
    assert await client.recv() == "hello"
    raw = await served.raw(ssl=trusting, server_hostname="localhost")
    raw.send(b"GET /primary/vendors HTTP/1.1\r\nHost: a\r\n\r\n")
    assert (await raw.answer()).status == 200


def test_E13_the_bundle_still_trusts_the_public_authorities():
    authority = ThrowawayAuthority("127.0.0.1")
    try:
        public, bundle = (ssl.create_default_context(cafile=str(path)) for path in (where(), authority.bundle))
        assert len(bundle.get_ca_certs()) == len(public.get_ca_certs()) + 1
    finally:
        authority.discard()
    assert not authority.bundle.exists()
