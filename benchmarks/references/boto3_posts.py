"""boto3's `post_to_connection`: in turn, by threads, and without any network (the ceiling of what it can do)."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import ClientError


class Boto3Posts:
    """One client, `threads` threads (1: none, the calls are made in turn)."""

    def __init__(self, url: str, *, threads: int = 1, verify: str | None = None) -> None:
        self.client = boto3.client(
            "apigatewaymanagementapi",
            endpoint_url=url,
            verify=verify,
            config=Config(max_pool_connections=max(10, threads)),
        )
        self._pool = ThreadPoolExecutor(threads) if threads > 1 else None

    def send(self, connection_ids: Sequence[str], body: bytes) -> Counter[int]:
        """Post to them all; how often each status was the final answer."""
        if self._pool is None:
            return Counter(self._post(connection_id, body) for connection_id in connection_ids)
        return Counter(self._pool.map(lambda connection_id: self._post(connection_id, body), connection_ids))

    def _post(self, connection_id: str, body: bytes) -> int:
        try:
            answer = self.client.post_to_connection(ConnectionId=connection_id, Data=body)
        except ClientError as error:
            answer = error.response
        status: int = answer["ResponseMetadata"]["HTTPStatusCode"]
        return status

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown()
        self.client.close()


class Boto3WithoutNetwork(Boto3Posts):
    """Every request is made and signed, and answered 200 in memory: no server, however fast, gets more out of boto3.

    Threads would not help: the work is Python's, under one lock.
    """

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.client.meta.events.register("before-send.apigatewaymanagementapi", self._answer)

    @staticmethod
    def _answer(request: Any, **_: Any) -> AWSResponse:
        assert request.headers["Authorization"]
        return AWSResponse(request.url, 200, {"Content-Length": "0"}, _EmptyBody())


class _EmptyBody(io.BytesIO):
    """What botocore reads of a urllib3 response."""

    def stream(self, **_: Any) -> list[bytes]:
        return []
