"""Messages and how connections end (M rows, and the limits and close codes of L01, L03, L06 and L13)."""

import asyncio
import json
import socket
import struct

import pytest
from websockets.exceptions import ConnectionClosed

from simulator.invocation import InvokeRefusedError

ECHO = {"$connect": {}, "$disconnect": {}, "$default": {"route_response": True}}


def echo(event):
    return {"statusCode": 200, "body": event["body"]}


async def closed_with(client):
    """The close code and reason that a client saw."""
    with pytest.raises(ConnectionClosed) as caught:
        await client.recv()
    assert caught.value.rcvd is not None
    return caught.value.rcvd.code, caught.value.rcvd.reason


async def disconnect_codes(served):
    context = (await served.functions.event("on-disconnect"))["requestContext"]
    return context["disconnectStatusCode"], context["disconnectReason"]


async def still_works(served, client):
    """The connection can still be talked to from both ends."""
    served.functions.handlers["on-default"] = echo
    await client.send("still here?")
    assert await client.recv() == "still here?"


# -- routes ------------------------------------------------------------------------------------------------------------


async def test_M04_a_message_goes_to_the_route_it_names_and_else_to_the_default(serve):
    served = await serve({"$connect": {}, "$default": {}, "sendvendor": {}})
    client = await served.client()
    await client.send('{"action":"sendvendor"}')
    assert (await served.functions.event("on-sendvendor"))["requestContext"]["routeKey"] == "sendvendor"
    for text in ('{"action":"other"}', "{}", "hello", "", '{"action":"$connect"}'):
        await client.send(text)
        event = await served.functions.event("on-default")
        assert (event["body"], event["requestContext"]["routeKey"]) == (text, "$default")
    assert served.functions.count == {"on-connect": 1, "on-sendvendor": 1, "on-default": 5}


async def test_M05_without_a_default_the_client_is_told_forbidden_and_stays(serve):
    served = await serve({"$connect": {}, "sendvendor": {"route_response": True}})
    client, connection_id = await served.client_and_id()
    await client.send("hello")
    frame = await client.recv()
    request_id = json.loads(frame)["requestId"]
    assert frame == f'{{"message": "Forbidden", "connectionId":"{connection_id}", "requestId":"{request_id}"}}'
    served.functions.handlers["on-sendvendor"] = echo
    await client.send('{"action":"sendvendor"}')
    assert await client.recv() == '{"action":"sendvendor"}'


@pytest.mark.parametrize("two_way", [False, True], ids=["one-way", "two-way"])
async def test_M07_a_handler_that_raises_shows_as_a_frame_and_the_connection_stays(serve, two_way):
    served = await serve({"$connect": {}, "broken": {"route_response": two_way}, "$default": {"route_response": True}})
    served.functions.raises("on-broken")
    client, connection_id = await served.client_and_id()
    await client.send('{"action":"broken"}')
    frame = await client.recv()
    request_id = (await served.functions.event("on-broken"))["requestContext"]["requestId"]
    assert frame == (
        f'{{"message": "Internal server error", "connectionId":"{connection_id}", "requestId":"{request_id}"}}'
    )
    await still_works(served, client)


async def test_M07_so_does_a_function_that_lambda_throttles(serve):
    served = await serve(ECHO)

    def throttled(event):
        raise InvokeRefusedError(429, "TooManyRequestsException", "Rate Exceeded.")

    served.functions.handlers["on-default"] = throttled
    client = await served.client()
    await client.send("hello")
    assert json.loads(await client.recv())["message"] == "Internal server error"
    await still_works(served, client)


async def test_M08_a_handler_slower_than_its_timeout_shows_as_a_frame_and_runs_on(serve):
    served = await serve({"$connect": {}, "slow": {"timeout_ms": 1}})
    go_on, finished = asyncio.Event(), asyncio.Event()

    async def slow(event):
        await go_on.wait()
        finished.set()

    served.functions.handlers["on-slow"] = slow
    client = await served.client()
    await client.send('{"action":"slow"}')
    assert json.loads(await client.recv())["message"] == "Endpoint request timed out"
    go_on.set()
    await asyncio.wait_for(finished.wait(), 10)


