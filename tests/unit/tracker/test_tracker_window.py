"""How many posts may be under way: additive increase, multiplicative decrease."""

from hypothesis import given
from hypothesis import strategies as st

from tracker.fanout.window import START, Window


def epoch(window, latency_s=0.01, refused=0):
    """As many answers as the window holds; the first `refused` of them are refusals."""
    for number in range(window.size):
        window.answered(latency_s, refused=number < refused)
    return window.size


def test_it_doubles_until_the_ceiling():
    window = Window(64)
    assert window.size == START
    assert [epoch(window) for _ in range(4)] == [16, 32, 64, 64]


def test_a_ceiling_below_the_start_is_kept():
    assert Window(3).size == 3


def test_it_halves_when_a_fair_share_is_refused_and_then_grows_by_one():
    window = Window(64)
    while epoch(window) < 64:
        pass
    assert epoch(window, refused=7) == 32
    assert [epoch(window) for _ in range(3)] == [33, 34, 35]


def test_one_connection_that_refuses_says_nothing_about_the_rest():
    window = Window(64)
    while epoch(window) < 64:
        pass
    assert epoch(window, refused=6) == 64


def test_it_never_falls_below_one():
    window = Window(64)
    for _ in range(20):
        epoch(window, refused=window.size)
    assert window.size == 1


def test_it_stops_growing_while_answers_take_longer():
    window = Window(64)
    epoch(window, latency_s=0.010)
    grown = window.size
    assert epoch(window, latency_s=0.030) == grown
    assert epoch(window, latency_s=0.012) == grown + 1


@given(
    ceiling=st.integers(1, 900),
    answers=st.lists(st.tuples(st.floats(0, 10), st.booleans()), max_size=500),
)
def test_it_stays_between_one_and_the_ceiling(ceiling, answers):
    window = Window(ceiling)
    for latency_s, refused in answers:
        window.answered(latency_s, refused=refused)
        assert 1 <= window.size <= ceiling
