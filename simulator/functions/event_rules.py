"""What becomes of an asynchronous event: tried again, handed on, or dropped (F17).

- A handler that fails is tried again after one minute and, when it fails again, after two more; `MaximumRetryAttempts`
  lowers that.
- A call that Lambda turns down (throttled, or an error of its own) is tried again after 1 s, twice as long each time,
  at most 5 minutes, and does not count as a try of the handler.
- No try begins when the event would be older than `MaximumEventAgeInSeconds`, 6 hours unless set.
- A function whose reserved concurrency is 0 gets no event at all: each is handed on at once.

An event that failed goes to the function's dead-letter queue as it is, and as a record to the destination for
failures; one that succeeded goes as a record to the destination for successes. All times are AWS's; whoever waits may
wait a fraction of them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from simulator.functions.faults import describe
from simulator.functions.log_frames import iso_time
from simulator.invocation import InvocationResult, InvokeRefusedError
from simulator.stack.model import Asynchronous

RETRY_DELAYS_S = (60.0, 120.0)
FIRST_BACKOFF_S = 1.0
LONGEST_BACKOFF_S = 300.0
MAX_ERROR_MESSAGE_BYTES = 1_024
"""What a dead-letter queue is told of the error."""

SUCCESS = "Success"
RETRIES_EXHAUSTED = "RetriesExhausted"
EVENT_AGE_EXCEEDED = "EventAgeExceeded"
ZERO_CONCURRENCY = "ZeroReservedConcurrency"


@dataclass(frozen=True, slots=True)
class TryAgain:
    """Wait, then try once more."""

    after_s: float


@dataclass(frozen=True, slots=True)
class Over:
    """Nothing more is tried."""

    condition: str
    """`Success`, or why it failed: `RetriesExhausted`, `EventAgeExceeded`, `ZeroReservedConcurrency`."""


class EventLife:
    """The tries of one event."""

    def __init__(self, settings: Asynchronous, *, blocked: bool) -> None:
        """`blocked` when the function's reserved concurrency is 0."""
        self._settings = settings
        self._blocked = blocked
        self._refusals = 0
        self.tries = 0
        """How often the handler has run."""

    def ended(self, result: InvocationResult, age_s: float) -> TryAgain | Over:
        """The handler came to an end, well or not, when the event was `age_s` old."""
        self.tries += 1
        self._refusals = 0
        if result.function_error is None:
            return Over(SUCCESS)
        if self.tries > min(self._settings.max_retries, len(RETRY_DELAYS_S)):
            return Over(RETRIES_EXHAUSTED)
        return self._again(RETRY_DELAYS_S[self.tries - 1], age_s)

    def refused(self, age_s: float) -> TryAgain | Over:
        """Lambda turned the call down."""
        if self._blocked:
            return Over(ZERO_CONCURRENCY)
        delay_s: float = min(FIRST_BACKOFF_S * 2**self._refusals, LONGEST_BACKOFF_S)
        self._refusals += 1
        return self._again(delay_s, age_s)

    def _again(self, delay_s: float, age_s: float) -> TryAgain | Over:
        if age_s + delay_s > self._settings.max_age_s:
            return Over(EVENT_AGE_EXCEEDED)
        return TryAgain(delay_s)


def dead_letter_attributes(
    request_id: str, outcome: InvocationResult | InvokeRefusedError
) -> Mapping[str, Mapping[str, str]]:
    """The attributes of the message in a dead-letter queue; its body is the event as it came."""
    if isinstance(outcome, InvocationResult):
        status, message = 200, describe(outcome.payload)[1]
    else:
        status, message = outcome.status, str(outcome)
    # At least one character, since SQS refuses an empty attribute; and no half of one at the cut.
    short = message.encode("utf-8", "replace")[:MAX_ERROR_MESSAGE_BYTES].decode("utf-8", "ignore")
    return {
        "RequestID": {"DataType": "String", "StringValue": request_id},
        "ErrorCode": {"DataType": "Number", "StringValue": str(status)},
        "ErrorMessage": {"DataType": "String", "StringValue": short or " "},
    }


def destination_record(
    *,
    request_id: str,
    arn: str,
    payload: bytes,
    condition: str,
    tries: int,
    outcome: InvocationResult | InvokeRefusedError,
    at_ms: int,
) -> dict[str, Any]:
    """What a destination gets. `arn` is the function's, unqualified; `at_ms` when it happened."""
    record: dict[str, Any] = {
        "version": "1.0",
        "timestamp": iso_time(at_ms),
        "requestContext": {
            "requestId": request_id,
            "functionArn": f"{arn}:$LATEST",
            "condition": condition,
            "approximateInvokeCount": tries,
        },
        "requestPayload": json.loads(payload),
    }
    if isinstance(outcome, InvocationResult):
        context: dict[str, Any] = {"statusCode": 200, "executedVersion": "$LATEST"}
        if outcome.function_error is not None:
            context["functionError"] = outcome.function_error
        record["responseContext"] = context
        record["responsePayload"] = _decoded(outcome.payload)
    return record


def _decoded(payload: bytes) -> Any:
    """A handler may have returned bytes that are no JSON."""
    try:
        return json.loads(payload)
    except (ValueError, RecursionError):
        return payload.decode("utf-8", "replace")
