"""What one Lambda invocation returns: the seam between whoever invokes (gateway, triggers) and whoever runs handlers.

The shapes are those of Lambda's Invoke API (contract rows F11, F16): a handler that raises is still a successful
*call* whose result carries `function_error`; only a call that Lambda itself turns down raises `InvokeRefusedError`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class InvocationResult:
    """The answer to one synchronous Invoke call."""

    request_id: str
    """The `aws_request_id` that the handler saw."""
    payload: bytes
    """JSON: the handler's return value, or the error object `{errorMessage, errorType, …}` (F11)."""
    function_error: str | None = None
    """`"Unhandled"` when the handler raised, timed out or died (the `X-Amz-Function-Error` header); else None."""
    log: bytes | None = None
    """The end of the log, when the caller asked for it."""


class InvokeRefusedError(Exception):
    """Lambda's API itself turned the call down: unknown function or no concurrency left (F16)."""

    def __init__(self, status: int, error_type: str, message: str, *, reason: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        """HTTP status of the Invoke API: 404, 429 or 500."""
        self.error_type = error_type
        """`ResourceNotFoundException`, `TooManyRequestsException`, …"""
        self.reason = reason
        """Of a throttled call: which limit it was, the `Reason` of the answer."""


class Invoke(Protocol):
    """Runs one handler once, synchronously (`InvocationType=RequestResponse`)."""

    async def __call__(self, function_name: str, payload: bytes, *, origin: str = "") -> InvocationResult:
        """Invoke `function_name` with a JSON `payload`.

        `origin` is for the log only: who asked and for whom, e.g. ``"route=$connect connectionId=…"``.
        Raises `InvokeRefusedError` when the call is turned down before any code runs.
        """
