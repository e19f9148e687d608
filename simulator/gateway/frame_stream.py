"""One client's WebSocket frames without a socket: bytes in, events and bytes out (RFC 6455, sections 5 and 7).

Ours rather than a library's, because the contract and the RFC ask for verdicts that those at hand give too late or not
at all: a frame is judged by its header, before its payload has arrived; frame and message have limits of their own
(L01); and a ping in the middle of an almost full message is no message too big. Of a compressed frame both what is on
the wire and what it holds is limited: browsers compress, and yet cannot send more than 32 KB at once (L02).

Feed bytes as they come, then take events one at a time until there is none: what the rules do about one event (close,
say) holds for the bytes after it. How the stream was cut into pieces makes no difference. Nothing here is kept between
messages but a handful of numbers, so that ten thousand silent connections cost little.

What breaks a rule ends the connection with the RFC's code, and nothing after it is read:

====  ==============================================================================================================
1002  reserved bits or opcodes, no mask, a length in more bytes than it needs or with the top bit set, control frames
      that are long or in fragments, a continuation of nothing, a new message inside another, close frames with one
      byte or a code that cannot be sent
1003  binary messages, at their first byte (M14)
1007  text or a close reason that is no UTF-8, looked at when the message is whole; compressed data that is none
1009  a frame of more than 32 KB, compressed or not, or a message of more than 128 KB (L01)
====  ==============================================================================================================
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import NamedTuple

from simulator.gateway.compression import Deflate, Inflater, NotDeflateError

try:
    from websockets.speedups import apply_mask
except ImportError:  # the same in Python, where the wheel has no compiled part
    from websockets.utils import apply_mask

MAX_MESSAGE_BYTES = 131_072
"""128 KB for a whole message (L01), after decompression."""
MAX_FRAME_BYTES = 32_768
"""32 KB for each of its frames (L01), before and after decompression."""

NO_STATUS = 1005
"""Stands for a close frame without a code; never on the wire."""

_PROTOCOL_ERROR = 1002
_UNSUPPORTED_DATA = 1003
_INVALID_PAYLOAD = 1007
_MESSAGE_TOO_BIG = 1009

_CONTINUATION, _TEXT, _BINARY, _CLOSE, _PING, _PONG = 0, 1, 2, 8, 9, 10
_FIN, _RSV1, _RSV2_AND_3, _OPCODE, _MASKED, _LENGTH = 0x80, 0x40, 0x30, 0x0F, 0x80, 0x7F
_TWO_BYTE_LENGTH, _EIGHT_BYTE_LENGTH = 126, 127
_MAX_CONTROL_BYTES = 125
_TOP_BIT = 1 << 63
_MASK_BYTES = 4


@dataclass(frozen=True, slots=True)
class Text:
    """A whole text message came."""

    text: str


@dataclass(frozen=True, slots=True)
class Ping:
    """A ping came; its pong is among the outgoing bytes (L06)."""


@dataclass(frozen=True, slots=True)
class PeerClosed:
    """The peer began the closing handshake, or completed ours; its code is `NO_STATUS` when it gave none."""

    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The peer broke a rule: the connection was failed with this code and reason (RFC 6455, 7.1.7)."""

    code: int
    reason: str


Event = Text | Ping | PeerClosed | Failed


class State(enum.Enum):
    """How far the connection has come to its end."""

    OPEN = "open"
    CLOSING = "closing"
    """This side sent a close frame and waits for the peer's."""
    FAILED = "failed"
    """This side sent a close frame and takes nothing more from the peer, who may be sending still."""
    CLOSED = "closed"
    """Both close frames have been, or the stream ended: the socket can go."""


