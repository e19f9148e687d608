"""What becomes of the messages of a batch after its invocation (Q06, Q07, Q10, Q11)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from simulator.functions.log_text import printable
from simulator.invocation import InvocationResult
from simulator.triggers.event_shape import Message


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
