"""permessage-deflate (RFC 7692): what is agreed on in the handshake, and a message in and out.

AWS negotiates it and then mishandles window sizes that a client names explicitly, so that stock clients name none
(H15). Here every correct offer is served. What is agreed on keeps nothing between messages, in either direction
(`no_context_takeover`): a zlib context takes up to 300 KB, and ten thousand idle viewers would pay for it. A context
lives while a message is being read or written, so a frame that is compressed once does for all connections.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import lru_cache

from websockets.exceptions import InvalidHeader, NegotiationError
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.headers import build_extension, parse_extension

_MAX_WINDOW_BITS = 15
_SYNC_FLUSH_TAIL = b"\x00\x00\xff\xff"
"""What the sender leaves out at a message's end (RFC 7692, 7.2.1)."""


class NotDeflateError(Exception):
    """Compressed data that is none."""


@dataclass(frozen=True, slots=True)
class Deflate:
    """What was agreed on with one client."""

    window_bits: int
    """The client's limit for what is sent to it."""
    from_bytes: int
    """Smaller messages are sent as they are: compressing them costs more than it saves."""

    def is_worth_it(self, payload: bytes) -> bool:
        """Whether a message of this size is to be compressed."""
        return len(payload) >= self.from_bytes

    def compress(self, payload: bytes) -> bytes:
        """The payload of one compressed message."""
        return _compressed(payload, self.window_bits)


@lru_cache(maxsize=32)  # a broadcast sends the same to everybody: 4 MB of messages at most, and as much compressed
def _compressed(payload: bytes, window_bits: int) -> bytes:
    context = zlib.compressobj(wbits=-window_bits)
    return (context.compress(payload) + context.flush(zlib.Z_SYNC_FLUSH)).removesuffix(_SYNC_FLUSH_TAIL)


class Inflater:
    """Decompresses one message, frame by frame."""

    __slots__ = ("_context",)

    def __init__(self) -> None:
        # The largest window reads what was written with any.
        self._context = zlib.decompressobj(wbits=-_MAX_WINDOW_BITS)

    def inflate(self, payload: bytes, room: int, *, last: bool) -> bytes:
        """What the payload of the next frame holds, but no more than `room` + 1 bytes: one too many says it all.

        Raises `NotDeflateError`.
        """
        if last:
            payload = bytes(payload) + _SYNC_FLUSH_TAIL
        try:
            inflated = self._context.decompress(payload, room + 1)
        except zlib.error:
            raise NotDeflateError from None
        # A sender may mark its last block as final; then only padding may follow (RFC 7692, 7.2.3.4).
        if self._context.unused_data.strip(b"\x00") not in (b"", b"\xff\xff"):
            raise NotDeflateError
        return inflated


@lru_cache(maxsize=64)  # a browser's offer is every browser's
def negotiate(offer: str, from_bytes: int) -> tuple[str, Deflate] | None:
    """Choose among the offers of a `Sec-WebSocket-Extensions` header: the header of the answer, and what it means.

    None when there is nothing to agree on. Offers that make no sense are passed over: compression is a courtesy.
    """
    try:
        offers = parse_extension(offer)
    except InvalidHeader:
        return None
    for name, parameters in offers:
        if name != ServerPerMessageDeflateFactory.name:
            continue
        try:
            agreed, extension = _OURS.process_request_params(parameters, ())
        except NegotiationError:
            continue
        return build_extension([(name, agreed)]), Deflate(extension.local_max_window_bits, from_bytes)
    return None


_OURS = ServerPerMessageDeflateFactory(server_no_context_takeover=True, client_no_context_takeover=True)
