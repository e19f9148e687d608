"""The handshake as a client sees it (H rows)."""

import asyncio
import json

import pytest
from websockets.exceptions import InvalidStatus

from simulator.gateway import connection
from simulator.gateway.ids import is_connection_id
from simulator.invocation import InvokeRefusedError


async def refused(served, url=None):
    """The answer to a client that was not let in."""
    with pytest.raises(InvalidStatus) as caught:
        await served.client(url)
    return caught.value.response


async def test_H01_a_trailing_slash_and_a_query_are_fine(serve):
    served = await serve()
    await served.client(f"{served.websocket_url}/?room=a")
    assert (await served.functions.event("on-connect"))["queryStringParameters"] == {"room": "a"}


@pytest.mark.parametrize(("characters", "status"), [(4_096, 101), (4_097, 414)])
async def test_H01_a_url_has_4096_characters_at_most(serve, characters, status):
    served = await serve()
    raw = await served.raw()
    path = "/primary?q=".ljust(characters - len("wss://a"), "x")
    raw.send(served.upgrade_request(path))
    assert (await raw.answer()).status == status
    assert served.functions.count["on-connect"] == (status == 101)


async def test_H02_no_byte_of_the_answer_leaves_before_connect_returns(serve):
    served = await serve()
    let_in = asyncio.Event()

    async def on_connect(event):
        await let_in.wait()
        return {"statusCode": 200}

    served.functions.handlers["on-connect"] = on_connect
    raw = await served.raw(limit=1)
    raw.send(served.upgrade_request())
    await served.functions.event("on-connect")
    # Other requests are served meanwhile, on the same port and loop.
    assert (await served.ask("GET", "/primary/vendors")).status == 200
    first_byte = asyncio.ensure_future(raw.reader.read(1))
    assert (await served.ask("GET", "/primary/vendors")).status == 200
    assert not first_byte.done()
    let_in.set()
    assert await first_byte == b"H"


@pytest.mark.parametrize("status", [200, 201, 204])
async def test_H03_any_2xx_of_the_handler_opens_the_connection(serve, status):
    served = await serve()
    served.functions.handlers["on-connect"] = lambda event: {"statusCode": status}
    client = await served.client()
    assert client.response.status_code == 101
    assert served.gateway.connection_counts() == {"opened": 1, "refused": 0, "open": 1}


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 429, 501, 503])
async def test_H04_handler_status_outside_2xx_is_the_handshake_status(serve, status):
    served = await serve()
    served.functions.handlers["on-connect"] = lambda event: {"statusCode": status, "body": "no"}
    response = await refused(served)
    assert response.status_code == status
    assert response.headers["content-type"] == "application/json"
    assert is_connection_id(response.headers["x-amz-apigw-id"])
    assert response.headers["x-amzn-requestid"]
    assert served.gateway.connection_counts() == {"opened": 0, "refused": 1, "open": 0}


async def test_H04_a_304_has_no_body_to_wait_for(serve):
    served = await serve()
    served.functions.handlers["on-connect"] = lambda event: {"statusCode": 304}
    raw = await served.raw()
    raw.send(served.upgrade_request())
    assert (await raw.answer()).status == 304
    assert await raw.rest() == b""


async def test_H05_a_handler_that_raises_gives_502(serve):
    served = await serve()
    served.functions.raises("on-connect")
    assert (await refused(served)).status_code == 502


@pytest.mark.parametrize("returned", [None, {}, "ok", {"statusCode": "x"}, {"statusCode": 101}, b"no JSON"])
async def test_H05_a_malformed_result_gives_502_and_a_line_in_the_log(serve, returned, caplog):
    served = await serve()
    served.functions.handlers["on-connect"] = lambda event: returned
    assert (await refused(served)).status_code == 502
    (line,) = [record.getMessage() for record in caplog.records if record.name == "simulator.gateway"]
    assert "route=$connect" in line
    assert "not a proxy result" in line


async def test_H06_a_function_that_lambda_does_not_know_gives_500(serve):
    served = await serve()

    def unknown(event):
        raise InvokeRefusedError(404, "ResourceNotFoundException", "no such function")

    served.functions.handlers["on-connect"] = unknown
    assert (await refused(served)).status_code == 500


async def test_H06_an_invoker_that_breaks_does_not_leave_the_client_waiting(serve, caplog):
    served = await serve()

    def broken(event):
        raise LookupError("nobody expects this")

    served.functions.handlers["on-connect"] = broken
    assert (await refused(served)).status_code == 500
    assert "nobody expects this" in caplog.text


