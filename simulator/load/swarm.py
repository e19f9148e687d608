"""The swarm: many subscribers on real WebSockets, each as a browser would be.

Every subscriber is a stock `websockets` client. Two of its settings differ from that library's defaults. It sends no
keep-alive pings, because browsers send none and a busy loop must not break its own sockets. And it offers compression
only when the scenario asks: with permessage-deflate a frame of 400 bytes costs the swarm 33 to 52 µs of CPU, without it
17 to 21 µs, and the machine that runs the swarm mostly runs the stack as well.
"""

from __future__ import annotations

import asyncio
import errno
import ipaddress
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI

from simulator.clock import Clock
from simulator.errors import EnvironmentFailure, InputError
from simulator.load.descriptors import ensure_descriptors, out_of_descriptors
from simulator.load.scenario import Subscribers

OPEN_TIMEOUT_S = 30.0
"""A handshake may take this long: API Gateway gives the `$connect` function 29 s."""
CLOSE_TIMEOUT_S = 2.0
_CLOSING_AT_ONCE = 100
_NO_DESCRIPTOR = (errno.EMFILE, errno.ENFILE)


@dataclass(frozen=True, slots=True)
class Drop:
    """A socket that closed although we did not close it."""

    subscriber: int
    at_s: float
    code: int | None
    """The WebSocket close code; 1006 when the peer vanished without one."""
    reason: str


FrameTaker = Callable[[int, str | bytes, float], None]
"""`(subscriber, payload, arrival on the monotonic scale)`"""
Opened = Callable[[int, float], None]
"""`(subscriber, time of the finished handshake)`"""


class Swarm:
    """`count` subscribers of one WebSocket URL.

    `on_frame` and `on_opened` are called in the event loop and must be quick. Refusals and drops are kept here.
    """

    def __init__(self, url: str, settings: Subscribers, clock: Clock, on_opened: Opened, on_frame: FrameTaker) -> None:
        self.url = url
        self.opened = 0
        self.refusals: Counter[str] = Counter()
        """What the refused handshakes were answered with (`HTTP 403`, `no connection: …`), and how often."""
        self.drops: list[Drop] = []
        self.all_dropped = asyncio.Event()
        """Set once every subscriber that was opened has been dropped."""
        self._settings = settings
        self._clock = clock
        self._on_opened = on_opened
        self._on_frame = on_frame
        self._sockets: dict[int, ClientConnection] = {}
        self._listeners: list[asyncio.Task[None]] = []
        self._closing = False

    @property
    def refused(self) -> int:
        """Handshakes that did not end in an open socket."""
        return self.refusals.total()

    async def open(self, stop: asyncio.Event) -> None:
        """Connect everyone, at the scenario's rate and with its bound on handshakes under way; `stop` ends it early.

        Raises EnvironmentFailure when the descriptors run out, InputError for an address that is no WebSocket URL.
        """
        ensure_descriptors(self._settings.count)
        slots = asyncio.Semaphore(self._settings.connect_concurrency)
        started_s = self._clock.monotonic_s()
        try:
            async with asyncio.TaskGroup() as handshakes:
                for subscriber in range(self._settings.count):
                    due_s = started_s + subscriber / self._settings.connect_rate_per_s
                    await _pause(due_s - self._clock.monotonic_s(), stop)
                    await slots.acquire()
                    if stop.is_set():
                        return
                    handshakes.create_task(self._connect(subscriber, slots))
        except* (EnvironmentFailure, InputError) as failures:
            raise failures.exceptions[0] from None

    async def close(self) -> None:
        """Close every socket as a viewer who leaves, and wait until they are closed."""
        self._closing = True
        slots = asyncio.Semaphore(_CLOSING_AT_ONCE)

        async def leave(socket: ClientConnection) -> None:
            async with slots:
                await socket.close()

        await asyncio.gather(*(leave(socket) for socket in self._sockets.values()))
        await asyncio.gather(*self._listeners)

    # -- what faults do to viewers ---------------------------------------------------------------------------------

    def connected(self, group: str | None) -> list[int]:
        """See `simulator.load.viewer_faults.Viewers`; there is one group for now."""
        return sorted(self._sockets) if group is None else []

    def cut(self, viewer: int) -> None:
        """See `Viewers.cut`."""
        if (socket := self._sockets.get(viewer)) is not None:
            socket.transport.abort()

    def hold(self, viewer: int) -> None:
        """See `Viewers.hold`."""
        if (socket := self._sockets.get(viewer)) is not None:
            socket.transport.pause_reading()

    def release(self, viewer: int) -> None:
        """See `Viewers.release`."""
        if (socket := self._sockets.get(viewer)) is not None:
            socket.transport.resume_reading()

    async def _connect(self, subscriber: int, slots: asyncio.Semaphore) -> None:
        try:
            socket = await connect(
                self.url,
                compression="deflate" if self._settings.compression else None,
                ping_interval=None,
                open_timeout=OPEN_TIMEOUT_S,
                close_timeout=CLOSE_TIMEOUT_S,
                proxy=_proxy(self.url),
            )
        except InvalidURI as error:
            raise InputError(f"{self.url} is not a WebSocket address; it must begin with ws:// or wss://.") from error
        except InvalidStatus as error:
            self.refusals[f"HTTP {error.response.status_code}"] += 1
        except TimeoutError:
            self.refusals[f"no answer within {OPEN_TIMEOUT_S:g} s"] += 1
        except OSError as error:
            if error.errno in _NO_DESCRIPTOR:
                raise out_of_descriptors(self._settings.count) from error
            self.refusals[f"no connection: {error.strerror or error}"] += 1
        except (InvalidHandshake, EOFError) as error:
            self.refusals[f"broken handshake: {error}"] += 1
        else:
            self.opened += 1
            self._on_opened(subscriber, self._clock.monotonic_s())
            self._sockets[subscriber] = socket
            self._listeners.append(asyncio.create_task(self._listen(subscriber, socket)))
        finally:
            slots.release()

    async def _listen(self, subscriber: int, socket: ClientConnection) -> None:
        on_frame, monotonic_s = self._on_frame, self._clock.monotonic_s
        try:
            while True:
                payload = await socket.recv()
                on_frame(subscriber, payload, monotonic_s())
        except ConnectionClosed:
            if self._closing:
                return
        del self._sockets[subscriber]
        self.drops.append(
            Drop(subscriber, monotonic_s(), socket.close_code, socket.close_reason or "no reason was given")
        )
        if not self._sockets:
            self.all_dropped.set()


async def _pause(seconds: float, stop: asyncio.Event) -> None:
    """Wait for `seconds`, or until `stop` is set."""
    if seconds <= 0:
        return
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return


def _proxy(url: str) -> Literal[True] | None:
    """Go through the environment's proxy to reach another machine, never to reach this one."""
    host = urlsplit(url).hostname or ""
    try:
        is_local = ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_local = host == "localhost" or host.endswith(".localhost")
    return None if is_local else True
