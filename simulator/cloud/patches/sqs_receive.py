"""Stock moto's ReceiveMessage takes messages without a lock, and waits badly.

Two receivers can be given the same message; a long poll spins on a blocked FIFO group and notices messages that become
visible up to a second late; and a message past its retention is never dropped.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from moto.sqs.models import Message, Queue, SQSBackend

from simulator.cloud.patches.patching import Patching
from simulator.cloud.patches.sqs_backlog import backlog_of
from simulator.cloud.patches.sqs_in_flight import TooManyInFlightError
from simulator.cloud.patches.sqs_lock import SQS_LOCK

_LONGEST_WAIT_S = 1.0
"""The clock may be set while we wait."""
_SHORTEST_WAIT_S = 0.001


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
            with SQS_LOCK:
                queue = self.get_queue(queue_name)
                _drop_expired(queue)
                try:
                    messages = stock(self, queue_name, count, 0, visibility_timeout, message_attribute_names)
                except TooManyInFlightError:
                    if not wait_seconds_timeout:
                        raise
                    messages = []  # only a short poll is told (Q22)
                left_s = deadline - time.monotonic()
                if messages or left_s <= 0:
                    return messages
                _wait(queue, left_s)

    patching.replace(SQSBackend, "receive_message", receive_message)


def _drop_expired(queue: Queue) -> None:
    retention_s = int(vars(queue)["message_retention_period"])
    backlog_of(queue).remove_sent_until((time.time() - retention_s) * 1000)


def _wait(queue: Queue, left_s: float) -> None:
    """Until the next message is due, or something is done to the queue, or `left_s` are over. The lock is let go."""
    due_ms = backlog_of(queue).next_due_ms()
    due_s = _LONGEST_WAIT_S if due_ms is None else due_ms / 1000 - time.time()
    queue._messages_lock.wait(min(left_s, max(due_s, _SHORTEST_WAIT_S), _LONGEST_WAIT_S))  # noqa: SLF001
