"""Keeps what handlers print off standard output when they run inside the simulator's own process."""

from __future__ import annotations

import sys
import threading
from typing import Any, TextIO, cast

_thread = threading.local()


def mark_handler_thread() -> None:
    """Declare the current thread to be a handler's."""
    _thread.handler = True


class HandlerOutput:
    """While installed, `print` in a handler's thread goes to standard error; everyone else's stays where it was.

    Standard output belongs to the command line's results (one line of JSON, say). A debugger's prompt follows it to
    standard error, which a terminal shows just the same.
    """

    def __init__(self) -> None:
        self._stdout: TextIO | None = None
        self._router: TextIO | None = None

    def install(self) -> None:
        """Begin."""
        self._stdout = sys.stdout
        self._router = cast("TextIO", _Router(sys.stdout))
        sys.stdout = self._router

    def remove(self) -> None:
        """End, unless someone else has taken standard output over since."""
        if self._stdout is not None and sys.stdout is self._router:
            sys.stdout = self._stdout


class _Router:
    def __init__(self, stdout: TextIO) -> None:
        self._stdout = stdout

    def __getattr__(self, name: str) -> Any:
        stream = sys.stderr if getattr(_thread, "handler", False) else self._stdout
        return getattr(stream, name)
