"""Connection, message and request ids in the shape API Gateway gives them (E01, E02, E03).

All three are URL-safe base64 of 11 bytes: 16 characters that end in `=`. The captured ones read
``<8 characters> oAM <C or F> <3 characters> =``: a connection id and the ids of its messages share the last eight
characters, request ids have `F` where connection ids have `C`.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from collections.abc import Callable

_ACCEPTED = re.compile(r"[A-Za-z0-9_-]{15}=")
"""Wider than what is generated: AWS answered 410, not 400, to a non-canonical 15th character (E01)."""


class IdFactory:
    """Makes ids from a source of random bits, so that a seeded run makes the same ones again."""

    def __init__(self, random_bits: Callable[[int], int]) -> None:
        self._bits = random_bits

    def connection_id(self) -> str:
        """A new connection id."""
        return f"{self._head()}oAMC{self._tail()}="

    def message_id(self, connection_id: str) -> str:
        """A new message id on a connection: the same last eight characters (E02)."""
        return self._head() + connection_id[8:]

    def request_id(self) -> str:
        """A new request id; also used for `extendedRequestId`, `x-amz-apigw-id` and `apigw-requestid`."""
        return f"{self._head()}oAMF{self._tail()}="

    def uuid(self) -> str:
        """A random (version 4) UUID, as in `x-amzn-requestid` (C04)."""
        digits = f"{self._bits(124):031x}"
        variant = "89ab"[int(digits[15], 16) & 3]
        return f"{digits[:8]}-{digits[8:12]}-4{digits[12:15]}-{variant}{digits[16:19]}-{digits[19:]}"

    def trace_id(self, now_ms: int) -> str:
        """An X-Ray trace id: `Root=1-{seconds, hex}-{24 hex digits}` (E08)."""
        return f"Root=1-{now_ms // 1000:08x}-{self._bits(96):024x}"

    def _head(self) -> str:
        return urlsafe_b64encode(self._bits(48).to_bytes(6, "big")).decode("ascii")

    def _tail(self) -> str:
        return urlsafe_b64encode(self._bits(16).to_bytes(2, "big"))[:3].decode("ascii")


def is_connection_id(text: str) -> bool:
    """Whether `text` could be a connection id: anything else is a 400, not a 410 (C08, C10)."""
    return _ACCEPTED.fullmatch(text) is not None
