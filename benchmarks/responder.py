"""A server that does next to nothing: it counts each POST and answers 200. A script, to be run in its own process.

Prints its port as one line on stdout and ends when its stdin does, so that it never outlives whoever started it. A GET
is answered with what was posted so far: `{"targets": {request target: posts}, "body_bytes": n}`.
"""

import asyncio
import json
import sys
from collections import Counter

import httptools

_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


class Posted:
    """What all sockets together were sent."""

    def __init__(self) -> None:
        self.targets: Counter[str] = Counter()
        self.body_bytes = 0

    def as_response(self) -> bytes:
        body = json.dumps({"targets": self.targets, "body_bytes": self.body_bytes}).encode()
        return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


class Responder(asyncio.Protocol):
    """One socket; httptools calls the `on_…` methods."""

    def __init__(self, posted: Posted) -> None:
        self._posted = posted
        self._parser = httptools.HttpRequestParser(self)
        self._target = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        self._target = b""

    def on_url(self, piece: bytes) -> None:
        self._target += piece

    def on_body(self, piece: bytes) -> None:
        self._posted.body_bytes += len(piece)

    def on_message_complete(self) -> None:
        if self._parser.get_method() == b"POST":
            self._posted.targets[self._target.decode("ascii")] += 1
            self._transport.write(_OK)
        else:
            self._transport.write(self._posted.as_response())


async def main() -> None:
    posted = Posted()
    server = await asyncio.get_running_loop().create_server(lambda: Responder(posted), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(main())
