"""The event of an SQS event source mapping: received messages as the handler sees them (Q04, Q05, Q19)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

Message = Mapping[str, Any]
"""One entry of ReceiveMessage's `Messages` as SQS writes it: binary values are base64 text."""


def build_event(
    messages: Sequence[Message], queue_arn: str, region: str, *, batching_window: bool = False
) -> dict[str, Any]:
    """The handler's event: `{"Records": […]}`, one record per message, in order."""
    return {
        "Records": [build_record(message, queue_arn, region, batching_window=batching_window) for message in messages]
    }


def build_record(message: Message, queue_arn: str, region: str, *, batching_window: bool = False) -> dict[str, Any]:
    """One record (Q04). With a batching window, `md5OfMessageAttributes` is there even when null (Q05)."""
    attributes = message.get("MessageAttributes") or {}
    record: dict[str, Any] = {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": {name: str(value) for name, value in message.get("Attributes", {}).items()},
        "messageAttributes": {name: _attribute(value) for name, value in attributes.items()},
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": queue_arn,
        "awsRegion": region,
    }
    digest = message.get("MD5OfMessageAttributes")
    if attributes or batching_window:
        record["md5OfMessageAttributes"] = digest
    return record


def _attribute(value: Mapping[str, Any]) -> dict[str, Any]:
    attribute: dict[str, Any] = {"stringListValues": [], "binaryListValues": [], "dataType": value["DataType"]}
    if "StringValue" in value:
        attribute["stringValue"] = value["StringValue"]
    if "BinaryValue" in value:
        attribute["binaryValue"] = value["BinaryValue"]
    return attribute


def encode_event(event: Mapping[str, Any]) -> bytes:
    """The event as the payload of an Invoke call."""
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
