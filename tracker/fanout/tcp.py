"""A connected, non-blocking socket, with TLS on it or without.

Not asyncio's transports: their TLS is written in Python around two memory buffers and costs as much CPU as all the
rest of a post together. OpenSSL on the socket itself does the same in two calls.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import Any


async def connect(host: str, port: int, context: ssl.SSLContext | None) -> socket.socket:
    """Return a new connection, its TLS handshake done. Raises `OSError`, of which TLS's errors are some."""
    loop = asyncio.get_running_loop()
    failure = OSError(f"{host} has no address")
    for family, kind, protocol, _, address in await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        connection = socket.socket(family, kind, protocol)
        try:
            connection.setblocking(False)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await loop.sock_connect(connection, address)
            if context is not None:
                connection = context.wrap_socket(connection, server_hostname=host, do_handshake_on_connect=False)
                await _handshake(connection)
        except OSError as error:
            connection.close()
            failure = error
        except BaseException:
            connection.close()
            raise
        else:
            return connection
    raise failure


async def _handshake(connection: ssl.SSLSocket) -> None:
    loop = asyncio.get_running_loop()
    while True:
        try:
            connection.do_handshake()
        except ssl.SSLWantReadError:
            await _ready(loop.add_reader, loop.remove_reader, connection)
        except ssl.SSLWantWriteError:
            await _ready(loop.add_writer, loop.remove_writer, connection)
        else:
            return


async def _ready(watch: Callable[..., Any], unwatch: Callable[..., Any], connection: socket.socket) -> None:
    ready = asyncio.Event()
    watch(connection, ready.set)
    try:
        await ready.wait()
    finally:
        unwatch(connection)
