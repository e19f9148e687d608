"""Blocking calls in daemon threads, for work that must never hold up the end of the program.

The event loop's own executor will not do: `asyncio.run` and the interpreter join its threads, and a long poll hangs
for 20 s. A thread per call costs some 0.1 ms, beside the 5 ms and more of a boto3 call.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

_T = TypeVar("_T")


async def call_in_daemon_thread(
    work: Callable[[], _T], *, name: str, abandoned: Callable[[_T], object] = lambda _: None
) -> _T:
    """Run `work` and return its result or raise its exception.

    Cancelling abandons the thread; `abandoned` then gets the result in a thread of its own, if one still comes.
    """
    return await _Call(work, name, abandoned).result()


class _Call(Generic[_T]):
    def __init__(self, work: Callable[[], _T], name: str, abandoned: Callable[[_T], object]) -> None:
        self._work = work
        self._name = name
        self._abandoned = abandoned
        self._loop = asyncio.get_running_loop()
        self._done: asyncio.Future[_T] = self._loop.create_future()

    async def result(self) -> _T:
        self._thread(self._run)
        try:
            return await self._done
        except asyncio.CancelledError:
            if self._done.done() and not self._done.cancelled() and self._done.exception() is None:
                self._abandon(self._done.result())  # it came in the same turn of the loop as the cancellation
            raise

    def _run(self) -> None:
        try:
            result = self._work()
        except Exception as error:  # noqa: BLE001  handed to whoever awaits
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody awaits
                self._loop.call_soon_threadsafe(self._fail, error)
            return
        try:
            self._loop.call_soon_threadsafe(self._succeed, result)
        except RuntimeError:
            self._abandon(result)

    def _succeed(self, result: _T) -> None:
        if self._done.done():
            self._abandon(result)
        else:
            self._done.set_result(result)

    def _fail(self, error: Exception) -> None:
        if not self._done.done():
            self._done.set_exception(error)

    def _abandon(self, result: _T) -> None:
        def quietly() -> None:
            with contextlib.suppress(Exception):  # best effort, with nobody left to tell
                self._abandoned(result)

        self._thread(quietly)

    def _thread(self, work: Callable[[], None]) -> None:
        threading.Thread(target=work, name=self._name, daemon=True).start()