class _Broken(Exception):
    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class FrameStream:
    """The server's side of one connection, from the byte after the handshake on."""

    __slots__ = ("_at", "_buffer", "_deflate", "_inflater", "_message", "_out", "close_seen", "state")

    def __init__(self, deflate: Deflate | None = None) -> None:
        self.state = State.OPEN
        self.close_seen: tuple[int, str] | None = None
        """Code and reason of the peer's close frame, else of our own for a broken rule; None before either."""
        self._deflate = deflate
        self._buffer = bytearray()
        self._at = 0
        """What of the buffer has been taken."""
        self._message: bytearray | None = None
        """The fragments of an unfinished message."""
        self._inflater: Inflater | None = None
        """Of an unfinished compressed message; it has a memory of 32 KB and more."""
        self._out = bytearray()

    # -- in --------------------------------------------------------------------------------------------------------

    def feed(self, data: bytes) -> None:
        """Bytes came from the peer; ask for events then. After a failure or the end they are dropped."""
        if self.state in (State.OPEN, State.CLOSING):
            self._buffer += data

    def feed_eof(self) -> None:
        """The peer will send no more: take the events there are before this. An unfinished message is no message."""
        self.state = State.CLOSED
        self._forget_input()

    def next_event(self) -> Event | None:
        """What happened next, or None until there is more to read."""
        try:
            while self.state in (State.OPEN, State.CLOSING):
                header = self._header()
                if header is None or len(self._buffer) < header.end:
                    break
                self._at = header.end
                event = self._take(header, self._payload(header))
                if event is not None:
                    return event
        except _Broken as broken:
            return self._fail(broken.code, broken.reason)
        if self._at:
            del self._buffer[: self._at]
            self._at = 0
        return None

    # -- out -------------------------------------------------------------------------------------------------------

    def encode(self, payload: bytes, *, binary: bool = False) -> bytes:
        """The frame of one whole message, as this connection wants it; write it only while the state is OPEN.

        The same bytes do for every connection without compression, and for every one with it: no frame refers to
        another.
        """
        if self._deflate is not None and self._deflate.is_worth_it(payload):
            return encode_frame(_BINARY if binary else _TEXT, self._deflate.compress(payload), compressed=True)
        return encode_frame(_BINARY if binary else _TEXT, payload)

    def close(self, code: int, reason: str) -> None:
        """Begin the closing handshake; does nothing once it has begun."""
        if self.state is State.OPEN:
            self.state = State.CLOSING
            self._message = self._inflater = None
            self._out += encode_frame(_CLOSE, _close_payload(code, reason))

    def take_outgoing(self) -> bytes:
        """Pongs and close frames that are due, to be written at once."""
        out = bytes(self._out)
        self._out.clear()
        return out

    @property
    def outgoing_bytes(self) -> int:
        """How much `take_outgoing` has."""
        return len(self._out)

    # -- frames ----------------------------------------------------------------------------------------------------

    def _header(self) -> _Header | None:
        """The header of the next frame once all of it is there. Raises `_Broken` as soon as what is there is wrong."""
        buffer, at = self._buffer, self._at
        if len(buffer) < at + 2:
            return None
        first, second = buffer[at], buffer[at + 1]
        opcode, fin = first & _OPCODE, bool(first & _FIN)
        self._check_first_byte(first, opcode)
        if not second & _MASKED:
            raise _Broken(_PROTOCOL_ERROR, "a client must mask its frames")
        length = second & _LENGTH
        at += 2
        if opcode >= _CLOSE:
            if not fin:
                raise _Broken(_PROTOCOL_ERROR, "a control frame in fragments")
            if length > _MAX_CONTROL_BYTES:
                raise _Broken(_PROTOCOL_ERROR, f"a control frame over {_MAX_CONTROL_BYTES} bytes")
        elif length > _MAX_CONTROL_BYTES:
            extra = 2 if length == _TWO_BYTE_LENGTH else 8
            if len(buffer) < at + extra:
                return None
            length = _extended_length(bytes(buffer[at : at + extra]))
            at += extra
        if opcode < _CLOSE:
            self._check_size(length, compressed=bool(first & _RSV1) or self._inflater is not None)
        return _Header(opcode, fin, bool(first & _RSV1), at, at + _MASK_BYTES + length)

    def _check_first_byte(self, first: int, opcode: int) -> None:
        starts_message = opcode in (_TEXT, _BINARY)
        if first & _RSV2_AND_3 or (first & _RSV1 and not (starts_message and self._deflate is not None)):
            raise _Broken(_PROTOCOL_ERROR, "a reserved bit is set")
        if opcode not in (_CONTINUATION, _TEXT, _BINARY, _CLOSE, _PING, _PONG):
            raise _Broken(_PROTOCOL_ERROR, f"opcode {opcode} is reserved")
        if starts_message and self._message is not None:
            raise _Broken(_PROTOCOL_ERROR, "a new message inside another")
        if opcode == _CONTINUATION and self._message is None and self.state is State.OPEN:
            raise _Broken(_PROTOCOL_ERROR, "a continuation of nothing")
        if opcode == _BINARY and self.state is State.OPEN:
            raise _Broken(_UNSUPPORTED_DATA, "")

    def _check_size(self, length: int, *, compressed: bool) -> None:
        if length > MAX_FRAME_BYTES:
            raise _Broken(_MESSAGE_TOO_BIG, f"over {MAX_FRAME_BYTES} bytes in one frame")
        if not compressed and len(self._message or b"") + length > MAX_MESSAGE_BYTES:
            raise _Broken(_MESSAGE_TOO_BIG, f"over {MAX_MESSAGE_BYTES} bytes in one message")

    def _payload(self, header: _Header) -> bytes:
        start = header.mask_at + _MASK_BYTES
        return apply_mask(self._buffer[start : header.end], bytes(self._buffer[header.mask_at : start]))

    def _take(self, header: _Header, payload: bytes) -> Event | None:
        if header.opcode == _PING:
            self._out += encode_frame(_PONG, payload)
            return Ping()
        if header.opcode == _PONG:
            return None  # nobody asked for one
        if header.opcode == _CLOSE:
            return self._take_close(payload)
        return self._take_data(header, payload) if self.state is State.OPEN else None

    def _take_data(self, header: _Header, payload: bytes) -> Event | None:
        if header.compressed:
            self._inflater = Inflater()
        if self._inflater is not None:
            payload = self._inflate(self._inflater, payload, last=header.fin)
        if self._message is not None:
            self._message += payload
            payload = bytes(self._message)
        elif not header.fin:
            self._message = bytearray(payload)
        if not header.fin:
            return None
        self._message = self._inflater = None
        try:
            return Text(payload.decode())
        except UnicodeDecodeError:
            raise _Broken(_INVALID_PAYLOAD, "invalid UTF-8") from None

    def _inflate(self, inflater: Inflater, payload: bytes, *, last: bool) -> bytes:
        try:
            inflated = inflater.inflate(payload, MAX_FRAME_BYTES, last=last)
        except NotDeflateError:
            raise _Broken(_INVALID_PAYLOAD, "invalid compressed data") from None
        self._check_size(len(inflated), compressed=False)
        return inflated

    def _take_close(self, payload: bytes) -> Event:
        code, reason = _parse_close(payload)
        if self.state is State.OPEN:
            self._out += encode_frame(_CLOSE, payload)
        self.close_seen = code, reason
        self.state = State.CLOSED
        self._forget_input()
        return PeerClosed(code, reason)

    def _fail(self, code: int, reason: str) -> Event:
        if self.state is State.OPEN:
            self._out += encode_frame(_CLOSE, _close_payload(code, reason))
        self.close_seen = code, reason
        self.state = State.FAILED
        self._forget_input()
        return Failed(code, reason)

    def _forget_input(self) -> None:
        self._buffer = bytearray()
        self._at = 0
        self._message = self._inflater = None


