"""One keep-alive HTTP/1.1 client connection: one post at a time, and whoever posted hears what came of it.

No pipelining: with two requests under way an answer that never comes would leave both in doubt. No coroutine, future or
timer per post either: the event loop says that the socket can be read, and an answer is told by calling `owner`, which
usually posts again at once. That, and nothing between us and the socket (see `tcp`), is most of what makes the fan-out
fast.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import Any, Protocol

import httptools

MAX_ANSWER_BYTES = 65_536
"""Answers of @connections are empty or a line of JSON; a peer that sends more than this is not one."""
DETAIL_BYTES = 200
"""How much of an answer's body is kept, for the log."""
READ_BYTES = 16_384
"""At a time: no less than a TLS record holds, because nobody would tell us of a rest that OpenSSL has read already."""
_NOT_NOW = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
_LAST_INTERIM = 199


class Owner(Protocol):
    """Who posts: hears of each post once."""

    def on_answer(self, connection: PostConnection, status: int, detail: str) -> None:
        """The whole answer has come; `detail` is the beginning of its body. The connection may be used again."""

    def on_no_answer(self, connection: PostConnection, reason: str, *, untouched: bool) -> None:
        """There will be no answer, and whether the post was carried out is unknown; the connection is closing.

        `untouched`: not one byte came back. On a connection that had answered before, that is how a peer looks that
        had closed it while it was idle.
        """


class PostConnection:
    """See the module's first lines."""

    def __init__(self, connection: socket.socket) -> None:
        """`connection` is connected and does not block; see `tcp.connect`."""
        self._loop = asyncio.get_running_loop()
        self._socket: socket.socket | None = connection
        self._owner: Owner | None = None
        """Set while a post is under way."""
        self.sent_s = 0.0
        """When the post under way was sent (the loop's time)."""
        self.posts = 0
        """How many it has carried."""
        self.load: Any = None
        """Whatever the owner wants to find again when the answer is there."""
        # One parser for all answers: it starts anew by itself after each one that leaves the connection open.
        self._parser: Any = httptools.HttpResponseParser(self)
        self._unsent = b""
        self._received = 0
        self._status = 0
        self._detail = b""
        self._answered = False
        self._last = False
        """The peer, or we, will not go on after this answer."""
        self._loop.add_reader(connection, self._readable)

    @property
    def reusable(self) -> bool:
        """True when another post may be sent."""
        return self._owner is None and self._socket is not None

    def post(self, request: bytes, owner: Owner, now_s: float) -> None:
        """Send one whole request; only when `reusable`."""
        assert self._socket is not None  # noqa: S101  `reusable` says so
        self._owner = owner
        self.sent_s = now_s
        self.posts += 1
        self._received = self._status = 0
        self._detail = b""
        self._answered = False
        try:
            sent = self._socket.send(request)
        except _NOT_NOW:
            sent = 0
        except OSError as error:
            self._loop.call_soon(self.ended, error)  # not now: whoever posts is not ready to hear of it
            return
        if sent < len(request):
            self._unsent = request[sent:]
            self._loop.add_writer(self._socket, self._writable)

    def give_up(self, reason: str) -> None:
        """Wait no longer for the answer. Not "untouched": the peer is there and may be working on it."""
        self._fail(reason, untouched=False)

    def abort(self) -> None:
        """Close at once, telling nobody."""
        self._owner = None
        if self._socket is not None:
            self._loop.remove_reader(self._socket)
            self._loop.remove_writer(self._socket)
            self._socket.close()
            self._socket = None

    # -- what the socket brings ------------------------------------------------------------------------------------

    def received(self, data: bytes) -> None:
        """Bytes have come."""
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

    def ended(self, error: Exception | None = None) -> None:
        """Nothing more will come."""
        if self._owner is not None and self._status:
            # The status is known, and without a length the end of the connection is the end of the answer.
            self._last = True
            self._tell()
        else:
            self._fail("the connection was closed before the answer" if error is None else f"connection lost: {error}")

    def _readable(self) -> None:
        if self._socket is None:  # closed by an event of this turn of the loop
            return
        try:
            data = self._socket.recv(READ_BYTES)
        except _NOT_NOW:
            return
        except OSError as error:
            self.ended(error)
            return
        if data:
            self.received(data)
        else:
            self.ended()

    def _writable(self) -> None:
        if self._socket is None:
            return
        try:
            self._unsent = self._unsent[self._socket.send(self._unsent) :]
        except _NOT_NOW:
            return
        except OSError as error:
            self.ended(error)
            return
        if not self._unsent:
            self._loop.remove_writer(self._socket)

    # -- httptools callbacks ---------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """Called by httptools at the first byte of a response."""
        if self._answered:
            # More than the answer: it must not be taken for the answer to the next post.
            self._last = True

    def on_headers_complete(self) -> None:
        """Called by httptools after the headers; a 1xx is not yet the answer."""
        status = self._parser.get_status_code()
        if status > _LAST_INTERIM and not self._answered:
            self._status = status

    def on_body(self, body: bytes) -> None:
        """Called by httptools with a piece of the body."""
        if len(self._detail) < DETAIL_BYTES:
            self._detail += body[: DETAIL_BYTES - len(self._detail)]

    def on_message_complete(self) -> None:
        """Called by httptools at the end of a response."""
        if self._status:
            self._answered = True
            if not self._parser.should_keep_alive():
                self._last = True

    # -- inside ----------------------------------------------------------------------------------------------------

    def _tell(self) -> None:
        owner, self._owner = self._owner, None
        if self._last:
            self.abort()
        if owner is not None:
            owner.on_answer(self, self._status, self._detail.decode("utf-8", "replace") if self._detail else "")

    def _fail(self, reason: str, *, untouched: bool | None = None) -> None:
        owner = self._owner
        self.abort()
        if owner is not None:
            owner.on_no_answer(self, reason, untouched=self._received == 0 if untouched is None else untouched)