async def test_H07_a_connect_slower_than_its_timeout_gives_504(serve):
    served = await serve({"$connect": {"timeout_ms": 1}})
    never = asyncio.Event()
    served.functions.handlers["on-connect"] = lambda event: never.wait()
    assert (await refused(served)).status_code == 504


async def test_H08_without_a_connect_route_everybody_is_let_in(serve):
    served = await serve({"$default": {"route_response": True}})
    served.functions.handlers["on-default"] = lambda event: {
        "statusCode": 200,
        "body": event["requestContext"]["connectionId"],
    }
    client = await served.client()
    await client.send("hello")
    assert is_connection_id(await client.recv())


async def test_H09_of_the_handlers_headers_only_the_subprotocol_reaches_the_client(serve):
    served = await serve()
    served.functions.handlers["on-connect"] = lambda event: {
        "statusCode": 200,
        "headers": {"sec-websocket-protocol": "chat.v2", "Set-Cookie": "a=1"},
        "body": "hello",
    }
    client = await served.client(subprotocols=["chat.v1", "chat.v2"])
    assert client.subprotocol == "chat.v2"
    assert "set-cookie" not in client.response.headers


async def test_H10_the_gateway_picks_no_subprotocol_itself(serve):
    served = await serve()
    client = await served.client(subprotocols=["chat.v1"])
    assert client.subprotocol is None


async def test_H11_the_offered_subprotocols_arrive_as_they_were_sent(serve):
    served = await serve()
    raw = await served.raw()
    raw.send(served.upgrade_request("/primary", "Sec-WebSocket-Protocol: a,b ,  c"))
    event = await served.functions.event("on-connect")
    assert event["headers"]["Sec-WebSocket-Protocol"] == "a,b ,  c"


@pytest.mark.parametrize("path", ["/other", "/", "/primary/deeper", "/Primary"])
async def test_H12_another_stage_is_forbidden_and_no_function_runs(serve, path):
    served = await serve()
    response = await refused(served, f"ws://127.0.0.1:{served.port}{path}")
    assert response.status_code == 403
    assert json.loads(response.body) == {"message": "Forbidden"}
    assert response.headers["x-amzn-errortype"] == "ForbiddenException"
    assert served.functions.count == {}


@pytest.mark.parametrize("path", ["/primary", "/primary/", "/primary?room=a"])
async def test_H13_a_plain_request_is_told_to_upgrade(serve, path):
    served = await serve()
    answer = await served.ask("GET", path)
    assert (answer.status, answer["upgrade"]) == (426, "websocket")
    assert served.functions.count == {}


async def test_H13_sub_paths_too_where_no_http_api_shares_the_port(serve):
    served = await serve(http_apis=())
    assert (await served.ask("GET", "/primary/deeper")).status == 426
    assert (await served.ask("GET", "/other")).status == 404


async def test_H15_a_stock_client_that_offers_compression_is_served_with_it(serve):
    served = await serve({"$connect": {}, "$default": {"route_response": True}})
    served.functions.handlers["on-default"] = lambda event: {"statusCode": 200, "body": event["body"]}
    client = await served.client(compression="deflate")
    event = await served.functions.event("on-connect")
    assert event["headers"]["Sec-WebSocket-Extensions"] == "permessage-deflate; client_max_window_bits"
    (agreed,) = client.protocol.extensions
    assert (agreed.remote_no_context_takeover, agreed.local_no_context_takeover) == (True, True)
    for text in ["hello" * 1_000, "short", "né" * 8_000]:
        await client.send(text)
        assert await client.recv() == text


async def test_H15_compression_can_be_switched_off(serve):
    served = await serve({"$connect": {}, "$default": {"route_response": True}}, settings={"permessage_deflate": False})
    served.functions.handlers["on-default"] = lambda event: {"statusCode": 200, "body": event["body"]}
    client = await served.client(compression="deflate")
    assert client.protocol.extensions == []
    await client.send("hello" * 1_000)
    assert await client.recv() == "hello" * 1_000


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param(b"Version: 13", b"Version: 8", id="version"),
        pytest.param(b"Sec-WebSocket-Version: 13\r\n", b"", id="no version"),
        pytest.param(b"dGhlIHNhbXBsZSBub25jZQ==", b"c2hvcnQ=", id="short key"),
        pytest.param(b"dGhlIHNhbXBsZSBub25jZQ==", b"@@@", id="broken key"),
        pytest.param(b"Sec-WebSocket-Key", b"X-Key", id="no key"),
        pytest.param(b"GET", b"POST", id="method"),
    ],
)
async def test_an_upgrade_that_breaks_rfc_6455_is_a_bad_request(serve, old, new):
    served = await serve()
    raw = await served.raw()
    raw.send(served.upgrade_request().replace(old, new))
    answer = await raw.answer()
    assert answer.status == 400
    assert (answer["sec-websocket-version"] == "13") is (b"Version" in old)
    assert served.functions.count == {}


