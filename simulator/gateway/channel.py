"""One open WebSocket on its transport: the asyncio shell around `frame_stream`.

A client that does not read costs no more than a fixed number of bytes. Callbacks to it are refused while more than
`backlog_bytes` wait (C14); from that point on nothing more is read from it either, so that its pings and messages
cannot pile up answers; and answers to what it had sent before may add `OWN_FRAMES_BYTES`, then it is cut off.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol

from simulator.active_faults import peer_name
from simulator.gateway.core import ABNORMAL, NO_STATUS
from simulator.gateway.frame_stream import Failed, FrameStream, PeerClosed, Ping, State, Text

OWN_FRAMES_BYTES = 1_048_576
"""Error frames and route responses that may wait beyond the backlog; the figure is ours."""

_CLOSE_TIMEOUT_S = 10.0
"""How long a peer may take to answer a close frame, or to read what was written before, until the socket is cut."""
_FLUSH_BYTES = 16_384
"""So many bytes of pongs go out together when a peer floods pings."""

_LOG = logging.getLogger("simulator.gateway")


class ChannelOwner(Protocol):
    """Who is told what comes through a channel."""

    def on_text(self, text: str) -> None:
        """A whole text message came."""

    def on_ping(self) -> None:
        """A ping came and has been answered."""

    def on_closing(self) -> None:
        """The closing handshake has begun, whoever began it; nothing can be sent any more."""


class Channel:
    """Turns bytes into whole messages and messages into frames. One per connection, on the loop's thread only."""

    __slots__ = (
        "_announced",
        "_backlog_limit",
        "_close_timer",
        "_ended",
        "_owner",
        "_stream",
        "_taking",
        "_transport",
        "_writing_paused",
        "written_bytes",
    )

    def __init__(
        self, transport: asyncio.Transport, owner: ChannelOwner, stream: FrameStream, *, backlog_bytes: int
    ) -> None:
        self._transport = transport
        self._owner = owner
        self._stream = stream
        self._backlog_limit = backlog_bytes
        self._taking = False
        self._writing_paused = False
        self.written_bytes = 0
        """Of frames."""
        self._announced = False
        self._ended = False
        self._close_timer: asyncio.TimerHandle | None = None
        transport.set_write_buffer_limits(high=backlog_bytes)

    # -- in --------------------------------------------------------------------------------------------------------

    def receive(self, data: bytes) -> None:
        """Bytes came from the peer."""
        self._stream.feed(data)
        self._take_events()

    def receive_eof(self) -> None:
        """The peer will send no more; what it sent before counts."""
        self._writing_paused = False
        self._take_events()
        self._stream.feed_eof()
        self._follow_up()

    def pause_writing(self) -> None:
        """More than the backlog waits to be read by the peer: take no more from it."""
        self._writing_paused = True

    def resume_writing(self) -> None:
        """The peer has read."""
        self._writing_paused = False
        self._take_events()

    @property
    def peer(self) -> str:
        """Whose socket is at the other end (`peer_name`)."""
        return peer_name(self._transport.get_extra_info("peername"))

    def stop_reading(self) -> None:
        """Hear nothing more from the peer, not even that it has gone."""
        self._transport.pause_reading()

    # -- out -------------------------------------------------------------------------------------------------------

    @property
    def takes_callbacks(self) -> bool:
        """Whether what is sent now goes out, and is no more than a client may leave unread."""
        transport = self._transport
        return (
            self._stream.state is State.OPEN
            and not transport.is_closing()
            and transport.get_write_buffer_size() <= self._backlog_limit
        )

    def send(self, payload: bytes, *, binary: bool = False) -> None:
        """Send one message; does nothing once the closing handshake has begun."""
        if self._stream.state is not State.OPEN or self._transport.is_closing():
            return
        if self.backlog_bytes > self._backlog_limit + OWN_FRAMES_BYTES:
            _LOG.warning("a client that does not read was cut off: %d bytes wait for it", self.backlog_bytes)
            self.abort()
            return
        frame = self._stream.encode(payload, binary=binary)
        self.written_bytes += len(frame)
        self._transport.write(frame)

    def close(self, code: int, reason: str) -> None:
        """Begin the closing handshake; a peer that does not answer is cut off after ten seconds."""
        self._stream.close(code, reason)
        self._follow_up()

    def abort(self) -> None:
        """Cut the connection without ceremony."""
        self._transport.abort()

    @property
    def backlog_bytes(self) -> int:
        """What was written and the peer's socket has not taken yet."""
        return self._transport.get_write_buffer_size()

    @property
    def is_backlogged(self) -> bool:
        """Whether callbacks are refused (C14)."""
        return self.backlog_bytes > self._backlog_limit

    def close_seen(self) -> tuple[int, str]:
        """Code and reason for `$disconnect` when the peer closed or vanished (L13); call it once the socket is gone.

        After a fault of the peer's (bad UTF-8, a frame too long) that is the code this side closed with.
        """
        if self._close_timer is not None:
            self._close_timer.cancel()
        seen = self._stream.close_seen
        if seen is None:
            return ABNORMAL
        return NO_STATUS if seen[0] == NO_STATUS[0] else seen

    # -- inside ----------------------------------------------------------------------------------------------------

    def _take_events(self) -> None:
        if self._taking:
            # Writing was resumed while an event is being handled: the loop below goes on anyway.
            return
        self._taking = True
        try:
            while not self._writing_paused and (event := self._stream.next_event()) is not None:
                match event:
                    case Text(text):
                        self._owner.on_text(text)
                    case Ping():
                        self._owner.on_ping()
                    case PeerClosed() | Failed():
                        break
                if self._stream.outgoing_bytes > _FLUSH_BYTES:
                    self._flush()
        finally:
            self._taking = False
        self._follow_up()

    def _flush(self) -> None:
        if self._stream.outgoing_bytes:
            outgoing = self._stream.take_outgoing()
            if not self._transport.is_closing():
                self.written_bytes += len(outgoing)
                self._transport.write(outgoing)

    def _follow_up(self) -> None:
        """Write what is due, and end our half of the connection when the frames have come to their end."""
        self._flush()
        state = self._stream.state
        if state is State.OPEN:
            return
        self._announce_closing()
        if self._ended or state is State.CLOSING:
            return
        self._ended = True
        if state is State.FAILED and self._transport.can_write_eof() and not self._transport.is_closing():
            # The peer may still be sending. Closed with bytes unread, the socket would be reset and the close frame
            # lost; so only our half ends here, and the rest when the peer has answered or time is up.
            self._transport.write_eof()
        else:
            # The closing handshake is complete: the server closes first (RFC 6455, 7.1.1).
            self._transport.close()

    def _announce_closing(self) -> None:
        if not self._announced:
            self._announced = True
            self._close_timer = asyncio.get_running_loop().call_later(_CLOSE_TIMEOUT_S, self._transport.abort)
            self._owner.on_closing()
