from __future__ import annotations

import json

import pytest

from simulator.functions import faults


def test_F10_timeout_payload() -> None:
    assert json.loads(faults.timed_out("r-1", 1)) == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": "RequestId: r-1 Error: Task timed out after 1.00 seconds",
    }


@pytest.mark.parametrize(
    ("return_code", "reason"),
    [
        pytest.param(0, "Runtime exited without providing a reason", id="F12 sys.exit()"),
        pytest.param(3, "Runtime exited with error: exit status 3", id="exit status"),
        pytest.param(-9, "Runtime exited with error: signal: killed", id="killed"),
        pytest.param(-11, "Runtime exited with error: signal: segmentation fault", id="crashed"),
        pytest.param(-250, "Runtime exited with error: signal: 250", id="unknown signal"),
    ],
)
def test_exit_payload_says_how(return_code: int, reason: str) -> None:
    assert json.loads(faults.exited("r-1", return_code)) == {
        "errorType": "Runtime.ExitError",
        "errorMessage": f"RequestId: r-1 Error: {reason}",
    }


def test_F15_too_large_response() -> None:
    assert json.loads(faults.response_too_large(7_000_000)) == {
        "errorType": "Function.ResponseSizeTooLarge",
        "errorMessage": "Response payload size (7000000 bytes) exceeded maximum allowed payload size (6291556 bytes).",
    }
