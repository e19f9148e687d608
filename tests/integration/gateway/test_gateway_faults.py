"""Faults on real sockets: each does what it says, nothing else, and nothing once it is off."""

import asyncio
import contextlib
import json

import pytest
from websockets.exceptions import ConnectionClosed

from simulator.active_faults import peer_name

JSON = ("Content-Type: application/json",)
PATIENCE_S = 10.0
FAULTS = "/.tracker-sim/faults"


async def switch_on(served, kind, **more):
    wish = {"kind": kind, "duration_s": 60, "seed": 1, **more}
    answer = await served.ask("POST", FAULTS, json.dumps(wish).encode(), headers=JSON)
    assert answer.status == 200, answer.body
    return json.loads(answer.body)["id"]


async def switch_off(served, fault_id):
    assert (await served.ask("DELETE", f"{FAULTS}/{fault_id}")).status == 200


async def post(served, connection_id, body=b"x"):
    return await served.ask("POST", f"/primary/@connections/{connection_id}", body)


async def next_frame(client):
    return await asyncio.wait_for(client.recv(), PATIENCE_S)


async def assert_healthy(served, client, connection_id, text="after"):
    assert (await post(served, connection_id, text.encode())).status == 200
    assert await next_frame(client) == text


@pytest.mark.parametrize(
    ("kind", "attributes", "status", "error", "delivered"),
    [
        pytest.param("callback_throttle", {}, 429, "LimitExceededException", False, id="C14"),
        pytest.param("callback_error", {}, 500, "InternalServerException", False, id="500"),
        pytest.param("callback_error", {"delivered": True}, 500, "InternalServerException", True, id="500, delivered"),
        pytest.param("callback_hang", {"hang_ms": 1}, 500, "InternalServerException", False, id="C20"),
        pytest.param("callback_race", {"closes": False}, 200, None, False, id="C17-ok"),
        pytest.param("callback_race", {"answer": "gone", "closes": False}, 410, "GoneException", True, id="C17-gone"),
        pytest.param("callback_latency", {"delay_ms": 1}, 200, None, True, id="late"),
    ],
)
async def test_callbacks_go_wrong_as_the_fault_says_and_only_while_it_is_on(
    serve, kind, attributes, status, error, delivered
):
    served = await serve()
    client, connection_id = await served.client_and_id()
    fault_id = await switch_on(served, kind, attributes=attributes)
    answer = await post(served, connection_id, b"during")
    assert (answer.status, answer["x-amzn-errortype"]) == (status, error)
    if delivered:
        assert await next_frame(client) == "during"
    assert (await served.ask("GET", f"/primary/@connections/{connection_id}")).status == 200
    await switch_off(served, fault_id)
    await assert_healthy(served, client, connection_id)


async def test_posts_on_a_kept_connection_are_hit_as_well(serve):
    """They take the short way, until a fault is on."""
    served = await serve()
    client, connection_id = await served.client_and_id()
    caller = await served.raw()

    async def say(text):
        head = f"POST /primary/@connections/{connection_id} HTTP/1.1\r\nHost: a\r\nContent-Length: {len(text)}\r\n\r\n"
        caller.send(head.encode() + text.encode())
        return (await caller.answer()).status

    for text in ("one", "two"):
        assert (await say(text), await next_frame(client)) == (200, text)
    throttled = await switch_on(served, "callback_throttle")
    assert await say("three") == 429
    await switch_off(served, throttled)
    assert (await say("four"), await next_frame(client)) == (200, "four")
    await switch_on(served, "half_open")
    assert await say("five") == 200  # and nobody gets it: the peer has vanished


async def test_a_reset_cuts_the_caller_and_not_the_viewer(serve):
    served = await serve()
    client, connection_id = await served.client_and_id()
    fault_id = await switch_on(served, "callback_reset", attributes={"delivered": True})
    caller = await served.raw()
    caller.send(
        f"POST /primary/@connections/{connection_id} HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx".encode()
    )
    assert await caller.rest() == b""
    assert await next_frame(client) == "x"
    await switch_off(served, fault_id)
    await assert_healthy(served, client, connection_id)


@pytest.mark.parametrize(("answer", "status"), [("ok", 200), ("gone", 410)])
async def test_C17_the_viewer_of_a_race_is_cut_right_after(serve, answer, status):
    served = await serve()
    client, connection_id = await served.client_and_id()
    await switch_on(served, "callback_race", attributes={"answer": answer})
    assert (await post(served, connection_id, b"race")).status == status
    if answer == "gone":
        assert await next_frame(client) == "race"
    with pytest.raises(ConnectionClosed):
        await next_frame(client)
    assert (await served.functions.event("on-disconnect"))["requestContext"]["disconnectStatusCode"] == 1006
    assert (await post(served, connection_id)).status == 410


async def test_a_race_is_lost_by_nobody_who_is_not_there(serve):
    served = await serve()
    await switch_on(served, "callback_race")
    assert (await post(served, "L0SM9cOFvHcCIhw%3D")).status == 410


async def test_half_open_peers_take_everything_and_get_nothing_until_they_are_cut_off(serve):
    served = await serve()
    vanished, vanished_id = await served.client_and_id()
    fault_id = await switch_on(served, "half_open")
    healthy, healthy_id = await served.client_and_id()
    assert (await post(served, vanished_id, b"into the void")).status == 200
    await vanished.send("nobody hears this")
    await assert_healthy(served, healthy, healthy_id)
    assert served.functions.count["on-disconnect"] == 0
    await switch_off(served, fault_id)
    context = (await served.functions.event("on-disconnect"))["requestContext"]
    assert (context["connectionId"], context["disconnectStatusCode"]) == (vanished_id, 1006)
    with contextlib.suppress(ConnectionClosed):
        assert await next_frame(vanished) == ""  # the frame that was sent into the void never comes
    assert (await post(served, vanished_id)).status == 410
    await assert_healthy(served, healthy, healthy_id, "still")


