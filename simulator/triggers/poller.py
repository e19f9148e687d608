"""One SQS event source mapping at work: receive, invoke, delete.

One receiver at a time long-polls the queue, and only while a batch may still be taken, because each receive counts
towards the dead-letter queue (Q13). Batches then run side by side, five of them or `MaximumConcurrency` (Q15, Q16).

Different from AWS: the number of concurrent batches does not grow with the backlog (Q15); a FIFO queue gets one batch
at a time over all its groups (Q18); filter criteria are not applied (Q23).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from http import HTTPStatus
from typing import Any, TypeVar

from simulator.clock import Clock, SystemClock
from simulator.invocation import InvocationResult, Invoke, InvokeRefusedError
from simulator.stack.model import Queue, Trigger
from simulator.triggers.backoff import delay_s
from simulator.triggers.daemon_call import call_in_daemon_thread
from simulator.triggers.rules import (
    MAX_LONG_POLL_S,
    MAX_RECEIVE,
    Batch,
    Decision,
    Message,
    build_event,
    check,
    decide,
    encode_event,
)
from simulator.triggers.settings import TriggerSettings

START_CONCURRENCY = 5
"""Concurrent batches of a standard queue without MaximumConcurrency (Q15, the start value)."""
DEFAULT_VISIBILITY_S = 30
_DELETE_ATTEMPTS = 6
_GIVE_BACK_S = 1.0
log = logging.getLogger("simulator.triggers")
_T = TypeVar("_T")


@dataclass(slots=True)
class PollerStats:
    """Counts of messages, unless said otherwise."""

    received: int = 0
    deleted: int = 0
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

    `sqs_client_factory` is called once, in a thread, and must give a boto3 SQS client; `queue_url` is its queue at
    that client's endpoint. `invoke` is awaited on the event loop. `on_batch` hears of each finished batch.

    Raises `InputError` for settings that AWS refuses (Q01, Q16).
    """

    def __init__(
        self,
        trigger: Trigger,
        queue: Queue,
        queue_url: str,
        sqs_client_factory: Callable[[], Any],
        invoke: Invoke,
        *,
        region: str,
        settings: TriggerSettings | None = None,
        start_concurrency: int = START_CONCURRENCY,
        clock: Clock | None = None,
        chance: random.Random | None = None,
        on_batch: Callable[[BatchReport], None] | None = None,
    ) -> None:
        check(trigger, queue)
        self._trigger = trigger
        self._queue = queue
        self._queue_url = queue_url
        self._client_factory = sqs_client_factory
        self._client: Any = None
        self._invoke = invoke
        self._region = region
        self._settings = settings or TriggerSettings()
        self._clock = clock or SystemClock()
        self._chance = chance or random.Random()  # noqa: S311  jitter
        self._on_batch = on_batch
        self._concurrency = 1 if queue.fifo else trigger.maximum_concurrency or start_concurrency
        self._visibility_s = int(queue.attributes.get("VisibilityTimeout", DEFAULT_VISIBILITY_S))
        wait_s = int(queue.attributes.get("ReceiveMessageWaitTimeSeconds", 0))
        # 0 is the queue's default, not a wish for short polls: Lambda long-polls whatever the queue says.
        self._long_poll_s = min(wait_s, MAX_LONG_POLL_S) or MAX_LONG_POLL_S
        self._batch = Batch(trigger, queue, region)
        self._slots = asyncio.Semaphore(self._concurrency)
        self._receiver: asyncio.Task[None] | None = None
        self._batches: set[asyncio.Task[None]] = set()
        self._stats = PollerStats()

    def start(self) -> None:
        """Begin to poll, unless the trigger is disabled (Q25). Call it with the event loop running."""
        if not self._trigger.enabled:
            log.info("Trigger %s is disabled; messages wait on %s.", self._trigger.logical_id, self._queue.name)
            return
        if self._receiver is not None:
            return
        if self._queue.fifo:
            log.warning(
                "Trigger %s: FIFO queue %s is served one batch at a time; AWS serves its message groups side by side.",
                self._trigger.logical_id,
                self._queue.name,
            )
        self._receiver = asyncio.get_running_loop().create_task(self._run(), name=f"poller {self._queue.name}")
        self._receiver.add_done_callback(self._receiver_done)

    async def stop(self, *, drain_s: float = 1.0) -> None:
        """Stop polling at once; batches in flight get `drain_s` to end, then their messages are left to the queue."""
        if self._receiver is None:
            return
        receiver, self._receiver = self._receiver, None
        receiver.cancel()
        await asyncio.wait({receiver})
        await self._give_back_gathered()
        if self._batches:
            await asyncio.wait(self._batches, timeout=drain_s)
        unfinished = list(self._batches)
        for task in unfinished:
            task.cancel()
        await asyncio.gather(*unfinished, return_exceptions=True)

    def stats(self) -> dict[str, int]:
        """See `PollerStats`."""
        return asdict(self._stats)

    # -- receiving ---------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        self._client = await self._persist(self._client_factory, "make a client for")
        while True:
            await self._slots.acquire()
            try:
                messages, received_s = await self._gather()
            except BaseException:
                self._slots.release()
                raise
            task = asyncio.get_running_loop().create_task(self._process(messages, received_s))
            self._batches.add(task)
            task.add_done_callback(self._batch_done)

    def _receiver_done(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error(
                "Trigger %s: polling %s broke off; start the stack again.",
                self._trigger.logical_id,
                self._queue.name,
                exc_info=error,
            )

    def _batch_done(self, task: asyncio.Task[None]) -> None:
        self._batches.discard(task)
        self._slots.release()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("Trigger %s: a batch was given up.", self._trigger.logical_id, exc_info=error)

    async def _gather(self) -> tuple[list[Message], float]:
        while not self._batch.complete(self._clock.monotonic_s()):
            count, wait_s = self._batch.receive_request(self._long_poll_s, self._clock.monotonic_s())
            messages = await self._persist(lambda c=count, w=wait_s: self._receive(c, w), "receive from")  # type: ignore[misc]
            self._batch.add(messages, self._clock.monotonic_s())
            self._stats.received += len(messages)
            self._stats.in_flight += len(messages)
        received_s = self._batch.opened_s
        return self._batch.take(self._clock.monotonic_s()), received_s

    def _receive(self, count: int, wait_s: int) -> list[Message]:
        answer = self._client.receive_message(
            QueueUrl=self._queue_url,
            MaxNumberOfMessages=count,
            WaitTimeSeconds=wait_s,
            AttributeNames=["All"],
            MessageAttributeNames=["All"],
        )
        return list(answer.get("Messages", []))

    def _give_back(self, messages: object) -> None:
        """A long poll that outlived the poller took messages: make them visible again."""
        if not isinstance(messages, list) or not messages:
            return
        self._client.change_message_visibility_batch(
            QueueUrl=self._queue_url,
            Entries=[
                {"Id": str(index), "ReceiptHandle": message["ReceiptHandle"], "VisibilityTimeout": 0}
                for index, message in enumerate(messages)
            ],
        )

    async def _give_back_gathered(self) -> None:
        """Messages of a batch that was still waiting for more."""
        messages = self._batch.take_all()
        self._stats.in_flight -= len(messages)
        if messages:
            giving_back = call_in_daemon_thread(lambda: self._give_back(messages), name=f"sqs {self._queue.name}")
            with contextlib.suppress(Exception):  # the queue may be gone; then they are as well
                await asyncio.wait_for(giving_back, _GIVE_BACK_S)

    async def _persist(self, work: Callable[[], _T], doing: str) -> _T:
        """Repeat `work` until it succeeds; an outage is logged when it begins and when it ends."""
        attempt = 0
        while True:
            try:
                result = await call_in_daemon_thread(work, name=f"sqs {self._queue.name}", abandoned=self._give_back)
            except Exception as error:  # noqa: BLE001  whatever boto3 raises, the mapping goes on
                attempt += 1
                if attempt == 1:
                    log.warning("Cannot %s queue %s, trying until it works: %s", doing, self._queue.name, error)
                await asyncio.sleep(delay_s(attempt, self._chance))
                continue
            if attempt:
                log.warning("Queue %s answers again after %d failed attempts.", self._queue.name, attempt)
            return result

    # -- one batch ---------------------------------------------------------------------------------------------------

    async def _process(self, messages: Sequence[Message], received_s: float) -> None:
        try:
            outcome = await self._invoke_until_visible(messages, received_s + self._visibility_s)
            decision = decide(messages, outcome, report_batch_item_failures=self._trigger.report_batch_item_failures)
            duration_ms = (self._clock.monotonic_s() - received_s) * 1000
            self._count(decision)
            await self._delete(decision.delete, received_s + self._visibility_s)
        finally:
            self._stats.in_flight -= len(messages)
        if self._on_batch is not None:
            self._on_batch(BatchReport(self._trigger.logical_id, len(messages), decision, duration_ms))

    def _count(self, decision: Decision) -> None:
        self._stats.failed += len(decision.keep)
        if decision.failure is not None:
            self._stats.errors += 1
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
                attempt += 1
                pause_s = delay_s(attempt, self._chance)
                if self._clock.monotonic_s() + pause_s >= visible_at_s:
                    return refusal
                await asyncio.sleep(pause_s)
            else:
                self._stats.invocations += 1
                return result

    # -- deleting ----------------------------------------------------------------------------------------------------

    async def _delete(self, handles: Sequence[str], visible_at_s: float) -> None:
        for start in range(0, len(handles), MAX_RECEIVE):
            await self._delete_ten(list(handles[start : start + MAX_RECEIVE]), visible_at_s)

    async def _delete_ten(self, handles: list[str], visible_at_s: float) -> None:
        """Delete, repeating what failed; a message that cannot be deleted comes back and is handled twice (Q09)."""
        reason = ""
        for attempt in range(1, _DELETE_ATTEMPTS + 1):
            entries = [{"Id": str(index), "ReceiptHandle": handle} for index, handle in enumerate(handles)]
            try:
                answer = await call_in_daemon_thread(
                    lambda e=entries: self._client.delete_message_batch(QueueUrl=self._queue_url, Entries=e),  # type: ignore[misc]
                    name=f"sqs {self._queue.name}",
                )
            except Exception as error:  # noqa: BLE001  whatever boto3 raises
                reason = str(error)
            else:
                failed = answer.get("Failed", [])
                self._stats.deleted += len(handles) - len(failed)
                if not failed:
                    return
                reason = f"{failed[0].get('Code')}: {failed[0].get('Message', '')}"
                # A sender's fault (a handle gone stale) fails the same way each time.
                again = [handles[int(entry["Id"])] for entry in failed if not entry.get("SenderFault")]
                if len(again) < len(failed):
                    self._log_not_deleted(len(failed) - len(again), reason)
                handles = again
                if not handles:
                    return
            pause_s = delay_s(attempt, self._chance)
            if self._clock.monotonic_s() + pause_s >= visible_at_s:
                break
            await asyncio.sleep(pause_s)
        self._log_not_deleted(len(handles), reason)

    def _log_not_deleted(self, count: int, reason: str) -> None:
        log.error(
            "Trigger %s: %d handled messages could not be deleted from %s and come back: %s",
            self._trigger.logical_id,
            count,
            self._queue.name,
            reason,
        )
