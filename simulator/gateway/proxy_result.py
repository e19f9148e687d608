"""What a handler's return value means to API Gateway (Lambda proxy integration)."""

from __future__ import annotations

import base64
import binascii
import enum
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


class Failure(enum.Enum):
    """Why there is no usable result."""

    ERROR = "the function raised, timed out or died"
    MALFORMED = "the result is not a proxy result"
    REFUSED = "the Lambda API refused the invocation"
    TIMEOUT = "the integration timeout passed"


@dataclass(frozen=True, slots=True)
class ProxyResult:
    """A well-formed proxy result."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    multi_value_headers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    cookies: tuple[str, ...] = ()
    body: bytes = b""


Outcome = ProxyResult | Failure
"""What became of an invocation whose result matters."""

_LOWEST_STATUS, _HIGHEST_STATUS = 200, 599
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""A header name (RFC 9110, 5.6.2): anything else would let a handler write lines of its own."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")


def parse_proxy_result(payload: bytes) -> Outcome:
    """Read a handler's JSON result that must carry `statusCode` (H04, H05, P06, P07)."""
    try:
        result = json.loads(payload)
    except (ValueError, RecursionError):
        return Failure.MALFORMED
    if not isinstance(result, dict):
        return Failure.MALFORMED
    return read_proxy_result(result)


def read_proxy_result(result: Mapping[str, Any]) -> Outcome:
    """The same for a result that is already decoded."""
    status = _status(result.get("statusCode"))
    if status is None:
        return Failure.MALFORMED
    headers = result.get("headers") or {}
    multi = result.get("multiValueHeaders") or {}
    cookies = result.get("cookies") or []
    if not isinstance(headers, dict) or not isinstance(multi, dict) or not isinstance(cookies, list):
        return Failure.MALFORMED
    if any(not isinstance(values, list) for values in multi.values()):
        return Failure.MALFORMED
    if any(_NAME.fullmatch(name) is None for name in (*headers, *multi)):
        return Failure.MALFORMED
    body = _body(result.get("body"), encoded=result.get("isBase64Encoded") is True)
    if body is None:
        return Failure.MALFORMED
    return ProxyResult(
        status=status,
        headers={name: _header_value(value) for name, value in headers.items()},
        multi_value_headers={name: tuple(map(_header_value, values)) for name, values in multi.items()},
        cookies=tuple(map(_header_value, cookies)),
        body=body,
    )


def _status(value: Any) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if _LOWEST_STATUS <= value <= _HIGHEST_STATUS else None


def _body(value: Any, *, encoded: bool) -> bytes | None:
    if value is None:
        return b""
    if not isinstance(value, str):
        return None
    if not encoded:
        return value.encode("utf-8", "surrogatepass")
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return None


def _header_value(value: Any) -> str:
    """One header line: a handler must not be able to start another (control characters become a space)."""
    text = value if isinstance(value, str) else json.dumps(value)
    return _CONTROL.sub(" ", text)
