"""The floor: a bare loop that writes prepared bytes on kept sockets and reads the answers with httptools.

No signing, no retry, no deadline, no task per post; OpenSSL works on the sockets themselves, because asyncio's own TLS
costs twice as much. One post is under way on a socket at a time (nothing is pipelined), and the answer is parsed before
the next goes out: whoever posts by HTTP/1.1 from Python on asyncio does at least this.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import Counter
from collections.abc import Iterator, Sequence

import httptools

_NOT_NOW = (BlockingIOError, ssl.SSLWantReadError)


class PreparedPosts:
    """Kept sockets to one server. `send` blocks until every request has been answered."""

    def __init__(
        self, port: int, sockets: int, context: ssl.SSLContext | None = None, runner: asyncio.Runner | None = None
    ) -> None:
        """`runner` is a loop to share; it stays the caller's to close."""
        self._runner = runner or asyncio.Runner()
        self._owns_runner = runner is None
        self._sockets: list[_Socket] = []
        try:
            for _ in range(sockets):
                self._sockets.append(_Socket(self._runner.get_loop(), port, context))
        except BaseException:
            self.close()
            raise

    def send(self, requests: Sequence[bytes]) -> Counter[int]:
        """Send them all, in order over the sockets; how often each status was answered."""
        return self._runner.run(self._send(iter(requests)))

    def close(self) -> None:
        for each in self._sockets:
            each.close()
        if self._owns_runner:
            self._runner.close()

    async def _send(self, requests: Iterator[bytes]) -> Counter[int]:
        statuses: Counter[int] = Counter()
        finished = [each.start(requests, statuses) for each in self._sockets]
        await asyncio.gather(*finished)
        return statuses


class _Socket:
    """Writes the next request when the answer to the last is complete; httptools calls `on_message_complete`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, port: int, context: ssl.SSLContext | None) -> None:
        self._loop = loop
        self._parser = httptools.HttpResponseParser(self)
        self._finished: asyncio.Future[None] = loop.create_future()
        connection = socket.create_connection(("127.0.0.1", port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context is not None:
            connection = context.wrap_socket(connection, server_hostname="127.0.0.1")
        connection.setblocking(False)
        self._socket = connection
        loop.add_reader(connection, self._readable)

    def start(self, requests: Iterator[bytes], statuses: Counter[int]) -> asyncio.Future[None]:
        self._requests, self._statuses = requests, statuses
        self._finished = self._loop.create_future()
        self._next()
        return self._finished

    def close(self) -> None:
        self._loop.remove_reader(self._socket)
        self._socket.close()

    def _next(self) -> None:
        request = next(self._requests, None)
        if request is None:
            self._finished.set_result(None)
        else:
            assert self._socket.send(request) == len(request)

    def _readable(self) -> None:
        try:
            data = self._socket.recv(16_384)
        except _NOT_NOW:
            return
        except OSError:
            data = b""
        if data:
            self._parser.feed_data(data)
            return
        self._loop.remove_reader(self._socket)
        if not self._finished.done():
            self._finished.set_exception(ConnectionError("the server closed a socket in use"))

    def on_message_complete(self) -> None:
        self._statuses[self._parser.get_status_code()] += 1
        self._next()
