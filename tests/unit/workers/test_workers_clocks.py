import pytest

from simulator.clock import ManualClock
from simulator.workers.clocks import Offset, Sample, SteeredClock


def asked(at_s, *, there_s, back_s, ahead_s=100.0, busy_s=0.0):
    """A question to a worker whose clock is `ahead_s` before ours."""
    return Sample(at_s, at_s + there_s + ahead_s, at_s + there_s + busy_s + ahead_s, at_s + there_s + busy_s + back_s)


def test_the_offset_is_exact_when_both_ways_take_the_same_time():
    sample = asked(7.0, there_s=0.002, back_s=0.002, busy_s=0.5)
    assert sample.offset_s == pytest.approx(-100.0)
    assert sample.uncertainty_s == pytest.approx(0.002)


@pytest.mark.parametrize(("there_s", "back_s"), [(0.0, 0.01), (0.01, 0.0), (0.003, 0.007)])
def test_the_truth_is_never_further_off_than_the_uncertainty(there_s, back_s):
    sample = asked(7.0, there_s=there_s, back_s=back_s)
    assert abs(sample.offset_s + 100.0) <= sample.uncertainty_s + 1e-9


def test_the_quickest_answer_of_the_last_minute_is_believed():
    offset = Offset()
    assert offset.best is None
    quick, slow = asked(10.0, there_s=0.001, back_s=0.001), asked(12.0, there_s=0.5, back_s=0.1)
    offset.add(quick)
    offset.add(slow)
    assert offset.best is quick
    later = asked(71.0, there_s=0.2, back_s=0.1)
    offset.add(later)
    assert offset.best is later


def test_a_steered_clock_takes_the_first_offset_at_once_and_later_ones_bit_by_bit():
    own = ManualClock()
    clock = SteeredClock(own)
    own.advance(5)
    assert clock.monotonic_s() == 5.0
    clock.steer(100.0)
    assert clock.monotonic_s() == 105.0
    clock.steer(99.999)
    assert clock.monotonic_s() == 105.0
    own.advance(1)
    assert clock.monotonic_s() == pytest.approx(105.9995)
    own.advance(1)
    assert clock.monotonic_s() == pytest.approx(106.999)
    own.advance(1)
    assert clock.monotonic_s() == pytest.approx(107.999)


def test_a_steered_clock_never_goes_back():
    own = ManualClock()
    clock = SteeredClock(own)
    clock.steer(100.0)
    before_s = clock.monotonic_s()
    for step in range(100):
        clock.steer(100.0 - step)
        own.advance(0.001)
        now_s = clock.monotonic_s()
        assert now_s > before_s
        before_s = now_s
