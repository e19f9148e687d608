"""What two ends say to each other: a JSON document with bytes beside it, compressed, numbered and signed.

Pure. Locust's own messages are neither secret nor signed, and whoever reaches the port can send some. So everything we
say carries a signature made with a token that both ends were given and that never travels: over who says it, in which
run, to whom, and as which message of its direction. What is not signed so is not even unpacked. Secret it is not:
whoever can listen on the network reads it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import struct
import zlib
from typing import Any, Literal

Side = Literal["master", "worker"]
_MAC_BYTES = 32
_HEAD = struct.Struct(">Q")
_LENGTH = struct.Struct(">I")
_CONTEXT = b"tracker-sim workers 1"
_FAST = 1


class BadMessage(Exception):
    """A message that cannot be believed: forged, of another run, or one before it is missing."""


class Seal:
    """One end of what is said between the master and one worker; `node` is Locust's name of the worker.

    `run` is set once the master has said which run this is: a message of an earlier one then means nothing.
    """

    def __init__(self, token: str, node: str, side: Side) -> None:
        self.run = ""
        self._key = hashlib.sha256(token.encode()).digest()
        self._node = node
        self._side: Side = side
        self._other: Side = "worker" if side == "master" else "master"
        self._said = 0
        self._heard = 0

    def seal(self, document: Any, blob: bytes = b"") -> bytes:
        """The next message to the other end."""
        text = json.dumps(document, allow_nan=False, separators=(",", ":")).encode()
        payload = zlib.compress(_LENGTH.pack(len(text)) + text + blob, _FAST)
        head = _HEAD.pack(self._said)
        mac = self._mac(self._side, head, payload)
        self._said += 1
        return mac + head + payload

    def open(self, message: bytes) -> tuple[Any, bytes]:
        """The next message of the other end: its document and the bytes beside it. Raises BadMessage."""
        mac, rest = message[:_MAC_BYTES], message[_MAC_BYTES:]
        head, payload = rest[: _HEAD.size], rest[_HEAD.size :]
        if len(head) < _HEAD.size or not hmac.compare_digest(mac, self._mac(self._other, head, payload)):
            raise BadMessage("it is not signed with the token of this run")
        (number,) = _HEAD.unpack(head)
        if number != self._heard:
            raise BadMessage(f"it is message {number}, and message {self._heard} has not come")
        self._heard += 1
        data = zlib.decompress(payload)
        (length,) = _LENGTH.unpack_from(data)
        end = _LENGTH.size + length
        return json.loads(data[_LENGTH.size : end]), data[end:]

    def _mac(self, said_by: Side, head: bytes, payload: bytes) -> bytes:
        parts = [_CONTEXT, said_by.encode(), self._node.encode(), self.run.encode(), head, payload]
        mac = hmac.new(self._key, digestmod=hashlib.sha256)
        for part in parts:
            mac.update(_HEAD.pack(len(part)))
            mac.update(part)
        return mac.digest()
