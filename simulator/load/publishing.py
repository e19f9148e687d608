"""The producer and the ledger, joined: every update is announced before it leaves and marked when it has left.

The producer's threads never touch the ledger; what they have to say is handed to the event loop, in order.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

from simulator.clock import Clock
from simulator.errors import SimulatorError
from simulator.load.latency import Latencies
from simulator.load.ledger import Ledger
from simulator.load.series import Series
from simulator.load.wording import counted
from simulator.vendors.plan import PlannedUpdate
from simulator.vendors.producer import Producer, RecordUpdate


class Publishing:
    """Plays a plan into the queue. Use it from the event loop that owns the ledger."""

    def __init__(
        self,
        plan: Iterable[PlannedUpdate],
        ledger: Ledger,
        clock: Clock,
        series: Series,
        *,
        sqs_client: Any,
        queue_url: str,
        record: RecordUpdate,
        start_s: float,
        seed: int,
        own: Collection[str] | None = None,
        on_sent: Callable[[str, float], None] = lambda _update_id, _at_s: None,
    ) -> None:
        """`own` are the vendors whose updates leave here, None is all; `on_sent` is told of each one that has left."""
        self.planned: int | None = None
        """How many updates the plan had, once all of them have been made."""
        self.sent = 0
        """How many have left here."""
        self.last_sent_s: float | None = None
        self.lag = Latencies()
        """How late updates left, from the due time to the call to SQS."""
        self.latest_lag_ms: float | None = None
        """The same of the update that left last."""
        self._ledger = ledger
        self._series = series
        self._loop = asyncio.get_running_loop()
        self._start_s = start_s
        self._own = own
        self._tell_sent = on_sent
        self._refusals: Counter[str] = Counter()
        self._departures = _Departures(sqs_client, clock)
        self._producer = Producer(
            self._announced(plan),
            self._departures,
            queue_url,
            record,
            clock,
            on_sent=self._on_sent,
            on_failed=self._on_failed,
            seed=seed,
        )

    def start(self) -> None:
        """Begin; the first update is due at `start_s`."""
        self._producer.start(self._start_s)

    async def finished(self) -> None:
        """Wait until every update has left or was given up, or the producer broke or was stopped."""
        # Everything the threads said before is in the loop by then, since the loop keeps their order.
        await asyncio.to_thread(self._producer.done.wait)

    async def stop(self) -> None:
        """End it now, if it has not ended."""
        await asyncio.to_thread(self._producer.stop)

    def troubles(self) -> list[str]:
        """What went wrong, a sentence each."""
        found = []
        error = self._producer.error
        if isinstance(error, SimulatorError):
            found.append(str(error))
        elif error is not None:
            found.append(f"The producer broke ({type(error).__name__}: {error}).")
        for reason, count in self._refusals.most_common(3):
            found.append(f"{counted(count, 'update')} could not be published: {reason}.")
        return found

    def _announced(self, plan: Iterable[PlannedUpdate]) -> Iterator[PlannedUpdate]:
        """The plan, as far as it leaves here; whoever draws an update from it has told the ledger first, of all.

        Runs in a thread.
        """
        count = 0
        for planned in plan:
            count += 1
            is_own = self._own is None or planned.update["userId"] in self._own
            self._tell(self._announce, planned, is_own)
            if is_own:
                yield planned
        self._tell(self._set_planned, count)

    def _on_sent(self, planned: PlannedUpdate, _message_id: str) -> None:
        update_id = planned.update["id"]
        self._tell(self._mark_sent, update_id, planned.due_s, self._departures.pop(update_id))

    def _on_failed(self, _planned: PlannedUpdate, reason: str) -> None:
        self._tell(self._refusals.update, [reason.rstrip(".")])

    def _announce(self, planned: PlannedUpdate, is_own: bool) -> None:
        self._ledger.announce(planned.update, self._start_s + planned.due_s)
        if is_own:
            self._series.due(planned.due_s)

    def _mark_sent(self, update_id: str, due_s: float, at_s: float) -> None:
        self.sent += 1
        self.last_sent_s = at_s
        self._ledger.mark_sent(update_id, at_s)
        self._tell_sent(update_id, at_s)
        late_s = at_s - self._start_s - due_s
        self.lag.record(late_s)
        self.latest_lag_ms = max(0.0, 1_000 * late_s)
        self._series.sent(at_s - self._start_s, late_s)

    def _set_planned(self, count: int) -> None:
        self.planned = count

    def _tell(self, method: Any, *arguments: Any) -> None:
        self._loop.call_soon_threadsafe(method, *arguments)


class _Departures:
    """An SQS client that notes when each update first left; every other call is the client's own."""

    def __init__(self, client: Any, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._at_s: dict[str, float] = {}

    def send_message_batch(self, **request: Any) -> Any:
        now_s = self._clock.monotonic_s()
        for entry in request["Entries"]:
            self._at_s.setdefault(json.loads(entry["MessageBody"])["id"], now_s)
        return self._client.send_message_batch(**request)

    def pop(self, update_id: str) -> float:
        return self._at_s.pop(update_id)
