"""The producer: each update goes into the vendors table and then, in batches, onto the queue, when it is due.

Threads, because boto3 blocks::

    pacer ──► lanes (a vendor always the same one): record in the vendors table ──► outbox ──► sender: SendMessageBatch

Nothing waits to fill a batch: the sender takes what is there, and while a call is under way more gathers. The pacer
never waits for anything but time, so a slow queue shows as lateness and not as a lower rate.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, TypeAlias

from botocore.exceptions import BotoCoreError, ClientError

from simulator.vendors.outbox import Entry, Outbox, RetryRules
from simulator.vendors.pacing import Pacing
from simulator.vendors.plan import PlannedUpdate
from simulator.vendors.seeds import seeded
from simulator.vendors.sqs_batch import send_batch
from tracker.errors import TrackerError

if TYPE_CHECKING:
    from simulator.clock import Clock

RecordUpdate: TypeAlias = Callable[[PlannedUpdate], None]
"""Writes one update into the vendors table; raises when it cannot. Called from several threads."""
OnSent: TypeAlias = Callable[[PlannedUpdate, str], None]
"""Called with the update and its message id, after SQS took it; the message may have arrived somewhere by then."""
OnFailed: TypeAlias = Callable[[PlannedUpdate, str], None]
"""Called with the update and the reason, when it was given up."""


def record_nothing(_planned: PlannedUpdate) -> None:
    """Leave the vendors table alone: for updates of vendors that are not the simulator's."""


RECORD_LANES = 4
_MADE_AHEAD = 256
_JOIN_S = 10.0


@dataclass(frozen=True, slots=True)
class ProducerStats:
    """Counts so far."""

    due: int = 0
    """Updates whose time has come."""
    sent: int = 0
    """Taken by SQS."""
    resent: int = 0
    """Sends of an entry beyond its first."""
    failed: int = 0
    """Given up: the vendors table or SQS would not have them."""
    lag_max_s: float = 0.0
    """The longest time from due to taken by SQS."""


def _ignore(_planned: PlannedUpdate, _detail: str) -> None:
    """Do nothing: the default for the callbacks."""


