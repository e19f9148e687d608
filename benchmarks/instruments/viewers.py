"""Many WebSocket clients that cost next to nothing, so that what is measured is the other side.

A viewer upgrades, sends masked text frames (masked with zeros) and takes unmasked ones. Fragments, pings and
extensions do not occur between these peers; whatever else comes is an error.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlsplit

_TEXT, _CLOSE = 0x81, 0x88
_CLOSE_FRAME = b"\x88\x82\0\0\0\0\x03\xe8"
"""1000, masked with zeros."""
OnFrame = Callable[["Viewer", bytes], None]


class Viewer(asyncio.Protocol):
    """One socket. `on_frame` gets every text payload; `opened` is done when the server has answered 101."""

    transport: asyncio.Transport

    def __init__(self, request: bytes, on_frame: OnFrame) -> None:
        loop = asyncio.get_running_loop()
        self._request, self.on_frame = request, on_frame
        self._buffer = b""
        self.received = 0
        """For `on_frame` to count with."""
        self.opened: asyncio.Future[None] = loop.create_future()
        self.closed: asyncio.Future[None] = loop.create_future()

    def send(self, payload: bytes) -> None:
        """Send a text frame."""
        size = len(payload)
        length = bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
        self.transport.write(bytes([_TEXT]) + length + b"\0\0\0\0" + payload)

    def leave(self) -> None:
        """Say goodbye; `closed` is done when the server has closed."""
        self.transport.write(_CLOSE_FRAME)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport
        self.transport.write(self._request)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.opened.done():
            self.opened.set_exception(exc or ConnectionError("the server closed instead of upgrading"))
        self.closed.set_result(None)

    def data_received(self, data: bytes) -> None:
        data = self._buffer + data if self._buffer else data
        at = 0
        if not self.opened.done():
            head, found, _ = data.partition(b"\r\n\r\n")
            if not found:
                self._buffer = data
                return
            if not head.startswith(b"HTTP/1.1 101"):
                self.opened.set_exception(ConnectionError(head.partition(b"\r\n")[0].decode("latin-1")))
                self.transport.abort()
                return
            self.opened.set_result(None)
            at = len(head) + 4
        self._buffer = data[self._frames(data, at) :]

    def _frames(self, data: bytes, at: int) -> int:
        """Hand over the whole frames of `data` from `at`; where the rest begins."""
        end = len(data)
        while end - at >= 2:
            size, start = data[at + 1], at + 2
            if size == 126:
                if end - at < 4:
                    break
                size, start = int.from_bytes(data[at + 2 : at + 4], "big"), at + 4
            if end - start < size:
                break
            if data[at] == _TEXT:
                self.on_frame(self, data[start : start + size])
            elif data[at] == _CLOSE:
                self.transport.close()
            else:
                raise ConnectionError(f"a frame that no viewer expects: {data[at]:#x}")
            at = start + size
        return at


class Tally:
    """An `on_frame` that counts frames of one known payload."""

    def __init__(self, payload: bytes) -> None:
        self._payload = payload
        self._left = 0
        self._complete = asyncio.Event()
        self.unexpected: list[bytes] = []

    def expect(self, frames: int) -> None:
        """Begin anew; `wait` returns after so many."""
        self._left = frames
        self._complete.clear()

    async def wait(self, seconds: float) -> None:
        """Return when all are there; raises TimeoutError with how many are not."""
        try:
            await asyncio.wait_for(self._complete.wait(), seconds)
        except TimeoutError:
            raise TimeoutError(f"{self._left} frames did not come within {seconds:g} s") from None

    def __call__(self, viewer: Viewer, payload: bytes) -> None:
        if payload != self._payload:
            self.unexpected.append(payload)
        viewer.received += 1
        self._left -= 1
        if self._left == 0:
            self._complete.set()


async def open_viewers(
    url: str, count: int, on_frame: OnFrame, *, at_once: int = 500, trusted: ssl.SSLContext | None = None
) -> list[Viewer]:
    """Connect so many viewers to a URL, `at_once` at a time; raises ConnectionError when one is refused.

    `trusted` is for `wss://`.
    """
    parts = urlsplit(url)
    request = (
        f"GET {parts.path or '/'} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    ).encode()
    loop = asyncio.get_running_loop()
    viewers: list[Viewer] = []

    async def one() -> Viewer:
        _, viewer = await loop.create_connection(
            lambda: Viewer(request, on_frame), parts.hostname, parts.port, ssl=trusted
        )
        await viewer.opened
        return viewer

    while len(viewers) < count:
        batch = min(at_once, count - len(viewers))
        viewers += await asyncio.gather(*(one() for _ in range(batch)))
    return viewers


async def close_viewers(viewers: Iterable[Viewer]) -> None:
    """Let everybody leave and wait until the server has closed."""
    everybody = list(viewers)
    for viewer in everybody:
        viewer.leave()
    await asyncio.gather(*(viewer.closed for viewer in everybody))
