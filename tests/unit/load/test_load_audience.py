from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.errors import InputError
from simulator.load.audience import Group, Visit, audience, scaled
from simulator.load.subscribers import Roll, as_set, members_of


def comings(group: Group, duration_s: float = 10.0, seed: int = 1) -> list[float]:
    return [visit.come_s for visit in audience([group], duration_s=duration_s, seed=seed).visits]


@pytest.mark.parametrize(
    ("group", "expected"),
    [
        pytest.param(Group(count=4, connect_rate_per_s=2.0), [0.0, 0.5, 1.0, 1.5], id="ramp"),
        pytest.param(Group(count=3, connect_rate_per_s=1.0, at_s=5.0), [5.0, 6.0, 7.0], id="ramp, later"),
        pytest.param(
            Group(count=5, arrival="steps", step_size=2, step_every_s=3.0), [0.0, 0.0, 3.0, 3.0, 6.0], id="steps"
        ),
        pytest.param(Group(count=3, arrival="at_once", at_s=2.0), [2.0] * 3, id="herd"),
    ],
)
def test_everyone_comes_when_the_group_says(group: Group, expected: list[float]) -> None:
    assert comings(group) == expected


def test_passers_by_come_by_chance_at_their_rate_and_stay_about_as_long_as_told() -> None:
    group = Group(count=0, arrival="poisson", arrivals_per_s=20.0, stay_s=5.0)
    visits = audience([group], duration_s=100.0, seed=3).visits
    assert 1_800 < len(visits) < 2_200
    stays = [visit.leave_s - visit.come_s for visit in visits if visit.leave_s is not None]
    assert len(stays) == len(visits)
    assert 4.5 < sum(stays) / len(stays) < 5.5
    assert not any(visit.is_waited_for for visit in visits)


def test_the_same_seed_brings_the_same_people_and_another_group_changes_nobodys_luck() -> None:
    group = Group("passers", arrival="poisson", count=5)
    first = audience([group], duration_s=30.0, seed=3)
    assert audience([group], duration_s=30.0, seed=3) == first
    assert audience([group, Group(count=2)], duration_s=30.0, seed=3).visits[: first.size] == first.visits
    assert audience([group], duration_s=30.0, seed=4) != first


def test_those_who_were_there_first_are_waited_for_and_their_stay_counts_from_the_first_update() -> None:
    visits = audience([Group("p", arrival="poisson", count=2, arrivals_per_s=0.0)], duration_s=9.0, seed=1).visits
    assert [visit.is_waited_for for visit in visits] == [True, True]
    assert all(visit.leave_s is not None and visit.leave_s > 0 for visit in visits)


def test_leavers_cut_their_connection() -> None:
    (visit,) = audience([Group(kind="leaver", count=1)], duration_s=9.0, seed=1).visits
    assert visit.leave_how == "cut"
    assert audience([Group(count=1)], duration_s=9.0, seed=1).visits == (Visit(0, 0, 0.0, True, None),)


@pytest.mark.parametrize(
    ("group", "sentence"),
    [
        pytest.param(Group(count=0), "Nobody would come", id="nobody"),
        pytest.param(Group(arrival="poisson", arrivals_per_s=1_000.0), "More than 100,000 subscribers", id="too many"),
    ],
)
def test_an_audience_that_cannot_be_is_refused(group: Group, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        audience([group], duration_s=1_000.0, seed=1)


def test_a_scaled_group_keeps_somebody_and_its_shape() -> None:
    group = Group(count=30, arrivals_per_s=2.0, step_size=10)
    assert scaled(group, 0.1) == replace(group, count=3, arrivals_per_s=0.2, step_size=1)
    assert scaled(group, 0.001).count == 1
    assert scaled(replace(group, count=0), 0.1).count == 0


@given(st.sets(st.integers(0, 3_000)))
def test_a_set_holds_its_members(members: set[int]) -> None:
    assert list(members_of(as_set(iter(members)))) == sorted(members)


@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.sampled_from(["open", "left", "broke"])),
        max_size=40,
    ),
    st.integers(0, 45),
)
def test_the_roll_knows_at_any_moment_who_is_expected(events: list[tuple[int, str]], moment: int) -> None:
    """Against the plain telling of it: subscriber 5 comes back when it breaks, 4 does not count at all."""
    roll = Roll([0, 0, 0, 0, 1, 2], [False, False, True], [True, False, True])
    expected: set[int] = set()
    is_open: set[int] = set()
    at_moment: set[int] = set()
    for number, (subscriber, what) in enumerate(events):
        at_s = float(number + 1)
        if what == "open" and subscriber not in is_open:
            roll.opened(subscriber, at_s)
            is_open.add(subscriber)
            if subscriber != 4:
                expected.add(subscriber)
        elif what != "open":
            roll.closed(subscriber, at_s, "left" if what == "left" else "broke")
            if subscriber in is_open:
                is_open.remove(subscriber)
                if what == "left" or subscriber == 5:
                    expected.discard(subscriber)
        if at_s <= moment:
            at_moment = set(expected)
    assert set(members_of(roll.expected_at(float(moment)))) == at_moment
    assert roll.open == len(is_open)
    roll.forget_before(float(moment))
    assert set(members_of(roll.expected_at(float(moment)))) == at_moment
