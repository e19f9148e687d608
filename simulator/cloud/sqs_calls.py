"""Calls of SQS on the event loop, for the triggers, which make them all the time.

botocore's client takes 2 to 3 ms of CPU for a call, in a thread of its own that the event loop has to share the
interpreter with: frames and posts of everybody waited for it. SQS speaks plain JSON, and botocore's signer alone is
quick.

Source: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-making-api-requests-json.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from simulator.cloud.clients import ACCESS_KEY, SECRET_KEY
from simulator.cloud.http_client import Answer, HttpClient

TIMEOUT_S = 60.0
"""Above the longest long poll (20 s)."""


class SqsError(Exception):
    """SQS refused a call, or its server failed; `code` is AWS's."""

    def __init__(self, action: str, status: int, code: str, message: str) -> None:
        super().__init__(f"{action} was answered {status} {code}: {message}")
        self.status = status
        self.code = code


class SqsCalls:
    """`await calls("ReceiveMessage", {"QueueUrl": …})` is the answer as SQS writes it, binary values in base64.

    Raises `SqsError`, and `OSError` when no answer comes.
    """

    def __init__(self, endpoint_url: str, region: str) -> None:
        self._url = f"{endpoint_url.rstrip('/')}/"
        self._host = urlsplit(endpoint_url).netloc
        self._path = urlsplit(self._url).path
        self._region = region
        self._client = HttpClient(endpoint_url)
        self._signer: Any = None

    async def __call__(self, action: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Make one call."""
        body = json.dumps(request).encode()
        headers = self._signed({"X-Amz-Target": f"AmazonSQS.{action}"}, body)
        answer = await self._client.post(self._path, headers, body, timeout_s=TIMEOUT_S)
        try:
            document: Any = json.loads(answer.body or b"{}")
        except ValueError:
            document = None
        if answer.status >= 300 or not isinstance(document, dict):  # noqa: PLR2004  not a 2xx
            raise _error(action, answer, document)
        return document

    async def close(self) -> None:
        """Close the kept connections."""
        await self._client.close()

    def _signed(self, headers: dict[str, str], body: bytes) -> dict[str, str]:
        import botocore.auth  # noqa: PLC0415  see `clients`
        import botocore.awsrequest  # noqa: PLC0415
        import botocore.credentials  # noqa: PLC0415

        if self._signer is None:
            credentials = botocore.credentials.Credentials(ACCESS_KEY, SECRET_KEY)
            self._signer = botocore.auth.SigV4Auth(credentials, "sqs", self._region)
        headers |= {"Host": self._host, "Content-Type": "application/x-amz-json-1.0"}
        request = botocore.awsrequest.AWSRequest("POST", self._url, headers=headers, data=body)
        self._signer.add_auth(request)
        return dict(request.headers.items())


def _error(action: str, answer: Answer, document: Any) -> SqsError:
    if not isinstance(document, dict):
        return SqsError(action, answer.status, "", f"{answer.body[:100]!r}")
    code = str(document.get("__type", "")).rpartition("#")[2]
    return SqsError(action, answer.status, code, str(document.get("message") or document.get("Message") or ""))
