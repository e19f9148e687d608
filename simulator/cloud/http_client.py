"""HTTP/1.1 POSTs to one server on the event loop, over connections that are kept.

As little as calls of AWS need: whole bodies, no redirects, no cookies, no proxies.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlsplit

import httptools

_MAX_IDLE = 16


@dataclass(frozen=True, slots=True)
class Answer:
    """One whole response."""

    status: int
    body: bytes


class HttpClient:
    """Posts to `url` (`http://host:port` or https); raises `OSError` (`TimeoutError` is one) when no answer comes."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._context = ssl.create_default_context() if parts.scheme == "https" else None
        self._idle: list[_Connection] = []
        self._busy: set[_Connection] = set()

    async def post(self, path: str, headers: Mapping[str, str], body: bytes, *, timeout_s: float) -> Answer:
        """Post once. `headers` have the `Host`; the length is added.

        A kept connection that the server had closed meanwhile is no failure: then it is posted on a new one.
        """
        lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        request = "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode("latin-1") + body
        try:
            async with asyncio.timeout(timeout_s):
                return await self._post(request)
        except TimeoutError as error:
            raise TimeoutError(f"no answer within {timeout_s:g} s") from error

    async def close(self) -> None:
        """Close all connections, whatever is under way fails, and wait until their sockets are gone."""
        connections = [*self._idle, *self._busy]
        self._idle.clear()
        for connection in connections:
            connection.abort()
        await asyncio.gather(*(connection.closed for connection in connections))

    async def _post(self, request: bytes) -> Answer:
        while self._idle:
            connection = self._idle.pop()
            if connection.usable:
                try:
                    return await self._exchange(connection, request)
                except _NothingCameError:
                    break
        return await self._exchange(await self._open(), request)

    async def _open(self) -> _Connection:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(_Connection, self._host, self._port, ssl=self._context)
        return connection

    async def _exchange(self, connection: _Connection, request: bytes) -> Answer:
        self._busy.add(connection)
        try:
            answer = await connection.exchange(request)
        except BaseException:
            connection.abort()  # cancelled perhaps: an answer that is still to come must not be the next one's
            raise
        finally:
            self._busy.discard(connection)
        if connection.usable and len(self._idle) < _MAX_IDLE:
            self._idle.append(connection)
        else:
            connection.abort()
        return answer


class _NothingCameError(ConnectionError):
    """The connection ended without a byte of an answer."""


class _Connection(asyncio.Protocol):
    """One request at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[Answer] | None = None
        self._parser: Any = httptools.HttpResponseParser(self)
        self._body: list[bytes] = []
        self._begun = False
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def usable(self) -> bool:
        """Another request may be sent."""
        return self._transport is not None and not self._transport.is_closing()

    async def exchange(self, request: bytes) -> Answer:
        """Send a request and return its answer."""
        assert self._transport is not None  # noqa: S101  `usable` says so
        self._begun = False
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def abort(self) -> None:
        """Close at once; `closed` says when it is done."""
        if self._transport is not None:
            self._transport.abort()

    # -- asyncio.Protocol --------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but name

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        self._begun = True
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(ConnectionError(f"the answer is not HTTP/1.1 ({error})"))

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        self._transport = None
        reason = f"the connection was closed before the answer was complete{'' if exc is None else f' ({exc})'}"
        self._fail(ConnectionError(reason) if self._begun else _NothingCameError(reason))
        if not self.closed.done():
            self.closed.set_result(None)

    # -- httptools ---------------------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """See httptools."""
        self._body = []

    def on_body(self, body: bytes) -> None:
        """See httptools."""
        self._body.append(body)

    def on_message_complete(self) -> None:
        """See httptools."""
        if not self._parser.should_keep_alive() and self._transport is not None:
            self._transport.close()
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(Answer(self._parser.get_status_code(), b"".join(self._body)))

    def _fail(self, error: Exception) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)
        if self._transport is not None:
            self._transport.abort()
