"""One worker process: how it is started, heard and ended."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import cast

from simulator.functions.guardian import Guardian
from simulator.functions.log_text import LineSplitter

BOOTSTRAP = Path(__file__).with_name("worker_bootstrap.py")
TERM_GRACE_S = 0.5
"""Between SIGTERM and SIGKILL when the pool stops."""
_PIPE_GRACE_S = 0.5
"""For the last output to be read; a process that left the group could hold the pipe for ever."""


class WorkerProcess(asyncio.SubprocessProtocol):
    """`python -P worker_bootstrap.py handler` in a session of its own, so that Ctrl-C in the terminal misses it.

    `on_line` gets each line of standard output and error, in order; `on_exit` the return code, once.
    """

    def __init__(
        self, on_line: Callable[[str], None], on_exit: Callable[[int], None], guardian: Guardian | None = None
    ) -> None:
        self._on_line = on_line
        self._on_exit = on_exit
        self._guardian = guardian
        self._frozen = False
        self._splitter = LineSplitter()
        self._transport: asyncio.SubprocessTransport | None = None
        self._exited = asyncio.Event()
        self._closed = asyncio.Event()

    async def start(self, handler: str, code_dir: Path, environment: Mapping[str, str]) -> None:
        """Start the process. Raises `OSError` when the machine refuses (no code folder, no descriptors left)."""
        await asyncio.get_running_loop().subprocess_exec(
            lambda: self,
            # UTF-8 whatever locales this machine has installed; Lambda's own is en_US.UTF-8.
            *(sys.executable, "-X", "utf8", "-P", str(BOOTSTRAP), handler),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=code_dir,
            env=dict(environment),
            start_new_session=True,
        )

    @property
    def pid(self) -> int | None:
        """The process id, while the process lives."""
        if self._transport is None or self._exited.is_set():
            return None
        return self._transport.get_pid()

    def freeze(self) -> None:
        """Stop it where it is, and whatever it started; children that left its process group run on."""
        self._frozen = True
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._frozen = False
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it at once, and whatever it started."""
        self._signal(signal.SIGKILL)

    async def end(self) -> None:
        """End it kindly, then firmly; returns when nothing of it is left.

        A frozen one never runs again, as in Lambda: what it had left to do is lost, not finished at the last moment.
        """
        if self._transport is None:
            return
        if self._frozen:
            self.kill()
        stdin = self._transport.get_pipe_transport(0)
        if stdin is not None:
            stdin.close()
        self._signal(signal.SIGTERM)
        if not await _set_within(self._exited, TERM_GRACE_S):
            self.kill()
            await self._exited.wait()
        await _set_within(self._closed, _PIPE_GRACE_S)
        self._transport.close()
        # The transport closes its pipes in the next turns of the loop; only then is no descriptor left.
        await _set_within(self._closed, _PIPE_GRACE_S)

    # -- asyncio.SubprocessProtocol ----------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.BaseProtocol."""
        self._transport = cast("asyncio.SubprocessTransport", transport)
        if self._guardian is not None:
            self._guardian.watch(self._transport.get_pid())

    def pipe_data_received(self, fd: int, data: bytes | str) -> None:  # noqa: ARG002  only one pipe is read
        """See asyncio.SubprocessProtocol."""
        for line in self._splitter.feed(cast("bytes", data)):
            self._on_line(line)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:  # noqa: ARG002
        """See asyncio.SubprocessProtocol."""
        if fd == 1:
            for line in self._splitter.end():
                self._on_line(line)

    def process_exited(self) -> None:
        """See asyncio.SubprocessProtocol."""
        assert self._transport is not None  # noqa: S101  narrows for mypy; connection_made comes first
        self._exited.set()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._transport.get_pid(), signal.SIGKILL)  # what the handler started goes with its sandbox
        if self._guardian is not None:
            self._guardian.forget(self._transport.get_pid())
        self._on_exit(self._transport.get_returncode() or 0)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """See asyncio.BaseProtocol."""
        self._closed.set()

    def _signal(self, number: signal.Signals) -> None:
        pid = self.pid
        if pid is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, number)


async def _set_within(event: asyncio.Event, seconds: float) -> bool:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return False
    return True