@pytest.mark.parametrize(
    "returned", [{"statusCode": status, "body": "no"} for status in (200, 301, 401, 501)] + [None, "x"]
)
async def test_M10_what_a_one_way_route_returns_is_ignored(serve, returned):
    served = await serve({"$connect": {}, "tell": {}, "$default": {"route_response": True}})
    served.functions.handlers["on-tell"] = lambda event: returned
    client = await served.client()
    await client.send('{"action":"tell"}')
    await served.functions.event("on-tell")
    await still_works(served, client)


@pytest.mark.parametrize("status", [200, 301, 500])
async def test_M12_a_route_response_sends_the_body_back(serve, status):
    served = await serve(ECHO)
    served.functions.handlers["on-default"] = lambda event: {"statusCode": status, "body": f"<{event['body']}>"}
    client = await served.client()
    await client.send("né")
    assert await client.recv() == "<né>"


@pytest.mark.parametrize("returned", [None, {"body": "x"}, {"statusCode": 200, "body": {"a": 1}}, {"statusCode": 200}])
async def test_M12_without_a_usable_body_nothing_is_sent_back(serve, returned, caplog):
    served = await serve(ECHO)
    served.functions.handlers["on-default"] = lambda event: returned
    client = await served.client()
    await client.send("hello")
    await served.functions.event("on-default")
    await still_works(served, client)
    assert ("no reply" in caplog.text) is (returned != {"statusCode": 200})


async def test_M14_a_binary_message_closes_with_1003_and_reaches_no_function(serve):
    served = await serve(ECHO)
    client = await served.client()
    await client.send(b"\x00\x01")
    assert (await closed_with(client))[0] == 1003
    assert (await disconnect_codes(served))[0] == 1003
    assert served.functions.count["on-default"] == 0


async def test_M16_messages_of_one_connection_are_handled_side_by_side(serve):
    served = await serve(ECHO)
    second_answered = asyncio.Event()

    async def answer(event):
        if event["body"] == "first":
            await second_answered.wait()
        return echo(event)

    served.functions.handlers["on-default"] = answer
    client = await served.client()
    await client.send("first")
    await client.send("second")
    assert await client.recv() == "second"
    second_answered.set()
    assert await client.recv() == "first"


# -- frames ------------------------------------------------------------------------------------------------------------


async def test_L01_a_frame_of_32_kilobytes_is_the_longest(serve):
    served = await serve(ECHO)
    served.functions.handlers["on-default"] = lambda event: {"statusCode": 200, "body": str(len(event["body"]))}
    client = await served.client()
    await client.send("x" * 32_768)
    assert await client.recv() == "32768"
    await client.send("x" * 32_769)
    assert (await closed_with(client))[0] == 1009
    assert (await disconnect_codes(served))[0] == 1009
    assert served.functions.count["on-default"] == 1


async def test_L01_a_message_in_fragments_may_have_128_kilobytes(serve):
    served = await serve(ECHO)
    served.functions.handlers["on-default"] = lambda event: {"statusCode": 200, "body": str(len(event["body"]))}
    client = await served.client()
    await client.send(["x" * 32_768] * 4)
    assert await client.recv() == "131072"
    await client.send(["x" * 32_768] * 4 + ["x"])
    assert (await closed_with(client))[0] == 1009


async def test_L01_a_client_that_is_still_sending_sees_the_close_frame(serve):
    """Not a reset: the socket is not closed while bytes are unread."""
    served = await serve(ECHO)
    raw = await served.upgraded()
    raw.send(served.masked_frame(1, b"x" * 1_000_000) + b"more" * 100_000)
    answer = await raw.rest()
    assert answer[:1] == b"\x88"
    assert int.from_bytes(answer[2:4], "big") == 1009
    await raw.close()
    assert (await disconnect_codes(served))[0] == 1009


async def test_L03_fragments_are_one_event(serve):
    served = await serve(ECHO)
    served.functions.handlers["on-default"] = echo
    client = await served.client()
    await client.send(["a", "", "né", "z"])
    assert await client.recv() == "anéz"
    assert served.functions.count["on-default"] == 1


async def test_L03_a_character_may_be_cut_in_two_and_a_ping_may_come_between(serve):
    served = await serve(ECHO)
    served.functions.handlers["on-default"] = echo
    raw = await served.upgraded()
    frame = served.masked_frame
    raw.send(frame(1, b"n\xc3", fin=False) + frame(9, b"ping") + frame(0, b"\xa9", fin=True))
    assert await raw.reader.readexactly(6) == b"\x8a\x04ping"
    assert await raw.reader.readexactly(5) == b"\x81\x03n\xc3\xa9"


