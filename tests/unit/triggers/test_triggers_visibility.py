from __future__ import annotations

import pytest

from simulator.stack.model import Queue, Trigger
from simulator.triggers.visibility import visibility_s


@pytest.mark.parametrize(
    ("own", "window_s", "timeout_s", "expected_s"),
    [
        pytest.param(None, 0, 3, 30, id="the default"),
        pytest.param("60", 0, 60, 60, id="the queue's own"),
        pytest.param("60", 30, 30, 60, id="window and function fit"),
        pytest.param("60", 31, 30, 91, id="window and function do not fit: both and 30 s"),
        pytest.param("0", 0, 3, 0, id="none at all"),
        pytest.param("60", 300, None, 60, id="a function of unknown time-out"),
    ],
)
def test_Q14_effective_visibility(own: str | None, window_s: int, timeout_s: int | None, expected_s: int) -> None:
    queue = Queue("Q", "q", "https://aws", "arn:q", {} if own is None else {"VisibilityTimeout": own})
    assert visibility_s(Trigger("T", "q", "f", batching_window_s=window_s), queue, timeout_s) == expected_s
