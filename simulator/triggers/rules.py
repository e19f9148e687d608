"""The rules of an SQS event source mapping: what an event looks like, when a batch is full, what is deleted after it.

Pure: messages in boto3's spelling and results go in, events and decisions come out.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from simulator.errors import InputError
from simulator.functions.log_text import printable
from simulator.invocation import InvocationResult
from simulator.stack.model import Queue, Trigger

MAX_PAYLOAD_BYTES = 6 * 1024 * 1024
"""A batch closes before its event would exceed this (Q02)."""
MAX_RECEIVE = 10
"""ReceiveMessage's own limit; larger batches are gathered over several calls."""
MAX_LONG_POLL_S = 20
_MAX_BATCH = 10_000
_MAX_WINDOW_S = 300
_CONCURRENCY = range(2, 1_001)
_ENVELOPE_BYTES = len('{"Records":[]}')

Message = Mapping[str, Any]
"""One entry of boto3's `receive_message()["Messages"]`."""


# -- settings (Q01, Q16) ---------------------------------------------------------------------------------------------


def check(trigger: Trigger, queue: Queue) -> None:
    """Raise `InputError` for settings that AWS refuses when the mapping is made (Q01, Q02, Q16)."""
    name = f"Trigger {trigger.logical_id} (queue {queue.name}, function {trigger.function})"
    limit = MAX_RECEIVE if queue.fifo else _MAX_BATCH
    if not 1 <= trigger.batch_size <= limit:
        kind = "FIFO" if queue.fifo else "standard"
        raise InputError(f"{name} has BatchSize {trigger.batch_size}; a {kind} queue takes 1 to {limit}.")
    if not 0 <= trigger.batching_window_s <= _MAX_WINDOW_S:
        raise InputError(
            f"{name} has MaximumBatchingWindowInSeconds {trigger.batching_window_s}; it takes 0 to {_MAX_WINDOW_S}."
        )
    if queue.fifo and trigger.batching_window_s:
        raise InputError(f"{name} has a batching window, which FIFO queues do not have; remove it.")
    if trigger.batch_size > MAX_RECEIVE and not trigger.batching_window_s:
        raise InputError(
            f"{name}: Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10; "
            "set MaximumBatchingWindowInSeconds or a smaller BatchSize."
        )
    concurrency = trigger.maximum_concurrency
    if concurrency is not None and concurrency not in _CONCURRENCY:
        raise InputError(f"{name} has MaximumConcurrency {concurrency}; it takes 2 to 1000.")


# -- the event (Q04, Q05, Q19) ---------------------------------------------------------------------------------------


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
        attribute["binaryValue"] = base64.b64encode(value["BinaryValue"]).decode("ascii")
    return attribute


def encode_event(event: Mapping[str, Any]) -> bytes:
    """The event as the payload of an Invoke call."""
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


# -- when a batch is complete (Q01, Q02, Q03) ------------------------------------------------------------------------


class Batch:
    """Gathers messages until the batch is full, its window is over, or its event would be too large.

    What does not fit stays for the next batch. `now_s` is monotonic; the window opens with the first message.
    """

    def __init__(self, trigger: Trigger, queue: Queue, region: str) -> None:
        self._size = trigger.batch_size
        self._window_s = trigger.batching_window_s
        self._queue = queue
        self._region = region
        self._messages: list[Message] = []
        self._bytes: list[int] = []
        self._opened_s = 0.0

    def add(self, messages: Sequence[Message], now_s: float) -> None:
        """Messages were received."""
        if messages and not self._messages:
            self._opened_s = now_s
        self._messages.extend(messages)
        self._bytes.extend(self._event_bytes(message) for message in messages)

    @property
    def opened_s(self) -> float:
        """When the first message of the batch came; its visibility timeout counts from there."""
        return self._opened_s

    def complete(self, now_s: float) -> bool:
        """True when the handler is to be invoked now."""
        if not self._messages:
            return False
        return (
            len(self._messages) >= self._size
            or self._fitting() < len(self._messages)
            or now_s - self._opened_s >= self._window_s
        )

    def receive_request(self, long_poll_s: int, now_s: float) -> tuple[int, int]:
        """`MaxNumberOfMessages` and `WaitTimeSeconds` of the next receive.

        SQS counts whole seconds, so a window may be overrun by less than one (AWS: by up to 20, Q02).
        """
        count = min(MAX_RECEIVE, self._size - len(self._messages))
        if not self._messages:
            return count, long_poll_s
        left_s = self._window_s - (now_s - self._opened_s)
        return count, max(1, min(long_poll_s, int(left_s + 0.999)))

    def take(self, now_s: float) -> list[Message]:
        """The messages of the finished batch; the rest begins the next one."""
        count = min(self._size, self._fitting())
        taken, self._messages = self._messages[:count], self._messages[count:]
        del self._bytes[:count]
        self._opened_s = now_s
        return taken

    def take_all(self) -> list[Message]:
        """Whatever has been gathered, when nothing will be invoked any more."""
        taken, self._messages, self._bytes = self._messages, [], []
        return taken

    def _fitting(self) -> int:
        """How many messages fit into one event; at least one, whatever its size."""
        total = _ENVELOPE_BYTES
        for index, size in enumerate(self._bytes):
            total += size
            if index and total > MAX_PAYLOAD_BYTES:
                return index
        return len(self._bytes)

    def _event_bytes(self, message: Message) -> int:
        record = build_record(message, self._queue.arn, self._region, batching_window=self._window_s > 0)
        return len(encode_event(record)) + 1