async def test_L06_a_ping_is_answered_and_reaches_no_function(serve):
    served = await serve(ECHO)
    client = await served.client()
    await (await client.ping(b"hello"))
    assert served.functions.count == {"on-connect": 1}


@pytest.mark.parametrize(
    ("data", "code"),
    [
        pytest.param(b"\x81\x80\0\0\0\0".replace(b"\x81\x80", b"\x81\x00"), 1002, id="not masked"),
        pytest.param(b"\xc1\x80\0\0\0\0", 1002, id="reserved bit"),
        pytest.param(b"\x83\x80\0\0\0\0", 1002, id="reserved opcode"),
        pytest.param(b"\x80\x80\0\0\0\0", 1002, id="continuation of nothing"),
        pytest.param(b"\x81\x81\0\0\0\0\xff", 1007, id="not UTF-8"),
        pytest.param(b"\x81\x82\0\0\0\0\xc3\x28", 1007, id="broken UTF-8"),
    ],
)
async def test_a_client_that_breaks_rfc_6455_is_closed(serve, data, code):
    served = await serve(ECHO)
    raw = await served.upgraded()
    raw.send(data)
    answer = await raw.rest()
    assert answer[:1] == b"\x88"
    assert int.from_bytes(answer[2:4], "big") == code
    await raw.close()
    assert (await disconnect_codes(served))[0] == code
    assert served.functions.count["on-default"] == 0


async def test_nothing_after_a_broken_frame_is_handled(serve):
    served = await serve(ECHO)
    raw = await served.upgraded()
    raw.send(served.masked_frame(1, b"\xff") + served.masked_frame(1, b"hello") + served.masked_frame(8))
    assert (await raw.rest())[:1] == b"\x88"
    await raw.close()
    await disconnect_codes(served)
    assert served.functions.count["on-default"] == 0


# -- the end -----------------------------------------------------------------------------------------------------------


async def test_M19_disconnect_runs_once_after_the_socket_is_gone(serve):
    served = await serve(ECHO)
    client, connection_id = await served.client_and_id()
    answers = []

    async def on_disconnect(event):
        answers.append(await served.ask("POST", f"/primary/@connections/{connection_id}", b"too late"))

    served.functions.handlers["on-disconnect"] = on_disconnect
    await client.close()
    event = await served.functions.event("on-disconnect")
    assert event["requestContext"]["connectionId"] == connection_id
    await (await served.client()).close()
    await served.functions.event("on-disconnect")
    assert answers[0].status == 410
    assert served.functions.count["on-disconnect"] == 2


async def test_M19_a_disconnect_that_raises_harms_nobody(serve):
    served = await serve(ECHO)
    served.functions.raises("on-disconnect")
    other = await served.client()
    await (await served.client()).close()
    await served.functions.event("on-disconnect")
    await still_works(served, other)


@pytest.mark.parametrize(
    ("frame", "code", "reason"),
    [
        pytest.param(b"", 1005, "Client-side close frame status not set", id="no code"),
        pytest.param(struct.pack("!H", 1000), 1000, "", id="normal"),
        pytest.param(struct.pack("!H", 1001), 1001, "", id="tab closed"),
        pytest.param(struct.pack("!H", 4321) + "adiós".encode(), 4321, "adiós", id="the application's own"),
    ],
)
async def test_L13_disconnect_reports_the_code_of_the_client(serve, frame, code, reason):
    served = await serve()
    raw = await served.upgraded()
    raw.send(served.masked_frame(8, frame))
    assert await raw.rest() == bytes([0x88, len(frame)]) + frame
    assert await disconnect_codes(served) == (code, reason)


async def test_L13_a_message_and_the_close_after_it_in_one_piece_are_both_handled(serve):
    served = await serve(ECHO)
    raw = await served.upgraded()
    raw.send(served.masked_frame(1, b"last words") + served.masked_frame(8))
    assert (await served.functions.event("on-default"))["body"] == "last words"
    assert (await disconnect_codes(served))[0] == 1005


@pytest.mark.parametrize("reset", [False, True], ids=["end of stream", "reset"])
async def test_L13_a_client_that_vanishes_is_1006(serve, reset):
    served = await serve()
    raw = await served.upgraded()
    if reset:
        linger = struct.pack("ii", 1, 0)
        raw.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    await raw.close()
    assert await disconnect_codes(served) == (1006, "")
