"""Ends the workers when the simulator is killed, frozen ones too.

A worker that is stopped (F07) cannot notice that the simulator is gone, and nothing a process sets up for itself
helps what it has started. So one small process stands beside the workers: it knows their process groups, and the end
of the pipe that only the simulator holds tells it to kill them. This works on every system that has process groups.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
from pathlib import Path
from typing import Self

_SCRIPT = Path(__file__).with_name("guardian_process.py")
_END_GRACE_S = 2.0
log = logging.getLogger("simulator.functions")


class Guardian:
    """Made by `start`; `watch` and `forget` process groups meanwhile, and `stop` it when none is left."""

    def __init__(self, process: asyncio.subprocess.Process, orders: int) -> None:
        self._process = process
        self._orders: int | None = orders

    @classmethod
    async def start(cls) -> Self:
        """Start the process. Raises `OSError` when the machine refuses."""
        ours, theirs = os.pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                # -I -S: no site packages, no variables: 10 ms and nothing that a developer's set-up could break.
                *(sys.executable, "-I", "-S", str(_SCRIPT)),
                stdin=ours,
                start_new_session=True,
            )
        except BaseException:
            os.close(theirs)
            raise
        finally:
            os.close(ours)
        return cls(process, theirs)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def watch(self, group: int) -> None:
        """Kill this process group when the simulator ends."""
        self._order(f"+{group}\n")

    def forget(self, group: int) -> None:
        """The group is gone; its number may soon be another's."""
        self._order(f"-{group}\n")

    async def stop(self) -> None:
        """End the process; whatever is still watched is killed."""
        self._close()
        try:
            await asyncio.wait_for(self._process.wait(), _END_GRACE_S)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()

    def _order(self, line: str) -> None:
        if self._orders is None:
            return
        try:
            os.write(self._orders, line.encode())  # a few bytes: never partial, and the reader is always reading
        except BrokenPipeError:
            log.warning(
                "The guardian (process %d) has been killed; frozen functions would outlive a kill of the simulator.",
                self._process.pid,
            )
            self._close()

    def _close(self) -> None:
        if self._orders is not None:
            os.close(self._orders)
            self._orders = None
