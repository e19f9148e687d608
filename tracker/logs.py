"""Structured logs and metrics, on stdout as Lambda wants them.

Powertools' Logger keeps appended keys in the process, so two invocations in one process (threads of a local run)
would see each other's request id. Here the keys travel with a `RequestLog` instead.

Everything that is logged may hold hostile text (names, tweets, ids from clients): records are one line of ASCII JSON,
and messages are constants, never formats.
"""

from __future__ import annotations

import json
import logging
import sys
from functools import cache
from typing import TYPE_CHECKING, Any, TextIO

from aws_lambda_powertools.logging import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from tracker.events import request_id

if TYPE_CHECKING:
    from tracker.events import Context

SERVICE = "vendor-tracker"
NAMESPACE = "VendorTracker"
MAX_LOGGED_CHARS = 1_000

__all__ = ["MAX_LOGGED_CHARS", "NAMESPACE", "SERVICE", "MetricUnit", "RequestLog", "new_metrics", "request_log"]


class RequestLog:
    """Writes records that all carry the same keys (request id, connection or update id)."""

    def __init__(self, keys: dict[str, Any]) -> None:
        self._keys = keys

    def bind(self, **keys: Any) -> RequestLog:
        """Return a log whose records carry `keys` too."""
        return RequestLog({**self._keys, **keys})

    def info(self, message: str, **keys: Any) -> None:
        """Write a record at level INFO."""
        _logger().info(message, extra=self._extra(keys), stacklevel=3)

    def warning(self, message: str, **keys: Any) -> None:
        """Write a record at level WARNING."""
        _logger().warning(message, extra=self._extra(keys), stacklevel=3)

    def error(self, message: str, **keys: Any) -> None:
        """Write a record at level ERROR, with the traceback when an exception is being handled."""
        _logger().error(message, extra=self._extra(keys), exc_info=sys.exc_info()[0] is not None, stacklevel=3)

    def _extra(self, keys: dict[str, Any]) -> dict[str, Any]:
        return {name: _bounded(value) for name, value in {**self._keys, **keys}.items()}


def request_log(context: Context | None, **keys: Any) -> RequestLog:
    """Return the log of one invocation: its records carry `request_id` and `keys`."""
    return RequestLog({"request_id": request_id(context), **keys})


def new_metrics(function: str) -> EphemeralMetrics:
    """Return an empty set of CloudWatch metrics (EMF); `flush_metrics()` writes it as one line."""
    return EphemeralMetrics(namespace=NAMESPACE, service=function)


def _bounded(value: Any) -> Any:
    return value[:MAX_LOGGED_CHARS] if isinstance(value, str) else value


@cache
def _logger() -> Logger:
    return Logger(
        service=SERVICE,
        logger_handler=_StdoutHandler(),
        json_serializer=_to_ascii_json,
        use_rfc3339=True,
        utc=True,
    )


def _to_ascii_json(record: dict[str, Any]) -> str:
    return json.dumps(record, default=str, separators=(",", ":"))


class _StdoutHandler(logging.StreamHandler[TextIO]):
    """Writes to whatever `sys.stdout` is now: the runtime and test runners replace it after import."""

    def __init__(self) -> None:
        super().__init__(sys.stdout)

    @property
    def stream(self) -> TextIO:
        return sys.stdout

    @stream.setter
    def stream(self, _: TextIO) -> None:
        """`StreamHandler` assigns it once; there is nothing to keep."""
