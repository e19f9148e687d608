"""Keeps what handlers print off standard output when they run inside the simulator's own process."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any, TextIO, cast

_thread = threading.local()


def mark_handler_thread(heard: Callable[[str], None] | None = None) -> None:
    """Declare the current thread to be a handler's; `heard` gets what it prints as well."""
    _thread.handler = True
    _thread.heard = heard


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

    def write(self, text: str) -> int:
        heard = getattr(_thread, "heard", None)
        if heard is not None:
            heard(text)
        written: int = self.__getattr__("write")(text)
        return written
