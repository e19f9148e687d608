"""A worker: joins a master, plays its share of one run, and tells what it saw."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
import tempfile
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, Self

from simulator.clock import Clock, SystemClock
from simulator.errors import EnvironmentFailure, InputError, SimulatorError
from simulator.load import prepare
from simulator.load.aws_environment import aws_environment
from simulator.load.ledger import Settled
from simulator.load.part import Part, Work
from simulator.load.portable import unpack_scenario
from simulator.load.provenance import versions
from simulator.load.series import Series
from simulator.load.shard import Shard
from simulator.load.stack_view import StackView
from simulator.workers.clocks import SteeredClock
from simulator.workers.engine import Engine
from simulator.workers.packing import (
    fingerprint,
    pack_look,
    pack_result,
    pack_settled,
    unpack_addresses,
)
from simulator.workers.sealed import BadMessage, Seal

_TELL_EVERY_S = 0.1
_MOST_LATENCIES = 100_000
"""Deliveries in one message: a megabyte takes Locust some milliseconds, in which it sends nothing else."""
_WELCOME_TIMEOUT_S = 30.0


async def serve_master(host: str, port: int, token: str, say: Callable[[str], None] = lambda _: None) -> None:
    """Join the master at an address, do what it says until its run is over.

    `say` is told, in a few words, what happens. Raises InputError when the master refuses this worker, and
    EnvironmentFailure when it goes away in the middle.
    """
    say(f"joining the master at {host}:{port}")
    async with Engine("worker", host, port) as engine, _Session(engine, token, say) as session:
        await session.run()


class _Session:
    """One run, from a worker's side."""

    def __init__(self, engine: Engine, token: str, say: Callable[[str], None]) -> None:
        self._engine = engine
        self._seal = Seal(token, engine.node, "worker")
        self._say = say
        self._own_clock: Clock = SystemClock()
        self._clock = SteeredClock(self._own_clock)
        self._series = Series()
        self._settled: list[Settled] = []
        self._sent: list[tuple[str, float]] = []
        self._viewers: Mapping[int, str] = {}
        self._tells_viewers = False
        self._halt = asyncio.Event()
        self._over = asyncio.Event()
        self._failure: BaseException | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._leaving = contextlib.AsyncExitStack()
        self._sending = asyncio.Lock()
        self._part: Part | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._part is not None:
            await self._part.close()
        await self._leaving.aclose()

    async def run(self) -> None:
        """Say hello, then do what is said until it is over."""
        await self._tell(
            {
                "say": "hello",
                "version": versions()["tool"],
                "python": sys.version_info[:2],
                "host": socket.gethostname(),
                "pid": os.getpid(),
            }
        )
        listening = asyncio.create_task(self._listen())
        over = asyncio.create_task(self._over.wait())
        await asyncio.wait({listening, over}, return_when=asyncio.FIRST_COMPLETED)
        over.cancel()
        if self._failure is not None:
            # The master has been told; give the message its time.
            listening.cancel()
            raise self._failure
        if not self._over.is_set():
            await listening
            raise EnvironmentFailure("the master is gone, and its run with it.")
        listening.cancel()

    async def _listen(self) -> None:
        async for event in self._engine.events():
            if event.kind == "gone":
                return
            if event.body.startswith(b"refused: "):
                why = event.body.removeprefix(b"refused: ").decode("utf-8", "replace")
                self._fail(InputError(f"the master refuses this worker: {why}."))
                return
            try:
                document, blob = self._seal.open(event.body)
            except BadMessage as error:
                self._fail(EnvironmentFailure(f"a message of the master's cannot be believed: {error}."))
                return
            self._obey(document, blob)

    def _obey(self, order: Mapping[str, Any], blob: bytes) -> None:
        heard_s = self._own_clock.monotonic_s()
        match order["do"]:
            case "welcome":
                self._seal.run = order["run"]
                self._say("joined")
            case "ping":
                self._begin(self._tell({"say": "pong", "asked_s": order["asked_s"], **self._heard(heard_s)}))
            case "clock":
                self._clock.steer(order["offset_s"])
            case "prepare":
                self._begin(self._prepare(order, blob))
            case "halt":
                self._halt.set()
            case "close":
                self._begin(self._close())
            case what if self._part is None:
                self._fail(EnvironmentFailure(f"the master says {what!r} before there is anything to play."))
            case _:
                self._play(self._part, order, heard_s)

    def _play(self, part: Part, order: Mapping[str, Any], heard_s: float) -> None:
        match order["do"]:
            case "open":
                self._begin(self._then("opened", part.open(self._halt)))
            case "start":
                self._begin(self._start(part, order))
            case "sent":
                for update_id, at_s in order["updates"]:
                    part.sent_elsewhere(update_id, at_s)
            case "viewers":
                viewers = part.viewers
                acts = {"cut": viewers.cut, "hold": viewers.hold, "release": viewers.release}
                for name, viewer in order["orders"]:
                    acts[name](viewer)
            case "stop":
                self._begin(self._then("stopped", part.stop_publishing()))
            case "look":
                self._begin(self._look(part, order, heard_s))
            case "result":
                self._begin(self._result(part))

    # -- what it does --------------------------------------------------------------------------------------------------

    async def _prepare(self, order: Mapping[str, Any], blob: bytes) -> None:
        folder = Path(self._leaving.enter_context(tempfile.TemporaryDirectory(prefix="tracker-sim-worker-")))
        scenario = await asyncio.to_thread(unpack_scenario, order["scenario"], blob, folder)
        prepared = await asyncio.to_thread(prepare, scenario)
        if fingerprint(prepared) != order["fingerprint"]:
            raise InputError("this worker would play another run than the master; install the same version on both")
        target = unpack_addresses(order["target"])
        self._leaving.enter_context(aws_environment(target.aws_endpoint_url, target.region))
        view = await asyncio.to_thread(StackView, target)
        self._tells_viewers = order["tells_viewers"]
        work = Work(
            prepared=prepared,
            target=target,
            queue_url=order["queue_url"],
            vendors_table=order["vendors_table"],
            sqs=view.sqs,
            give_up_s=order["give_up_s"],
            settle=self._settled.append,
            series=self._series,
        )
        shard = Shard(order["shard"], order["of"])
        self._part = Part(
            work, self._clock, shard, on_sent=lambda update_id, at_s: self._sent.append((update_id, at_s))
        )
        self._begin(self._part.tend())
        self._begin(self._tell_as_it_comes())
        self._say(f"playing share {shard.number + 1} of {shard.of} of {scenario.name}")
        await self._tell({"say": "prepared"})

    def _note_sent(self, update_id: str, at_s: float) -> None:
        self._sent.append((update_id, at_s))

    async def _start(self, part: Part, order: Mapping[str, Any]) -> None:
        await part.start(order["start_s"], order["start_ms"])
        await part.published()
        await self._tell_what_there_is()
        await self._tell({"say": "published"})

    async def _look(self, part: Part, order: Mapping[str, Any], heard_s: float) -> None:
        # What there is goes first: whoever reads the answer has read that.
        await self._tell_what_there_is()
        look = part.latest if not order["closely"] else await part.look()
        told: dict[str, Any] = {"say": "look", "number": order["number"], "look": pack_look(look)}
        if self._tells_viewers:
            viewers = part.viewers_by_address()
            if viewers != self._viewers:
                told["viewers"] = self._viewers = viewers
        await self._tell({**told, "asked_s": order["asked_s"], **self._heard(heard_s)})

    async def _result(self, part: Part) -> None:
        result = await part.result()
        await self._tell_what_there_is()
        await self._tell({"say": "result", "result": pack_result(result), "seconds": self._series.own()})

    async def _close(self) -> None:
        if self._part is not None:
            await self._part.close()
        await self._tell({"say": "closed"})
        self._over.set()

    async def _then(self, said: str, work: Coroutine[Any, Any, None]) -> None:
        await work
        await self._tell_what_there_is()
        look = None if self._part is None else pack_look(self._part.latest)
        await self._tell({"say": said, "look": look})

    # -- what it tells -------------------------------------------------------------------------------------------------

    async def _tell_as_it_comes(self) -> None:
        while True:
            await asyncio.sleep(_TELL_EVERY_S)
            await self._tell_what_there_is()

    async def _tell_what_there_is(self) -> None:
        if self._sent:
            sent, self._sent[:] = list(self._sent), []
            await self._tell({"say": "sent", "updates": sent})
        while self._settled:
            document, blob = pack_settled(self._take_some())
            await self._tell({"say": "settled", "updates": document}, blob)

    def _take_some(self) -> list[Settled]:
        count = latencies = 0
        for each in self._settled:
            count += 1
            latencies += sum(len(group) for group in each.latencies)
            if latencies >= _MOST_LATENCIES:
                break
        some = self._settled[:count]
        del self._settled[:count]
        return some

    def _heard(self, heard_s: float) -> dict[str, float]:
        return {"heard_s": heard_s, "answered_s": self._own_clock.monotonic_s()}

    async def _tell(self, document: Mapping[str, Any], blob: bytes = b"") -> None:
        async with self._sending:  # numbered as they leave
            await self._engine.send(self._seal.seal(document, blob))

    # -- when it breaks ------------------------------------------------------------------------------------------------

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(self._guarded(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001  whatever it is, the master must know
            known = isinstance(error, SimulatorError)
            sentence = str(error) if known else f"it broke ({type(error).__name__}: {error})"
            with contextlib.suppress(Exception):
                await self._tell({"say": "failed", "input": isinstance(error, InputError), "sentence": sentence})
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        self._failure = self._failure or error
        self._over.set()
