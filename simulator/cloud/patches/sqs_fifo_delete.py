"""Stock moto deletes by any receipt handle; on a FIFO queue AWS refuses one whose visibility timeout has run out.

Otherwise a consumer that was too slow would take away a message that stands in line again, before those behind it.
Standard queues are left alone: what a stale handle does there is open (Q20).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from moto.sqs.exceptions import InvalidParameterValue, ReceiptHandleIsInvalid
from moto.sqs.models import Queue, SQSBackend

from simulator.cloud.patches.patching import Patching
from simulator.cloud.patches.sqs_backlog import backlog_of


def apply(patching: Patching) -> None:
    """Refuse expired handles of FIFO queues."""
    stock: Callable[[Queue, str], None] = vars(Queue)["delete_message"]

    def delete_message(self: Queue, receipt_handle: str) -> None:
        if not self.fifo_queue:
            stock(self, receipt_handle)
            return
        message = backlog_of(self).with_handle(receipt_handle)
        if message is not None and (
            message.receipt_handle != receipt_handle or message.visible_at < time.time() * 1000
        ):
            raise InvalidParameterValue(
                f"Value {receipt_handle} for parameter ReceiptHandle is invalid. "
                "Reason: The receipt handle has expired."
            )
        stock(self, receipt_handle)

    patching.replace(Queue, "delete_message", delete_message)
    patching.replace(SQSBackend, "delete_message_batch", _delete_message_batch)


def _delete_message_batch(
    self: SQSBackend, queue_name: str, receipts: list[dict[str, Any]]
) -> tuple[list[str], list[dict[str, Any]]]:
    """As in stock moto, with each entry refused by itself."""
    deleted: list[str] = []
    refused: list[dict[str, Any]] = []
    for entry in receipts:
        try:
            self.delete_message(queue_name, entry["ReceiptHandle"])
        except ReceiptHandleIsInvalid:
            message = f'The input receipt handle "{entry["ReceiptHandle"]}" is not a valid receipt handle.'
            refused.append(_refusal(entry, "ReceiptHandleIsInvalid", message))
        except InvalidParameterValue as error:
            refused.append(_refusal(entry, "InvalidParameterValue", error.message))
        else:
            deleted.append(entry["Id"])
    return deleted, refused


def _refusal(entry: dict[str, Any], code: str, message: str) -> dict[str, Any]:
    return {"Id": entry["Id"], "SenderFault": True, "Code": code, "Message": message}
