"""The calls that a poller makes on its queue, with the patience that each deserves."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from simulator.clock import Clock
from simulator.triggers.backoff import delay_s
from simulator.triggers.batching import MAX_RECEIVE
from simulator.triggers.event_shape import Message

_DELETE_ATTEMPTS = 6
log = logging.getLogger("simulator.triggers")


class Sqs(Protocol):
    """Makes a call of SQS: action and request in, answer out, in AWS's JSON. Raises what kept it from that."""

    async def __call__(self, action: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Make it."""


class QueueCalls:
    """One queue at one endpoint."""

    def __init__(
        self, sqs: Sqs, *, url: str, queue_name: str, trigger_name: str, clock: Clock, chance: random.Random
    ) -> None:
        self._sqs = sqs
        self._url = url
        self._name = queue_name
        self._trigger = trigger_name
        self._clock = clock
        self._chance = chance
        self._left_behind: set[asyncio.Task[None]] = set()
        """Long polls that nobody waits for any more."""

    async def receive(self, count: int, wait_s: int, visibility_s: int | None) -> list[Message]:
        """Up to `count` messages after `wait_s` at most; an outage is waited out, and logged when it begins and ends.

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
        attempt = 0
        while True:
            try:
                messages = await self._receive(request)
            except Exception as error:  # noqa: BLE001  whatever it is, the mapping goes on
                attempt += 1
                if attempt == 1:
                    log.warning("Cannot receive from queue %s, trying until it works: %s", self._name, error)
                await asyncio.sleep(delay_s(attempt, self._chance))
                continue
            if attempt:
                log.warning("Queue %s answers again after %d failed attempts.", self._name, attempt)
            return messages

    async def make_visible(self, handles: Sequence[str]) -> int:
        """Let messages be received again at once; how many of them that could be done for. Raises what `Sqs` raises."""
        refused = 0
        for ten in _tens(handles):
            entries = [
                {"Id": str(index), "ReceiptHandle": handle, "VisibilityTimeout": 0} for index, handle in enumerate(ten)
            ]
            answer = await self._sqs("ChangeMessageVisibilityBatch", {"QueueUrl": self._url, "Entries": entries})
            refused += len(answer.get("Failed", []))
        return len(handles) - refused

    async def delete(self, handles: Sequence[str], visible_at_s: float) -> int:
        """Delete, repeating what failed until `visible_at_s` (monotonic); how many are gone.

        A message that cannot be deleted comes back and is handled twice (Q09); that is logged.
        """
        return sum([await self._delete_ten(ten, visible_at_s) for ten in _tens(handles)])

    # -- one call ----------------------------------------------------------------------------------------------------

    async def _receive(self, request: Mapping[str, Any]) -> list[Message]:
        receiving = asyncio.get_running_loop().create_task(self._receive_once(request))
        try:
            return await asyncio.shield(receiving)
        except asyncio.CancelledError:
            # The queue will answer all the same, and must not lose messages to nobody for a visibility timeout.
            left_behind = asyncio.get_running_loop().create_task(self._give_back(receiving))
            self._left_behind.add(left_behind)
            left_behind.add_done_callback(self._left_behind.discard)
            raise

    async def _receive_once(self, request: Mapping[str, Any]) -> list[Message]:
        return (await self._sqs("ReceiveMessage", request)).get("Messages") or []

    async def _give_back(self, receiving: asyncio.Task[list[Message]]) -> None:
        """Make visible again what a long poll took that outlived the poller."""
        with contextlib.suppress(Exception):  # best effort, with nobody left to tell
            await self.make_visible([message["ReceiptHandle"] for message in await receiving])

    async def _delete_ten(self, handles: list[str], visible_at_s: float) -> int:
        deleted = 0
        reason = ""
        for attempt in range(1, _DELETE_ATTEMPTS + 1):
            entries = [{"Id": str(index), "ReceiptHandle": handle} for index, handle in enumerate(handles)]
            try:
                answer = await self._sqs("DeleteMessageBatch", {"QueueUrl": self._url, "Entries": entries})
            except Exception as error:  # noqa: BLE001  whatever it is
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
