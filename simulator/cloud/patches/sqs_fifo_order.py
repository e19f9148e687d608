"""Stock moto loses the order of a FIFO queue once a visibility timeout ends: of three messages the last came first.

It also hands out later messages of a group whose first one is delayed, and puts those that go to the dead-letter queue
through its deduplication, which may drop them (Q18).
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterable
from typing import Any

from moto.sqs.models import Message, Queue, SQSBackend, _filter_message_attributes

from simulator.cloud.patches.patching import Patching


def apply(patching: Patching) -> None:
    """Receive from FIFO queues by group: in order, and nothing of a group that has a message in flight."""
    stock: Callable[..., list[Message]] = vars(SQSBackend)["receive_message"]

    def receive_message(
        self: SQSBackend,
        queue_name: str,
        count: int,
        wait_seconds_timeout: int,
        visibility_timeout: int,
        message_attribute_names: list[str] | None = None,
    ) -> list[Message]:
        queue = self.get_queue(queue_name)
        if not queue.fifo_queue:
            return stock(self, queue_name, count, wait_seconds_timeout, visibility_timeout, message_attribute_names)
        received = []
        for message in _take(queue, count):
            message.mark_received(visibility_timeout=visibility_timeout)
            shown = copy.copy(message)
            _filter_message_attributes(shown, message_attribute_names or [])
            received.append(shown)
        return received

    patching.replace(SQSBackend, "receive_message", receive_message)


def _take(queue: Queue, count: int) -> list[Message]:
    """What may be received now, as many of one group as there are before those of the next."""
    now_ms = time.time() * 1000
    messages: list[Message] = queue._messages  # noqa: SLF001
    blocked = {message.group_id for message in messages if message.visible_at >= now_ms}
    groups: dict[str | None, list[Message]] = {}
    spent: list[Message] = []
    for message in messages:
        if message.group_id in blocked:
            continue
        if message.delayed_until > now_ms:
            blocked.add(message.group_id)
        elif _is_spent(queue, message):
            spent.append(message)
        else:
            groups.setdefault(message.group_id, []).append(message)
    _move_to_dead_letters(queue, spent)
    return [message for group in groups.values() for message in group][:count]


def _is_spent(queue: Queue, message: Message) -> bool:
    """Received as often as the redrive policy allows (Q13)."""
    policy: Any = vars(queue).get("redrive_policy")
    if queue.dead_letter_queue is None or not policy:
        return False
    return bool(message.approximate_receive_count >= policy["maxReceiveCount"])


def _move_to_dead_letters(queue: Queue, spent: Iterable[Message]) -> None:
    """In their order; they were sent long ago, so deduplication has nothing to say about them."""
    target = queue.dead_letter_queue
    if target is None:
        return
    for message in spent:
        queue._messages.remove(message)  # noqa: SLF001
        with target._messages_lock:  # noqa: SLF001
            target._messages.append(message)  # noqa: SLF001
            target._messages_lock.notify_all()  # noqa: SLF001
