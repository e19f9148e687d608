"""The least of an HTTP/1.1 server that the gateway and the Lambda Runtime API share: httptools parses, we answer.

One `HttpConnection` per socket. A subclass says what to do with a complete request (`on_request`) and calls `respond`
once for each, in order; requests that arrive while one is being answered wait. Chunked bodies and keep-alive are
httptools' work. Limits follow API Gateway's quotas (H01, P15): a request line or headers that are too long get 414
or 431, a body that is too long gets 413.

What two readers could understand in two ways is refused, and the connection closed: most of it by httptools (lengths
that are doubled, signed or beside a transfer coding, line ends of one character, folded lines, control characters), the
rest here (codings other than `chunked`, a coding in HTTP/1.0, none or two Hosts).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, cast

import httptools

MAX_TARGET_BYTES = 10_240
"""Request target: all that an HTTP API takes (P15); the stricter limits of one API are its own business."""
MAX_HEAD_BYTES = 32_768
"""All header names and values together."""
MAX_BODY_BYTES = 10 * 1024 * 1024
"""The HTTP API payload quota (P15), the largest that anything here accepts."""
MAX_WAITING_REQUESTS = 64
"""Pipelined requests that may wait before no more is read from the socket."""
READ_TIMEOUT_S = 30.0
"""A request that has begun must be complete within this; so must the first one of a connection, from its first moment.
A client that does not read its answers for so long is cut off."""
LINGER_S = 2.0
"""How long a peer whose request was refused may take to read the answer before the socket is closed."""
CLOSE_TIMEOUT_S = 10.0
"""How long a peer may take to read what was written to a socket that is being closed, until it is cut."""

_READ_BYTES = 262_144
"""What one read of the event loop may bring: slack where only whole reads can be counted."""
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

Header = tuple[str, str]

_REASONS = {status.value: status.phrase for status in HTTPStatus}
_NO_REQUESTS: deque[Any] = deque(maxlen=0)
_BODILESS = {int(HTTPStatus.NO_CONTENT), int(HTTPStatus.NOT_MODIFIED)}


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
    """The client asked for the one protocol that this connection upgrades to."""

    def header(self, name: str) -> str | None:
        """The first header called `name` (any case), or None."""
        return _first(self.headers, name)


def encode_response(
    status: int, headers: Iterable[Header], body: bytes = b"", *, keep_alive: bool = True, with_body: bool = True
) -> bytes:
    """One response as bytes. `Content-Length` and `Connection` are added here.

    204 and 304 carry neither body nor length, whatever is given; `with_body` is False for the answer to HEAD, which
    tells the length of a body that does not follow.
    """
    lines = [f"HTTP/1.1 {status} {_REASONS.get(status, 'Status')}"]
    lines.extend(f"{name}: {value}" for name, value in headers)
    if status in _BODILESS:
        with_body = False
    else:
        lines.append(f"Content-Length: {len(body)}")
    lines.append("Connection: keep-alive" if keep_alive else "Connection: close")
    head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")
    return head + body if with_body else head


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
    max_head_bytes = MAX_HEAD_BYTES
    upgrades_to: str | None = None
    """The one protocol (lower case) that `on_request` may upgrade to; a wish for any other is ignored, as RFC 9110
    (7.8) allows: stock HTTP/2 clients offer `h2c` with an ordinary request."""

    # Ten thousand of these may be open: slots instead of a dictionary of this size save 1.5 KB each.
    __slots__ = (
        "_body",
        "_body_bytes",
        "_busy",
        "_connections",
        "_current",
        "_declined_head",
        "_first_read_timeout_s",
        "_head_bytes",
        "_head_complete",
        "_head_reads_bytes",
        "_headers",
        "_held",
        "_in_message",
        "_may_expect_continue",
        "_parser",
        "_read_timeout_s",
        "_reading_paused",
        "_refusal",
        "_refused",
        "_serving",
        "_stall_timer",
        "_target",
        "_timer",
        "_transport",
        "_upgraded",
        "_waiting",
        "_writing_paused",
        "peer_ip",
    )

    def __init__(
        self,
        connections: OpenConnections,
        *,
        read_timeout_s: float | None = None,
        first_read_timeout_s: float | None = None,
    ) -> None:
        self._connections = connections
        self._read_timeout_s = READ_TIMEOUT_S if read_timeout_s is None else read_timeout_s
        self._first_read_timeout_s = self._read_timeout_s if first_read_timeout_s is None else first_read_timeout_s
        self._transport: asyncio.Transport | None = None
        self._waiting: deque[HttpRequest] = deque()
        self._busy = False
        self._serving = False
        self._current: HttpRequest | None = None
        self._refusal: int | None = None
        self._refused = False
        self._upgraded = False
        self._held: bytearray | None = None
        """What came after an upgrade request whose turn has not come."""
        self._declined_head: bytes | None = None
        """An upgrade request's head without the upgrade that nobody here offers."""
        self._writing_paused = False
        self._reading_paused = False
        self._timer: asyncio.TimerHandle | None = None
        self._stall_timer: asyncio.TimerHandle | None = None
        self._parser: Any = httptools.HttpRequestParser(self)
        self._in_message = False
        self._head_complete = False
        self._head_reads_bytes = 0
        self._head_bytes = 0
        self._may_expect_continue = True
        self._target = b""
        self._headers: list[Header] = []
        self._body: list[bytes] = []
        self._body_bytes = 0
        self.peer_ip = ""

    # -- for the subclass ------------------------------------------------------------------------------------------

    def on_request(self, request: HttpRequest) -> None:
        """A complete request came; answer it with `respond`, now or later.

        When `request.upgrade` is set, call `stop_http` before returning to take the connection over.
        """
        raise NotImplementedError

    def on_upgraded_data(self, data: bytes) -> None:
        """Bytes that came after an upgrade request; the subclass has taken the connection over."""

    def on_closed(self, error: Exception | None) -> None:
        """The socket is gone."""

    def refusal_headers(self) -> Iterable[Header]:
        """What else the answer to bytes that are no acceptable request says."""
        return ()

    def respond(self, status: int, headers: Iterable[Header] = (), body: bytes = b"", *, close: bool = False) -> None:
        """Answer the current request. Harmless when the peer has gone meanwhile."""
        transport, current = self._transport, self._current
        if transport is None or current is None or transport.is_closing():
            return
        keep_alive = current.keep_alive and not close
        transport.write(
            encode_response(status, headers, body, keep_alive=keep_alive, with_body=current.method != "HEAD")
        )
        if not keep_alive:
            self._close()
            return
        self._busy = False
        if not self._serving:
            self._serve()

    def end(self) -> None:
        """The server stops: close once what was written has left."""
        self._close()

    @property
    def is_between_requests(self) -> bool:
        """Whether the next byte begins a request, one that may be answered at once, and not the first one of all.

        While a request is being read a timer runs; so it does until the first one has come, and once the end has begun.
        """
        return self._timer is None and not self._busy

    @property
    def transport(self) -> asyncio.Transport | None:
        """The open transport, or None once the peer is gone."""
        return self._transport

    def stop_http(self) -> None:
        """Hand every further byte to `on_upgraded_data`."""
        self._cancel_timer()
        self._cancel_stall_timer()
        self._upgraded = True

    def forget_http(self) -> None:
        """The upgrade request has been answered, not by `respond`: what was kept of HTTP is of no more use."""
        self._parser = None
        self._current = None
        self._waiting = _NO_REQUESTS
        self._headers, self._body, self._target = [], [], b""

    # -- asyncio.Protocol ------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        # Not isinstance: uvloop's transports are not subclasses.
        self._transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername")
        self.peer_ip = peer[0] if isinstance(peer, tuple) else ""
        self._connections.add(self)
        self._start_timer(max(0.0, self._first_read_timeout_s))

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        if self._upgraded:
            self.on_upgraded_data(data)
        elif self._held is not None:
            self._held += data
        elif self._refusal is None:
            self._feed(data)
            self._serve()

    def pause_writing(self) -> None:
        """The peer does not read: read no more from it either, or its requests would pile up as answers."""
        self._writing_paused = True
        if not self._upgraded and self._transport is not None:
            self._stall_timer = asyncio.get_running_loop().call_later(self._read_timeout_s, self._transport.abort)
        self._regulate_reading()

    def resume_writing(self) -> None:
        """See asyncio.Protocol."""
        self._writing_paused = False
        self._cancel_stall_timer()
        self._regulate_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        self._cancel_timer()
        self._cancel_stall_timer()
        self._connections.discard(self)
        self._transport = None
        self._waiting.clear()
        self.on_closed(exc)

    # -- httptools callbacks ---------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """Called by httptools when a request starts."""
        self._in_message = True
        self._head_complete = False
        self._head_reads_bytes = 0
        self._may_expect_continue = True
        self._target = b""
        self._headers = []
        self._head_bytes = 0
        self._body = []
        self._body_bytes = 0

    def on_url(self, url: bytes) -> None:
        """Called by httptools with a piece of the target."""
        self._target += url
        if len(self._target) > MAX_TARGET_BYTES:
            raise _RefusedError(HTTPStatus.REQUEST_URI_TOO_LONG)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by httptools for each header, and for the trailers of a chunked body, which mean nothing here."""
        self._head_bytes += len(name) + len(value)
        if self._head_bytes > self.max_head_bytes:
            raise _RefusedError(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        if not self._head_complete:
            self._headers.append((name.decode("latin-1"), value.decode("latin-1").strip()))

    def on_headers_complete(self) -> None:
        """Called by httptools between the headers and the body."""
        self._head_complete = True
        fault = _fault_of_head(self._parser.get_http_version(), self._headers, self.max_body_bytes)
        if fault is not None:
            raise _RefusedError(fault)

    def on_body(self, body: bytes) -> None:
        """Called by httptools with a piece of the body."""
        self._body_bytes += len(body)
        if self._body_bytes > self.max_body_bytes:
            raise _RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        self._body.append(body)

    def on_message_complete(self) -> None:
        """Called by httptools when a request is complete. It is served later: nothing may raise in here."""
        self._in_message = False
        self._cancel_timer()
        method = self._parser.get_method().decode("latin-1")
        upgrade = self._parser.should_upgrade()
        if upgrade and not _offers(self._headers, self.upgrades_to):
            self._declined_head = self._head_without_upgrade(method)
            return
        self._waiting.append(
            HttpRequest(
                method=method,
                target=self._target.decode("latin-1"),
                headers=tuple(self._headers),
                body=b"".join(self._body),
                keep_alive=self._parser.should_keep_alive(),
                upgrade=upgrade,
            )
        )

    # -- parsing -----------------------------------------------------------------------------------------------------

    def _feed(self, data: bytes) -> None:
        unparsed = data
        while unparsed:
            unparsed = self._parse(unparsed)
        if not self._in_message or self._refusal is not None:
            return
        if self._timer is None:
            self._start_timer(self._read_timeout_s)
        if not self._head_complete:
            # One header line is only seen here once it is complete: without this it could grow for ever.
            self._head_reads_bytes += len(data)
            if self._head_reads_bytes > self.max_head_bytes + MAX_TARGET_BYTES + _READ_BYTES:
                self._refusal = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE

    def _parse(self, data: bytes) -> bytes:
        """Parse what can be parsed; returns what must be parsed instead after an upgrade was declined."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            # httptools stops at the end of the upgrade request's head and says where the rest of the bytes begin.
            rest = data[upgrade.args[0] :]
            if self._declined_head is None:
                self._held = bytearray(rest)
                return b""
            head, self._declined_head = self._declined_head, None
            if not head:
                self._refusal = HTTPStatus.METHOD_NOT_ALLOWED
                return b""
            self._parser = httptools.HttpRequestParser(self)
            return head + rest
        except httptools.HttpParserCallbackError as error:
            cause = error.__context__
            if not isinstance(cause, _RefusedError):
                raise
            self._refusal = cause.status
        except httptools.HttpParserError:
            self._refusal = HTTPStatus.BAD_REQUEST
        return b""

    def _head_without_upgrade(self, method: str) -> bytes:
        """The head of the request just parsed as an ordinary request's; empty for CONNECT, which cannot be one."""
        if method == "CONNECT":
            return b""
        lines = [f"{method} {self._target.decode('latin-1')} HTTP/{self._parser.get_http_version()}"]
        for name, value in self._headers:
            key = name.lower()
            if key == "connection":
                kept = [option for option in _options(value) if option not in {"upgrade", "http2-settings"}]
                lines.append(f"{name}: {', '.join(kept)}")
            elif key not in {"upgrade", "http2-settings"}:
                lines.append(f"{name}: {value}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    # -- serving -----------------------------------------------------------------------------------------------------

    def _serve(self) -> None:
        """Serve requests that wait, one after the other, as long as they are answered at once."""
        self._serving = True
        try:
            while self._waiting and not self._busy:
                self._current = request = self._waiting.popleft()
                self._busy = True
                self.on_request(request)
                if request.upgrade:
                    self._release_held()
        finally:
            self._serving = False
        if not self._busy and not self._upgraded:
            if self._refusal is not None:
                self._refuse(self._refusal)
            elif self._in_message and self._head_complete and self._may_expect_continue:
                self._continue_if_expected()
        if self._reading_paused or self._held is not None or len(self._waiting) > MAX_WAITING_REQUESTS:
            self._regulate_reading()

    def _release_held(self) -> None:
        """The upgrade request was served: what came after it is frames, or the next request if it was turned down."""
        held, self._held = bytes(self._held or b""), None
        if self._upgraded:
            if held:
                self.on_upgraded_data(held)
        else:
            self._parser = httptools.HttpRequestParser(self)
            self._feed(held)

    def _refuse(self, status: int) -> None:
        """Answer bytes that are no acceptable request, after all requests before them, and close.

        The socket stays open a little while: closed with bytes unread, it would be reset and the answer lost.
        """
        transport = self._transport
        if self._refused or transport is None or transport.is_closing():
            return
        self._refused = True
        body = f'{{"message":"{_REASONS[status]}"}}'.encode()
        headers = [("Content-Type", "application/json"), *self.refusal_headers()]
        transport.write(encode_response(status, headers, body, keep_alive=False))
        self._cancel_timer()
        self._start_timer(LINGER_S)

    def _continue_if_expected(self) -> None:
        """Tell a client that waits for `100 Continue` to send its body."""
        self._may_expect_continue = False
        expected = _first(self._headers, "expect")
        if expected is not None and expected.lower() == "100-continue" and self._transport is not None:
            self._transport.write(_CONTINUE)

    def _regulate_reading(self) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        pause = self._writing_paused or self._held is not None or len(self._waiting) > MAX_WAITING_REQUESTS
        if pause != self._reading_paused:
            self._reading_paused = pause
            if pause:
                transport.pause_reading()
            else:
                transport.resume_reading()

    # -- time --------------------------------------------------------------------------------------------------------

    def _start_timer(self, delay_s: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(delay_s, self._on_time_up)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _on_time_up(self) -> None:
        self._timer = None
        if self._transport is None or self._upgraded:
            return
        if self._transport.is_closing():
            self._transport.abort()
        elif self._busy:
            # An earlier request is still being answered; its answer must not be cut off.
            self._start_timer(self._read_timeout_s)
        else:
            self._close()

    def _cancel_stall_timer(self) -> None:
        if self._stall_timer is not None:
            self._stall_timer.cancel()
            self._stall_timer = None

    def _close(self) -> None:
        """Close once what was written has left, but do not wait for ever for a peer that does not read it."""
        if self._transport is None or self._transport.is_closing():
            return
        self._transport.close()
        self._cancel_timer()
        self._start_timer(CLOSE_TIMEOUT_S)


def _fault_of_head(version: str, headers: list[Header], max_body_bytes: int) -> int | None:
    """The status that refuses a complete head, or None when it is a good one."""
    if version not in {"1.0", "1.1"}:
        return HTTPStatus.HTTP_VERSION_NOT_SUPPORTED
    hosts = codings = 0
    for name, value in headers:
        match name.lower():
            case "host":
                hosts += 1
            case "transfer-encoding":
                codings += 1
                if value.lower() != "chunked":
                    return HTTPStatus.NOT_IMPLEMENTED
            case "content-length" if int(value) > max_body_bytes:
                return HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    if hosts > 1 or (version == "1.1" and not hosts) or (version == "1.0" and codings):
        return HTTPStatus.BAD_REQUEST
    return None


def _first(headers: Iterable[Header], name: str) -> str | None:
    wanted = name.lower()
    return next((value for key, value in headers if key.lower() == wanted), None)


def _options(value: str) -> list[str]:
    """The members of a comma-separated list, lower case."""
    return [option.strip().lower() for option in value.split(",")]


def _offers(headers: Iterable[Header], protocol: str | None) -> bool:
    return protocol is not None and any(
        protocol in _options(value) for name, value in headers if name.lower() == "upgrade"
    )


class _RefusedError(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status
