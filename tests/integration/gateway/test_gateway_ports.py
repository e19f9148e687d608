"""Ports: who may listen where, who is let in, and how everything ends."""

import asyncio
import contextlib
import errno
import gc
import logging
import os
import random
import socket
import ssl
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from simulator import loop as fast_loop
from simulator.clock import SystemClock
from simulator.errors import EnvironmentFailure, InputError
from simulator.gateway import endpoint, server
from simulator.gateway import listener as listener_module
from simulator.gateway.server import Address, Gateway
from simulator.gateway.tls import ThrowawayAuthority
from simulator.invocation import InvocationResult
from simulator.stack.model import HttpApi, HttpRoute


def gateway_of(stack, **more):
    async def invoke(function_name, payload, *, origin=""):
        return InvocationResult("1", b'{"statusCode":200,"body":"hello"}')

    return Gateway(stack, invoke, clock=SystemClock(), rng=random.Random(1), **more)


# -- where it listens --------------------------------------------------------------------------------------------------


async def test_a_port_in_use_is_one_sentence(make_stack):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(EnvironmentFailure) as caught:
            await gateway_of(make_stack(), port=port).start()
    assert str(caught.value) == (
        f"port {port} on 127.0.0.1 is in use; stop what listens there or give another --port (0: any free one)."
    )


@pytest.mark.parametrize("port", [-1, 65_536])
async def test_what_is_no_port_is_refused(make_stack, port):
    with pytest.raises(InputError, match=f"{port} is not a port"):
        await gateway_of(make_stack(), port=port).start()


async def test_what_is_no_host_is_refused(make_stack):
    with pytest.raises(InputError, match=r"'not a host' is not an address of this machine .*--host"):
        await gateway_of(make_stack(), host="not a host").start()


async def test_an_address_of_another_machine_is_refused(make_stack):
    with pytest.raises(EnvironmentFailure, match=r"cannot listen on 192\.0\.2\.1:0 .*; give another --host or --port"):
        await gateway_of(make_stack(), host="192.0.2.1").start()


async def test_a_given_port_is_taken_and_given_back(make_stack):
    first = gateway_of(make_stack())
    await first.start()
    port = first.main_address.port
    await first.stop()
    second = gateway_of(make_stack(), port=port)
    await second.start()
    assert second.main_address == Address("127.0.0.1", port)
    await second.stop()


async def test_localhost_is_the_loopback_address(make_stack):
    gateway = gateway_of(make_stack(), host="localhost")
    await gateway.start()
    assert gateway.main_address.host == "127.0.0.1"
    await gateway.stop()


async def test_listening_for_everybody_is_warned_about(make_stack, caplog):
    gateway = gateway_of(make_stack(), host="0.0.0.0")
    await gateway.start()
    assert gateway.main_address.host == "127.0.0.1"
    assert "anybody who can reach this machine" in caplog.text
    await gateway.stop()


async def test_a_start_that_fails_halfway_leaves_nothing_open(make_stack, websocket_api, monkeypatch):
    ports = iter([listener_module.bind("127.0.0.1", 0)])

    def bind_once(host, port):
        try:
            return next(ports)
        except StopIteration:
            raise EnvironmentFailure("no more ports") from None

    monkeypatch.setattr(server, "bind", bind_once)
    two = (websocket_api("a234567890", {}), websocket_api("b234567890", {}))
    gateway = gateway_of(make_stack(websocket_apis=two))
    with pytest.raises(EnvironmentFailure, match="no more ports"):
        await gateway.start()
    with pytest.raises(RuntimeError, match="not been started"):
        _ = gateway.ca_bundle


@pytest.mark.parametrize(
    ("address", "text"), [(Address("127.0.0.1", 80), "127.0.0.1:80"), (Address("::1", 80), "[::1]:80")]
)
def test_an_address_reads_as_in_a_url(address, text):
    assert str(address) == text


async def test_ipv6_is_served_too(make_stack):
    gateway = gateway_of(make_stack({"$default": {"route_response": True}}), host="::1")
    try:
        await gateway.start()
    except (InputError, EnvironmentFailure):
        pytest.skip("this machine has no IPv6 loopback")
    try:
        async with connect(f"ws://{gateway.main_address}/primary", proxy=None) as client:
            await client.send("x")
            assert await client.recv() == "hello"
    finally:
        await gateway.stop()