# -- what is deleted (Q06, Q07, Q10, Q11) ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of each message of a batch."""

    delete: tuple[str, ...]
    """Receipt handles of the messages that are done."""
    keep: tuple[str, ...]
    """Message ids of those that come back after the visibility timeout."""
    failure: str | None = None
    """Why the whole batch failed, or None."""


def decide(
    messages: Sequence[Message], outcome: InvocationResult | Exception, *, report_batch_item_failures: bool
) -> Decision:
    """Say which messages are deleted after an invocation.

    `outcome` is the handler's result, or what kept it from being invoked. Without ReportBatchItemFailures the return
    value is not looked at (Q06). A listed id twice is the same as once.
    """
    if isinstance(outcome, Exception):
        return _keep_all(messages, f"the function could not be invoked: {outcome}")
    if outcome.function_error is not None:
        return _keep_all(messages, f"the function failed: {_error_summary(outcome.payload)}")
    if not report_batch_item_failures:
        return _delete_all_but(messages, frozenset())
    try:
        failed = _failed_ids(outcome.payload, frozenset(str(message["MessageId"]) for message in messages))
    except _MalformedReportError as error:
        return _keep_all(messages, str(error))
    return _delete_all_but(messages, failed)


class _MalformedReportError(Exception):
    pass


def _failed_ids(payload: bytes, batch: frozenset[str]) -> frozenset[str]:
    """The ids reported as failed; raises for everything Q11 calls a failure of the whole batch."""
    try:
        result: Any = json.loads(payload)
    except ValueError:
        raise _MalformedReportError("the result is not JSON") from None
    if not result:
        return frozenset()  # null, {}, "" and [] all mean success (Q10)
    if not isinstance(result, dict):
        raise _MalformedReportError("the result is not an object")
    failures = result.get("batchItemFailures")
    if failures is None or failures == []:
        return frozenset()
    if not isinstance(failures, list):
        raise _MalformedReportError("batchItemFailures is not a list")
    ids = set()
    for entry in failures:
        identifier = entry.get("itemIdentifier") if isinstance(entry, dict) else None
        if not isinstance(identifier, str) or not identifier:
            raise _MalformedReportError("an entry of batchItemFailures has no itemIdentifier")
        if identifier not in batch:
            raise _MalformedReportError(f"itemIdentifier {identifier[:100]!r} is not in the batch")
        ids.add(identifier)
    return frozenset(ids)


def _keep_all(messages: Sequence[Message], reason: str) -> Decision:
    return Decision((), tuple(str(message["MessageId"]) for message in messages), reason)


def _delete_all_but(messages: Sequence[Message], failed: frozenset[str]) -> Decision:
    return Decision(
        tuple(str(message["ReceiptHandle"]) for message in messages if message["MessageId"] not in failed),
        tuple(str(message["MessageId"]) for message in messages if message["MessageId"] in failed),
    )


def _error_summary(payload: bytes) -> str:
    try:
        error = json.loads(payload)
        return printable(f"{error['errorType']}: {error['errorMessage']}"[:500])
    except (ValueError, KeyError, TypeError):
        return "no error object"
