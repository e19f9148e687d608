"""How many batches of one mapping may be in flight (Q12, Q15, Q16, Q18). A pure rule; `now_s` is monotonic.

The documented part: a standard queue starts at five, grows by 300 a minute while there is a backlog, up to 1,250 or
MaximumConcurrency, and goes back when it is quiet; failures cost concurrency, unless the mapping reports batch item
failures. That growth is steady and how soon and how far it goes back are guesses with settings.
"""

from __future__ import annotations

from dataclasses import dataclass

from simulator.stack.model import Queue, Trigger
from simulator.triggers.settings import TriggerSettings

_PER_POLLER = 10
"""Concurrent invocations of one poller in provisioned mode."""
_PROVISIONED_PER_MINUTE = 1_000
_MINUTE_S = 60.0


@dataclass(frozen=True, slots=True)
class Pace:
    """The numbers that one mapping scales by, all in concurrent batches."""

    start: int
    per_minute: int
    most: int
    idle: int


def pace_of(trigger: Trigger, queue: Queue, settings: TriggerSettings, machine: int | None = None) -> Pace:
    """The pace of one mapping.

    `machine` is how many batches its function can take at once here. More would wait for the function with their
    visibility running out, and come back as duplicates that AWS, which has room for them, would not give.
    """
    ceiling = settings.most_concurrency
    if trigger.provisioned_pollers is not None:
        least, most = (pollers * _PER_POLLER for pollers in trigger.provisioned_pollers)
        return _bounded(least, _PROVISIONED_PER_MINUTE, most, least, machine)
    if trigger.maximum_concurrency is not None:
        ceiling = min(ceiling, trigger.maximum_concurrency)
    if queue.fifo:
        # As many as there are groups: the queue gives out no group twice, so nothing else bounds them.
        return _bounded(ceiling, 0, ceiling, ceiling, machine)
    start = settings.start_concurrency
    idle = start if trigger.maximum_concurrency is not None else min(start, settings.idle_concurrency)
    return _bounded(start, settings.concurrency_per_minute, ceiling, idle, machine)


def _bounded(start: int, per_minute: int, most: int, idle: int, machine: int | None) -> Pace:
    most = most if machine is None else max(1, min(most, machine))
    return Pace(min(start, most), per_minute, most, min(idle, most))


class Concurrency:
    """How many batches may be in flight now."""

    def __init__(self, pace: Pace, *, idle_s: float, error_step: int) -> None:
        self._pace = pace
        self._idle_s = idle_s
        self._error_step = error_step
        self._base = pace.start
        """What `limit` was when it last stopped growing."""
        self._growing_since_s: float | None = None
        self._quiet_since_s: float | None = None

    def limit(self, now_s: float) -> int:
        """The number of batches that may be in flight."""
        if self._quiet_since_s is not None:
            quiet_s = now_s - self._quiet_since_s
            if quiet_s >= 2 * self._idle_s:
                return min(self._base, self._pace.idle)
            return min(self._base, self._pace.start) if quiet_s >= self._idle_s else self._base
        if self._growing_since_s is None:
            return self._base
        grown = int((now_s - self._growing_since_s) * self._pace.per_minute / _MINUTE_S)
        return min(self._base + grown, self._pace.most)

    def next_s(self, now_s: float) -> float | None:
        """Seconds until the limit is one higher, or None if it is not going to be."""
        limit = self.limit(now_s)
        if self._growing_since_s is None or limit >= self._pace.most or not self._pace.per_minute:
            return None
        due_s = self._growing_since_s + (limit + 1 - self._base) * _MINUTE_S / self._pace.per_minute
        return max(0.0, due_s - now_s)

    def saturated(self, now_s: float) -> None:
        """As many batches are in flight as may be, and there are messages left: it grows from here on."""
        self._wake(now_s)
        if self._growing_since_s is None:
            self._growing_since_s = now_s

    def received(self, count: int, now_s: float) -> None:
        """A receive has ended; with nothing, the backlog is gone."""
        if count:
            self._wake(now_s)
            return
        if self._quiet_since_s is None:
            self._base, self._growing_since_s = self.limit(now_s), None
            self._quiet_since_s = now_s

    def failed(self, now_s: float) -> None:
        """A batch failed or was throttled: fewer from here on (Q12)."""
        self._base = max(min(self._pace.idle, self._base), self.limit(now_s) - self._error_step)
        if self._growing_since_s is not None:
            self._growing_since_s = now_s
        if self._quiet_since_s is not None:
            self._quiet_since_s = now_s

    def _wake(self, now_s: float) -> None:
        self._base = self.limit(now_s) if self._quiet_since_s is not None else self._base
        self._quiet_since_s = None
