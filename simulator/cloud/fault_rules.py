"""What faults do to one call of DynamoDB or SQS. Pure; the door in front of moto performs it (`fault_door`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from simulator.active_faults import ActiveFault

DYNAMODB_KINDS = ("dynamodb_throttle", "dynamodb_error", "dynamodb_latency")
SQS_DELAY = "sqs_delay"
STALE_SCAN = "dynamodb_stale_scan"

_COMMON = "com.amazonaws.dynamodb.v20120810#"
_ERRORS: Mapping[str, tuple[int, str, str]] = MappingProxyType(
    {
        "ProvisionedThroughputExceededException": (
            400,
            f"{_COMMON}ProvisionedThroughputExceededException",
            "The level of configured provisioned throughput for the table was exceeded.",
        ),
        "ThrottlingException": (
            400,
            "com.amazon.coral.availability#ThrottlingException",
            "Rate exceeded",
        ),
        "RequestLimitExceeded": (
            400,
            f"{_COMMON}RequestLimitExceeded",
            "Throughput exceeds the current throughput limit for your account.",
        ),
        "InternalServerError": (500, f"{_COMMON}InternalServerError", "Internal server error"),
    }
)


@dataclass(frozen=True, slots=True)
class Failing:
    """An error in place of an answer."""

    status: int
    error_type: str
    message: str


@dataclass(frozen=True, slots=True)
class Mishap:
    """What becomes of one call."""

    delay_s: float = 0.0
    """It is handled this much later."""
    error: Failing | None = None
    """Then it is answered with this, and changes nothing."""


def dynamodb_mishap(faults: Iterable[ActiveFault], operation: str, tables: Iterable[str]) -> Mishap | None:
    """Draw what becomes of one call; delays add up, and the oldest fault that fails it does."""
    names = tuple(tables)
    delay_s = 0.0
    error: Failing | None = None
    for fault in faults:
        if fault.attributes["operation"] not in ("any", operation):
            continue
        if fault.kind == "dynamodb_latency":
            if fault.hits(*names):
                delay_s += fault.delay_s()
        elif error is None and fault.hits(*names):
            name = "InternalServerError" if fault.kind == "dynamodb_error" else str(fault.attributes["error"])
            error = Failing(*_ERRORS[name])
    return Mishap(delay_s, error) if delay_s or error is not None else None


def tables_of(request: Mapping[str, Any]) -> list[str]:
    """The tables that a DynamoDB request is about, by name; its ARN counts as its name."""
    names = [request["TableName"]] if "TableName" in request else []
    items = request.get("RequestItems")
    names += items if isinstance(items, dict) else []
    for part in request.get("TransactItems") or ():
        names += [action["TableName"] for action in part.values() if isinstance(action, dict) and "TableName" in action]
    return [str(name).rpartition("/")[2] for name in names]


def delayed_request(faults: Iterable[ActiveFault], operation: str, request: dict[str, Any]) -> dict[str, Any] | None:
    """A SendMessage or SendMessageBatch whose messages come later, those that are hit; None when none is."""
    queue = str(request.get("QueueUrl", "")).rstrip("/").rpartition("/")[2]
    if queue.endswith(".fifo"):
        return None  # they know no delay of single messages
    on = tuple(faults)
    if operation == "SendMessage":
        return _delayed(on, queue, request)
    entries = request.get("Entries")
    if operation != "SendMessageBatch" or not isinstance(entries, list):
        return None
    later = [_delayed(on, queue, entry) if isinstance(entry, dict) else None for entry in entries]
    if not any(later):
        return None
    return {**request, "Entries": [new or old for new, old in zip(later, entries, strict=True)]}


def _delayed(faults: Iterable[ActiveFault], queue: str, message: dict[str, Any]) -> dict[str, Any] | None:
    delay_s = sum(int(fault.number("delay_s")) for fault in faults if fault.hits(queue))
    if not delay_s:
        return None
    given = message.get("DelaySeconds")
    own_s = given if isinstance(given, int) else 0
    return {**message, "DelaySeconds": min(_LONGEST_DELAY_S, own_s + delay_s)}


_LONGEST_DELAY_S = 900
"""SQS's own limit."""