# -- several APIs ------------------------------------------------------------------------------------------------------


async def test_each_further_api_has_a_port_of_its_own(make_stack, websocket_api, serve):
    echo = {"$default": {"route_response": True}}
    stack = make_stack(
        websocket_apis=(websocket_api("a234567890", echo), websocket_api("b234567890", echo, stage="other")),
        http_apis=(
            HttpApi("One", "c234567890", "one", "primary", (HttpRoute("GET", "/one", "one"),)),
            HttpApi("Two", "d234567890", "two", "$default", (HttpRoute("GET", "/two", "two"),)),
        ),
    )
    served = await serve(stack=stack)
    addresses = served.gateway.addresses
    assert addresses["a234567890"] == addresses["c234567890"] == served.gateway.main_address
    assert len({address.port for address in addresses.values()}) == 3

    def who(event):
        return {"statusCode": 200, "body": " ".join(event["requestContext"][key] for key in ("apiId", "domainName"))}

    served.functions.handlers.update({"on-default": who, "one": who, "two": who})
    for api_id, stage in [("a234567890", "primary"), ("b234567890", "other")]:
        client = await served.client(f"ws://{addresses[api_id]}/{stage}")
        await client.send("who?")
        assert await client.recv() == f"{api_id} {addresses[api_id]}"
    for api_id, path in [("c234567890", "/primary/one"), ("d234567890", "/two")]:
        answer = await served.ask("GET", path, port=addresses[api_id].port)
        assert answer.body.decode() == f"{api_id} {addresses[api_id]}"
    assert served.gateway.connection_counts() == {"opened": 2, "refused": 0, "open": 2}


async def test_connections_of_one_api_are_not_reached_through_another(make_stack, websocket_api, serve):
    routes = {"$connect": {}}
    stack = make_stack(websocket_apis=(websocket_api("a234567890", routes), websocket_api("b234567890", routes)))
    served = await serve(stack=stack)
    _, connection_id = await served.client_and_id()
    other_port = served.gateway.addresses["b234567890"].port
    answer = await served.ask("POST", f"/primary/@connections/{connection_id}", b"x", port=other_port)
    assert answer.status == 410


async def test_a_stack_without_apis_still_has_its_port(make_stack, serve):
    served = await serve(stack=make_stack(websocket_apis=(), http_apis=()))
    assert (await served.ask("GET", "/anything")).status == 404
    assert (await served.ask("GET", "/.tracker-sim/stats")).status == 200
    raw = await served.raw()
    raw.send(served.upgrade_request())
    assert (await raw.answer()).status == 403


# -- who is let in -----------------------------------------------------------------------------------------------------


async def test_a_slow_first_byte_holds_nobody_up(serve):
    served = await serve()
    slow = await served.raw()
    assert (await served.ask("GET", "/primary/vendors")).status == 200
    for byte in b"GET /primary/vendors HTTP/1.1\r\nHost: a\r\n\r\n":
        slow.send(bytes([byte]))
        await slow.writer.drain()
    assert (await slow.answer()).status == 200


SOON = {"request_timeout_s": 0.05}


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"G", id="one byte"),
        pytest.param(b"GET /primary HTTP/1.1\r\nHost: a\r\nUpgrade: web", id="half a handshake"),
        pytest.param(b"POST /primary/vendors HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf", id="half a body"),
        pytest.param(b"\x16", id="the first byte of TLS"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", id="half a TLS hello"),
    ],
)
async def test_a_client_that_never_says_a_whole_request_is_dropped(serve, said, caplog):
    served = await serve(settings=SOON)
    slow = await served.raw()
    slow.send(said)
    assert await slow.rest() == b""
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_a_client_that_trickles_its_request_is_dropped_all_the_same(serve):
    """One deadline for the whole of it: each byte does not buy more time."""
    served = await serve(settings=SOON)
    slow = await served.raw()
    slow.send(b"GET /")
    dropped = asyncio.ensure_future(slow.rest())
    while not dropped.done():
        slow.send(b"a")
        await asyncio.wait({dropped}, timeout=0.01)
    assert await dropped == b""


