"""The time series of a run: one row a second, from what is noted as it happens and what is seen of the stack.

Pure; times are seconds from the start of publishing, negative before. A row costs some hundred bytes, so a day of them
fits; the latencies of a second are kept one by one only until the second can get no more of them.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from simulator.load.phases import PhaseTimes
from simulator.load.raw_results import Second

_EARLIEST_S = -3_600
_MOST_SECONDS = 700_000


@dataclass(slots=True)
class _Row:
    asked: int = 0
    sent: int = 0
    deliveries: int = 0
    duplicates: int = 0
    producer_lag_s: float | None = None
    loop_lag_s: float | None = None
    overdue: int | None = None
    queued: int | None = None
    in_flight: int | None = None
    invocations: int | None = None
    errors: int | None = None
    concurrency: int | None = None
    connections: int | None = None
    latencies: array[float] = field(default_factory=lambda: array("d"))
    p50_ms: float | None = None
    p99_ms: float | None = None
    max_ms: float | None = None

    def finish(self) -> None:
        """Draw the percentiles and forget the latencies."""
        if self.latencies:
            values = sorted(self.latencies)
            self.p50_ms, self.p99_ms = (1_000 * values[math.ceil(each * len(values)) - 1] for each in (0.5, 0.99))
            self.max_ms = 1_000 * values[-1]
            self.latencies = array("d")


@dataclass(frozen=True, slots=True)
class Seen:
    """What could be seen of the stack and of ourselves at one moment; None is what could not."""

    overdue: int
    connections: int
    received: int
    """First copies so far."""
    duplicated: int
    queued: int | None = None
    in_flight: int | None = None
    invocations: int | None = None
    """Of all functions, so far."""
    errors: int | None = None
    concurrency: int | None = None


class Series:
    """Collects one run's time series."""

    def __init__(self) -> None:
        self.most_queued: int | None = None
        self.most_in_flight: int | None = None
        self._rows: dict[int, _Row] = {}
        self._before: Seen | None = None
        self._finished_until = _EARLIEST_S

    def due(self, at_s: float) -> None:
        """An update was due."""
        self._row(at_s).asked += 1

    def sent(self, at_s: float, late_s: float) -> None:
        """An update left, so much later than it was due."""
        row = self._row(at_s)
        row.sent += 1
        row.producer_lag_s = max(late_s, row.producer_lag_s or 0.0)

    def loop_was_late(self, at_s: float, late_s: float) -> None:
        """The receiving loop came so much too late to a timer."""
        row = self._row(at_s)
        row.loop_lag_s = max(late_s, row.loop_lag_s or 0.0)

    def own(self) -> list[tuple[int, int, int, float | None, float | None]]:
        """What this process itself has to tell, for `add_own` elsewhere.

        For each second, how many updates were due and left, and how late the producer and the receiving loop were.
        """
        return [(second, row.asked, row.sent, row.producer_lag_s, row.loop_lag_s) for second, row in self._rows.items()]

    def add_own(self, rows: Iterable[tuple[int, int, int, float | None, float | None]]) -> None:
        """Add what another process has to tell."""
        for second, asked, sent, producer_lag_s, loop_lag_s in rows:
            row = self._row(second)
            row.asked += asked
            row.sent += sent
            row.producer_lag_s = _longer(row.producer_lag_s, producer_lag_s)
            row.loop_lag_s = _longer(row.loop_lag_s, loop_lag_s)

    def settled(self, due_s: float, latencies: Sequence[float]) -> None:
        """What was due at a moment has arrived, with these latencies in seconds."""
        row = self._row(due_s)
        if math.floor(due_s) < self._finished_until:
            return  # given up so long ago that its second is closed; its row and histograms have it
        row.latencies.extend(latencies)

    def finish_before(self, at_s: float) -> None:
        """Nothing that was due before this moment will be settled any more."""
        until = math.floor(at_s)
        for second in range(max(self._finished_until, min(self._rows, default=until)), until):
            if second in self._rows:
                self._rows[second].finish()
        self._finished_until = max(self._finished_until, until)

    def see(self, at_s: float, seen: Seen) -> None:
        """Note what is seen at the end of the second that `at_s` lies in; call it about once a second."""
        before, self._before = self._before, seen
        row = self._row(at_s)
        row.overdue, row.connections, row.concurrency = seen.overdue, seen.connections, seen.concurrency
        row.queued, row.in_flight = seen.queued, seen.in_flight
        self.most_queued = _most(self.most_queued, seen.queued)
        self.most_in_flight = _most(self.most_in_flight, seen.in_flight)
        row.deliveries += seen.received - (before.received if before else 0)
        row.duplicates += seen.duplicated - (before.duplicated if before else 0)
        if before is not None:
            row.invocations = _added(row.invocations, before.invocations, seen.invocations)
            row.errors = _added(row.errors, before.errors, seen.errors)

    def rows(self, phases: PhaseTimes) -> list[Second]:
        """Everything, in order of time, without holes."""
        if not self._rows:
            return []
        found = []
        for second in range(min(self._rows), max(self._rows) + 1):
            row = self._rows.get(second) or _Row()
            row.finish()
            found.append(
                Second(
                    t_s=second,
                    phase=phases.name_at(second),
                    asked_updates=row.asked,
                    sent_updates=row.sent,
                    deliveries=row.deliveries,
                    duplicates=row.duplicates,
                    latency_p50_ms=row.p50_ms,
                    latency_p99_ms=row.p99_ms,
                    latency_max_ms=row.max_ms,
                    overdue=row.overdue,
                    producer_lag_ms=None if row.producer_lag_s is None else 1_000 * row.producer_lag_s,
                    loop_lag_ms=None if row.loop_lag_s is None else 1_000 * row.loop_lag_s,
                    queued=row.queued,
                    in_flight=row.in_flight,
                    invocations=row.invocations,
                    invocation_errors=row.errors,
                    concurrency=row.concurrency,
                    connections=row.connections,
                )
            )
        return found

    def _row(self, at_s: float) -> _Row:
        second = min(max(math.floor(at_s), _EARLIEST_S), _MOST_SECONDS)
        row = self._rows.get(second)
        if row is None:
            row = self._rows[second] = _Row()
        return row


def _longer(one: float | None, other: float | None) -> float | None:
    return other if one is None else one if other is None else max(one, other)


def _most(so_far: int | None, now: int | None) -> int | None:
    return now if so_far is None else so_far if now is None else max(so_far, now)


def _added(so_far: int | None, before: int | None, now: int | None) -> int | None:
    return so_far if before is None or now is None else (so_far or 0) + now - before
