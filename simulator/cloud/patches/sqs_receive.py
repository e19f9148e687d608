"""Stock moto's ReceiveMessage takes messages without a lock, and waits badly.

Two receivers can be given the same message; a long poll spins on a blocked FIFO group and notices messages that become
visible up to a second late; and a message past its retention is never dropped.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from moto.sqs.models import Message, Queue, SQSBackend

from simulator.cloud.patches.patching import Patching
from simulator.cloud.patches.sqs_in_flight import TooManyInFlightError
from simulator.cloud.patches.sqs_lock import SQS_LOCK

_LONGEST_WAIT_S = 1.0
_SHORTEST_WAIT_S = 0.005
_BLOCKED_WAIT_S = 0.05
"""A message can be visible and yet be kept back, by its group or by the limit of messages in flight, and what frees it
may happen just before the wait."""


def apply(patching: Patching) -> None:
    """Take messages under the lock, wait without it, and wake when one is due."""
    stock: Callable[..., list[Message]] = vars(SQSBackend)["receive_message"]

    def receive_message(
        self: SQSBackend,
        queue_name: str,
        count: int,
        wait_seconds_timeout: int,
        visibility_timeout: int,
        message_attribute_names: list[str] | None = None,
    ) -> list[Message]:
        deadline = time.monotonic() + wait_seconds_timeout
        while True:
            full = False
            with SQS_LOCK:
                queue = self.get_queue(queue_name)
                _drop_expired(queue)
                try:
                    messages = stock(self, queue_name, count, 0, visibility_timeout, message_attribute_names)
                except TooManyInFlightError:
                    if not wait_seconds_timeout:
                        raise
                    messages, full = [], True  # only a short poll is told (Q22)
            left_s = deadline - time.monotonic()
            if messages or left_s <= 0:
                return messages
            _wait(queue, left_s, full=full)

    patching.replace(SQSBackend, "receive_message", receive_message)
    _wake_on_visibility_change(patching)


def _wake_on_visibility_change(patching: Patching) -> None:
    stock: Callable[..., None] = vars(SQSBackend)["change_message_visibility"]

    def change_message_visibility(
        self: SQSBackend, queue_name: str, receipt_handle: str, visibility_timeout: int
    ) -> None:
        stock(self, queue_name, receipt_handle, visibility_timeout)
        queue = self.get_queue(queue_name)
        with queue._messages_lock:  # noqa: SLF001
            queue._messages_lock.notify_all()  # noqa: SLF001

    patching.replace(SQSBackend, "change_message_visibility", change_message_visibility)


def _drop_expired(queue: Queue) -> None:
    """Messages are in the order they were sent, so the first one tells whether there is anything to do."""
    oldest_ms = (time.time() - int(vars(queue)["message_retention_period"])) * 1000
    messages = queue._messages  # noqa: SLF001
    if messages and (messages[0].sent_timestamp or 0) <= oldest_ms:
        queue._messages = [message for message in messages if (message.sent_timestamp or 0) > oldest_ms]  # noqa: SLF001


def _wait(queue: Queue, left_s: float, *, full: bool) -> None:
    """Until a message may be deliverable, or `left_s` are over."""
    with queue._messages_lock:  # noqa: SLF001
        if queue.fifo_queue or full:
            queue._messages_lock.wait(min(left_s, _BLOCKED_WAIT_S))  # noqa: SLF001
            return
        due_ms = [max(message.visible_at, message.delayed_until) for message in queue._messages]  # noqa: SLF001
        next_s = min(due_ms) / 1000 - time.time() if due_ms else _LONGEST_WAIT_S
        if next_s >= 0:
            queue._messages_lock.wait(min(left_s, max(next_s, _SHORTEST_WAIT_S), _LONGEST_WAIT_S))  # noqa: SLF001