class Producer:
    """Plays a plan into a queue, in threads of its own; without `record` the vendors table is left alone.

    `start` it, wait for `done`, then look at `error` and `stats`. Callbacks run in the producer's threads, and for
    one vendor in order; one that raises ends the producer with that `error`.
    """

    def __init__(
        self,
        plan: Iterable[PlannedUpdate],
        sqs_client: Any,
        queue_url: str,
        record: RecordUpdate | None,
        clock: Clock,
        *,
        on_sent: OnSent = _ignore,
        on_failed: OnFailed = _ignore,
        record_lanes: int = RECORD_LANES,
        retry_rules: RetryRules | None = None,
        seed: int = 0,
    ) -> None:
        self.done = threading.Event()
        """Set when every update was sent or given up, or the producer was stopped or broke."""
        self.error: BaseException | None = None
        """What broke the producer, if anything."""
        self._pacing = Pacing(plan)
        self._sqs_client = sqs_client
        self._queue_url = queue_url
        self._record = record or record_nothing
        self._clock = clock
        self._on_sent = on_sent
        self._on_failed = on_failed
        self._stats = ProducerStats()
        self._stopping = threading.Event()
        self._changed = threading.Condition()
        # Guarded by `_changed`:
        self._outbox = Outbox(seeded(seed, "outbox"), retry_rules)
        self._under_way = 0
        self._all_due = False
        self._lanes: list[SimpleQueue[PlannedUpdate | None]] = [SimpleQueue() for _ in range(record_lanes)]
        self._lane_of: dict[str, int] = {}
        self._threads: list[threading.Thread] = []
        self._start_s = 0.0

    @property
    def stats(self) -> ProducerStats:
        """The counts at this moment."""
        return self._stats

    def start(self, start_monotonic_s: float) -> None:
        """Begin; an update is due `due_s` after `start_monotonic_s` on the clock's monotonic reading."""
        self._start_s = start_monotonic_s
        self._thread("pacer", self._pace)
        for number, lane in enumerate(self._lanes):
            self._thread(f"lane-{number}", partial(self._run_lane, lane, self._record))
        self._thread("sender", self._send)
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End now: calls under way are finished, what waits is not sent. Returns when the threads have ended."""
        self._stop_threads()
        for thread in self._threads:
            if thread.is_alive() and thread is not threading.current_thread():
                thread.join(_JOIN_S)

    def _thread(self, name: str, run: Callable[[], None]) -> None:
        def guarded() -> None:
            try:
                run()
            except BaseException as error:  # noqa: BLE001 - handed to whoever waits for `done`
                self.error = self.error or error
                self._stop_threads()

        self._threads.append(threading.Thread(target=guarded, name=f"producer-{name}", daemon=True))

    def _stop_threads(self) -> None:
        self._stopping.set()
        with self._changed:
            self._changed.notify_all()
        for lane in self._lanes:
            lane.put(None)
        self.done.set()

    def _now_s(self) -> float:
        return self._clock.monotonic_s() - self._start_s

    def _pace(self) -> None:
        while not self._stopping.is_set():
            due = self._pacing.due(self._now_s())
            if due:
                self._count(due=len(due), under_way=len(due))
                self._hand_on(due)
            next_s = self._pacing.next_due_s()
            if next_s is None:
                break
            # Ahead of time only while there is time.
            while next_s > self._now_s() and self._pacing.draw_ahead(_MADE_AHEAD):
                pass
            self._stopping.wait(max(0.0, next_s - self._now_s()))
        with self._changed:
            self._all_due = True
            self._changed.notify_all()
        for lane in self._lanes:
            lane.put(None)

    def _hand_on(self, due: list[PlannedUpdate]) -> None:
        for planned in due:
            # In turn as vendors appear, so that lanes are even; then for good, so that a vendor's order is kept.
            lane = self._lane_of.setdefault(planned.update["userId"], len(self._lane_of) % len(self._lanes))
            self._lanes[lane].put(planned)

    def _run_lane(self, lane: SimpleQueue[PlannedUpdate | None], record: RecordUpdate) -> None:
        while (planned := lane.get()) is not None and not self._stopping.is_set():
            try:
                record(planned)
            except (BotoCoreError, ClientError, TrackerError) as error:
                # boto3 has tried again by now. Unrecorded is unsent, or viewers would know what the table does not.
                self._on_failed(planned, f"the vendors table refused it: {error}")
                self._count(failed=1, under_way=-1)
            else:
                self._put_out(planned)

    def _put_out(self, planned: PlannedUpdate) -> None:
        with self._changed:
            self._outbox.add(planned)
            self._changed.notify_all()

    def _send(self) -> None:
        while batch := self._next_batch():
            outcomes = send_batch(self._sqs_client, self._queue_url, [entry.body for entry in batch])
            now_s = self._now_s()
            with self._changed:
                settled = self._outbox.settle(batch, outcomes, now_s)
            for planned, message_id in settled.sent:
                self._on_sent(planned, message_id)
            for planned, reason in settled.failed:
                self._on_failed(planned, reason)
            self._count(
                sent=len(settled.sent),
                resent=sum(entry.attempts > 1 for entry in batch),
                failed=len(settled.failed),
                under_way=-len(settled.sent) - len(settled.failed),
                lag_s=max((now_s - planned.due_s for planned, _ in settled.sent), default=0.0),
            )
        self.done.set()

    def _next_batch(self) -> list[Entry]:
        """Wait for something to send; empty when there is nothing more to come."""
        with self._changed:
            while not self._stopping.is_set():
                batch = self._outbox.take(self._now_s())
                if batch:
                    return batch
                if self._all_due and self._under_way == 0:
                    break
                wake_s = self._outbox.wake_s()
                self._changed.wait(None if wake_s is None else max(0.0, wake_s - self._now_s()))
        return []

    def _count(
        self, *, due: int = 0, sent: int = 0, resent: int = 0, failed: int = 0, under_way: int, lag_s: float = 0.0
    ) -> None:
        with self._changed:
            stats = self._stats
            self._stats = ProducerStats(
                due=stats.due + due,
                sent=stats.sent + sent,
                resent=stats.resent + resent,
                failed=stats.failed + failed,
                lag_max_s=max(stats.lag_max_s, lag_s),
            )
            self._under_way += under_way
            self._changed.notify_all()
