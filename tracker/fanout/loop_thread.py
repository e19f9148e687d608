"""The event loop that is kept from one invocation to the next, in a thread of its own.

Of its own, so that handlers may be called from any thread (a local run has several) and all share one pool of
connections, and so that the handler's thread stays free to read the table meanwhile. In Lambda the thread is frozen
with everything else after the handler has returned (F07): nothing is left running there, a broadcast is awaited.
"""

from __future__ import annotations

import asyncio
import atexit
import threading
from typing import TYPE_CHECKING, Any, TypeVar

from tracker.fanout.pool import ConnectionPool
from tracker.settings import MAX_FANOUT_CONNECTIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from concurrent.futures import Future

T = TypeVar("T")


class LoopThread:
    """A running event loop with its connection pool."""

    def __init__(self) -> None:
        # Of this kind on Windows too, where the usual one cannot watch a socket that is not its own.
        self._loop = asyncio.SelectorEventLoop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fanout", daemon=True)
        self.pool = ConnectionPool(max_idle=MAX_FANOUT_CONNECTIONS)
        self._thread.start()

    def start(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        """Run a coroutine on the loop; cancelling the future cancels it there."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def call(self, function: Callable[..., object], *arguments: object) -> None:
        """Call a function on the loop, soon."""
        self._loop.call_soon_threadsafe(function, *arguments)

    def close(self) -> None:
        """End what is under way, close the connections, stop the loop and end the thread."""
        self.start(self._end()).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end(self) -> None:
        under_way = asyncio.all_tasks() - {asyncio.current_task()}
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
        self.pool.close()


_shared: LoopThread | None = None
_lock = threading.Lock()


def shared_loop() -> LoopThread:
    """Return the process's loop thread, started when first asked for."""
    global _shared  # noqa: PLW0603  one per process is the point
    with _lock:
        if _shared is None:
            _shared = LoopThread()
        return _shared


def close() -> None:
    """Close the process's loop thread if there is one; the next broadcast starts another."""
    global _shared  # noqa: PLW0603  see shared_loop
    with _lock:
        if _shared is not None:
            _shared.close()
            _shared = None


atexit.register(close)
