"""The frames of one WebSocket connection: websockets' sans-I/O protocol between a transport and the rules."""

from __future__ import annotations

import asyncio
import codecs
from collections.abc import Callable

from websockets.frames import Frame, Opcode
from websockets.protocol import Protocol, Side, State

from simulator.gateway.core import ABNORMAL, NO_STATUS

MAX_MESSAGE_BYTES = 131_072
"""128 KB for a whole message (L01); more closes with 1009."""
MAX_FRAME_BYTES = 32_768
"""32 KB for each of its frames (L01); the same."""

_CLOSE_TIMEOUT_S = 10.0
"""How long a peer may take to answer a close frame before the socket is cut."""
_INVALID_PAYLOAD = 1007
_MESSAGE_TOO_BIG = 1009


class Channel:
    """Turns bytes into whole messages and texts into frames. One per connection, on the loop's thread only."""

    def __init__(
        self,
        transport: asyncio.Transport,
        *,
        on_text: Callable[[str], None],
        on_binary: Callable[[], None],
        on_closing: Callable[[], None],
    ) -> None:
        self._transport = transport
        self._protocol = Protocol(Side.SERVER, max_size=MAX_MESSAGE_BYTES)
        self._on_text = on_text
        self._on_binary = on_binary
        self._on_closing = on_closing
        self._text_pieces: list[bytes] = []
        self._failed = False
        self._announced = False
        self._close_timer: asyncio.TimerHandle | None = None

    def receive(self, data: bytes) -> None:
        """Bytes came from the peer."""
        self._protocol.receive_data(data)
        self._after_receiving()

    def receive_eof(self) -> None:
        """The peer will send no more."""
        self._protocol.receive_eof()
        self._after_receiving()

    def send_text(self, payload: bytes) -> None:
        """Send one text frame; does nothing once the closing handshake has begun."""
        if self._protocol.state is State.OPEN:
            self._protocol.send_text(payload)
            self._flush()

    def send_binary(self, payload: bytes) -> None:
        """The same with a binary frame."""
        if self._protocol.state is State.OPEN:
            self._protocol.send_binary(payload)
            self._flush()

    def close(self, code: int, reason: str) -> None:
        """Begin the closing handshake; a peer that does not answer is cut off after ten seconds."""
        if self._protocol.state is State.OPEN:
            self._protocol.send_close(code, reason)
            self._flush()
            self._announce_closing()

    def abort(self) -> None:
        """Cut the connection without ceremony."""
        self._transport.abort()

    @property
    def backlog_bytes(self) -> int:
        """What was written and the peer's socket has not taken yet."""
        return self._transport.get_write_buffer_size()

    def close_seen(self) -> tuple[int, str]:
        """Code and reason for `$disconnect` when the peer closed or vanished (L13).

        After a fault of the peer's (bad UTF-8, a frame too long) that is the code this side closed with.
        """
        if self._close_timer is not None:
            self._close_timer.cancel()
        close = self._protocol.close_rcvd or self._protocol.close_sent
        if close is None:
            return ABNORMAL
        if close.code == NO_STATUS[0]:
            return NO_STATUS
        return int(close.code), close.reason

    # -- inside ----------------------------------------------------------------------------------------------------

    def _after_receiving(self) -> None:
        for event in self._protocol.events_received():
            if self._failed:
                break
            if isinstance(event, Frame):
                self._on_frame(event)
        self._flush()
        if self._protocol.state is not State.OPEN:
            self._announce_closing()

    def _on_frame(self, frame: Frame) -> None:
        if len(frame.data) > MAX_FRAME_BYTES:
            self._fail(_MESSAGE_TOO_BIG, f"over {MAX_FRAME_BYTES} bytes in one frame")
        elif frame.opcode is Opcode.BINARY:
            self._text_pieces.clear()
            self._on_binary()
        elif frame.opcode is Opcode.TEXT or (frame.opcode is Opcode.CONT and self._text_pieces):
            self._text_pieces.append(bytes(frame.data))
            if frame.fin:
                message = b"".join(self._text_pieces)
                self._text_pieces.clear()
                try:
                    text = codecs.decode(message, "utf-8")
                except UnicodeDecodeError:
                    self._fail(_INVALID_PAYLOAD, "invalid UTF-8")
                else:
                    self._on_text(text)

    def _fail(self, code: int, reason: str) -> None:
        """The peer broke a rule: close, and take no more from it (RFC 6455, 7.1.7)."""
        self._failed = True
        self._protocol.fail(code, reason)

    def _flush(self) -> None:
        for chunk in self._protocol.data_to_send():
            if chunk:
                self._transport.write(chunk)
            elif self._protocol.close_rcvd is None and self._transport.can_write_eof():
                # The peer may still be sending. Closed with bytes unread, the socket would be reset and the close
                # frame lost; so only our half ends here, and the rest when the peer has answered or time is up.
                self._half_close()
            else:
                # The closing handshake is complete: the server closes first (RFC 6455, 7.1.1).
                self._transport.close()

    def _half_close(self) -> None:
        if not self._transport.is_closing():
            self._transport.write_eof()

    def _announce_closing(self) -> None:
        if not self._announced:
            self._announced = True
            loop = asyncio.get_running_loop()
            self._close_timer = loop.call_later(_CLOSE_TIMEOUT_S, self._transport.abort)
            self._on_closing()
