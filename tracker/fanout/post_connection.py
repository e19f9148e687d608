"""One keep-alive HTTP/1.1 client connection: one post at a time, and whoever posted hears what came of it.

No pipelining: with two requests under way an answer that never comes would leave both in doubt. No coroutine, future or
timer per post either: an answer is told by calling `owner`, which usually posts again at once. That, and no more
parsing than needed, is most of what makes the fan-out fast.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any, Protocol

import httptools

MAX_ANSWER_BYTES = 65_536
"""Answers of @connections are empty or a line of JSON; a peer that sends more than this is not one."""
DETAIL_BYTES = 200
"""How much of an answer's body is kept, for the log."""


class Owner(Protocol):
    """Who posts: hears of each post once."""

    def on_answer(self, connection: PostConnection, status: int, detail: str) -> None:
        """The whole answer has come; `detail` is the beginning of its body. The connection may be used again."""

    def on_no_answer(self, connection: PostConnection, reason: str, *, untouched: bool) -> None:
        """There will be no answer, and whether the post was carried out is unknown; the connection is closing.

        `untouched`: not one byte came back. On a connection that had answered before, that is how a peer looks that
        had closed it while it was idle.
        """


class PostConnection(asyncio.Protocol):
    """See the module's first lines."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._owner: Owner | None = None
        """Set while a post is under way."""
        self.sent_s = 0.0
        """When the post under way was sent (the loop's time)."""
        self.posts = 0
        """How many it has carried."""
        self.load: Any = None
        """Whatever the owner wants to find again when the answer is there."""
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when the socket is gone."""
        # One parser for all answers: it starts anew by itself after each one that leaves the connection open.
        self._parser: Any = httptools.HttpResponseParser(self)
        self._received = 0
        self._status = 0
        self._detail = b""
        self._answered = False

    @property
    def reusable(self) -> bool:
        """True when another post may be sent."""
        return self._transport is not None and self._owner is None and not self._transport.is_closing()

    def post(self, request: bytes, owner: Owner, now_s: float) -> None:
        """Send one whole request; only when `reusable`."""
        assert self._transport is not None  # noqa: S101  `reusable` says so
        self._owner = owner
        self.sent_s = now_s
        self.posts += 1
        self._received = self._status = 0
        self._detail = b""
        self._answered = False
        self._transport.write(request)

    def give_up(self, reason: str) -> None:
        """Wait no longer for the answer. Not "untouched": the peer is there and may be working on it."""
        self._fail(reason, untouched=False)

    def abort(self) -> None:
        """Close at once, telling nobody; `closed` says when it is done."""
        self._owner = None
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
        if self._owner is None or self._received > MAX_ANSWER_BYTES:
            # Nobody asked (a 408 before closing, say), or the peer is not who we think.
            self._fail("the peer sent what is no answer to a post")
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._fail("the peer does not speak HTTP/1.1")
            return
        # Only now, with the whole read parsed: what comes after an answer must not be taken for the next one.
        if self._answered:
            self._tell()

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        self._transport = None
        if self._owner is not None:
            if self._status:
                # The status is known, and without a length the end of the connection is the end of the answer.
                self._tell()
            else:
                self._fail("the connection was closed before the answer" if exc is None else f"connection lost: {exc}")
        if not self.closed.done():
            self.closed.set_result(None)

    # -- httptools callbacks ---------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """Called by httptools at the first byte of a response."""
        if self._answered and self._transport is not None:
            # More than the answer: it must not be taken for the answer to the next post.
            self._transport.abort()

    def on_headers_complete(self) -> None:
        """Called by httptools after the headers; a 1xx is not yet the answer."""
        status = self._parser.get_status_code()
        if status >= HTTPStatus.OK and not self._answered:
            self._status = status

    def on_body(self, body: bytes) -> None:
        """Called by httptools with a piece of the body."""
        if len(self._detail) < DETAIL_BYTES:
            self._detail += body[: DETAIL_BYTES - len(self._detail)]

    def on_message_complete(self) -> None:
        """Called by httptools at the end of a response."""
        if self._status:
            self._answered = True
            if not self._parser.should_keep_alive() and self._transport is not None:
                self._transport.close()

    # -- inside ----------------------------------------------------------------------------------------------------

    def _tell(self) -> None:
        owner, self._owner = self._owner, None
        if owner is not None:
            owner.on_answer(self, self._status, self._detail.decode("utf-8", "replace") if self._detail else "")

    def _fail(self, reason: str, *, untouched: bool | None = None) -> None:
        owner = self._owner
        self.abort()
        if owner is not None:
            owner.on_no_answer(self, reason, untouched=self._received == 0 if untouched is None else untouched)
