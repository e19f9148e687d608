"""Connection, message and request ids in the shape API Gateway gives them (E01, E02, E03).

All three are URL-safe base64 of 11 bytes: 16 characters that end in `=`. The captured ones read
``<8 characters> oAM <C or F> <3 characters> =``: a connection id and the ids of its messages share the last eight
characters, request ids have `F` where connection ids have `C`.
"""

from __future__ import annotations

import re
from binascii import b2a_base64
from collections.abc import Callable

_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_UUID_FREE_BITS = ((1 << 128) - 1) ^ (0xF << 76 | 0x3 << 62)
_UUID_VERSION_AND_VARIANT = 4 << 76 | 2 << 62
_ACCEPTED = re.compile(r"[A-Za-z0-9_-]{15}=")
"""Wider than what is generated: AWS answered 410, not 400, to a non-canonical 15th character (E01)."""


class IdFactory:
    """Makes ids from a source of random bits, so that a seeded run makes the same ones again."""

    def __init__(self, random_bits: Callable[[int], int]) -> None:
        self._bits = random_bits

    def connection_id(self) -> str:
        """A new connection id."""
        letters = self._letters()
        return f"{letters[:8]}oAMC{letters[8:]}"

    def message_id(self, connection_id: str) -> str:
        """A new message id on a connection: the same last eight characters (E02)."""
        return _base64(self._bits(48).to_bytes(6, "big")) + connection_id[8:]

    def request_id(self) -> str:
        """A new request id; also used for `extendedRequestId`, `x-amz-apigw-id` and `apigw-requestid`."""
        letters = self._letters()
        return f"{letters[:8]}oAMF{letters[8:]}"

    def uuid(self) -> str:
        """A random (version 4) UUID, as in `x-amzn-requestid` (C04)."""
        digits = f"{self._bits(128) & _UUID_FREE_BITS | _UUID_VERSION_AND_VARIANT:032x}"
        return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"

    def trace_id(self, now_ms: int) -> str:
        """An X-Ray trace id: `Root=1-{seconds, hex}-{24 hex digits}` (E08)."""
        return f"Root=1-{now_ms // 1000:08x}-{self._bits(96):024x}"

    def _letters(self) -> str:
        """What is random in an id: eight characters, then three and the padding."""
        return _base64(self._bits(64).to_bytes(8, "big"))


def _base64(data: bytes) -> str:
    # What base64.urlsafe_b64encode does, in half the time: there are ids in every answer.
    return b2a_base64(data, newline=False).translate(_URL_SAFE).decode("ascii")


def is_connection_id(text: str) -> bool:
    """Whether `text` could be a connection id: anything else is a 400, not a 410 (C08, C10)."""
    return _ACCEPTED.fullmatch(text) is not None
