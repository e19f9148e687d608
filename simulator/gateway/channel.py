"""The frames of one WebSocket connection: websockets' sans-I/O protocol between a transport and the rules."""

from __future__ import annotations

import asyncio
import codecs
from collections.abc import Callable

from websockets.frames import Frame, Opcode
from websockets.protocol import Protocol, Side, State

from simulator.gateway.core import NO_STATUS

MAX_MESSAGE_BYTES = 131_072
"""128 KB for a whole message (L01); more closes with 1009."""

_CLOSE_TIMEOUT_S = 10.0
"""How long a peer may take to answer a close frame before the socket is cut."""
_ABNORMAL = (1006, "")
_INVALID_PAYLOAD = 1007


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
        """Code and reason for `$disconnect` when the peer closed or vanished (L13)."""
        if self._close_timer is not None:
            self._close_timer.cancel()
        close = self._protocol.close_rcvd
        if close is None:
            return _ABNORMAL
        if close.code == NO_STATUS[0]:
            return NO_STATUS
        return int(close.code), close.reason

    # -- inside ----------------------------------------------------------------------------------------------------

    def _after_receiving(self) -> None:
        for event in self._protocol.events_received():
            if isinstance(event, Frame):
                self._on_frame(event)
        self._flush()
        if self._protocol.state is not State.OPEN:
            self._announce_closing()

    def _on_frame(self, frame: Frame) -> None:
        if frame.opcode is Opcode.BINARY:
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
                    self._protocol.fail(_INVALID_PAYLOAD, "invalid UTF-8")
                else:
                    self._on_text(text)

    def _flush(self) -> None:
        for chunk in self._protocol.data_to_send():
            if chunk:
                self._transport.write(chunk)
            else:
                # The closing handshake is complete (or has failed): the server closes first (RFC 6455, 7.1.1).
                self._transport.close()

    def _announce_closing(self) -> None:
        if not self._announced:
            self._announced = True
            loop = asyncio.get_running_loop()
            self._close_timer = loop.call_later(_CLOSE_TIMEOUT_S, self._transport.abort)
            self._on_closing()
