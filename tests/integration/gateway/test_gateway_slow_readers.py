"""A client that does not read: what it costs the others (nothing) and the gateway (a bounded number of bytes)."""

import asyncio
import gc
import socket
import ssl

import psutil
import pytest

from simulator.gateway import channel as channel_module

BACKLOG = 65_536
SETTINGS = {"backlog_bytes": BACKLOG, "account_rate_per_s": 1e9, "account_burst": 1_000_000_000}
KERNEL_BYTES = 16 * 1024 * 1024
"""More than the kernel ever takes for two sockets that nobody reads."""


def path_of(connection_id):
    return f"/primary/@connections/{connection_id}"


async def connected_without_reading(served, **options):
    """A client whose receive buffer is small and that reads only when told to; and its connection id."""
    quiet = socket.socket()
    quiet.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    quiet.setblocking(False)
    await asyncio.get_running_loop().sock_connect(quiet, ("127.0.0.1", served.port))
    raw = await served.raw(sock=quiet, limit=1_024, **options)
    raw.send(served.upgrade_request())
    event = await served.functions.event("on-connect")
    return raw, event["requestContext"]["connectionId"]


def channel_of(served, connection_id):
    return served.gateway._endpoints[0].channels[connection_id]


async def fill(served, connection_id, payload):
    """Post until the gateway refuses; returns how many posts it took."""
    accepted = 0
    while (answer := await served.ask("POST", path_of(connection_id), payload)).status == 200:
        accepted += 1
        assert accepted * len(payload) < KERNEL_BYTES
    assert (answer.status, answer["x-amzn-errortype"]) == (429, "LimitExceededException")
    return accepted


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "TLS"])
async def test_C14_a_client_that_does_not_read_is_refused_and_recovers_when_it_reads_again(serve, secure):
    served = await serve(settings=SETTINGS)
    trusting = ssl.create_default_context(cafile=str(served.gateway.ca_bundle))
    options = {"ssl": trusting, "server_hostname": "localhost"} if secure else {}
    raw, slow_id = await connected_without_reading(served, **options)
    accepted = await fill(served, slow_id, b"x" * 50_000)
    channel = channel_of(served, slow_id)
    assert BACKLOG < channel.backlog_bytes < BACKLOG + 100_000
    assert (await raw.answer()).status == 101
    for _ in range(accepted):
        assert await raw.reader.readexactly(50_004) == b"\x81\x7e\xc3\x50" + b"x" * 50_000
    assert (await served.ask("POST", path_of(slow_id), b"again")).status == 200
    assert await raw.reader.readexactly(7) == b"\x81\x05again"


async def test_C14_others_get_their_messages_while_one_does_not_read_and_memory_stays_flat(serve):
    served = await serve(settings=SETTINGS)
    _, slow_id = await connected_without_reading(served)
    others = [await served.client_and_id() for _ in range(5)]
    await fill(served, slow_id, b"x" * 100_000)
    process = psutil.Process()

    async def broadcast(rounds):
        for number in range(rounds):
            statuses = [
                (await served.ask("POST", path_of(each), b"x" * 100_000)).status
                for each in (slow_id, *(other_id for _, other_id in others))
            ]
            assert statuses == [429, 200, 200, 200, 200, 200], number
            for client, _ in others:
                assert len(await client.recv()) == 100_000

    await broadcast(5)
    gc.collect()
    before = process.memory_info().rss
    await broadcast(60)
    gc.collect()
    # 6 MB were posted to the one that does not read, five times that to the others.
    assert process.memory_info().rss - before < 4_000_000
    assert channel_of(served, slow_id).backlog_bytes < BACKLOG + 200_000


@pytest.mark.parametrize(
    "flood",
    [
        pytest.param((9, b"p" * 125), id="pings"),
        pytest.param((1, b"nobody routes this"), id="messages that nobody routes"),
    ],
)
async def test_a_client_that_floods_and_does_not_read_is_no_longer_read(serve, flood):
    """The gateway's own frames are bounded too: what the flood sends piles up at the sender."""
    served = await serve(settings=SETTINGS)
    raw, slow_id = await connected_without_reading(served)
    channel = channel_of(served, slow_id)
    data = served.masked_frame(*flood) * 1_000
    sent = 0
    while channel.backlog_bytes <= BACKLOG:
        raw.send(data)
        sent += len(data)
        assert sent < 4 * KERNEL_BYTES, "the gateway reads on and on"
        assert (await served.ask("GET", "/primary/vendors")).status == 200
    assert not channel._transport.is_reading()
    full = channel.backlog_bytes
    assert full < BACKLOG + 2 * channel_module._FLUSH_BYTES
    for _ in range(5):
        raw.send(data)
        assert (await served.ask("GET", "/primary/vendors")).status == 200
    assert channel.backlog_bytes == full
    # It is served on as soon as it reads.
    assert (await raw.answer()).status == 101
    raw.send(served.masked_frame(8))
    assert (await raw.rest()).endswith(b"\x88\x00")


async def test_answers_to_what_came_before_are_bounded_too_and_past_the_bound_the_client_is_cut(serve, caplog):
    """A thousand messages, each answered with 100 KB by its route: the answers come when nobody can be slowed down."""
    served = await serve({"$connect": {}, "$disconnect": {}, "$default": {"route_response": True}}, settings=SETTINGS)
    answering = asyncio.Event()

    async def answer(event):
        await answering.wait()
        return {"statusCode": 200, "body": "x" * 100_000}

    served.functions.handlers["on-default"] = answer
    raw, slow_id = await connected_without_reading(served)
    raw.send(served.masked_frame(1, b"{}") * 1_000)
    for _ in range(1_000):
        await served.functions.event("on-default")
    channel = channel_of(served, slow_id)
    answering.set()
    event = await served.functions.event("on-disconnect")
    assert event["requestContext"]["disconnectStatusCode"] == 1006
    assert channel.backlog_bytes < BACKLOG + channel_module.OWN_FRAMES_BYTES + 200_000
    assert "a client that does not read was cut off" in caplog.text


async def test_a_client_that_closes_and_does_not_read_is_cut_off(serve, monkeypatch):
    monkeypatch.setattr(channel_module, "_CLOSE_TIMEOUT_S", 0.05)
    served = await serve(settings=SETTINGS)
    _, slow_id = await connected_without_reading(served)
    await fill(served, slow_id, b"x" * 100_000)
    assert (await served.ask("DELETE", path_of(slow_id))).status == 204
    event = await served.functions.event("on-disconnect")
    assert event["requestContext"]["disconnectStatusCode"] == 1000
