"""aiohttp with a SigV4 signer of our own: what a careful person would write without a purpose-built client.

The signer derives its key once a day and hashes each body once, as ours does; it shares no code with ours.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import ssl
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from urllib.parse import quote, urlsplit

import aiohttp
from yarl import URL

_REGION, _SERVICE = "us-east-1", "execute-api"


class AiohttpPosts:
    """One session with `sockets` kept connections, as many workers."""

    def __init__(self, url: str, *, sockets: int, context: ssl.SSLContext | None = None) -> None:
        self._url, self._sockets = url, sockets
        self._host = urlsplit(url).netloc
        self._prefix = urlsplit(url).path
        self._day = ""
        self._runner = asyncio.Runner()
        self._session = self._runner.run(self._open(context))

    def send(self, connection_ids: Sequence[str], body: bytes) -> Counter[int]:
        """Post to them all; how often each status was answered."""
        return self._runner.run(self._send(connection_ids, body))

    def close(self) -> None:
        self._runner.run(self._session.close())
        self._runner.close()

    async def _open(self, context: ssl.SSLContext | None) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(limit=self._sockets, ssl=context or True, keepalive_timeout=60)
        return aiohttp.ClientSession(connector=connector, skip_auto_headers=("Content-Type", "Accept"))

    async def _send(self, connection_ids: Sequence[str], body: bytes) -> Counter[int]:
        statuses: Counter[int] = Counter()
        remaining = iter(connection_ids)
        body_hash = hashlib.sha256(body).hexdigest()
        async with asyncio.TaskGroup() as workers:
            for _ in range(min(self._sockets, len(connection_ids))):
                workers.create_task(self._work(remaining, body, body_hash, statuses))
        return statuses

    async def _work(self, remaining: Iterator[str], body: bytes, body_hash: str, statuses: Counter[int]) -> None:
        for connection_id in remaining:
            path = f"{self._prefix}/@connections/{quote(connection_id, safe='')}"
            url = URL(f"{self._url.removesuffix(self._prefix)}{path}", encoded=True)
            async with self._session.post(url, data=body, headers=self._headers(path, body_hash)) as response:
                await response.read()
                statuses[response.status] += 1

    def _headers(self, path: str, body_hash: str) -> dict[str, str]:
        amz_date = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        if amz_date[:8] != self._day:
            self._day = amz_date[:8]
            self._key = b"AWS4test"
            for part in (self._day, _REGION, _SERVICE, "aws4_request"):
                self._key = hmac.digest(self._key, part.encode(), "sha256")
        signed = "host;x-amz-date"
        canonical = f"POST\n{quote(path)}\n\nhost:{self._host}\nx-amz-date:{amz_date}\n\n{signed}\n{body_hash}"
        scope = f"{self._day}/{_REGION}/{_SERVICE}/aws4_request"
        to_sign = f"AWS4-HMAC-SHA256\n{amz_date}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        signature = hmac.digest(self._key, to_sign.encode(), "sha256").hex()
        return {
            "X-Amz-Date": amz_date,
            "Authorization": f"AWS4-HMAC-SHA256 Credential=test/{scope}, SignedHeaders={signed}, Signature={signature}",
        }
