"""Connections of the fan-out to real servers: addresses, certificates, time."""

import asyncio
import contextlib
import socket
import ssl

import pytest

from tracker.fanout.tcp import connect


@pytest.fixture
async def listen():
    """Start a server that echoes; its port."""
    exits = contextlib.AsyncExitStack()

    async def start(tls=None):
        async def echo(reader, writer):
            with contextlib.closing(writer):
                writer.write(await reader.read(100))
                await reader.read()

        server = await exits.enter_async_context(await asyncio.start_server(echo, "127.0.0.1", 0, ssl=tls))
        return server.sockets[0].getsockname()[1]

    async with exits:
        yield start


@pytest.fixture
def contexts(certificate_authority):
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    certificate_authority.issue_cert("127.0.0.1").configure_cert(server)
    certificate_authority.configure_trust(client)
    return server, client


async def echoed(connection):
    with contextlib.closing(connection):
        assert connection.getblocking() is False
        connection.send(b"hello")
        loop, come = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(connection, come.set)
        try:
            while True:
                await asyncio.wait_for(come.wait(), 10)
                come.clear()
                with contextlib.suppress(BlockingIOError, ssl.SSLWantReadError):
                    return connection.recv(100)
        finally:
            loop.remove_reader(connection)


async def test_a_plain_connection(listen):
    assert await echoed(await connect("127.0.0.1", await listen(), None)) == b"hello"


async def test_a_connection_over_tls(listen, contexts):
    server, client = contexts
    assert await echoed(await connect("127.0.0.1", await listen(server), client)) == b"hello"


async def test_a_certificate_that_nobody_vouches_for_is_refused(listen, contexts):
    server, _ = contexts
    with pytest.raises(ssl.SSLCertVerificationError):
        await connect("127.0.0.1", await listen(server), ssl.create_default_context())


async def test_a_certificate_of_another_host_is_refused(listen, contexts, monkeypatch):
    server, client = contexts
    port = await listen(server)

    async def resolve(host, port, **_):
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", port))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
    with pytest.raises(ssl.SSLCertVerificationError, match=r"other\.example"):
        await connect("other.example", port, client)


async def test_an_address_that_refuses_is_followed_by_the_next(listen, monkeypatch):
    port = await listen()
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as nobody:
        refusing = nobody.getsockname()[1]

    async def resolve(host, port, **_):
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", each)) for each in (refusing, port)]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
    assert await echoed(await connect("host.example", port, None)) == b"hello"


async def test_nobody_there_is_an_error():
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as nobody:
        refusing = nobody.getsockname()[1]
    with pytest.raises(ConnectionRefusedError):
        await connect("127.0.0.1", refusing, None)


async def test_a_handshake_that_is_given_up_leaves_no_socket(contexts):
    """The peer takes the connection and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.setblocking(False)
        connecting = asyncio.create_task(connect("127.0.0.1", silent.getsockname()[1], contexts[1]))
        loop = asyncio.get_running_loop()
        taken, _ = await loop.sock_accept(silent)
        with taken:
            await loop.sock_recv(taken, 10_000)
            connecting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await connecting
            assert await asyncio.wait_for(loop.sock_recv(taken, 1), 10) == b""
