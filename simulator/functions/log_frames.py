"""The lines that Lambda itself writes around an invocation's output (F20), and the end of that log.

A REPORT line reads, with tabs between its parts::

    REPORT RequestId: … Duration: 3.04 ms Billed Duration: 4 ms Memory Size: 128 MB Max Memory Used: 36 MB
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime

TAIL_BYTES = 4_096
"""As much of a log as an Invoke answer brings (`LogType=Tail`)."""


@dataclass(frozen=True, slots=True)
class Report:
    """What is known when an invocation has ended."""

    request_id: str
    duration_ms: float
    """From giving the event to its answer."""
    memory_mb: int
    max_memory_mb: int | None = None
    """The most that the environment ever used; None where the system does not tell."""
    init_ms: float | None = None
    """How long its environment took to start, when it was the first one there."""
    status: str | None = None
    """`timeout` or `error`; None when the handler came to an end, even by raising."""
    error_type: str | None = None


def iso_time(wall_ms: int) -> str:
    """`2024-03-12T21:05:02.043Z`."""
    return datetime.fromtimestamp(wall_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{wall_ms % 1000:03d}Z"


def start_line(request_id: str) -> str:
    """Before the handler's first line."""
    return f"START RequestId: {request_id} Version: $LATEST"


def timeout_line(at: str, request_id: str, timeout_s: float) -> str:
    """The only thing a log says of a time-out; `at` is an ISO time."""
    return f"{at} {request_id} Task timed out after {timeout_s:.2f} seconds"


def end_lines(report: Report) -> tuple[str, str]:
    """After the handler's last line. Loading the code is billed as well (since August 2025)."""
    billed_ms = math.ceil(report.duration_ms + (report.init_ms or 0))
    parts = [
        f"REPORT RequestId: {report.request_id}",
        f"Duration: {report.duration_ms:.2f} ms",
        f"Billed Duration: {billed_ms} ms",
        f"Memory Size: {report.memory_mb} MB",
    ]
    if report.max_memory_mb is not None:
        parts.append(f"Max Memory Used: {report.max_memory_mb} MB")
    if report.init_ms is not None:
        parts.append(f"Init Duration: {report.init_ms:.2f} ms")
    if report.status is not None:
        parts.append(f"Status: {report.status}")
    if report.error_type is not None:
        parts.append(f"Error Type: {report.error_type}")
    return f"END RequestId: {report.request_id}", "\t".join(parts)


class LogTail:
    """Keeps the last `TAIL_BYTES` of a log."""

    def __init__(self) -> None:
        self._lines: deque[bytes] = deque()
        self._bytes = 0

    def add(self, line: str) -> None:
        """One more line."""
        encoded = line.encode("utf-8", "replace") + b"\n"
        self._lines.append(encoded)
        self._bytes += len(encoded)
        while self._bytes - len(self._lines[0]) >= TAIL_BYTES:
            self._bytes -= len(self._lines.popleft())

    def text(self) -> bytes:
        """What is kept, cut where the limit falls."""
        return b"".join(self._lines)[-TAIL_BYTES:]
