"""The least of an HTTP/1.1 server that the gateway and the Lambda Runtime API share: httptools parses, we answer.

One `HttpConnection` per socket. A subclass says what to do with a complete request (`on_request`) and calls `respond`
once for each, in order; requests that arrive while one is being answered wait. Chunked bodies and keep-alive are
httptools' work. Limits follow API Gateway's quotas (H01, P15): a request line or headers that are too long get 431
or 414, a body that is too long gets 413.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import httptools

MAX_TARGET_BYTES = 8_192
"""Request target; the stricter limits of one API are its own business."""
MAX_HEAD_BYTES = 32_768
"""All header names and values together."""
MAX_BODY_BYTES = 10 * 1024 * 1024
"""The HTTP API payload quota (P15), the largest that anything here accepts."""
READ_TIMEOUT_S = 30.0
"""A request that has begun must be complete within this."""

Header = tuple[str, str]

_REASONS = {status.value: status.phrase for status in HTTPStatus}


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One complete request."""

    method: str
    target: str
    """As sent: path and query still percent-encoded."""
    headers: tuple[Header, ...]
    """Names in the client's casing, values stripped, in order."""
    body: bytes
    keep_alive: bool
    upgrade: bool
    """The client asked for a protocol upgrade (`Connection: Upgrade`)."""

    def header(self, name: str) -> str | None:
        """The first header called `name` (any case), or None."""
        wanted = name.lower()
        return next((value for key, value in self.headers if key.lower() == wanted), None)


def encode_response(status: int, headers: Iterable[Header], body: bytes = b"", *, keep_alive: bool = True) -> bytes:
    """One response as bytes. `Content-Length` and `Connection` are added here; 204 carries neither body nor length."""
    lines = [f"HTTP/1.1 {status} {_REASONS.get(status, 'Status')}"]
    lines.extend(f"{name}: {value}" for name, value in headers)
    if status != HTTPStatus.NO_CONTENT:
        lines.append(f"Content-Length: {len(body)}")
    lines.append("Connection: keep-alive" if keep_alive else "Connection: close")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace") + body


class OpenConnections:
    """The connections a server has open, so that it can close them and wait until they are gone."""

    def __init__(self) -> None:
        self._open: set[HttpConnection] = set()
        self._empty = asyncio.Event()
        self._empty.set()

    def __iter__(self) -> Iterator[HttpConnection]:
        return iter(tuple(self._open))

    def __len__(self) -> int:
        return len(self._open)

    def add(self, connection: HttpConnection) -> None:
        """Remember an open connection."""
        self._open.add(connection)
        self._empty.clear()

    def discard(self, connection: HttpConnection) -> None:
        """Forget a closed one."""
        self._open.discard(connection)
        if not self._open:
            self._empty.set()

    async def drain(self, timeout_s: float) -> None:
        """Wait until all have closed; cut off those that have not after `timeout_s`."""
        try:
            await asyncio.wait_for(self._empty.wait(), timeout_s)
        except TimeoutError:
            for connection in self:
                if connection.transport is not None:
                    connection.transport.abort()
            await self._empty.wait()


