"""One signed POST to one connection, as the bytes that go on the wire."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tracker.fanout.sigv4 import Signer

if TYPE_CHECKING:
    from tracker.fanout.endpoint import CallbackEndpoint
    from tracker.fanout.plan import Message
    from tracker.fanout.sigv4 import Credentials


class PostRequests:
    """Writes the posts of one broadcast: same endpoint, same credentials."""

    def __init__(self, endpoint: CallbackEndpoint, credentials: Credentials, region: str) -> None:
        self._endpoint = endpoint
        self._signer = Signer(credentials, region, endpoint.authority)
        token = f"X-Amz-Security-Token: {credentials.token}\r\n" if credentials.token else ""
        self._fixed = f"Host: {endpoint.authority}\r\nUser-Agent: vendor-tracker\r\n{token}"
        self._second = -1
        self._amz_date = ""

    def encode(self, connection_id: str, message: Message, epoch_s: float) -> bytes:
        """Return the whole request, signed for the time `epoch_s`. No Content-Type, as botocore has it (C02)."""
        second = int(epoch_s)
        if second != self._second:
            self._second, self._amz_date = second, time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(second))
        path = self._endpoint.connection_path(connection_id)
        authorization = self._signer.authorization(path, self._amz_date, message.payload_hash)
        head = (
            f"POST {path} HTTP/1.1\r\n{self._fixed}X-Amz-Date: {self._amz_date}\r\nAuthorization: {authorization}\r\n"
            f"Content-Length: {len(message.body)}\r\n\r\n"
        )
        return head.encode("ascii") + message.body
