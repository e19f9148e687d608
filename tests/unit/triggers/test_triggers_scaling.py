"""How many batches may be in flight, with the clock passed in (Q12, Q15, Q16, Q18)."""

from __future__ import annotations

from typing import Any

import pytest

from simulator.stack.model import Queue, Trigger
from simulator.triggers.scaling import Concurrency, Pace, pace_of
from simulator.triggers.settings import TriggerSettings

STANDARD = Pace(start=5, per_minute=300, most=1_250, idle=2)


def queue(*, fifo: bool = False) -> Queue:
    return Queue("Q", "q", "https://aws", "arn:q", {}, fifo=fifo)


def concurrency(pace: Pace = STANDARD, *, error_step: int = 1) -> Concurrency:
    return Concurrency(pace, idle_s=60, error_step=error_step)


@pytest.mark.parametrize(
    ("of_trigger", "fifo", "machine", "pace"),
    [
        pytest.param({}, False, None, STANDARD, id="Q15 standard"),
        pytest.param({}, False, 10, Pace(5, 300, 10, 2), id="no more than the machine runs"),
        pytest.param({}, False, 1, Pace(1, 300, 1, 1), id="a machine that runs one"),
        pytest.param({"maximum_concurrency": 40}, False, None, Pace(5, 300, 40, 5), id="Q16 bounded, never below five"),
        pytest.param({"maximum_concurrency": 2}, False, None, Pace(2, 300, 2, 2), id="Q16 bounded below the start"),
        pytest.param({"provisioned_pollers": (2, 200)}, False, None, Pace(20, 1_000, 2_000, 20), id="Q16 provisioned"),
        pytest.param({}, True, None, Pace(1_250, 0, 1_250, 1_250), id="Q18 FIFO: the groups bound it"),
        pytest.param({"maximum_concurrency": 3}, True, None, Pace(3, 0, 3, 3), id="Q16 FIFO"),
    ],
)
def test_pace(of_trigger: dict[str, Any], fifo: bool, machine: int | None, pace: Pace) -> None:
    assert pace_of(Trigger("T", "q", "f", **of_trigger), queue(fifo=fifo), TriggerSettings(), machine) == pace


def test_Q15_older_pages_can_be_had_by_settings() -> None:
    settings = TriggerSettings(concurrency_per_minute=60, most_concurrency=1_000)
    assert pace_of(Trigger("T", "q", "f"), queue(), settings) == Pace(5, 60, 1_000, 2)


@pytest.mark.parametrize(
    ("after_s", "limit"),
    [(0, 5), (0.19, 5), (0.2, 6), (1, 10), (60, 305), (248.9, 1_249), (249, 1_250), (9_999, 1_250)],
)
def test_Q15_a_backlog_adds_300_a_minute_up_to_the_ceiling(after_s: float, limit: int) -> None:
    scaling = concurrency()
    scaling.saturated(0)
    assert scaling.limit(after_s) == limit


def test_Q15_without_a_backlog_it_does_not_grow() -> None:
    scaling = concurrency()
    scaling.received(10, 0)
    assert scaling.limit(50) == 5
    assert scaling.next_s(50) is None


def test_Q15_what_a_backlog_added_stays_for_a_minute_after_it() -> None:
    scaling = concurrency()
    scaling.saturated(0)
    scaling.received(0, 60)
    assert [scaling.limit(now_s) for now_s in (60, 119, 120, 179, 180, 9_999)] == [305, 305, 5, 5, 2, 2]


def test_Q15_a_message_ends_the_quiet_and_a_new_backlog_grows_from_what_is_left() -> None:
    scaling = concurrency()
    scaling.received(0, 0)
    scaling.received(1, 500)
    assert scaling.limit(500) == 2
    scaling.saturated(500)
    assert scaling.limit(501) == 7


def test_Q15_empty_receives_do_not_start_the_quiet_anew() -> None:
    scaling = concurrency()
    for now_s in range(0, 121, 20):
        scaling.received(0, now_s)
    assert scaling.limit(120) == 2


def test_Q15_the_next_slot_is_known_beforehand() -> None:
    scaling = concurrency()
    assert scaling.next_s(0) is None
    scaling.saturated(0)
    assert scaling.next_s(0) == pytest.approx(0.2)
    assert scaling.next_s(0.3) == pytest.approx(0.1)
    assert scaling.next_s(9_999) is None


def test_Q12_a_failure_costs_concurrency_and_growth_begins_again() -> None:
    scaling = concurrency(error_step=3)
    scaling.saturated(0)
    scaling.failed(10)
    assert scaling.limit(10) == 52
    assert scaling.limit(11) == 57


def test_Q12_failures_leave_the_least() -> None:
    scaling = concurrency()
    for _ in range(20):
        scaling.failed(0)
    assert scaling.limit(0) == 2
    scaling.received(0, 0)
    scaling.failed(500)
    assert scaling.limit(500) == 2


def test_Q18_failures_of_a_fifo_queue_cost_nothing() -> None:
    scaling = concurrency(Pace(10, 0, 10, 10))
    scaling.failed(0)
    scaling.saturated(1)
    assert scaling.limit(100) == 10
    assert scaling.next_s(100) is None
