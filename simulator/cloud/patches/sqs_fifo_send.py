"""Stock moto forgets a deduplication id as soon as its message is deleted, and numbers messages at random, if at all.

AWS remembers the id for five minutes whatever became of the message, answers a duplicate with the first one's id, and
gives each message of a FIFO queue a number above those before it (Q18, Q19).
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable
from typing import Any

from moto.sqs.models import DEDUPLICATION_TIME_IN_SECONDS, Message, Queue

from simulator.cloud.patches.patching import Patching

_FIRST_NUMBER = 18_850_000_000_000_000_000
"""Twenty digits, as on AWS."""
_NUMBER_STEP = 256


class _Sent:
    """What one FIFO queue was sent in the last five minutes, and how many messages ever."""

    def __init__(self) -> None:
        self._first: dict[tuple[str | None, str], tuple[float, Message]] = {}
        """In the order they were sent, so the oldest stand in front."""
        self._count = 0

    def next_number(self) -> str:
        """Greater than all before."""
        self._count += 1
        return str(_FIRST_NUMBER + self._count * _NUMBER_STEP)

    def first_of(self, key: tuple[str | None, str], message: Message, now_s: float) -> Message:
        """The message that was sent first under this id: an earlier one, or `message` itself."""
        while self._first:
            oldest = next(iter(self._first))
            if now_s - self._first[oldest][0] < DEDUPLICATION_TIME_IN_SECONDS:
                break
            del self._first[oldest]
        return self._first.setdefault(key, (now_s, message))[1]


def apply(patching: Patching) -> None:
    """Accept a duplicate without a second message, and number the rest."""
    stock: Callable[[Queue, Message], None] = vars(Queue)["add_message"]
    sent: weakref.WeakKeyDictionary[Queue, _Sent] = weakref.WeakKeyDictionary()

    def add_message(self: Queue, message: Message) -> None:
        queue: Any = self
        if not queue.fifo_queue:
            stock(self, message)
            return
        memory = sent.setdefault(self, _Sent())
        message.sequence_number = memory.next_number()
        if message.deduplication_id:
            by_group = queue.deduplication_scope == "messageGroup"
            key = (message.group_id if by_group else None, message.deduplication_id)
            first = memory.first_of(key, message, time.time())
            if first is not message:
                message.id, message.sequence_number = first.id, first.sequence_number
                return
        with queue._messages_lock:  # noqa: SLF001
            queue._messages.append(message)  # noqa: SLF001
            queue._messages_lock.notify_all()  # noqa: SLF001

    patching.replace(Queue, "add_message", add_message)
