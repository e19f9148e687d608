"""One keep-alive HTTP/1.1 client connection: one request at a time, the status and a little of the body come back.

No pipelining: with two requests under way an answer that never comes would leave both in doubt.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import httptools

MAX_ANSWER_BYTES = 65_536
"""Answers of @connections are empty or a line of JSON; a peer that sends more than this is not one."""
DETAIL_BYTES = 200
"""How much of an answer's body is kept, for the log."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The part of a response that matters."""

    status: int
    detail: str
    """The beginning of the body."""


class NoAnswerError(Exception):
    """The request got no (whole) answer; whether it was carried out is unknown."""

    def __init__(self, reason: str, *, untouched: bool = False) -> None:
        super().__init__(reason)
        self.untouched = untouched
        """Not one byte came back: on a kept connection that is how a peer that closed it while idle looks."""


class HttpClientConnection(asyncio.Protocol):
    """See the module's first lines."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._pending: asyncio.Future[Answer] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.closed: asyncio.Future[None] = loop.create_future()
        """Done when the socket is gone."""
        self.used = False
        """True once it has carried a request."""
        # One parser for all answers: it starts anew by itself after each one that leaves the connection open.
        self._parser: Any = httptools.HttpResponseParser(self)
        self._begin()

    @property
    def reusable(self) -> bool:
        """True when another request may be sent."""
        return self._transport is not None and not self._transport.is_closing() and self._pending is None

    async def exchange(self, request: bytes, timeout_s: float) -> Answer:
        """Send one whole request and return its answer; raises `NoAnswerError`."""
        if not self.reusable or self._transport is None:
            raise NoAnswerError("the connection is closed", untouched=True)
        self.used = True
        self._begin()
        self._pending = self._loop.create_future()
        self._timer = self._loop.call_later(timeout_s, self._on_timeout, timeout_s)
        self._transport.write(request)
        try:
            return await self._pending
        except asyncio.CancelledError:
            self.abort()
            raise
        finally:
            self._timer.cancel()
            self._pending = None

    def abort(self) -> None:
        """Close at once; `closed` says when it is done."""
        if self._transport is not None:
            self._transport.abort()

    # -- asyncio.Protocol ------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  narrows for mypy
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        self._received += len(data)
        if self._pending is None or self._received > MAX_ANSWER_BYTES:
            # Nobody asked (a 408 before closing, say), or the peer is not who we think.
            self._fail("the peer sent what is no answer to a post")
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._fail("the peer does not speak HTTP/1.1")

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        self._transport = None
        if self._headers_done and not self._has_length:
            self._settle()  # without a length, the end of the connection is the end of the answer
        else:
            self._fail("the connection was closed before the answer" if exc is None else f"connection lost: {exc}")
        if not self.closed.done():
            self.closed.set_result(None)

    # -- httptools callbacks ---------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """Called by httptools at the first byte of a response."""
        if self._pending is None or self._pending.done():
            # More than the answer: what is left of it must not be taken for the answer to the next request.
            self.abort()

    def on_header(self, name: bytes, _value: bytes) -> None:
        """Called by httptools for each header."""
        if name.lower() in {b"content-length", b"transfer-encoding"}:
            self._has_length = True

    def on_headers_complete(self) -> None:
        """Called by httptools after the headers."""
        self._status = self._parser.get_status_code()
        self._headers_done = self._status >= HTTPStatus.OK

    def on_body(self, body: bytes) -> None:
        """Called by httptools with a piece of the body."""
        if len(self._detail) < DETAIL_BYTES:
            self._detail += body[: DETAIL_BYTES - len(self._detail)]

    def on_message_complete(self) -> None:
        """Called by httptools at the end of a response; a 1xx is not yet the answer."""
        if not self._headers_done:
            return
        keep_alive = self._parser.should_keep_alive()
        self._settle()
        if not keep_alive and self._transport is not None:
            self._transport.close()

    # -- inside ----------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        self._received = 0
        self._status = 0
        self._headers_done = False
        self._has_length = False
        self._detail = b""

    def _settle(self) -> None:
        if self._pending is not None and not self._pending.done():
            self._pending.set_result(Answer(self._status, self._detail.decode("utf-8", "replace")))

    def _fail(self, reason: str) -> None:
        if self._pending is not None and not self._pending.done():
            self._pending.set_exception(NoAnswerError(reason, untouched=self._received == 0))
        self.abort()

    def _on_timeout(self, timeout_s: float) -> None:
        if self._pending is not None and not self._pending.done():
            # Not "untouched": the peer is there and may be working on it.
            self._pending.set_exception(NoAnswerError(f"no answer within {timeout_s:.1f} s"))
        self.abort()
