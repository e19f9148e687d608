"""The floor: a bare asyncio + httptools loop that writes prepared bytes on kept sockets and reads the answers.

No signing, no retry, no deadline, no task per post. One post is under way on a socket at a time (nothing is
pipelined), and the answer is parsed before the next goes out: whoever posts by HTTP/1.1 from Python does at least this.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import httptools


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
            self._runner.run(self._open(port, sockets, context))
        except BaseException:
            self.close()
            raise

    def send(self, requests: Sequence[bytes]) -> Counter[int]:
        """Send them all, in order over the sockets; how often each status was answered."""
        return self._runner.run(self._send(iter(requests)))

    def close(self) -> None:
        self._runner.run(self._close())
        if self._owns_runner:
            self._runner.close()

    async def _open(self, port: int, sockets: int, context: ssl.SSLContext | None) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(sockets):
            _, opened = await loop.create_connection(_Socket, "127.0.0.1", port, ssl=context)
            self._sockets.append(opened)

    async def _send(self, requests: Iterator[bytes]) -> Counter[int]:
        statuses: Counter[int] = Counter()
        finished = [socket.start(requests, statuses) for socket in self._sockets]
        await asyncio.gather(*finished)
        return statuses

    async def _close(self) -> None:
        for socket in self._sockets:
            socket.transport.abort()
        await asyncio.gather(*(socket.closed for socket in self._sockets))


class _Socket(asyncio.Protocol):
    """Writes the next request when the answer to the last is complete; httptools calls `on_message_complete`."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._finished: asyncio.Future[None] | None = None
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def start(self, requests: Iterator[bytes], statuses: Counter[int]) -> asyncio.Future[None]:
        self._requests, self._statuses = requests, statuses
        self._finished = asyncio.get_running_loop().create_future()
        finished = self._finished
        self._next()
        return finished

    def _next(self) -> None:
        request = next(self._requests, None)
        if request is not None:
            self.transport.write(request)
        elif self._finished is not None:
            self._finished.set_result(None)
            self._finished = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if self._finished is not None:
            self._finished.set_exception(exc or ConnectionError("the server closed a socket in use"))
        self.closed.set_result(None)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        self._statuses[self._parser.get_status_code()] += 1
        self._next()
