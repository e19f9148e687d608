"""A stack in a process of its own: the load must not share an interpreter with what it measures."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

from simulator.endpoints import Endpoints
from simulator.errors import EnvironmentFailure, InputError

_PACKAGES = str(Path(__file__).resolve().parent.parent)
_START_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 10.0
_LOG_END_TIMEOUT_S = 1.0
"""What a handler left running in the background may hold the log open for ever."""
_LINE_LIMIT_BYTES = 8 * 1024 * 1024
"""A handler may print long lines; asyncio's default of 64 KiB would break the reader."""


class StackProcess:
    """`tracker-sim up --json` as a child: `async with` gives its endpoints, and it is gone when the block ends.

    It has a session of its own, so that Ctrl-C in the terminal reaches only us and the run can be drained; and it ends
    by itself when our end of its stdin closes, so that even `kill -9` of this process leaves nothing behind.
    """

    def __init__(self, arguments: Sequence[str], *, log: Path, on_problem: Callable[[str], None]) -> None:
        self._arguments = arguments
        self._log = log
        self._on_problem = on_problem
        self._last_lines: deque[str] = deque(maxlen=20)
        self._process: asyncio.subprocess.Process
        self._reader: asyncio.Task[None] | None = None
        self.endpoints: Endpoints

    async def __aenter__(self) -> Self:
        try:
            log = self._log.open("w", encoding="utf-8", errors="backslashreplace")
        except OSError as error:
            raise InputError(
                f"the log {self._log} cannot be written ({error.strerror}); give another --log."
            ) from error
        # The very package that runs here, whatever folder we are in: -P keeps the current folder off the path.
        path = [_PACKAGES, os.environ.get("PYTHONPATH", "")]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, path)), "PYTHONUNBUFFERED": "1"}
        try:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",
                "-m",
                "simulator",
                "up",
                "--json",
                "--until-stdin-closes",
                *self._arguments,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                start_new_session=True,
                limit=_LINE_LIMIT_BYTES,
                env=environment,
            )
        except BaseException:
            log.close()
            raise
        self._reader = asyncio.create_task(self._copy_log(log))
        try:
            self.endpoints = await asyncio.wait_for(self._read_endpoints(), _START_TIMEOUT_S)
        except TimeoutError:
            await self._stop()
            raise EnvironmentFailure(
                f"the stack was not ready within {_START_TIMEOUT_S:.0f} s; its log is in {self._log}."
            ) from None
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._stop()

    async def _read_endpoints(self) -> Endpoints:
        assert self._process.stdout is not None  # noqa: S101  a PIPE was asked for
        line = await self._process.stdout.readline()
        if line:
            return Endpoints.from_json(json.loads(line))
        status = await self._process.wait()
        await self._end_of_log()
        sentence = next((text for text in reversed(self._last_lines) if text.startswith("Error: ")), None)
        if sentence is None:
            raise EnvironmentFailure(f"the stack ended with status {status} before it was ready; see {self._log}.")
        error = InputError if status == InputError.exit_code else EnvironmentFailure
        raise error(sentence.removeprefix("Error: "))

    async def _copy_log(self, log: TextIO) -> None:
        """Everything the stack says goes to the log; problems are passed on as they come."""
        assert self._process.stderr is not None  # noqa: S101  a PIPE was asked for
        with contextlib.closing(_Log(log, self._on_problem)) as kept:
            while True:
                try:
                    raw = await self._process.stderr.readline()
                except ValueError:  # a line beyond the limit: its beginning is lost, the stream goes on
                    continue
                if not raw:
                    return
                line = raw.decode("utf-8", "replace").rstrip("\n")
                kept.write(line)
                self._last_lines.append(line)
                if " ERROR " in line[:40] or " WARNING " in line[:40]:
                    self._on_problem(line)

    async def _stop(self) -> None:
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(self._process.wait(), _STOP_TIMEOUT_S)
            except TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    self._process.kill()
                await self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()
        await self._end_of_log()

    async def _end_of_log(self) -> None:
        if self._reader is not None:
            await asyncio.wait({self._reader}, timeout=_LOG_END_TIMEOUT_S)
            self._reader.cancel()


class _Log:
    """A file that may become full: the stack must go on, and be read, all the same."""

    def __init__(self, file: TextIO, on_problem: Callable[[str], None]) -> None:
        self._file: TextIO | None = file
        self._on_problem = on_problem

    def write(self, line: str) -> None:
        if self._file is None:
            return
        try:
            self._file.write(line + "\n")
            self._file.flush()
        except OSError as error:
            self.close()
            self._on_problem(f"the stack's log ends here: {error.strerror or error}")

    def close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            with contextlib.suppress(OSError):
                file.close()
