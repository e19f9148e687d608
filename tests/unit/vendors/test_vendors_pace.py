import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.vendors.made_plan import made_plan
from simulator.vendors.pace import Pace, Stretch, steady
from simulator.vendors.roster import made_roster

RATE = st.floats(0, 1_000).map(lambda value: round(value, 2))
STRETCHES = st.lists(
    st.builds(Stretch, st.floats(0.1, 1_000).map(lambda value: round(value, 2)), RATE, RATE), min_size=1
)


def asked_by(stretches, at_s):
    """The integral, told plainly."""
    total = 0.0
    for each in stretches:
        spent_s = min(max(at_s, 0.0), each.duration_s)
        end_rate = each.from_per_s + (each.to_per_s - each.from_per_s) * spent_s / each.duration_s
        total += spent_s * (each.from_per_s + end_rate) / 2
        at_s -= each.duration_s
    return total


@given(STRETCHES, st.floats(0, 1))
def test_when_an_update_is_due_so_many_have_been_asked_for(stretches, share):
    pace = Pace(stretches)
    number = share * pace.updates
    at_s = pace.at(number)
    assert 0 <= at_s <= pace.duration_s * (1 + 1e-9)
    assert asked_by(stretches, at_s) == pytest.approx(number, rel=1e-6, abs=1e-3)


@given(STRETCHES)
def test_later_updates_are_not_due_earlier(stretches):
    pace = Pace(stretches)
    times = [pace.at(pace.updates * step / 50) for step in range(51)]
    assert times == sorted(times)


@pytest.mark.parametrize(
    ("stretches", "expected"),
    [
        ([Stretch(10, 2, 2)], [20]),
        ([Stretch(5, 4, 4), Stretch(5, 0, 0), Stretch(5, 20, 20)], [20, 0, 100]),
        ([Stretch(10, 0, 10)], [50]),
    ],
)
def test_a_plan_keeps_the_pace(stretches, expected):
    plan = made_plan(
        made_roster(7, seed=1),
        "stationary",
        seed=1,
        duration_s=1.0,
        ping_interval_s=1.0,
        start_ms=1_700_000_000_000,
        pace=Pace(stretches),
    )
    due = [planned.due_s for planned in plan]
    found, start_s = [], 0.0
    for each in stretches:
        found.append(sum(start_s <= at_s < start_s + each.duration_s for at_s in due))
        start_s += each.duration_s
    # Jitter carries a vendor's turn over a boundary now and then, never into a silence.
    assert sum(found) == sum(expected)
    for got, wanted in zip(found, expected, strict=True):
        assert got == pytest.approx(wanted, abs=2 if wanted else 0)


def test_an_end_that_is_silent_has_no_updates():
    pace = Pace([Stretch(4, 1, 1), Stretch(6, 0, 0)])
    assert (pace.updates, pace.at(4), pace.at(5), pace.duration_s) == (4, 4, 10, 10)
    assert steady(3, 2).updates == 6
