"""One SQS event source mapping at work: receive, filter, invoke, delete.

One receiver at a time long-polls the queue, and only while a batch may still be taken, because each receive counts
towards the dead-letter queue (Q13). Batches then run side by side, as many as `scaling` allows (Q15, Q16). The message
groups of a FIFO queue need no rule here: the queue gives out nothing of a group that has a message in flight, so each
batch owns its groups, and what fails comes back before anything behind it (Q18).

Different from AWS: a new mapping polls at once instead of after some seconds (Q25), and batches beyond what the
function can take on this machine are left on the queue.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import asdict, dataclass
from http import HTTPStatus
from typing import Any

from simulator.clock import Clock, SystemClock
from simulator.invocation import InvocationResult, Invoke, InvokeRefusedError
from simulator.stack.model import Queue, Trigger
from simulator.triggers.backoff import delay_s
from simulator.triggers.batching import MAX_LONG_POLL_S, Batch, Received
from simulator.triggers.checks import check
from simulator.triggers.decision import Decision, decide
from simulator.triggers.disorder import Disorder
from simulator.triggers.event_shape import Message, build_event, build_record, encode_event
from simulator.triggers.filters import accepts
from simulator.triggers.queue_calls import QueueCalls, Sqs
from simulator.triggers.scaling import Concurrency, pace_of
from simulator.triggers.settings import TriggerSettings
from simulator.triggers.visibility import visibility_s

_GIVE_BACK_S = 1.0
log = logging.getLogger("simulator.triggers")


@dataclass(slots=True)
class PollerStats:
    """Counts of messages, unless said otherwise."""

    received: int = 0
    filtered: int = 0
    """Deleted unseen, because no filter pattern fits them (Q23)."""
    deleted: int = 0
    """After the function had them."""
    again: int = 0
    """Put back on purpose after the function had them, as duplicates (Q09)."""
    failed: int = 0
    """Left on the queue for another try, by a failed batch or as reported items."""
    invocations: int = 0
    """Calls of the function that ran."""
    errors: int = 0
    """Batches that failed as a whole."""
    throttled: int = 0
    """Calls that were refused for lack of concurrency (each attempt counts)."""
    in_flight: int = 0
    """Received, and neither deleted nor given back yet."""


@dataclass(frozen=True, slots=True)
class BatchReport:
    """What became of one batch, for whoever measures."""

    trigger: str
    messages: int
    decision: Decision
    duration_ms: float
    """From the first message received to the handler's answer."""


