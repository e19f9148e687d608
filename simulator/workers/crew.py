"""The workers of one run, from the master's side: they join, each gets a share, and one that is lost is missed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import socket
import sys
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from simulator.clock import Clock
from simulator.errors import EnvironmentFailure
from simulator.load.part import Work
from simulator.load.provenance import versions
from simulator.workers.clocks import Offset
from simulator.workers.engine import PACKAGES, Engine, Event
from simulator.workers.sealed import BadMessage, Seal
from simulator.workers.spread import SpreadLoad

TOKEN_VARIABLE = "TRACKER_SIM_TOKEN"  # noqa: S105  the name of a variable
_LOCAL_JOIN_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 10.0
_TOKEN_BYTES = 24
_ANY = ("0.0.0.0", "::", "[::]", "*")  # noqa: S104  compared with, not listened on


@dataclass(frozen=True, slots=True)
class CrewSettings:
    """How many workers, and how they find us."""

    local: int = 0
    """Workers that are started here."""
    expected: int = 0
    """Workers that others start, and are waited for."""
    host: str = "127.0.0.1"
    port: int = 0
    """0 takes a free one."""
    token: str = field(default_factory=lambda: secrets.token_urlsafe(_TOKEN_BYTES), repr=False)

    @property
    def size(self) -> int:
        """All of them."""
        return self.local + self.expected


@dataclass(slots=True)
class Member:
    """One worker that has joined."""

    number: int
    node: str
    host: str
    pid: int
    is_local: bool
    """Started here: it has our clock."""
    seal: Seal
    offset: Offset = field(default_factory=Offset)
    inbox: asyncio.Queue[tuple[Mapping[str, Any], bytes]] = field(default_factory=asyncio.Queue)
    lost: str | None = None
    """Why it is gone, half a sentence."""

    @property
    def name(self) -> str:
        """For people."""
        return f"worker {self.number + 1} ({self.host}, process {self.pid})"


class Crew:
    """Starts the master and the local workers; `async with` waits until all have joined, and leaves none behind.

    `note` gets sentences that the user should see.
    """

    def __init__(self, settings: CrewSettings, note: Callable[[str], None]) -> None:
        self.members: list[Member] = []
        self._settings = settings
        self._note = note
        self._engine = Engine("master", settings.host, settings.port)
        self._run = secrets.token_hex(16)
        self._processes: list[asyncio.subprocess.Process] = []
        self._complaints: dict[int, deque[str]] = {}
        self._hearing: list[asyncio.Task[None]] = []
        self._complete = asyncio.Event()
        self._by_node: dict[str, Member] = {}
        self._told: set[str] = set()
        self._sending = asyncio.Lock()
        self._leaving = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        try:
            await self._leaving.enter_async_context(self._engine)
            self._hearing.append(asyncio.create_task(self._hear()))
            for _ in range(self._settings.local):
                await self._start_one()
            await self._all_there()
        except BaseException:
            await self._leave()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._leave()

    @property
    def port(self) -> int:
        """Where workers join, once it is listened on."""
        return self._engine.port

    def load(self, work: Work, clock: Clock) -> SpreadLoad:
        """The load, spread over the crew; once."""
        return SpreadLoad(self, work, clock)

    async def tell(self, member: Member, document: Mapping[str, Any], blob: bytes = b"") -> None:
        """Say something to one worker; one that is lost hears nothing."""
        if member.lost is None:
            async with self._sending:  # numbered as they leave
                await self._engine.send(member.seal.seal(document, blob), member.node)

    async def _all_there(self) -> None:
        if self._settings.expected:
            self._note(
                f"waiting for {self._settings.expected} workers: {TOKEN_VARIABLE}={self._settings.token} tracker-sim "
                f"worker --master {self._reached_at()}:{self._engine.port}"
            )
        ended = [asyncio.create_task(each.wait()) for each in self._processes]
        complete = asyncio.create_task(self._complete.wait())
        timeout_s = None if self._settings.expected else _LOCAL_JOIN_TIMEOUT_S
        try:
            done, _ = await asyncio.wait({complete, *ended}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (complete, *ended):
                task.cancel()
        if complete not in done:
            said = [line for lines in self._complaints.values() for line in lines if line]
            why = f" ({said[-1]})" if said else ""
            raise EnvironmentFailure(f"only {len(self.members)} of {self._settings.size} workers joined{why}.")

    def _reached_at(self) -> str:
        """What another machine may call this one, when it listens on all its addresses."""
        return socket.gethostname() if self._settings.host in _ANY else self._settings.host

    # -- what is heard -------------------------------------------------------------------------------------------------

    async def _hear(self) -> None:
        async for event in self._engine.events():
            member = self._by_node.get(event.node)
            if event.kind == "gone":
                if member is not None:
                    self._lose(member, event.why)
            elif member is None:
                await self._meet(event)
            else:
                try:
                    member.inbox.put_nowait(member.seal.open(event.body))
                except BadMessage as error:
                    self._lose(member, f"a message of its cannot be believed: {error}")
        for member in self.members:
            self._lose(member, "Locust's master ended here")

    def _lose(self, member: Member, why: str) -> None:
        if member.lost is None:
            member.lost = why
            member.inbox.put_nowait(({"say": "gone"}, b""))

    async def _meet(self, event: Event) -> None:
        """A worker says hello; one that may not join is told why."""
        seal = Seal(self._settings.token, event.node, "master")
        try:
            hello, _ = seal.open(event.body)
        except BadMessage:
            await self._refuse(event.node, "its token is not that of this run")
            return
        if hello["version"] != (ours := versions()["tool"]):
            await self._refuse(event.node, f"it has version {hello['version']}, and the master {ours}")
            return
        if len(self.members) >= self._settings.size:
            await self._refuse(event.node, "all the workers that were asked for are there")
            return
        is_local = hello["pid"] in {process.pid for process in self._processes}
        member = Member(len(self.members), event.node, hello["host"], hello["pid"], is_local, seal)
        self.members.append(member)
        self._by_node[event.node] = member
        await self.tell(member, {"do": "welcome", "run": self._run})
        seal.run = self._run
        if len(self.members) == self._settings.size:
            self._complete.set()

    async def _refuse(self, node: str, why: str) -> None:
        if node not in self._told:
            self._told.add(node)
            self._note(f"a worker was refused: {why}.")
        await self._engine.send(b"refused: " + why.encode(), node)

    # -- workers of our own --------------------------------------------------------------------------------------------

    async def _start_one(self) -> None:
        path = os.pathsep.join(filter(None, [PACKAGES, os.environ.get("PYTHONPATH", "")]))
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-P", "-m", "simulator", "worker", "--until-stdin-closes"),
            *("--master", f"{self._settings.host}:{self._engine.port}"),
            stdin=asyncio.subprocess.PIPE,  # it ends when we do, however we end
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": path, TOKEN_VARIABLE: self._settings.token},
        )
        self._processes.append(process)
        lines = self._complaints[process.pid] = deque(maxlen=5)
        self._hearing.append(asyncio.create_task(_keep_lines(process.stderr, lines)))

    async def _leave(self) -> None:
        for process in self._processes:
            assert process.stdin is not None  # noqa: S101  a PIPE was asked for
            process.stdin.close()
        for process in self._processes:
            try:
                await asyncio.wait_for(process.wait(), _STOP_TIMEOUT_S)
            except TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        for task in self._hearing:
            task.cancel()
        await asyncio.gather(*self._hearing, return_exceptions=True)
        await self._leaving.aclose()


async def _keep_lines(stream: asyncio.StreamReader | None, lines: deque[str]) -> None:
    assert stream is not None  # noqa: S101  a PIPE was asked for
    with contextlib.suppress(ValueError):
        async for line in stream:
            lines.append(line.decode("utf-8", "replace").strip())
