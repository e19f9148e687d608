"""Progress of a run, on stderr: one live line on a terminal, a plain line every few seconds anywhere else."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self, TextIO

from rich.console import Console
from rich.live import Live
from rich.text import Text

from simulator.load.hostile_text import printable
from simulator.load.scenario import Scenario

_PLAIN_EVERY_S = 5.0
_PROBLEMS_SHOWN = 10
_SEPARATOR = " · "


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Where a run is; counts since its start."""

    phase: str
    """`connecting`, the name of a phase, `draining`."""
    elapsed_s: float
    planned_s: float
    subscribers: int
    published: int
    received: int
    overdue: int
    """Deliveries due more than a second ago that have not arrived."""
    p99_ms: float | None
    lag_ms: float | None = None
    """How late the latest updates left."""


def progress_line(snapshot: Snapshot, room: int | None = None) -> str:
    """One line of text; in `room` characters what matters least is left out.

    >>> here = Snapshot("rush", 4.0, 15.0, 50, 100, 4950, 0, 41.5, 2.0)
    >>> progress_line(here)
    'rush 4/15 s · 50 subscribers · 100 updates, 2 ms late · 4,950 deliveries (1,238/s) · 0 missing · p99 41.5 ms'
    >>> progress_line(here, 64)
    'rush 4/15 s · 100 updates, 2 ms late · 0 missing · p99 41.5 ms'
    >>> progress_line(here, 20)
    'rush 4/15 s'
    """
    if snapshot.planned_s <= 0:
        return f"{snapshot.phase} · {snapshot.subscribers:,} subscribers"
    p99 = "–" if snapshot.p99_ms is None else f"{snapshot.p99_ms:,.1f} ms"
    # After the plan's end the time goes on, and the plan is no measure any more.
    of_planned = f"/{snapshot.planned_s:.0f}" if snapshot.elapsed_s <= snapshot.planned_s else ""
    late = "" if snapshot.lag_ms is None else f", {snapshot.lag_ms:,.0f} ms late"
    rate = snapshot.received / snapshot.elapsed_s if snapshot.elapsed_s > 0 else 0.0
    parts = {
        "where": f"{snapshot.phase} {snapshot.elapsed_s:.0f}{of_planned} s",
        "subscribers": f"{snapshot.subscribers:,} subscribers",
        "updates": f"{snapshot.published:,} updates{late}",
        "deliveries": f"{snapshot.received:,} deliveries ({rate:,.0f}/s)",
        "missing": f"{snapshot.overdue:,} missing",
        "p99": f"p99 {p99}",
    }
    for least in ("subscribers", "deliveries", "updates", "p99", "missing"):
        if room is None or len(_SEPARATOR.join(parts.values())) <= room:
            break
        del parts[least]
    return _SEPARATOR.join(parts.values())


class Progress:
    """Shows a run as it goes; use it as a context manager.

    `stream` is stderr unless given; `monotonic_s` paces the plain lines.
    """

    def __init__(
        self,
        scenario: Scenario,
        *,
        stream: TextIO | None = None,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._console = Console(file=stream or sys.stderr, highlight=False, emoji=False)
        self._title = printable(scenario.name)
        self._monotonic_s = monotonic_s
        self._is_live = self._console.is_terminal and not self._console.is_dumb_terminal
        self._live = Live(console=self._console, auto_refresh=False, transient=True)
        self._last_plain_s: float | None = None
        self._last_phase = ""
        self._problems = 0
        self._is_over = False

    def __enter__(self) -> Self:
        if self._is_live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._is_live:
            self._live.stop()
        hidden = self._problems - _PROBLEMS_SHOWN
        if hidden > 0:
            self._print(f"{hidden:,} further problems are in the stack's log", "yellow")

    def say(self, text: str) -> None:
        """Tell what happens now, in a few words."""
        line = f"{self._title}: {printable(text)}"
        if self._is_live:
            self._live.update(Text(line, no_wrap=True, overflow="ellipsis"), refresh=True)
        else:
            self._print(line)

    def problem(self, line: str) -> None:
        """Show a line of trouble from the stack; only the first few, the log has all of them."""
        if self._is_over:
            return
        self._problems += 1
        if self._problems <= _PROBLEMS_SHOWN:
            self._print(printable(line, 500), "yellow")

    def finish(self) -> None:
        """The run is over: problems of the stack while everybody leaves are in its log and are not shown."""
        self._is_over = True

    def note(self, sentence: str) -> None:
        """Show a sentence the user should see now: it stays on the screen."""
        self._print(f"{self._title}: {printable(sentence, 1_000)}")

    def show(self, snapshot: Snapshot) -> None:
        """Show where the run is; call it as often as convenient."""
        if self._is_live:
            self.say(progress_line(snapshot, self._console.width - len(self._title) - len(": ")))
            return
        now_s = self._monotonic_s()
        due = self._last_plain_s is None or now_s - self._last_plain_s >= _PLAIN_EVERY_S
        if due or snapshot.phase != self._last_phase:
            self._last_plain_s, self._last_phase = now_s, snapshot.phase
            self.say(progress_line(snapshot))

    def _print(self, line: str, style: str = "") -> None:
        self._console.print(Text(line, style=style), soft_wrap=True)
