from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from simulator.functions import FunctionPool, runtime_client_installed
from simulator.stack.model import Function

SAMPLE_CODE = Path(__file__).with_name("sample_code")

needs_worker_processes = pytest.mark.skipif(not runtime_client_installed(), reason="awslambdaric is not installed here")


@dataclass
class Rendezvous:
    """Where a handler reports to the test and waits: no sleeping on either side."""

    port: int = 0
    arrived: asyncio.Queue[tuple[int, asyncio.StreamReader, asyncio.StreamWriter]] = field(
        default_factory=asyncio.Queue
    )
    writers: list[asyncio.StreamWriter] = field(default_factory=list)
    _met: list[asyncio.StreamWriter] = field(default_factory=list)
    """Everyone, also who was killed before saying a word: none may be left to the garbage collector of a later test."""

    async def meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._met.append(writer)
        line = await reader.readline()
        if line:
            self.writers.append(writer)
            await self.arrived.put((int(line), reader, writer))

    async def next_pid(self) -> int:
        return (await asyncio.wait_for(self.arrived.get(), 10))[0]

    async def release(self) -> None:
        """Let everyone who has arrived go on."""
        for writer in self.writers:
            writer.close()
        self.writers.clear()

    async def end(self) -> None:
        """Cut everyone off."""
        for writer in self._met:
            writer.transport.abort()
        for writer in self._met:
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


@pytest.fixture
async def rendezvous() -> AsyncIterator[Rendezvous]:
    place = Rendezvous()
    server = await asyncio.start_server(place.meet, "127.0.0.1", 0)
    place.port = server.sockets[0].getsockname()[1]
    yield place
    await place.release()
    server.close()
    await place.end()
    await server.wait_closed()


MakePool = Callable[..., Awaitable[FunctionPool]]


def make_function(handler: str, **overrides: Any) -> Function:
    settings: dict[str, Any] = {
        "logical_id": "Sample",
        "name": "sample",
        "arn": "arn:aws:lambda:eu-west-1:123456789012:function:sample",
        "handler": handler,
        "runtime": "python3.11",
        "code_dir": SAMPLE_CODE,
        "timeout_s": 20,
    }
    return Function(**(settings | overrides))


@pytest.fixture
async def make_pool(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[MakePool]:
    """Start a pool with the one function `sample`, or several; stopped at the end of the test.

    `monkeypatch` is only there to be undone later: a pool in process gives the environment back as it found it.
    """
    pools = []

    async def make(
        *functions: Function | str, variables: Mapping[str, Mapping[str, str]] | None = None, **settings: Any
    ) -> FunctionPool:
        pool = FunctionPool(
            [f if isinstance(f, Function) else make_function(f) for f in functions],
            variables or {},
            region="eu-west-1",
            aws_endpoint_url="http://127.0.0.1:9",
            **settings,
        )
        await pool.start()
        pools.append(pool)
        return pool

    yield make
    for pool in pools:
        await pool.stop()


@pytest.fixture(
    params=[pytest.param(False, marks=needs_worker_processes, id="workers"), pytest.param(True, id="in-process")]
)
def in_process(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)
