from __future__ import annotations

import pytest

from simulator.functions.log_frames import TAIL_BYTES, LogTail, Report, end_lines, start_line, timeout_line


def test_F20_frame_of_a_warm_invocation() -> None:
    assert start_line("r1") == "START RequestId: r1 Version: $LATEST"
    assert end_lines(Report("r1", duration_ms=3.041, memory_mb=128, max_memory_mb=36)) == (
        "END RequestId: r1",
        "REPORT RequestId: r1\tDuration: 3.04 ms\tBilled Duration: 4 ms\tMemory Size: 128 MB\tMax Memory Used: 36 MB",
    )


def test_F20_a_cold_start_is_told_and_billed() -> None:
    line = end_lines(Report("r1", duration_ms=1.5, memory_mb=512, max_memory_mb=60, init_ms=120.25))[1]
    assert "\tBilled Duration: 122 ms\t" in line
    assert line.endswith("\tInit Duration: 120.25 ms")


@pytest.mark.parametrize(
    ("status", "error_type", "end"),
    [
        ("timeout", None, "\tStatus: timeout"),
        ("error", "Runtime.ExitError", "\tStatus: error\tError Type: Runtime.ExitError"),
    ],
)
def test_F20_how_it_ended_badly(status: str, error_type: str | None, end: str) -> None:
    line = end_lines(Report("r1", 1_000, 128, status=status, error_type=error_type))[1]
    assert line.endswith(f"\tMemory Size: 128 MB{end}")


def test_F20_timeout() -> None:
    line = timeout_line("2024-03-12T21:05:02.043Z", "r1", 1)
    assert line == "2024-03-12T21:05:02.043Z r1 Task timed out after 1.00 seconds"


def test_tail_keeps_the_last_bytes() -> None:
    tail = LogTail()
    for number in range(2_000):
        tail.add(f"line {number}")
    whole = "".join(f"line {number}\n" for number in range(2_000)).encode()
    assert tail.text() == whole[-TAIL_BYTES:]


def test_tail_of_one_long_line_is_its_end() -> None:
    tail = LogTail()
    tail.add("x" * 10_000 + "end")
    assert tail.text() == b"x" * (TAIL_BYTES - 4) + b"end\n"