class _Header(NamedTuple):
    opcode: int
    fin: bool
    compressed: bool
    mask_at: int
    """Where the masking key begins; the payload follows it."""
    end: int
    """Where the frame ends."""


def encode_frame(opcode: int, payload: bytes, *, compressed: bool = False) -> bytes:
    """One frame of the server's: whole, not masked."""
    first = _FIN | opcode | (_RSV1 if compressed else 0)
    length = len(payload)
    if length <= _MAX_CONTROL_BYTES:
        return bytes((first, length)) + payload
    if length < 1 << 16:
        return bytes((first, _TWO_BYTE_LENGTH)) + length.to_bytes(2, "big") + payload
    return bytes((first, _EIGHT_BYTE_LENGTH)) + length.to_bytes(8, "big") + payload


def _extended_length(extra: bytes) -> int:
    length = int.from_bytes(extra, "big")
    if length & _TOP_BIT:
        raise _Broken(_PROTOCOL_ERROR, "a length with the top bit set")
    if length <= (_MAX_CONTROL_BYTES if len(extra) == 2 else 0xFFFF):  # noqa: PLR2004  its two forms
        raise _Broken(_PROTOCOL_ERROR, "a length in more bytes than it needs")
    return length


def _close_payload(code: int, reason: str) -> bytes:
    """Code and as much of the reason as a control frame holds; no payload at all for `NO_STATUS`."""
    if code == NO_STATUS:
        return b""
    return code.to_bytes(2, "big") + reason.encode()[: _MAX_CONTROL_BYTES - 2].decode(errors="ignore").encode()


def _parse_close(payload: bytes) -> tuple[int, str]:
    if not payload:
        return NO_STATUS, ""
    if len(payload) == 1:
        raise _Broken(_PROTOCOL_ERROR, "a close frame of one byte")
    code = int.from_bytes(payload[:2], "big")
    if not (code in _SENDABLE_CODES or 3000 <= code <= 4999):  # noqa: PLR2004  registered and private codes
        raise _Broken(_PROTOCOL_ERROR, f"close code {code}")
    try:
        return code, payload[2:].decode()
    except UnicodeDecodeError:
        raise _Broken(_INVALID_PAYLOAD, "invalid UTF-8 in a close reason") from None


_SENDABLE_CODES = frozenset({1000, 1001, 1002, 1003, *range(1007, 1015)})
"""Those below 3000 that may stand in a close frame: RFC 6455 (7.4.1) and what IANA has added."""
