"""Stock moto does not tell where a message of a dead-letter queue came from: `DeadLetterQueueSourceArn` (Q13)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from moto.core.responses import ActionResult
from moto.sqs.models import Message, SQSBackend
from moto.sqs.responses import SQSResponse

from simulator.cloud.patches.patching import Patching

SOURCE = "dead_letter_source_arn"
"""The attribute in which a message that was moved has the ARN of the queue it came from (see `sqs_backlog`)."""
_NAME = "DeadLetterQueueSourceArn"


def apply(patching: Patching) -> None:
    """Show the source of a message when it is received."""
    shown: dict[str, str] = {}
    """Receipt handle to source, from the model's answer to the response made of it."""
    stock_look: Callable[..., list[Message]] = vars(SQSBackend)["receive_message"]
    stock_answer: Callable[[SQSResponse], ActionResult] = vars(SQSResponse)["receive_message"]

    def look(self: SQSBackend, queue_name: str, *args: Any, **kwargs: Any) -> list[Message]:
        messages = stock_look(self, queue_name, *args, **kwargs)
        for message in messages:
            source = vars(message).get(SOURCE)
            if source and message.receipt_handle:
                shown[message.receipt_handle] = source
        return messages

    def answer(self: SQSResponse) -> ActionResult:
        result = stock_answer(self)
        asked = {*self._get_param("AttributeNames", []), *self._get_param("MessageSystemAttributeNames", [])}
        body: Any = result.result
        for message in body.get("Messages", []):
            source = shown.pop(message["ReceiptHandle"], None)
            if source is not None and asked & {"All", _NAME}:
                message.setdefault("Attributes", {})[_NAME] = source
        return result

    patching.replace(SQSBackend, "receive_message", look)
    patching.replace(SQSResponse, "receive_message", answer)