async def test_only_its_share_of_calls_is_hit(serve):
    served = await serve()
    client, connection_id = await served.client_and_id()
    fault_id = await switch_on(served, "callback_throttle", probability=0.5)
    statuses = [(await post(served, connection_id)).status for _ in range(40)]
    assert set(statuses) == {200, 429}
    for _ in range(statuses.count(200)):
        assert await next_frame(client) == "x"
    await switch_off(served, fault_id)
    await assert_healthy(served, client, connection_id)


async def test_what_is_on_is_listed_and_ends_by_itself(serve):
    served = await serve()
    client, connection_id = await served.client_and_id()
    fault_id = await switch_on(served, "callback_throttle")
    listed = json.loads((await served.ask("GET", FAULTS)).body)["faults"]
    assert [(each["id"], each["kind"]) for each in listed] == [(fault_id, "callback_throttle")]
    prolonged = await served.ask("POST", f"{FAULTS}/{fault_id}", b'{"duration_s": 0.01}', headers=JSON)
    assert prolonged.status == 200
    while json.loads((await served.ask("GET", FAULTS)).body)["faults"]:
        pass
    await assert_healthy(served, client, connection_id)


WISH = b'{"kind": "callback_throttle", "duration_s": 60}'


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status"),
    [
        pytest.param("POST", FAULTS, WISH, (), 415, id="without a content type, as a web page can"),
        pytest.param("POST", FAULTS, WISH, ("Content-Type: text/plain",), 415, id="text, as a web page can"),
        pytest.param("POST", FAULTS, b"{", JSON, 400, id="no JSON"),
        pytest.param("POST", FAULTS, b'{"kind": "x", "duration_s": 1}', JSON, 400, id="unknown kind"),
        pytest.param("POST", f"{FAULTS}/f9", b'{"duration_s": 1}', JSON, 404, id="prolong what is not on"),
        pytest.param("POST", f"{FAULTS}/f9", b"[]", JSON, 400, id="prolong by nothing"),
        pytest.param("DELETE", f"{FAULTS}/f9", b"", (), 404, id="end what is not on"),
        pytest.param("DELETE", FAULTS, b"", (), 404, id="end nothing"),
        pytest.param("PUT", FAULTS, WISH, JSON, 404, id="another method"),
        pytest.param("GET", f"{FAULTS}x", b"", (), 404, id="another path"),
    ],
)
async def test_what_is_no_order_changes_nothing(serve, method, path, body, headers, status):
    served = await serve()
    assert (await served.ask(method, path, body, headers=headers)).status == status
    assert json.loads((await served.ask("GET", FAULTS)).body) == {"faults": []}


async def test_a_page_whose_name_points_here_may_neither_look_nor_switch(serve):
    served = await serve()
    raw = await served.raw()
    raw.send(b"GET /.tracker-sim/faults HTTP/1.1\r\nHost: evil.com\r\n\r\n")
    assert (await raw.answer()).status == 403


async def test_c20_a_fault_may_hit_one_connection_by_its_id_or_its_socket_and_no_other(serve):
    served = await serve()
    one, one_id = await served.client_and_id()
    other, other_id = await served.client_and_id()
    for narrowed in ({"target": one_id}, {"peers": [peer_name(one.transport.get_extra_info("sockname"))]}):
        fault_id = await switch_on(served, "callback_hang", attributes={"hang_ms": 1, "status": 504}, **narrowed)
        assert (await post(served, one_id)).status == 504
        await assert_healthy(served, other, other_id)
        await switch_off(served, fault_id)
    await assert_healthy(served, one, one_id)


async def test_half_open_peers_may_be_named(serve):
    served = await serve()
    one, one_id = await served.client_and_id()
    other, other_id = await served.client_and_id()
    fault_id = await switch_on(served, "half_open", target=one_id)
    assert (await post(served, one_id)).status == 200
    await assert_healthy(served, other, other_id)
    await switch_off(served, fault_id)
    with pytest.raises(ConnectionClosed):
        await next_frame(one)
    await assert_healthy(served, other, other_id)


async def test_a_connection_that_is_not_there_cannot_be_hit(serve):
    served = await serve()
    wish = {"kind": "half_open", "duration_s": 60, "target": "nobody="}
    answer = await served.ask("POST", FAULTS, json.dumps(wish).encode(), headers=JSON)
    assert answer.status == 400
    assert b"no connection 'nobody=' is open" in answer.body


async def test_posts_that_did_not_arrive_are_told_by_the_socket_that_they_were_for(serve):
    served = await serve()
    one, one_id = await served.client_and_id()
    other, other_id = await served.client_and_id()
    fault_id = await switch_on(served, "callback_throttle", target=one_id)
    for _ in range(2):
        assert (await post(served, one_id, b"refused")).status == 429
    assert (await post(served, other_id, b"taken")).status == 200
    await switch_off(served, fault_id)
    fault_id = await switch_on(served, "half_open", target=other_id)
    assert (await post(served, other_id, b"lost")).status == 200
    told = json.loads((await served.ask("GET", "/.tracker-sim/posts")).body)
    peers = [peer_name(each.transport.get_extra_info("sockname")) for each in (one, other)]
    assert told["written_bytes"] == {peers[0]: 0, peers[1]: 2 + len(b"taken")}
    assert told["posts"] == [
        {"body": "refused", "what": "answered 429", "peers": {peers[0]: 2}},
        {"body": "lost", "what": "answered 200 and lost on the way", "peers": {peers[1]: 1}},
    ]
    await switch_off(served, fault_id)
