"""How a command that lasts is stopped: by a signal, or because whoever started it has gone."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar

import click

T = TypeVar("T")

_STDIN = 0
_SAME_WISH_S = 1.0


async def unless_stopped(stop: asyncio.Event, start: Coroutine[Any, Any, T]) -> T:
    """The result of `start`; when `stop` is set before it is there, `start` is cancelled and `click.Abort` raised."""
    starting = asyncio.create_task(start)
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            raise click.Abort
        return starting.result()
    finally:
        stopping.cancel()
        starting.cancel()
        await asyncio.wait({starting})


@contextlib.contextmanager
def stopped_by_signals(stop: asyncio.Event) -> Iterator[None]:
    """Set `stop` at SIGINT, SIGTERM and, unless `nohup` has it ignored, SIGHUP; another one interrupts at once.

    Not one that comes within a second: shells, `timeout` and impatient fingers send two where one is meant.
    """
    loop = asyncio.get_running_loop()
    first_s: float | None = None

    def ask() -> None:
        nonlocal first_s
        stop.set()
        if first_s is None:
            first_s = loop.time()
        elif loop.time() - first_s > _SAME_WISH_S:
            loop.remove_signal_handler(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

    handled = []
    wishes = [signal.SIGINT, signal.SIGTERM]
    if sys.platform != "win32" and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        wishes.append(signal.SIGHUP)  # the terminal was closed
    for number in wishes:
        # Windows' loops have no signal handlers: Ctrl-C is a KeyboardInterrupt there.
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, ask)
            handled.append(number)
    try:
        yield
    finally:
        for number in handled:
            loop.remove_signal_handler(number)


def set_at_end_of_stdin(stop: asyncio.Event) -> None:
    """Set `stop` when our stdin ends."""
    loop = asyncio.get_running_loop()

    def tell() -> None:
        with contextlib.suppress(RuntimeError):  # the loop has gone already
            loop.call_soon_threadsafe(stop.set)

    at_end_of_stdin(tell)


def at_end_of_stdin(act: Callable[[], object]) -> None:
    """Call `act`, in a thread, when our stdin ends: whoever held the other end has gone, however it went."""

    def watch() -> None:
        # Not through sys.stdin: a thread that waits in there holds its lock, and the interpreter cannot end.
        with contextlib.suppress(OSError):  # there is no stdin at all
            while os.read(_STDIN, 4096):
                pass
        act()

    threading.Thread(target=watch, name="stdin", daemon=True).start()
