"""The swarm: many subscribers on real WebSockets, coming and going as their groups say.

A subscriber that only reads has no task of its own: its socket calls back when a frame is there (`ViewerConnection`),
and timers of the event loop let it leave, pause or come back. It sends no keep-alive pings, because browsers send none
and a busy loop must not break its own sockets.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import functools
import socket
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, cast
from urllib.parse import urlsplit

from websockets.asyncio.client import connect
from websockets.exceptions import InvalidHandshake, InvalidStatus, InvalidURI

from simulator.active_faults import peer_name
from simulator.clock import Clock
from simulator.errors import InputError
from simulator.load.audience import Audience, Group, Visit
from simulator.load.descriptors import ensure_descriptors, out_of_descriptors
from simulator.load.shard import WHOLE_LOAD, Shard
from simulator.load.snapshot import SnapshotError, vendors_of
from simulator.load.subscribers import Ending
from simulator.load.viewer_connection import ViewerConnection
from simulator.loopback import is_loopback
from simulator.trust import tls_context
from simulator.vendors.seeds import seeded

OPEN_TIMEOUT_S = 30.0
"""A handshake may take this long: API Gateway gives the `$connect` function 29 s."""
CLOSE_TIMEOUT_S = 2.0
_CLOSING_AT_ONCE = 100
_ASKING_AT_ONCE = 8
_ASKING_TRIES = 3
_PICTURED_WITHIN_S = 30.0
"""At the end of a run, those who have just come back get this long for their picture."""
_SLOW_TURN_S = 0.1
"""A slow reader reads this often."""
_SLOW_BUFFER_BYTES = 4_096
"""A slow or idle reader's receive buffer: the kernel would otherwise read for it, half a megabyte of it."""
_MOST_PEERS = 200_000
"""Of a run in which connections come and go for days, the first are enough for what is told one by one."""
_MOST_TRIES = 10
"""A reconnecting subscriber gives up after so many refused tries in a row."""
_NO_DESCRIPTOR = (errno.EMFILE, errno.ENFILE)


@dataclass(frozen=True, slots=True)
class Drop:
    """A socket that closed although we did not close it."""

    subscriber: int
    at_s: float
    code: int | None
    """The WebSocket close code; 1006 when the peer vanished without one."""
    reason: str


class Record(Protocol):
    """Where the swarm writes down what happens; `simulator.load.ledger.Ledger` is one. Times are monotonic seconds."""

    def opened(self, subscriber: int, at_s: float) -> None:
        """A handshake succeeded."""

    def closed(self, subscriber: int, at_s: float, ending: Ending) -> None:
        """A connection ended."""

    def frame(self, subscriber: int, payload: bytes, at_s: float) -> None:
        """A text message arrived."""

    def binary(self, subscriber: int, size: int, at_s: float) -> None:
        """A binary message arrived."""

    def pictured(self, subscriber: int, rows: Sequence[Mapping[str, Any]]) -> None:
        """The HTTP API said where all vendors are."""


