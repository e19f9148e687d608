"""Stock moto does not tell where a message of a dead-letter queue came from: `DeadLetterQueueSourceArn` (Q13)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from moto.core.responses import ActionResult
from moto.sqs.models import Message, SQSBackend
from moto.sqs.responses import SQSResponse

from simulator.cloud.patches.patching import Patching

_NAME = "DeadLetterQueueSourceArn"


def apply(patching: Patching) -> None:
    """Note the source when a message is moved, and show it when it is received."""
    shown: dict[str, str] = {}
    """Receipt handle to source, from the model's answer to the response made of it."""
    _note_sources(patching, shown)
    _show_sources(patching, shown)


def _note_sources(patching: Patching, shown: dict[str, str]) -> None:
    stock: Callable[..., list[Message]] = vars(SQSBackend)["receive_message"]

    def receive_message(self: SQSBackend, queue_name: str, *args: Any, **kwargs: Any) -> list[Message]:
        queue: Any = self.get_queue(queue_name)
        target: Any = queue.dead_letter_queue
        before = len(target._messages) if target is not None else 0  # noqa: SLF001
        messages = stock(self, queue_name, *args, **kwargs)
        if target is not None and target is not queue:
            for moved in target._messages[before:]:  # noqa: SLF001
                moved.dead_letter_source_arn = queue.queue_arn
        for message in messages:
            source = vars(message).get("dead_letter_source_arn")
            if source and message.receipt_handle:
                shown[message.receipt_handle] = source
        return messages

    patching.replace(SQSBackend, "receive_message", receive_message)


def _show_sources(patching: Patching, shown: dict[str, str]) -> None:
    stock: Callable[[SQSResponse], ActionResult] = vars(SQSResponse)["receive_message"]

    def receive_message(self: SQSResponse) -> ActionResult:
        result = stock(self)
        asked = {*self._get_param("AttributeNames", []), *self._get_param("MessageSystemAttributeNames", [])}
        answer: Any = result.result
        for message in answer.get("Messages", []):
            source = shown.pop(message["ReceiptHandle"], None)
            if source is not None and asked & {"All", _NAME}:
                message.setdefault("Attributes", {})[_NAME] = source
        return result

    patching.replace(SQSResponse, "receive_message", receive_message)
