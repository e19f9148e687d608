"""One signed POST to one connection, as the bytes that go on the wire."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tracker.fanout.sigv4 import Signer, canonical_path

if TYPE_CHECKING:
    from tracker.fanout.endpoint import CallbackEndpoint
    from tracker.fanout.plan import Message
    from tracker.fanout.sigv4 import Credentials

_USUAL_ID = re.compile(r"[A-Za-z0-9_-]+=").fullmatch
"""Every connection id that API Gateway makes (E01): only the last character has to be encoded."""


class PostRequests:
    """Writes the posts of one broadcast, all to the same endpoint."""

    def __init__(self, endpoint: CallbackEndpoint, credentials: Credentials, region: str) -> None:
        self._endpoint = endpoint
        self._region = region
        self._path = endpoint.connection_path("")
        self._signed_path = canonical_path(self._path)
        self._before_signature = ""
        self._credentials = credentials
        self._sign_with(credentials)

    def renew(self, credentials: Credentials) -> None:
        """Sign with these from now on."""
        if credentials != self._credentials:
            self._sign_with(credentials)

    def encode(self, connection_id: str, message: Message, epoch_s: float) -> bytes:
        """Return the whole request, signed for the time `epoch_s`. No Content-Type, as botocore has it (C02)."""
        second = int(epoch_s)
        if second != self._second:
            self._set_time(second)
        if _USUAL_ID(connection_id):
            stem = connection_id[:-1]
            path, signed_path = f"{self._path}{stem}%3D", f"{self._signed_path}{stem}%253D"
        else:
            path = self._endpoint.connection_path(connection_id)
            signed_path = canonical_path(path)
        signature = self._signer.signature(signed_path, message.payload_hash)
        body = message.body
        head = f"POST {path}{self._before_signature}{signature}\r\nContent-Length: {len(body)}\r\n\r\n"
        return head.encode("ascii") + body

    def _sign_with(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self._signer = Signer(credentials, self._region, self._endpoint.authority)
        self._token = f"X-Amz-Security-Token: {credentials.token}\r\n" if credentials.token else ""
        self._second = -1

    def _set_time(self, second: int) -> None:
        self._second = second
        self._signer.set_time(second)
        self._before_signature = (
            f" HTTP/1.1\r\nHost: {self._endpoint.authority}\r\nUser-Agent: vendor-tracker\r\n{self._token}"
            f"X-Amz-Date: {self._signer.amz_date}\r\nAuthorization: {self._signer.before_signature}"
        )
