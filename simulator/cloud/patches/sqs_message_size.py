"""Stock moto counts the characters of a message where AWS counts bytes, so 1.8 MB of `€` went through (Q22)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from moto.sqs.constants import MAXIMUM_MESSAGE_LENGTH
from moto.sqs.exceptions import BatchRequestTooLong, InvalidParameterValue
from moto.sqs.models import Queue, SQSBackend

from simulator.cloud.patches.patching import Patching


def apply(patching: Patching) -> None:
    """Count bytes, of one message and of a batch."""
    stock_validate: Callable[..., None] = vars(SQSBackend)["_validate_message"]
    stock_batch: Callable[..., Any] = vars(SQSBackend)["send_message_batch"]

    def validate(self: SQSBackend, queue: Queue, message_body: str, *args: Any, **kwargs: Any) -> None:
        stock_validate(self, queue, message_body, *args, **kwargs)
        longest = int(vars(queue)["maximum_message_size"])
        if len(message_body.encode()) > longest:
            raise InvalidParameterValue(
                f"One or more parameters are invalid. Reason: Message must be shorter than {longest} bytes."
            )

    def send_message_batch(self: SQSBackend, queue_name: str, entries: dict[str, dict[str, Any]]) -> Any:
        size = sum(len(entry["MessageBody"].encode()) for entry in entries.values())
        if size > MAXIMUM_MESSAGE_LENGTH and queue_name in self.queues:
            raise BatchRequestTooLong(size)
        return stock_batch(self, queue_name, entries)

    patching.replace(SQSBackend, "_validate_message", validate)
    patching.replace(SQSBackend, "send_message_batch", send_message_batch)
