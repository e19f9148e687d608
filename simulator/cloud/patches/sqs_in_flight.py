"""Stock moto lets any number of messages be in flight; AWS stops at some 120,000 of one queue (Q22)."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from moto.sqs.exceptions import SQSException
from moto.sqs.models import Message, SQSBackend

from simulator.cloud.patches.backlog import State
from simulator.cloud.patches.patching import Patching
from simulator.cloud.patches.sqs_backlog import backlog_of


class TooManyInFlightError(SQSException):
    """`OverLimit` of a standard queue."""

    def __init__(self) -> None:
        super().__init__("OverLimit", "Too many messages are in flight; delete some before receiving more.")


def apply(patching: Patching) -> None:
    """Refuse to receive from a standard queue at its limit; give nothing from a FIFO queue."""
    stock: Callable[..., list[Message]] = vars(SQSBackend)["receive_message"]
    most = patching.settings.in_flight_messages

    def receive_message(self: SQSBackend, queue_name: str, count: int, *args: Any, **kwargs: Any) -> list[Message]:
        queue: Any = self.get_queue(queue_name)
        left = most - backlog_of(queue).count(State.IN_FLIGHT, time.time() * 1000)
        if left > 0:
            return stock(self, queue_name, min(count, left), *args, **kwargs)
        if queue.fifo_queue:
            return []
        raise TooManyInFlightError

    patching.replace(SQSBackend, "receive_message", receive_message)
