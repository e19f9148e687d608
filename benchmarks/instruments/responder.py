"""A server that does next to nothing: it counts each POST and answers it. A script, to be run in its own process.

    python responder.py [JSON]

The JSON object may hold `certificate` and `key` (PEM files: then it speaks TLS), `gone_percent` (so many of every
hundred connection numbers are answered 410) and `rate_per_s` with `burst` (beyond them it answers 429).

Prints `{"port": N}` as one line on stdout and ends when its stdin does, so that it never outlives whoever started it.
A GET is answered with what was posted so far: `{"targets": {request target: [200s, 410s, 429s]}, "body_bytes": n}`,
where bodies count that were answered 200.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import ssl
import sys
import time
from typing import Any
from urllib.parse import unquote

import httptools

_OK, _GONE, _THROTTLED = 0, 1, 2
_ANSWERS = (
    b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 410 Gone\r\nx-amzn-ErrorType: GoneException\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 429 Too Many Requests\r\nx-amzn-ErrorType: LimitExceededException\r\nContent-Length: 0\r\n\r\n",
)


def connection_id(number: int) -> str:
    """Of the form that API Gateway gives: 16 characters, the last an equals sign, which a client must encode."""
    return base64.urlsafe_b64encode(number.to_bytes(11, "big")).decode()


def is_gone(number: int, gone_percent: int) -> bool:
    """Spread over the hundred: 37 has no factor in common with it."""
    return number * 37 % 100 < gone_percent


class Posted:
    """What all sockets together were sent, and what they are to be answered."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.targets: dict[bytes, list[int]] = {}
        self.body_bytes = 0
        self._gone_percent = settings.get("gone_percent", 0)
        self._gone: dict[bytes, bool] = {}
        self._rate_per_s = settings.get("rate_per_s")
        self._burst = self._tokens = settings.get("burst", 0)
        self._filled_s = time.monotonic()

    def verdict(self, target: bytes) -> int:
        if self._rate_per_s is not None:
            now_s = time.monotonic()
            self._tokens = min(self._burst, self._tokens + (now_s - self._filled_s) * self._rate_per_s)
            self._filled_s = now_s
            if self._tokens < 1:
                return _THROTTLED
            self._tokens -= 1
        if self._gone_percent:
            gone = self._gone.get(target)
            if gone is None:
                encoded = unquote(target.rpartition(b"/")[2].decode("ascii"))
                number = int.from_bytes(base64.urlsafe_b64decode(encoded), "big")
                gone = self._gone[target] = is_gone(number, self._gone_percent)
            if gone:
                return _GONE
        return _OK

    def as_response(self) -> bytes:
        targets = {target.decode("ascii"): answers for target, answers in self.targets.items()}
        body = json.dumps({"targets": targets, "body_bytes": self.body_bytes}).encode()
        return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


class Responder(asyncio.Protocol):
    """One socket; httptools calls the `on_…` methods."""

    def __init__(self, posted: Posted) -> None:
        self._posted = posted
        self._parser = httptools.HttpRequestParser(self)
        self._target = b""
        self._body_bytes = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        self._target = b""
        self._body_bytes = 0

    def on_url(self, piece: bytes) -> None:
        self._target += piece

    def on_body(self, piece: bytes) -> None:
        self._body_bytes += len(piece)

    def on_message_complete(self) -> None:
        posted = self._posted
        if self._parser.get_method() != b"POST":
            self._transport.write(posted.as_response())
            return
        verdict = posted.verdict(self._target)
        answers = posted.targets.get(self._target)
        if answers is None:
            answers = posted.targets[self._target] = [0, 0, 0]
        answers[verdict] += 1
        if verdict == _OK:
            posted.body_bytes += self._body_bytes
        self._transport.write(_ANSWERS[verdict])


async def main(settings: dict[str, Any]) -> None:
    posted = Posted(settings)
    context = None
    if "certificate" in settings:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(settings["certificate"], settings["key"])
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Responder(posted), "127.0.0.1", 0, ssl=context, backlog=1024)
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.close()


if __name__ == "__main__":
    run = asyncio.run
    with contextlib.suppress(ImportError):
        from uvloop import run  # type: ignore[assignment]  # the same, and less in the way
    run(main(json.loads(sys.argv[1]) if len(sys.argv) > 1 else {}))
