"""Locust in a child process, seen from asyncio: who comes and goes, and messages both ways."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import os
import sys
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from simulator.errors import EnvironmentFailure, InputError

PACKAGES = str(Path(__file__).resolve().parents[2])
_START_TIMEOUT_S = 60.0
_JOIN_TIMEOUT_S = 330.0
"""Locust's worker gives up after sixty tries of five seconds."""
_STOP_TIMEOUT_S = 5.0
_LINE_LIMIT_BYTES = 1024 * 1024


def require_locust() -> None:
    """Raise InputError where Locust is not installed; whoever starts something else first asks before that."""
    if importlib.util.find_spec("locust") is None:
        raise InputError(
            "workers need Locust, which is not installed; run `pip install 'vendor-tracker[simulator,distributed]'`."
        )


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened at the other end."""

    kind: str
    """`message` or `gone`."""
    node: str
    """Locust's name of the worker; on a worker, its own."""
    body: bytes = b""
    why: str = ""
    """Of one that is gone, half a sentence."""


class Engine:
    """Locust's master or worker; `async with` starts it and waits until it listens, or has joined.

    Raises InputError when Locust is not installed or the address cannot be used, EnvironmentFailure when it does not
    start.
    """

    def __init__(self, role: Literal["master", "worker"], host: str, port: int) -> None:
        self._role = role
        self._host = host
        self.port = port
        """Of a master, the one it listens on once it does."""
        self.node = ""
        """Of a worker, its name."""
        self._process: asyncio.subprocess.Process
        self._complaints: deque[str] = deque(maxlen=5)
        self._complaining: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        require_locust()
        path = os.pathsep.join(filter(None, [PACKAGES, os.environ.get("PYTHONPATH", "")]))
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            "-m",
            "simulator.workers.locust_process",
            self._role,
            self._host,
            str(self.port),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=_LINE_LIMIT_BYTES,
            # Ctrl-C in the terminal is ours to heed: what is on its way must still get through.
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": path},
        )
        self._complaining = asyncio.create_task(self._hear_complaints())
        try:
            async with asyncio.timeout(_START_TIMEOUT_S if self._role == "master" else _JOIN_TIMEOUT_S):
                await self._begin()
        except TimeoutError:
            await self._stop()
            raise EnvironmentFailure(f"Locust's {self._role} did not start{self._complaint()}.") from None
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._stop()

    async def send(self, body: bytes, to: str | None = None) -> None:
        """Send a message: a master's to one worker, a worker's to its master. Waits while the pipe is full."""
        assert self._process.stdin is not None  # noqa: S101  a PIPE was asked for
        header = json.dumps({"to": to, "size": len(body)}).encode() + b"\n"
        with contextlib.suppress(ConnectionError):  # `events` tells that it has ended
            self._process.stdin.write(header + body)
            await self._process.stdin.drain()

    async def events(self) -> AsyncIterator[Event]:
        """What happens, until Locust ends."""
        while (found := await self._read()) is not None:
            about, body = found
            yield Event(str(about["event"]), about.get("node") or self.node, body, about.get("why", ""))

    async def _begin(self) -> None:
        found = await self._read()
        about: dict[str, Any] = {"event": "ended"} if found is None else found[0]
        if about["event"] == "failed":
            raise InputError(f"{about['why']}{self._complaint()}; correct the address.")
        if about["event"] not in ("listening", "joined"):
            raise EnvironmentFailure(f"Locust's {self._role} ended at once{self._complaint()}.")
        self.port = int(about.get("port", self.port))
        self.node = str(about.get("node", ""))

    async def _read(self) -> tuple[dict[str, Any], bytes] | None:
        assert self._process.stdout is not None  # noqa: S101  a PIPE was asked for
        line = await self._process.stdout.readline()
        if not line.endswith(b"\n"):
            return None
        about = json.loads(line)
        try:
            return about, await self._process.stdout.readexactly(int(about["size"]))
        except asyncio.IncompleteReadError:
            return None

    async def _hear_complaints(self) -> None:
        assert self._process.stderr is not None  # noqa: S101  a PIPE was asked for
        with contextlib.suppress(ValueError):
            async for line in self._process.stderr:
                self._complaints.append(line.decode("utf-8", "replace").strip())

    def _complaint(self) -> str:
        said = next((line for line in reversed(self._complaints) if line), "")
        return f" ({said})" if said else ""

    async def _stop(self) -> None:
        assert self._process.stdin is not None  # noqa: S101  a PIPE was asked for
        self._process.stdin.close()  # it says goodbye and ends
        try:
            await asyncio.wait_for(self._drained(), _STOP_TIMEOUT_S)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
        if self._complaining is not None:
            self._complaining.cancel()

    async def _drained(self) -> None:
        """Wait for its end, reading what it still says: it must not wait for us."""
        assert self._process.stdout is not None  # noqa: S101  a PIPE was asked for
        while await self._process.stdout.read(_LINE_LIMIT_BYTES):
            pass
        await self._process.wait()
