"""Idle and age limits on real sockets, with the timers' clock moved by hand or run fast (L04–L08)."""

import asyncio
import json

import pytest
from websockets.exceptions import ConnectionClosed

ROUTES = {"$connect": {}, "$disconnect": {}, "$default": {}}
JSON = ("Content-Type: application/json",)
PATIENCE_S = 10.0


async def advance(served, seconds, headers=JSON):
    return await served.ask("POST", "/.tracker-sim/clock", json.dumps({"advance_s": seconds}).encode(), headers=headers)


async def close_of(client):
    with pytest.raises(ConnectionClosed) as closed:
        await asyncio.wait_for(client.recv(), PATIENCE_S)
    return closed.value.rcvd.code, closed.value.rcvd.reason


async def test_L04_an_idle_client_is_closed_with_1001_and_disconnect_runs(serve):
    served = await serve(ROUTES)
    client, _ = await served.client_and_id()
    assert json.loads((await advance(served, 599)).body) == {"advanced_s": 599, "closed": 0}
    assert json.loads((await advance(served, 1)).body) == {"advanced_s": 1, "closed": 1}
    assert await close_of(client) == (1001, "Going away")
    context = (await served.functions.event("on-disconnect"))["requestContext"]
    assert (context["disconnectStatusCode"], context["disconnectReason"]) == (1001, "Going away")


async def test_L05_a_message_keeps_the_connection(serve):
    served = await serve(ROUTES)
    client, _ = await served.client_and_id()
    await advance(served, 599)
    await client.send("still here")
    await served.functions.event("on-default")
    assert json.loads((await advance(served, 599)).body)["closed"] == 0


async def test_L06_a_ping_is_answered_and_keeps_nothing(serve):
    served = await serve(ROUTES)
    client, _ = await served.client_and_id()
    await advance(served, 599)
    await asyncio.wait_for(await client.ping(), PATIENCE_S)
    assert json.loads((await advance(served, 1)).body)["closed"] == 1
    assert served.functions.count["on-default"] == 0


async def test_the_timers_can_run_fast(serve):
    served = await serve(ROUTES, settings={"clock_speed": 6_000})
    client, _ = await served.client_and_id()
    assert await close_of(client) == (1001, "Going away")


async def test_a_short_limit_is_kept_without_anybody_moving_the_clock(serve):
    served = await serve(ROUTES, settings={"max_age_s": 0.05, "max_age_close_code": 4000})
    client, _ = await served.client_and_id()
    assert (await close_of(client))[0] == 4000


async def test_a_clock_that_stands_still_is_moved_by_hand(serve):
    served = await serve(ROUTES, settings={"clock_speed": 0, "idle_timeout_s": 0.01})
    client, _ = await served.client_and_id()
    await asyncio.wait_for(await client.ping(), PATIENCE_S)
    assert json.loads((await advance(served, 0.02)).body)["closed"] == 1


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        pytest.param(b'{"advance_s": 1}', (), 415, id="without a content type, as a web page can"),
        pytest.param(b'{"advance_s": 1}', ("Content-Type: text/plain",), 415, id="text, as a web page can"),
        pytest.param(b"{", JSON, 400, id="no JSON"),
        pytest.param(b"[]", JSON, 400, id="a list"),
        pytest.param(b'{"advance_s": -1}', JSON, 400, id="backwards"),
        pytest.param(b'{"advance_s": "1"}', JSON, 400, id="a text"),
        pytest.param(b'{"advance_s": true}', JSON, 400, id="a truth value"),
        pytest.param(b'{"advance_s": NaN}', JSON, 400, id="no number"),
        pytest.param(b'{"advance_s": 1e300}', JSON, 400, id="for ever"),
    ],
)
async def test_a_clock_cannot_be_moved_by_a_bad_request(serve, body, headers, status):
    served = await serve(ROUTES)
    assert (await served.ask("POST", "/.tracker-sim/clock", body, headers=headers)).status == status


@pytest.mark.parametrize(("method", "path"), [("GET", "/.tracker-sim/clock"), ("POST", "/.tracker-sim/stats")])
async def test_what_is_not_there_is_404(serve, method, path):
    assert (await (await serve(ROUTES)).ask(method, path)).status == 404


async def test_a_name_that_somebody_pointed_at_this_machine_learns_nothing(serve):
    raw = await (await serve(ROUTES)).raw()
    raw.send(b"GET /.tracker-sim/stats HTTP/1.1\r\nHost: rebound.attacker.com\r\n\r\n")
    assert (await raw.answer()).status == 403