class HttpConnection(asyncio.Protocol):
    """One HTTP/1.1 connection; see the module's first lines."""

    max_body_bytes = MAX_BODY_BYTES

    def __init__(self, connections: OpenConnections) -> None:
        self._connections = connections
        self._transport: asyncio.Transport | None = None
        self._waiting: deque[HttpRequest] = deque()
        self._busy = False
        self._current_keep_alive = True
        self._refusing = False
        self._read_timer: asyncio.TimerHandle | None = None
        self.peer_ip = ""
        self._reset_parser()

    # -- for the subclass ------------------------------------------------------------------------------------------

    def on_request(self, request: HttpRequest) -> None:
        """A complete request came; answer it with `respond`, now or later."""
        raise NotImplementedError

    def on_upgraded_data(self, data: bytes) -> None:
        """Bytes that came after an upgrade request; the subclass has taken the connection over."""

    def on_closed(self, error: Exception | None) -> None:
        """The socket is gone."""

    def respond(self, status: int, headers: Iterable[Header] = (), body: bytes = b"", *, close: bool = False) -> None:
        """Answer the current request. Harmless when the peer has gone meanwhile."""
        if self._transport is None or self._transport.is_closing():
            return
        keep_alive = self._current_keep_alive and not close
        self._transport.write(encode_response(status, headers, body, keep_alive=keep_alive))
        if not keep_alive:
            self._transport.close()
            return
        self._busy = False
        self._next()

    def end(self) -> None:
        """The server stops: close once what was written has left."""
        if self._transport is not None:
            self._transport.close()

    @property
    def transport(self) -> asyncio.Transport | None:
        """The open transport, or None once the peer is gone."""
        return self._transport

    def stop_http(self) -> None:
        """Hand every further byte to `on_upgraded_data`."""
        self._cancel_read_timer()
        self._upgraded = True

    # -- asyncio.Protocol ------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  narrows for mypy; only stream transports come here
        self._transport = transport
        peer = transport.get_extra_info("peername")
        self.peer_ip = peer[0] if isinstance(peer, tuple) else ""
        self._connections.add(self)
        self._start_read_timer()

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        if self._upgraded:
            self.on_upgraded_data(data)
            return
        if self._refusing:
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            # httptools stops at the end of the upgrade request and says where the rest of the bytes begin.
            rest = data[upgrade.args[0] :]
            if rest:
                self.on_upgraded_data(rest)
        except _TooLargeError as error:
            self._refuse(error.status)
        except httptools.HttpParserCallbackError as error:
            cause = error.__context__
            self._refuse(cause.status if isinstance(cause, _TooLargeError) else HTTPStatus.BAD_REQUEST)
        except httptools.HttpParserError:
            self._refuse(HTTPStatus.BAD_REQUEST)

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        self._cancel_read_timer()
        self._connections.discard(self)
        self._transport = None
        self._waiting.clear()
        self.on_closed(exc)

    # -- httptools callbacks ---------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """Called by httptools when a request starts."""
        self._target = b""
        self._headers: list[Header] = []
        self._head_bytes = 0
        self._body: list[bytes] = []
        self._body_bytes = 0

    def on_url(self, url: bytes) -> None:
        """Called by httptools with a piece of the target."""
        self._target += url
        if len(self._target) > MAX_TARGET_BYTES:
            raise _TooLargeError(HTTPStatus.REQUEST_URI_TOO_LONG)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by httptools for each header."""
        self._head_bytes += len(name) + len(value)
        if self._head_bytes > MAX_HEAD_BYTES:
            raise _TooLargeError(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        self._headers.append((name.decode("latin-1"), value.decode("latin-1").strip()))

    def on_body(self, body: bytes) -> None:
        """Called by httptools with a piece of the body."""
        self._body_bytes += len(body)
        if self._body_bytes > self.max_body_bytes:
            raise _TooLargeError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        self._body.append(body)

    def on_message_complete(self) -> None:
        """Called by httptools when a request is complete."""
        self._cancel_read_timer()
        self._waiting.append(
            HttpRequest(
                method=self._parser.get_method().decode("latin-1"),
                target=self._target.decode("latin-1"),
                headers=tuple(self._headers),
                body=b"".join(self._body),
                keep_alive=self._parser.should_keep_alive(),
                upgrade=self._parser.should_upgrade(),
            )
        )
        if not self._busy:
            self._next()

    # -- inside ----------------------------------------------------------------------------------------------------

    def _reset_parser(self) -> None:
        self._parser: Any = httptools.HttpRequestParser(self)
        self._upgraded = False
        self.on_message_begin()

    def _next(self) -> None:
        if not self._waiting:
            return
        request = self._waiting.popleft()
        self._busy = True
        self._current_keep_alive = request.keep_alive
        self.on_request(request)

    def _refuse(self, status: int) -> None:
        self._refusing = True
        self._current_keep_alive = False
        self.respond(status, [("Content-Type", "application/json")], b'{"message":"Bad Request"}', close=True)

    def _start_read_timer(self) -> None:
        self._read_timer = asyncio.get_running_loop().call_later(READ_TIMEOUT_S, self._on_silent)

    def _cancel_read_timer(self) -> None:
        if self._read_timer is not None:
            self._read_timer.cancel()
            self._read_timer = None

    def _on_silent(self) -> None:
        if self._transport is not None and not self._upgraded and not self._busy:
            self._transport.close()


class _TooLargeError(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status
