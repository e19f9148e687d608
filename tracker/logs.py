"""Structured logs, on stdout as Lambda wants them.

Each record is one line of JSON with `level`, `location`, `message`, `timestamp`, `service` and the keys of the
invocation. The keys travel with a `RequestLog`: kept in the process, two invocations in one process (threads of a local
run) would see each other's request id.

Everything that is logged may hold hostile text (names, tweets, ids from clients): a line is ASCII, and messages are
constants, never formats.

The standard library's `logging`, which botocore has loaded anyway: a logging library that does the same cost a quarter
of a cold start.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from functools import cache
from typing import TYPE_CHECKING, Any

from tracker.events import request_id

if TYPE_CHECKING:
    from tracker.events import Context

SERVICE = "vendor-tracker"
MAX_LOGGED_CHARS = 1_000


class RequestLog:
    """Writes records that all carry the same keys (request id, connection or update id)."""

    def __init__(self, keys: dict[str, Any]) -> None:
        self._keys = keys

    def bind(self, **keys: Any) -> RequestLog:
        """Return a log whose records carry `keys` too."""
        return RequestLog({**self._keys, **keys})

    def info(self, message: str, **keys: Any) -> None:
        """Write a record at level INFO."""
        _logger().info(message, extra=self._extra(keys), stacklevel=2)

    def warning(self, message: str, **keys: Any) -> None:
        """Write a record at level WARNING."""
        _logger().warning(message, extra=self._extra(keys), stacklevel=2)

    def error(self, message: str, **keys: Any) -> None:
        """Write a record at level ERROR, with the traceback when an exception is being handled."""
        _logger().error(message, extra=self._extra(keys), exc_info=sys.exc_info()[0] is not None, stacklevel=2)

    def _extra(self, keys: dict[str, Any]) -> dict[str, Any]:
        # One attribute for all: `logging` refuses keys that are its own (`name`, `module`, `args` …).
        return {"keys": {name: _bounded(value) for name, value in {**self._keys, **keys}.items()}}


def request_log(context: Context | None, **keys: Any) -> RequestLog:
    """Return the log of one invocation: its records carry `request_id` and `keys`."""
    return RequestLog({"request_id": request_id(context), **keys})


def write_line(document: dict[str, Any]) -> None:
    """Write one line of JSON in ASCII to what `sys.stdout` is now: the runtime and test runners replace it."""
    # In one piece, because rows are deleted, and logged, on a thread of their own.
    sys.stdout.write(json.dumps(document, default=str, separators=(",", ":")) + "\n")
    sys.stdout.flush()


def _bounded(value: Any) -> Any:
    return value[:MAX_LOGGED_CHARS] if isinstance(value, str) else value


@cache
def _logger() -> logging.Logger:
    logger = logging.getLogger(SERVICE)
    logger.setLevel(logging.INFO)
    logger.addHandler(_JsonLines())
    logger.propagate = False  # Lambda's runtime has a handler at the root, which would write everything once more
    return logger


class _JsonLines(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        document = {
            "level": record.levelname,
            "location": f"{record.funcName}:{record.lineno}",
            "message": record.msg,
            # RFC 3339, and the name that Lambda looks for.
            "timestamp": f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(record.created))}.{int(record.msecs):03d}Z",
            "service": SERVICE,
            **getattr(record, "keys", {}),
        }
        if record.exc_info and record.exc_info[0] is not None:
            document["exception"] = logging.Formatter().formatException(record.exc_info)
            document["exception_name"] = record.exc_info[0].__name__
        write_line(document)