async def test_a_tls_client_that_says_nothing_after_the_handshake_is_dropped(serve):
    served = await serve(settings={"request_timeout_s": 0.5})
    trusting = ssl.create_default_context(cafile=str(served.gateway.ca_bundle))
    silent = await served.raw(ssl=trusting, server_hostname="localhost")
    assert await silent.rest() == b""


async def test_past_the_limit_of_newcomers_the_longest_waiting_is_let_go(serve):
    served = await serve(settings={"newcomers": 3})
    silent = await served.raw()
    half = await served.raw()
    half.send(b"GET /primary/vendors HTTP/1.1\r\n")
    secure = await served.raw()
    secure.send(b"\x16\x03\x01")
    assert (await served.ask("GET", "/primary/vendors")).status == 200
    assert await silent.rest() == b""
    upgraded = await served.upgraded()
    for _ in range(3):
        assert (await served.ask("GET", "/primary/vendors")).status == 200
    crowd = [await served.raw() for _ in range(4)]
    assert await half.rest() == b""
    assert await secure.rest() == b""
    assert await crowd[0].rest() == b""
    upgraded.send(served.masked_frame(9, b"still here?"))
    assert await upgraded.reader.readexactly(13) == b"\x8a\x0bstill here?"
    assert (await served.ask("GET", "/primary/vendors")).status == 200


async def test_a_client_that_connects_and_leaves_harms_nobody(serve):
    served = await serve()
    for _ in range(20):
        await (await served.raw()).close()
    assert (await served.ask("GET", "/primary/vendors")).status == 200


@pytest.mark.parametrize(
    "garbage",
    [
        pytest.param(b"\x16", id="first byte only, then the end"),
        pytest.param(b"\x16\x03\x01\x00\x05hello", id="a record that is none"),
        pytest.param(b"\x16" + os.urandom(500), id="noise"),
    ],
)
async def test_tls_garbage_is_dropped_without_a_word(serve, garbage, caplog):
    served = await serve()
    raw = await served.raw()
    raw.send(garbage)
    raw.writer.write_eof()
    await raw.rest()
    assert (await served.ask("GET", "/primary/vendors")).status == 200
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_a_client_that_does_not_trust_the_certificate_harms_nobody(serve):
    served = await serve()
    with pytest.raises(ssl.SSLError):
        await served.raw(ssl=ssl.create_default_context(), server_hostname="localhost")
    assert (await served.ask("GET", "/primary/vendors")).status == 200


def test_H01_tls_is_1_2_or_later():
    authority = ThrowawayAuthority("127.0.0.1")
    authority.discard()
    assert authority.server_context.minimum_version is ssl.TLSVersion.TLSv1_2


async def test_without_descriptors_it_waits_and_says_why(serve, caplog, monkeypatch):
    """The client that could not be accepted waits in the queue and is served as soon as a descriptor is free."""
    monkeypatch.setattr(listener_module, "_PAUSE_WHEN_FULL_S", 0)
    served = await serve()
    listener = served.gateway._endpoints[0]._listener

    class Exhausted:
        def __init__(self, real):
            self._real = real
            self.refusals = 2

        def __getattr__(self, name):
            return getattr(self._real, name)

        def accept(self):
            if self.refusals:
                self.refusals -= 1
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
            return self._real.accept()

    listener._socket = Exhausted(listener._socket)
    assert (await served.ask("GET", "/primary/vendors")).status == 200
    assert listener._socket.refusals == 0
    assert "raise the limit with `ulimit -n`" in caplog.text


# -- the end -----------------------------------------------------------------------------------------------------------


async def test_stopping_closes_every_client_with_1001_and_runs_no_disconnect(serve):
    served = await serve()
    clients = [await served.client() for _ in range(3)]
    await served.gateway.stop()
    for client in clients:
        with pytest.raises(ConnectionClosed) as caught:
            await client.recv()
        assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (1001, "Going away")
    assert served.functions.count["on-disconnect"] == 0