class Swarm:
    """The subscribers of one WebSocket URL. Refusals and drops are kept here, everything else goes to `record`."""

    def __init__(
        self,
        url: str,
        audience: Audience,
        clock: Clock,
        record: Record,
        *,
        seed: int = 0,
        shard: Shard = WHOLE_LOAD,
        ca_bundle: str | None = None,
        http_url: str | None = None,
    ) -> None:
        """`shard` says which subscribers this swarm has; the others are somebody else's.

        `http_url` is where those ask for the vendors whose group does so.

        `ca_bundle` names certificates to trust for a `wss://` address in place of this machine's.
        """
        self.url = url
        self._tls = tls_context(url, ca_bundle)
        self._ca_bundle = ca_bundle
        self.opened = 0
        """Handshakes that succeeded."""
        self.reconnected = 0
        """Of those, the ones of subscribers who came back."""
        self.asked = 0
        """Subscribers who have come, or tried to."""
        self.refusals: Counter[str] = Counter()
        """What the refused handshakes were answered with (`HTTP 403`, `no connection: …`), and how often.

        So is a picture that could not be had after some tries (`GET /vendors: HTTP 500`).
        """
        self.drops: list[Drop] = []
        self.dropped = 0
        self.peers: dict[str, int] = {}
        """Addresses of sockets, as the stack calls them, and whose they are, or were last."""
        self._http_url = http_url
        self._asking: set[asyncio.Task[None]] = set()
        """Who waits for the vendors."""
        self._asking_slots = asyncio.Semaphore(_ASKING_AT_ONCE)
        self._audience = audience
        self._shard = shard
        visits = [audience.visits[number] for number in shard.subscribers(audience.size)]
        self._size = len(visits)
        self._early = [visit for visit in visits if visit.is_waited_for]
        self._later = [visit for visit in visits if not visit.is_waited_for]
        self._clock = clock
        self._record = record
        self._seed = seed
        self._returns: Counter[int] = Counter()
        """How often each one has tried to come back."""
        self._sockets: dict[int, ViewerConnection] = {}
        self._leaving: set[int] = set()
        """Those whose connection we end ourselves."""
        self._slots: dict[int, asyncio.Semaphore] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.failure: BaseException | None = None
        """What broke the swarm, if anything."""
        self._closing = False
        self._start_s: float | None = None
        self._loop: asyncio.AbstractEventLoop

    # -- coming and going ----------------------------------------------------------------------------------------------

    async def open(self, stop: asyncio.Event) -> None:
        """Let everyone come whom the first update waits for, each at its time; `stop` ends it early.

        Raises EnvironmentFailure when the descriptors run out, InputError for an address that is no WebSocket URL.
        """
        ensure_descriptors(self._size)
        self._loop = asyncio.get_running_loop()
        started_s = self._clock.monotonic_s()
        for visit in sorted(self._early, key=lambda each: each.come_s):
            await _pause(started_s + visit.come_s - self._clock.monotonic_s(), stop)
            await self._slot(visit.group).acquire()
            if stop.is_set() or self.failure is not None:
                self._slot(visit.group).release()
                break
            self._begin(self._arrive(visit))
        while self._tasks and not stop.is_set():
            await asyncio.wait(set(self._tasks), return_when=asyncio.FIRST_COMPLETED)
        if self.failure is not None:
            raise self.failure

    def start(self, start_s: float) -> None:
        """Publishing begins at `start_s`: from now on the others come and everyone leaves, each at its time."""
        self._start_s = start_s
        if self._later:
            self._begin(self._let_come(start_s))
        for visit in self._early:
            if visit.leave_s is not None:
                self._leave_at(visit, start_s)

    async def pictured(self) -> None:
        """Wait until nobody waits for the vendors any more, or too long."""
        if self._asking:
            await asyncio.wait(set(self._asking), timeout=_PICTURED_WITHIN_S)

    async def close(self) -> None:
        """Close every socket as a viewer who leaves, and wait until they are closed."""
        self._closing = True
        for task in [*self._tasks, *self._asking]:
            task.cancel()
        await asyncio.gather(*self._tasks, *self._asking, return_exceptions=True)
        slots = asyncio.Semaphore(_CLOSING_AT_ONCE)

        async def leave(viewer: ViewerConnection) -> None:
            async with slots:
                with contextlib.suppress(RuntimeError):  # a loop that goes on without the transport
                    viewer.transport.resume_reading()
                await viewer.close()

        await asyncio.gather(*(leave(viewer) for viewer in list(self._sockets.values())))

    @property
    def refused(self) -> int:
        """Handshakes that did not end in an open socket."""
        return self.refusals.total()

    @property
    def is_alive(self) -> bool:
        """Whether anybody is connected, or still to come."""
        return bool(self._sockets) or bool(self._tasks)

    # -- what faults do to viewers -------------------------------------------------------------------------------------

    def connected(self, group: str | None) -> list[int]:
        """See `simulator.load.viewer_faults.Viewers`."""
        return sorted(number for number in self._sockets if group is None or self._group(number).label == group)

    def addresses(self, group: str) -> list[str]:
        """See `Viewers.addresses`."""
        found = self.by_address()
        return [found[number] for number in self.connected(group)]

    def by_address(self) -> dict[int, str]:
        """The connected viewers, each with the address of its socket (`peer_name`)."""
        return {number: _own_name(found) for number, found in self._sockets.items()}

    def read_bytes(self) -> dict[str, int]:
        """Of each socket that is open, by its address, how many bytes of frames were read."""
        return {_own_name(viewer): viewer.frame_bytes_read for viewer in self._sockets.values()}

    def cut(self, viewer: int) -> None:
        """See `Viewers.cut`."""
        if (found := self._sockets.get(viewer)) is not None:
            found.transport.abort()

    def hold(self, viewer: int) -> None:
        """See `Viewers.hold`."""
        if (found := self._sockets.get(viewer)) is not None:
            found.transport.pause_reading()

    def release(self, viewer: int) -> None:
        """See `Viewers.release`."""
        if (found := self._sockets.get(viewer)) is not None and self._group(viewer).kind != "idle":
            found.transport.resume_reading()

    # -- one subscriber ------------------------------------------------------------------------------------------------

    async def _let_come(self, start_s: float) -> None:
        for visit in sorted(self._later, key=lambda each: each.come_s):
            await asyncio.sleep(start_s + visit.come_s - self._clock.monotonic_s())
            self._begin(self._arrive_when_there_is_room(visit))

    async def _arrive_when_there_is_room(self, visit: Visit) -> None:
        await self._slot(visit.group).acquire()
        await self._arrive(visit)

    async def _arrive(self, visit: Visit) -> None:
        """Connect for the first time; the slot has been taken."""
        self.asked += 1
        try:
            await self._connect(visit.subscriber)
        finally:
            self._slot(visit.group).release()
        if self._start_s is not None and visit.leave_s is not None and not visit.is_waited_for:
            self._leave_at(visit, self._start_s)

    async def _connect(self, subscriber: int) -> bool:
        group = self._group(subscriber)
        try:
            await self._handshake(subscriber, group)
        except InvalidURI as error:
            failure = InputError(f"{self.url} is not a WebSocket address; it must begin with ws:// or wss://.")
            failure.__cause__ = error
            self.failure = failure
        except InvalidStatus as error:
            self.refusals[f"HTTP {error.response.status_code}"] += 1
        except TimeoutError:
            self.refusals[f"no answer within {OPEN_TIMEOUT_S:g} s"] += 1
        except OSError as error:
            if error.errno in _NO_DESCRIPTOR:
                self.failure = out_of_descriptors(self._size)
            else:
                self.refusals[f"no connection: {error.strerror or error}"] += 1
        except (InvalidHandshake, EOFError) as error:
            self.refusals[f"broken handshake: {error}"] += 1
        else:
            return True
        return False

    async def _handshake(self, subscriber: int, group: Group) -> None:
        record, monotonic_s = self._record, self._clock.monotonic_s

        def on_text(payload: bytes) -> None:
            record.frame(subscriber, payload, monotonic_s())

        def on_binary(size: int) -> None:
            record.binary(subscriber, size, monotonic_s())

        factory = functools.partial(
            ViewerConnection,
            on_open=functools.partial(self._on_open, subscriber),
            on_text=on_text,
            on_binary=on_binary,
            on_lost=functools.partial(self._on_lost, subscriber),
        )
        more: dict[str, Any] = {}
        if group.kind in ("slow", "idle"):
            more["sock"] = await self._small_socket()
        await connect(
            self.url,
            ssl=self._tls,
            create_connection=cast("Any", factory),
            compression="deflate" if group.compression else None,
            ping_interval=None,
            open_timeout=OPEN_TIMEOUT_S,
            close_timeout=CLOSE_TIMEOUT_S,
            proxy=None if more else _proxy(self.url),
            **more,
        )

    async def _small_socket(self) -> socket.socket:
        """A connected socket for which the kernel keeps little that nobody has read."""
        address = urlsplit(self.url)
        port = address.port or (443 if address.scheme == "wss" else 80)
        infos = await self._loop.getaddrinfo(address.hostname or "", port, type=socket.SOCK_STREAM)
        family, kind, number, _, where = infos[0]
        small = socket.socket(family, kind, number)
        try:
            small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SLOW_BUFFER_BYTES)
            small.setblocking(False)
            await self._loop.sock_connect(small, where)
        except BaseException:
            small.close()
            raise
        return small

    def _on_open(self, subscriber: int, viewer: ViewerConnection) -> None:
        self.opened += 1
        self._sockets[subscriber] = viewer
        if len(self.peers) < _MOST_PEERS:
            self.peers[_own_name(viewer)] = subscriber
        self._record.opened(subscriber, self._clock.monotonic_s())
        group = self._group(subscriber)
        if group.snapshot:
            asking = asyncio.create_task(self._ask_for_the_vendors(subscriber))
            self._asking.add(asking)
            asking.add_done_callback(self._asking.discard)
        if group.kind == "idle":
            self._loop.call_soon(viewer.transport.pause_reading)
        elif group.kind == "slow":
            self._loop.call_soon(self._read_slowly, viewer, group.read_bytes_per_s, viewer.bytes_read)

    async def _ask_for_the_vendors(self, subscriber: int) -> None:
        """From here on frames tell what changes; this tells what was before."""
        async with self._asking_slots:
            why = ""
            for _ in range(_ASKING_TRIES):
                try:
                    rows = await asyncio.to_thread(vendors_of, self._http_url or "", self._ca_bundle)
                except SnapshotError as error:
                    why = str(error)
                else:
                    self._record.pictured(subscriber, rows)
                    return
            self.refusals[f"GET /vendors: {why}"] += 1

    def _read_slowly(self, viewer: ViewerConnection, bytes_per_s: int, allowed: float) -> None:
        """Every turn it may read so much more; while more has been read than allowed, nothing is.

        Nothing is saved for later: who reads little because little comes is no faster afterwards.
        """
        if viewer.transport.is_closing():
            return
        turn = bytes_per_s * _SLOW_TURN_S
        allowed = min(allowed + turn, viewer.bytes_read + turn)
        if viewer.bytes_read <= allowed:
            viewer.transport.resume_reading()
        else:
            viewer.transport.pause_reading()
        self._loop.call_later(_SLOW_TURN_S, self._read_slowly, viewer, bytes_per_s, allowed)

    def _on_lost(self, subscriber: int, viewer: ViewerConnection) -> None:
        if self._sockets.get(subscriber) is not viewer:
            return  # refused, or never open
        del self._sockets[subscriber]
        now_s = self._clock.monotonic_s()
        if self._closing:
            return
        if subscriber in self._leaving:
            self._leaving.discard(subscriber)
            self._record.closed(subscriber, now_s, "left")
            return
        self._record.closed(subscriber, now_s, "broke")
        group = self._group(subscriber)
        if group.kind == "reconnecting":
            self._begin(self._come_back(subscriber, group))
            return
        self.dropped += 1
        self.drops.append(Drop(subscriber, now_s, viewer.close_code, viewer.close_reason or "no reason was given"))

    async def _come_back(self, subscriber: int, group: Group) -> None:
        # Of its own, so that it does not matter who else breaks, nor which swarm has whom.
        chance = seeded(self._seed, "swarm", subscriber, self._returns[subscriber])
        self._returns[subscriber] += 1
        for number in range(_MOST_TRIES):
            longest_s = min(group.backoff_cap_s, group.backoff_base_s * 2**number)
            await asyncio.sleep(chance.random() * longest_s)
            if await self._connect(subscriber):
                self.reconnected += 1
                return

    def _leave_at(self, visit: Visit, start_s: float) -> None:
        delay_s = max(0.0, start_s + (visit.leave_s or 0.0) - self._clock.monotonic_s())
        self._loop.call_later(delay_s, self._leave, visit.subscriber, visit.leave_how)

    def _leave(self, subscriber: int, how: Literal["close", "cut"]) -> None:
        viewer = self._sockets.get(subscriber)
        if viewer is None or self._closing:
            return
        self._leaving.add(subscriber)
        # From this moment nothing is expected of it, although the last of its connection takes a moment longer.
        self._record.closed(subscriber, self._clock.monotonic_s(), "left")
        if how == "cut":
            viewer.transport.abort()
        else:
            self._begin(viewer.close())

    # -- inside --------------------------------------------------------------------------------------------------------

    def _group(self, subscriber: int) -> Group:
        return self._audience.groups[self._audience.visits[subscriber].group]

    def _slot(self, group: int) -> asyncio.Semaphore:
        found = self._slots.get(group)
        if found is None:
            about = self._audience.groups[group]
            together = about.count if about.arrival == "at_once" else about.connect_concurrency
            found = self._slots[group] = asyncio.Semaphore(self._shard.at_once(together))
        return found

    def _begin(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._end)

    def _end(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.failure = self.failure or error


def _own_name(viewer: ViewerConnection) -> str:
    return peer_name(viewer.transport.get_extra_info("sockname"))


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
    return None if is_loopback(urlsplit(url).hostname or "") else True