class EventSourcePoller:
    """Feeds one function from one queue.

    `sqs` makes its calls, and `queue_url` is its queue there. `invoke` is awaited on the event loop.
    `function_timeout_s` is the function's time-out, and `most_batches` what it can take at once on this machine.
    `on_batch` hears of each finished batch.

    Raises `InputError` for settings that AWS refuses (Q01, Q16, Q23).
    """

    def __init__(
        self,
        trigger: Trigger,
        queue: Queue,
        queue_url: str,
        sqs: Sqs,
        invoke: Invoke,
        *,
        region: str,
        settings: TriggerSettings | None = None,
        function_timeout_s: int | None = None,
        most_batches: int | None = None,
        clock: Clock | None = None,
        chance: random.Random | None = None,
        on_batch: Callable[[BatchReport], None] | None = None,
    ) -> None:
        check(trigger, queue)
        settings = settings or TriggerSettings()
        self._trigger = trigger
        self._queue = queue
        self._invoke = invoke
        self._region = region
        self._clock = clock or SystemClock()
        self._chance = chance or random.Random()  # noqa: S311  jitter
        self._on_batch = on_batch
        self._visibility_s = visibility_s(trigger, queue, function_timeout_s)
        self._extended = self._visibility_s != visibility_s(trigger, queue, None)
        wait_s = int(queue.attributes.get("ReceiveMessageWaitTimeSeconds", 0))
        # 0 is the queue's default, not a wish for short polls: Lambda long-polls whatever the queue says.
        self._long_poll_s = min(wait_s, MAX_LONG_POLL_S) or MAX_LONG_POLL_S
        self._batch = Batch(trigger, queue, region)
        self._disorder = Disorder(queue, settings, self._chance)
        self._concurrency = Concurrency(
            pace_of(trigger, queue, settings, most_batches), idle_s=settings.idle_s, error_step=settings.error_step
        )
        self._calls = QueueCalls(
            sqs,
            url=queue_url,
            queue_name=queue.name,
            trigger_name=trigger.logical_id,
            clock=self._clock,
            chance=self._chance,
        )
        self._receiver: asyncio.Task[None] | None = None
        self._paused = False
        self._batches: set[asyncio.Task[None]] = set()
        self._others: set[asyncio.Task[None]] = set()
        """Deletions of messages that were filtered out."""
        self._slot_freed = asyncio.Event()
        self._stats = PollerStats()

    def start(self) -> None:
        """Begin to poll, unless the trigger is disabled (Q25). Call it with the event loop running."""
        if not self._trigger.enabled:
            log.info("Trigger %s is disabled; messages wait on %s.", self._trigger.logical_id, self._queue.name)
            return
        if self._receiver is not None or self._paused:
            return
        self._receiver = asyncio.get_running_loop().create_task(self._run(), name=f"poller {self._queue.name}")
        self._receiver.add_done_callback(self._receiver_done)

    async def stop(self, *, drain_s: float = 1.0) -> None:
        """Stop polling at once; batches in flight get `drain_s` to end, then their messages are left to the queue."""
        await self._stop_receiving()
        if running := self._batches | self._others:
            await asyncio.wait(running, timeout=drain_s)
        unfinished = list(self._batches | self._others)
        for task in unfinished:
            task.cancel()
        await asyncio.gather(*unfinished, return_exceptions=True)

    async def pause(self) -> None:
        """Receive nothing until `resume` (Q25); batches in flight go on, what was gathered for another goes back."""
        self._paused = True
        await self._stop_receiving()

    def resume(self) -> None:
        """Receive again."""
        self._paused = False
        self.start()

    @property
    def disorder(self) -> Disorder:
        """What this trigger delivers twice or late."""
        return self._disorder

    @property
    def queue_name(self) -> str:
        """The queue it polls."""
        return self._queue.name

    def stats(self) -> dict[str, int]:
        """See `PollerStats`."""
        return asdict(self._stats)

    async def _stop_receiving(self) -> None:
        if self._receiver is None:
            return
        receiver, self._receiver = self._receiver, None
        receiver.cancel()
        await asyncio.wait({receiver})
        await self._give_back_gathered()

    # -- receiving ---------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        while True:
            await self._free_slot()
            batch = await self._gather()
            self._spawn(self._process(batch), self._batches)

    async def _free_slot(self) -> None:
        """Wait until one more batch may be in flight."""
        while True:
            now_s = self._clock.monotonic_s()
            if len(self._batches) < self._concurrency.limit(now_s):
                return
            self._concurrency.saturated(now_s)
            self._slot_freed.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._concurrency.next_s(now_s)):
                    await self._slot_freed.wait()

    def _spawn(self, work: Coroutine[Any, Any, None], kind: set[asyncio.Task[None]]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        kind.add(task)
        task.add_done_callback(lambda done: self._task_done(done, kind))

    def _task_done(self, task: asyncio.Task[None], kind: set[asyncio.Task[None]]) -> None:
        kind.discard(task)
        self._slot_freed.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("Trigger %s: a batch was given up.", self._trigger.logical_id, exc_info=error)

    def _receiver_done(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error(
                "Trigger %s: polling %s broke off; start the stack again.",
                self._trigger.logical_id,
                self._queue.name,
                exc_info=error,
            )

    async def _gather(self) -> list[Received]:
        while not self._batch.complete(self._clock.monotonic_s()):
            count, wait_s = self._batch.receive_request(self._long_poll_s, self._clock.monotonic_s())
            messages = await self._calls.receive(
                count, 1 if self._disorder.holding else wait_s, self._visibility_s if self._extended else None
            )
            now_s = self._clock.monotonic_s()
            self._stats.received += len(messages)
            self._stats.in_flight += len(messages)
            self._concurrency.received(len(messages), now_s)
            wanted = [Received(message, now_s) for message in self._filter(messages, now_s)]
            self._batch.add(self._disorder.arrange(wanted), now_s)
        return self._batch.take(self._clock.monotonic_s())

    def _filter(self, messages: Sequence[Message], now_s: float) -> Sequence[Message]:
        """What the function is to see; the rest is deleted."""
        if not self._trigger.filters:
            return messages
        wanted: list[Message] = []
        unseen: list[str] = []
        for message in messages:
            if accepts(self._trigger.filters, build_record(message, self._queue.arn, self._region)):
                wanted.append(message)
            else:
                unseen.append(message["ReceiptHandle"])
        if unseen:
            self._spawn(self._delete_unseen(unseen, now_s + self._visibility_s), self._others)
        return wanted

    async def _delete_unseen(self, handles: Sequence[str], visible_at_s: float) -> None:
        try:
            deleted = await self._calls.delete(handles, visible_at_s)
            self._stats.filtered += deleted
        finally:
            self._stats.in_flight -= len(handles)

    async def _give_back_gathered(self) -> None:
        """Messages of a batch that was still waiting for more, and those held back."""
        gathered = [*self._batch.take_all(), *self._disorder.take_held()]
        self._stats.in_flight -= len(gathered)
        if gathered:
            with contextlib.suppress(Exception):  # the queue may be gone; then they are as well
                handles = [each.message["ReceiptHandle"] for each in gathered]
                await asyncio.wait_for(self._calls.make_visible(handles), _GIVE_BACK_S)

    # -- one batch ---------------------------------------------------------------------------------------------------

    async def _process(self, batch: Sequence[Received]) -> None:
        messages = [each.message for each in batch]
        received_s = min(each.at_s for each in batch)
        visible_at_s = received_s + self._visibility_s
        try:
            outcome = await self._invoke_until_visible(messages, visible_at_s)
            decision = decide(messages, outcome, report_batch_item_failures=self._trigger.report_batch_item_failures)
            duration_ms = (self._clock.monotonic_s() - received_s) * 1000
            self._count(decision)
            again = self._disorder.again(messages, decision.delete)
            done = [handle for handle in decision.delete if handle not in again] if again else decision.delete
            deleted = await self._calls.delete(done, visible_at_s)
            self._stats.deleted += deleted
            await self._deliver_again(again)
        finally:
            self._stats.in_flight -= len(messages)
        if self._on_batch is not None:
            self._on_batch(BatchReport(self._trigger.logical_id, len(messages), decision, duration_ms))

    async def _deliver_again(self, handles: Sequence[str]) -> None:
        """Put handled messages back, as duplicates; those that the handler has deleted itself stay deleted."""
        if handles:
            with contextlib.suppress(Exception):  # then they come back by themselves, which is the same but later
                put_back = await self._calls.make_visible(handles)
                self._stats.again += put_back

    def _count(self, decision: Decision) -> None:
        self._stats.failed += len(decision.keep)
        if decision.failure is not None:
            self._stats.errors += 1
            if not self._trigger.report_batch_item_failures:
                self._concurrency.failed(self._clock.monotonic_s())
            log.warning(
                "Trigger %s: batch of %d from %s failed and comes back after %d s: %s",
                self._trigger.logical_id,
                len(decision.keep),
                self._queue.name,
                self._visibility_s,
                decision.failure,
            )
        elif decision.keep:
            log.info(
                "Trigger %s: %s reported %d failed items; they come back after %d s.",
                self._trigger.logical_id,
                self._trigger.function,
                len(decision.keep),
                self._visibility_s,
            )

    async def _invoke_until_visible(
        self, messages: Sequence[Message], visible_at_s: float
    ) -> InvocationResult | InvokeRefusedError:
        """Invoke; a throttled call is repeated until the messages become visible again (Q17)."""
        event = build_event(
            messages, self._queue.arn, self._region, batching_window=self._trigger.batching_window_s > 0
        )
        payload = encode_event(event)
        origin = f"queue={self._queue.name} messages={len(messages)} first={messages[0]['MessageId']}"
        attempt = 0
        while True:
            try:
                result = await self._invoke(self._trigger.function, payload, origin=origin)
            except InvokeRefusedError as refusal:
                if refusal.status != HTTPStatus.TOO_MANY_REQUESTS:
                    return refusal
                self._stats.throttled += 1
                if not attempt:
                    self._concurrency.failed(self._clock.monotonic_s())
                attempt += 1
                pause_s = delay_s(attempt, self._chance)
                if self._clock.monotonic_s() + pause_s >= visible_at_s:
                    return refusal
                await asyncio.sleep(pause_s)
            else:
                self._stats.invocations += 1
                return result
