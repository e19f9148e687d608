import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.errors import InputError
from simulator.vendors.geodesy import LatLong, distance_m
from simulator.vendors.made_plan import made_plan
from simulator.vendors.movement_models import MOVEMENT_MODELS
from simulator.vendors.roster import made_roster
from simulator.vendors.snowflake import snowflake_ms
from simulator.vendors.update import iso_date
from tracker.updates import encode_update, parse_update

START_MS = 1_700_000_000_000
ROSTER = made_roster(6, seed=1)
PARAMETERS = {"seed": 1, "duration_s": 20.0, "ping_interval_s": 60.0, "speed": 30.0, "start_ms": START_MS}


def bodies(plan):
    return [encode_update(planned.update) for planned in plan]


def point_of(planned):
    coordinates = planned.update["geo"]["coordinates"]
    return LatLong(coordinates["lat"], coordinates["long"])


@pytest.mark.parametrize("model", sorted(MOVEMENT_MODELS))
def test_same_seed_gives_the_same_bytes(model):
    first = made_plan(ROSTER, model, **PARAMETERS)
    again = made_plan(made_roster(6, seed=1), model, **PARAMETERS)
    assert bodies(first) == bodies(first) == bodies(again)
    assert len(bodies(first)) > 50


def test_another_seed_gives_other_updates():
    assert bodies(made_plan(ROSTER, "gauss_markov", **PARAMETERS)) != bodies(
        made_plan(ROSTER, "gauss_markov", **{**PARAMETERS, "seed": 2})
    )


@given(
    seed=st.integers(0, 1000),
    duration_s=st.floats(0.001, 30),
    interval_s=st.floats(1, 500),
    speed=st.floats(0.5, 100),
    jitter=st.floats(0, 1),
)
@settings(max_examples=25, deadline=None)
def test_plan_is_sorted_complete_and_its_ids_rise(seed, duration_s, interval_s, speed, jitter):
    plan = made_plan(
        ROSTER,
        "stationary",
        seed=seed,
        duration_s=duration_s,
        ping_interval_s=interval_s,
        speed=speed,
        jitter=jitter,
        start_ms=START_MS,
    )
    planned = [update for update, _ in zip(plan, range(500), strict=False)]
    due = [update.due_s for update in planned]
    ids = [int(update.update["id"]) for update in planned]
    assert due == sorted(due)
    assert ids == sorted(set(ids))
    assert due[-1] <= duration_s + 0.001
    if len(planned) < 500:
        assert {update.vendor for update in planned} == set(ROSTER)


def test_id_and_date_carry_the_intended_send_time():
    for planned in made_plan(ROSTER, "stationary", **PARAMETERS):
        at_ms = START_MS + round(planned.due_s * 1000)
        assert snowflake_ms(planned.update["id"]) == at_ms
        assert planned.update["date"] == iso_date(at_ms)


def test_load_is_vendors_times_speed_by_interval():
    assert len(list(made_plan(ROSTER, "stationary", **PARAMETERS))) == 6 * 20 * 30 / 60


def test_vendors_start_staggered_over_the_first_interval():
    first = {}
    for planned in made_plan(ROSTER, "stationary", **{**PARAMETERS, "jitter": 0.0}):
        first.setdefault(planned.vendor.twitter_id, planned.due_s)
    assert list(first.values()) == pytest.approx([number * 2 / 6 for number in range(6)], abs=0.001)


def test_simulated_time_moves_the_vendor_by_speed():
    """A vendor is at the same place after one second at speed 60 as after sixty seconds at speed 1."""
    slow = {**PARAMETERS, "duration_s": 61.0, "ping_interval_s": 60.0, "speed": 1.0, "jitter": 0.0, "gps_sigma_m": 0.0}
    fast = {**slow, "duration_s": 1.1, "speed": 60.0}
    places = [
        [planned.update["geo"]["coordinates"] for planned in made_plan(ROSTER[:1], "random_waypoint", **parameters)]
        for parameters in (slow, fast)
    ]
    assert places[0] == places[1]
    assert len(places[0]) == 2
    assert places[0][0] != places[0][1]


def test_every_update_is_one_that_the_handlers_take():
    for body in bodies(made_plan(ROSTER, "food_truck_day", **PARAMETERS)):
        parse_update(body)


def test_gps_noise_is_metres_not_kilometres():
    exact = made_plan(ROSTER, "stationary", **{**PARAMETERS, "gps_sigma_m": 0.0})
    noisy = made_plan(ROSTER, "stationary", **PARAMETERS)
    off_m = [distance_m(point_of(a), point_of(b)) for a, b in zip(exact, noisy, strict=True)]
    assert 1 < sum(off_m) / len(off_m) < 15
    assert max(off_m) < 50


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"duration_s": 0}, "duration_s must be above 0"),
        ({"ping_interval_s": -1}, "ping_interval_s must be above 0"),
        ({"speed": 0}, "speed must be above 0"),
        ({"speed": float("nan")}, "speed must be above 0"),
        ({"jitter": 1.5}, "jitter must be from 0 to 1"),
        ({"gps_sigma_m": -1}, "gps_sigma_m must be 0 or more"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_value_out_of_range_is_refused(wrong, sentence):
    with pytest.raises(InputError, match=sentence):
        made_plan(ROSTER, "stationary", **{**PARAMETERS, **wrong})


def test_empty_roster_has_an_empty_plan():
    assert list(made_plan([], "stationary", **PARAMETERS)) == []