async def test_stopping_does_not_wait_for_what_is_going_on(serve, monkeypatch):
    """A `$connect` and a request that never return, a client that does not read, one that does not answer."""
    monkeypatch.setattr(endpoint, "_STOP_TIMEOUT_S", 0)
    served = await serve()
    never = asyncio.Event()
    cancelled = []

    async def for_ever(event):
        try:
            await never.wait()
        except asyncio.CancelledError:
            cancelled.append(event)
            raise

    unanswering = await served.upgraded()
    served.functions.handlers.update({"on-connect": for_ever, "get-vendors": for_ever})
    connecting, asking, silent = await served.raw(), await served.raw(), await served.raw()
    connecting.send(served.upgrade_request())
    asking.send(b"GET /primary/vendors HTTP/1.1\r\nHost: a\r\n\r\n")
    await served.functions.event("on-connect")
    await served.functions.event("on-connect")
    await served.functions.event("get-vendors")
    await served.gateway.stop()
    assert len(cancelled) == 2
    for raw in (connecting, asking, silent):
        assert await raw.rest() == b""
    assert (await unanswering.rest())[:1] == b"\x88"


async def test_a_stopped_gateway_leaves_no_descriptor_no_task_and_no_listener(make_stack):
    def descriptors():
        return sum(1 for _ in Path("/dev/fd").iterdir())

    async def one_life():
        gateway = gateway_of(make_stack({"$default": {"route_response": True}}))
        await gateway.start()
        trusting = ssl.create_default_context(cafile=str(gateway.ca_bundle))
        address = gateway.main_address
        async with contextlib.AsyncExitStack() as clients:
            for url, options in [
                (f"ws://{address}/primary", {}),
                (f"wss://{address}/primary", {"ssl": trusting}),
            ]:
                client = await clients.enter_async_context(connect(url, proxy=None, **options))
                await client.send("x")
                assert await client.recv() == "hello"
            reader, writer = await asyncio.open_connection(address.host, address.port)
            await gateway.stop()
            assert await reader.read() == b""
            writer.close()
            await writer.wait_closed()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(address.host, address.port)

    await one_life()
    gc.collect()
    before = descriptors()
    await one_life()
    gc.collect()
    assert descriptors() == before
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_stopping_twice_or_before_the_start_is_harmless(make_stack):
    gateway = gateway_of(make_stack())
    await gateway.stop()
    await gateway.start()
    await gateway.stop()
    await gateway.stop()


# -- the loop of the real thing ----------------------------------------------------------------------------------------


def test_all_of_it_works_on_the_loop_that_the_simulator_runs_on(make_stack):
    """uvloop where it is installed: its transports differ from asyncio's in what they allow."""

    async def main():
        events = asyncio.Queue()

        async def invoke(function_name, payload, *, origin=""):
            events.put_nowait(function_name)
            return InvocationResult("1", b'{"statusCode":200,"body":"hello"}')

        stack = make_stack({"$connect": {}, "$disconnect": {}, "$default": {"route_response": True}})
        gateway = Gateway(stack, invoke, clock=SystemClock(), rng=random.Random(1))
        await gateway.start()
        address = gateway.main_address
        trusting = ssl.create_default_context(cafile=str(gateway.ca_bundle))
        for url, options in [(f"ws://{address}/primary", {}), (f"wss://{address}/primary", {"ssl": trusting})]:
            async with connect(url, proxy=None, **options) as client:
                assert await events.get() == "on-connect"
                await client.send("x")
                assert await client.recv() == "hello"
                assert await events.get() == "on-default"
            assert await events.get() == "on-disconnect"
            # A frame that is too long, in a stream that goes on: half-closed, not reset.
            client = await connect(url, proxy=None, **options)
            await events.get()
            await client.send("x" * 40_000)
            with pytest.raises(ConnectionClosed) as caught:
                await client.recv()
            assert caught.value.rcvd.code == 1009
            assert await events.get() == "on-disconnect"
        reader, writer = await asyncio.open_connection(address.host, address.port)
        writer.write(b"\x16garbage")
        writer.write_eof()
        await reader.read()
        writer.close()
        async with connect(f"ws://{address}/primary", proxy=None) as client:
            await gateway.stop()
            with pytest.raises(ConnectionClosed) as caught:
                await client.recv()
            assert caught.value.rcvd.code == 1001
        assert asyncio.all_tasks() == {asyncio.current_task()}

    fast_loop.run(main())
