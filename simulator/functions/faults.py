"""The error objects that Lambda itself, not the runtime client, gives as an invocation's result.

All are results of a successful call with `X-Amz-Function-Error: Unhandled` (F11): JSON objects as bytes.
"""

from __future__ import annotations

import json
import signal
from typing import Any

UNHANDLED = "Unhandled"
"""The value of `X-Amz-Function-Error`."""
MAX_RESPONSE_BYTES = 6_291_556
"""A synchronous response payload, as AWS's own message states it (F15)."""


def timed_out(request_id: str, timeout_s: float) -> bytes:
    """The handler ran longer than the function's timeout (F10, the current form)."""
    return _error("Sandbox.Timedout", f"RequestId: {request_id} Error: Task timed out after {timeout_s:.2f} seconds")


def exited(request_id: str, return_code: int) -> bytes:
    """The runtime process ended while it owed an answer (F12); a negative `return_code` is a signal number."""
    return _error("Runtime.ExitError", f"RequestId: {request_id} Error: {exit_reason(return_code)}")


def response_too_large(size_bytes: int) -> bytes:
    """The handler's result exceeds the synchronous limit (F15)."""
    return _error(
        "Function.ResponseSizeTooLarge",
        f"Response payload size ({size_bytes} bytes) exceeded maximum allowed payload size "
        f"({MAX_RESPONSE_BYTES} bytes).",
    )


def exit_reason(return_code: int) -> str:
    """How a runtime process ended, in Lambda's words."""
    if return_code == 0:
        return "Runtime exited without providing a reason"
    if return_code > 0:
        return f"Runtime exited with error: exit status {return_code}"
    try:
        name = signal.strsignal(-return_code) or str(-return_code)
    except ValueError:
        name = str(-return_code)
    return f"Runtime exited with error: signal: {name.lower()}"


def describe(payload: bytes) -> tuple[str, str, list[str]]:
    """Type, message and stack trace lines of an error object; tolerant, because a handler's runtime wrote it."""
    try:
        error: Any = json.loads(payload)
    except ValueError:
        error = None
    if not isinstance(error, dict):
        return "Unknown", payload[:200].decode("utf-8", "replace"), []
    trace = error.get("stackTrace")
    lines = [line for element in trace for line in str(element).splitlines()] if isinstance(trace, list) else []
    return str(error.get("errorType") or "Unknown"), str(error.get("errorMessage") or ""), lines


def _error(error_type: str, message: str) -> bytes:
    return json.dumps({"errorType": error_type, "errorMessage": message}, separators=(",", ":")).encode()
