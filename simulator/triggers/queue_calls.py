"""The calls that a poller makes on its queue, each in a thread, with the patience that each deserves."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from simulator.clock import Clock
from simulator.triggers.backoff import delay_s
from simulator.triggers.batching import MAX_RECEIVE
from simulator.triggers.daemon_call import call_in_daemon_thread
from simulator.triggers.event_shape import Message

_DELETE_ATTEMPTS = 6
log = logging.getLogger("simulator.triggers")
_T = TypeVar("_T")


class QueueCalls:
    """One queue at one endpoint. `client_factory` is called once, in a thread, and must give a boto3 SQS client."""

    def __init__(
        self,
        client_factory: Callable[[], Any],
        *,
        url: str,
        queue_name: str,
        trigger_name: str,
        clock: Clock,
        chance: random.Random,
    ) -> None:
        self._client_factory = client_factory
        self._client: Any = None
        self._url = url
        self._name = queue_name
        self._trigger = trigger_name
        self._clock = clock
        self._chance = chance

    async def connect(self) -> None:
        """Make the client."""
        self._client = await self._persist(self._client_factory, "make a client for")

    async def receive(self, count: int, wait_s: int, visibility_s: int | None) -> list[Message]:
        """Up to `count` messages after `wait_s` at most; an outage is waited out.

        `visibility_s` is None for the queue's own timeout. Messages that come after a cancellation are given back.
        """
        request = {
            "QueueUrl": self._url,
            "MaxNumberOfMessages": count,
            "WaitTimeSeconds": wait_s,
            "AttributeNames": ["All"],
            "MessageAttributeNames": ["All"],
        }
        if visibility_s is not None:
            request["VisibilityTimeout"] = visibility_s
        return await self._persist(
            lambda: list(self._client.receive_message(**request).get("Messages", [])), "receive from"
        )

    async def make_visible(self, handles: Sequence[str]) -> int:
        """Let messages be received again at once; how many of them that could be done for. Raises what boto3 raises."""
        refused = 0
        for ten in _tens(handles):
            answer = await self._call(lambda ten=ten: self._make_visible(ten))  # type: ignore[misc]
            refused += len(answer.get("Failed", []))
        return len(handles) - refused

    async def delete(self, handles: Sequence[str], visible_at_s: float) -> int:
        """Delete, repeating what failed until `visible_at_s` (monotonic); how many are gone.

        A message that cannot be deleted comes back and is handled twice (Q09); that is logged.
        """
        return sum([await self._delete_ten(ten, visible_at_s) for ten in _tens(handles)])

    # -- one call ----------------------------------------------------------------------------------------------------

    async def _call(self, work: Callable[[], _T]) -> _T:
        return await call_in_daemon_thread(work, name=f"sqs {self._name}", abandoned=self._give_back)

    def _make_visible(self, handles: Sequence[str]) -> Any:
        entries = [
            {"Id": str(index), "ReceiptHandle": handle, "VisibilityTimeout": 0} for index, handle in enumerate(handles)
        ]
        return self._client.change_message_visibility_batch(QueueUrl=self._url, Entries=entries)

    def _give_back(self, messages: object) -> None:
        """A long poll that outlived the poller took messages: make them visible again."""
        if isinstance(messages, list) and messages:
            self._make_visible([message["ReceiptHandle"] for message in messages])

    async def _persist(self, work: Callable[[], _T], doing: str) -> _T:
        """Repeat `work` until it succeeds; an outage is logged when it begins and when it ends."""
        attempt = 0
        while True:
            try:
                result = await self._call(work)
            except Exception as error:  # noqa: BLE001  whatever boto3 raises, the mapping goes on
                attempt += 1
                if attempt == 1:
                    log.warning("Cannot %s queue %s, trying until it works: %s", doing, self._name, error)
                await asyncio.sleep(delay_s(attempt, self._chance))
                continue
            if attempt:
                log.warning("Queue %s answers again after %d failed attempts.", self._name, attempt)
            return result

    async def _delete_ten(self, handles: list[str], visible_at_s: float) -> int:
        deleted = 0
        reason = ""
        for attempt in range(1, _DELETE_ATTEMPTS + 1):
            entries = [{"Id": str(index), "ReceiptHandle": handle} for index, handle in enumerate(handles)]
            try:
                answer = await self._call(
                    lambda e=entries: self._client.delete_message_batch(QueueUrl=self._url, Entries=e)  # type: ignore[misc]
                )
            except Exception as error:  # noqa: BLE001  whatever boto3 raises
                reason = str(error)
            else:
                failed = answer.get("Failed", [])
                deleted += len(handles) - len(failed)
                if not failed:
                    return deleted
                reason = f"{failed[0].get('Code')}: {failed[0].get('Message', '')}"
                # A sender's fault (a handle gone stale) fails the same way each time.
                again = [handles[int(entry["Id"])] for entry in failed if not entry.get("SenderFault")]
                if len(again) < len(failed):
                    self._log_not_deleted(len(failed) - len(again), reason)
                handles = again
                if not handles:
                    return deleted
            pause_s = delay_s(attempt, self._chance)
            if self._clock.monotonic_s() + pause_s >= visible_at_s:
                break
            await asyncio.sleep(pause_s)
        self._log_not_deleted(len(handles), reason)
        return deleted

    def _log_not_deleted(self, count: int, reason: str) -> None:
        log.error(
            "Trigger %s: %d handled messages could not be deleted from %s and come back: %s",
            self._trigger,
            count,
            self._name,
            reason,
        )


def _tens(handles: Sequence[str]) -> Iterator[list[str]]:
    for start in range(0, len(handles), MAX_RECEIVE):
        yield list(handles[start : start + MAX_RECEIVE])