async def test_the_accept_header_is_that_of_rfc_6455(serve):
    served = await serve()
    raw = await served.raw()
    raw.send(served.upgrade_request())
    answer = await raw.answer()
    assert (answer.status, answer["sec-websocket-accept"]) == (101, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
    assert (answer["upgrade"], answer["connection"]) == ("websocket", "Upgrade")
    assert answer["content-length"] is None


async def test_frames_sent_before_the_101_are_handled_after_it_in_order(serve):
    served = await serve({"$connect": {}, "$default": {}})
    let_in = asyncio.Event()

    async def on_connect(event):
        await let_in.wait()
        return {"statusCode": 200}

    served.functions.handlers["on-connect"] = on_connect
    raw = await served.raw()
    raw.send(served.upgrade_request() + served.masked_frame(1, b"first"))
    await served.functions.event("on-connect")
    second = served.masked_frame(1, b"second")
    raw.send(second[:4])
    assert (await served.ask("GET", "/primary/vendors")).status == 200
    raw.send(second[4:])
    assert (await served.ask("GET", "/primary/vendors")).status == 200
    assert served.functions.count["on-default"] == 0
    let_in.set()
    assert [(await served.functions.event("on-default"))["body"] for _ in range(2)] == ["first", "second"]


async def test_a_client_that_floods_before_the_101_is_cut_off(serve, monkeypatch):
    monkeypatch.setattr(connection, "MAX_EARLY_BYTES", 1_000)
    served = await serve()
    served.functions.handlers["on-connect"] = lambda event: asyncio.Event().wait()
    raw = await served.raw()
    raw.send(served.upgrade_request() + b"x" * 2_000)
    assert await raw.rest() == b""


async def test_M20_a_refused_handshake_is_followed_by_no_disconnect(serve):
    served = await serve()
    served.functions.handlers["on-connect"] = lambda event: {"statusCode": 401}
    raw = await served.raw()
    raw.send(served.upgrade_request() + served.masked_frame(1, b"hello"))
    assert (await raw.answer()).status == 401
    await raw.close()
    # A whole other connection, opened and closed: whatever the first had left to do would be done by now.
    served.functions.handlers["on-connect"] = lambda event: {"statusCode": 200}
    await (await served.client()).close()
    refused_id, other_id = [
        (await served.functions.event("on-connect"))["requestContext"]["connectionId"] for _ in range(2)
    ]
    event = await served.functions.event("on-disconnect")
    assert event["requestContext"]["connectionId"] == other_id != refused_id
    assert served.functions.count["on-disconnect"] == 1


@pytest.mark.parametrize("how", ["close", "abort"])
async def test_a_client_that_leaves_during_connect_is_disconnected_with_1006_afterwards(serve, how):
    served = await serve()
    let_in = asyncio.Event()

    async def on_connect(event):
        await let_in.wait()
        return {"statusCode": 200}

    served.functions.handlers["on-connect"] = on_connect
    raw = await served.raw()
    raw.send(served.upgrade_request())
    connecting = await served.functions.event("on-connect")
    if how == "abort":
        raw.abort()
    await raw.close()
    assert (await served.ask("GET", "/primary/vendors")).status == 200
    assert served.functions.count["on-disconnect"] == 0
    let_in.set()
    context = (await served.functions.event("on-disconnect"))["requestContext"]
    assert context["connectionId"] == connecting["requestContext"]["connectionId"]
    assert (context["disconnectStatusCode"], context["disconnectReason"]) == (1006, "")
    assert served.gateway.connection_counts()["open"] == 0


async def test_a_client_that_leaves_during_a_connect_that_fails_is_not_disconnected(serve):
    served = await serve()
    let_in = asyncio.Event()

    async def on_connect(event):
        await let_in.wait()
        return {"statusCode": 401}

    served.functions.handlers["on-connect"] = on_connect
    raw = await served.raw()
    raw.send(served.upgrade_request())
    await served.functions.event("on-connect")
    await raw.close()
    let_in.set()
    del served.functions.handlers["on-connect"]
    other = await served.client()
    await other.close()
    await served.functions.event("on-disconnect")
    assert served.functions.count["on-disconnect"] == 1
