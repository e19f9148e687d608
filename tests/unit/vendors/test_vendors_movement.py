import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.errors import InputError
from simulator.vendors.city import Area
from simulator.vendors.fix import Fix
from simulator.vendors.gauss_markov import GaussMarkovHabits, gauss_markov
from simulator.vendors.geodesy import LatLong, Path, distance_m
from simulator.vendors.gps import with_gps_noise
from simulator.vendors.movement_models import MOVEMENT_MODELS, movement_model
from simulator.vendors.seeds import seeded
from simulator.vendors.track import Leg, Track, stay

HOME = Area(LatLong(37.76, -122.44), 1_500.0)
DATELINE = Area(LatLong(-17.0, 180.0), 1_500.0)
HERE, THERE = LatLong(37.76, -122.44), LatLong(37.77, -122.44)

every_model = pytest.mark.parametrize("name", sorted(MOVEMENT_MODELS))
moments = st.lists(st.floats(0, 20_000), min_size=2, max_size=12)


@every_model
@given(seed=st.integers(0, 10**6), elapsed=moments)
@settings(max_examples=15, deadline=None)
def test_vendor_never_moves_faster_than_its_limit(name, seed, elapsed):
    movement = MOVEMENT_MODELS[name](HOME, str(seed))
    ordered = sorted(elapsed)
    for before_s, after_s in itertools.pairwise(ordered):
        moved_m = distance_m(movement.position(before_s).point, movement.position(after_s).point)
        assert moved_m <= movement.speed_limit_m_s * (after_s - before_s) + 1e-3


@every_model
@given(seed=st.integers(0, 10**6), elapsed=moments)
@settings(max_examples=15, deadline=None)
def test_positions_do_not_depend_on_what_was_asked_before(name, seed, elapsed):
    asked_in_any_order = MOVEMENT_MODELS[name](HOME, str(seed))
    answers = {at_s: asked_in_any_order.position(at_s) for at_s in elapsed}
    asked_in_rising_order = MOVEMENT_MODELS[name](HOME, str(seed))
    assert {at_s: asked_in_rising_order.position(at_s) for at_s in sorted(elapsed)} == answers


@every_model
@pytest.mark.parametrize("home", [HOME, DATELINE], ids=["city", "antimeridian"])
def test_vendor_stays_in_its_home_area(name, home):
    movement = MOVEMENT_MODELS[name](home, "5")
    fixes = [movement.position(60.0 * minute) for minute in range(300)]
    # Straight ways within a disc stay within it, but for the flattening of the earth.
    assert max(distance_m(home.centre, fix.point) for fix in fixes) <= home.radius_m + 0.01
    assert all(-180 <= fix.long <= 180 for fix in fixes)


@every_model
def test_another_seed_moves_differently(name):
    model = MOVEMENT_MODELS[name]
    assert model(HOME, "1").position(100) != model(HOME, "2").position(100)


@every_model
def test_time_before_the_start_is_refused(name):
    with pytest.raises(ValueError, match="starts at 0 s"):
        MOVEMENT_MODELS[name](HOME, "1").position(-1)


def test_food_truck_sets_up_serves_and_drives_in_turn():
    movement = MOVEMENT_MODELS["food_truck_day"](HOME, "3")
    states = [movement.position(10.0 * step).state for step in range(2_000)]
    changes = [after for before, after in itertools.pairwise(states) if before != after]
    assert len(changes) > 10
    assert {"setting_up", "serving", "driving"} == set(changes)
    following = {"setting_up": "serving", "serving": "driving", "driving": "setting_up"}
    assert all(following[before] == after for before, after in itertools.pairwise(changes))


def test_food_truck_moves_only_while_driving():
    movement = MOVEMENT_MODELS["food_truck_day"](HOME, "3")
    for step in range(1_000):
        fix, later = movement.position(10.0 * step), movement.position(10.0 * step + 0.5)
        if fix.state == later.state == "driving":
            assert fix.speed_m_s >= 6.0
            assert fix.point != later.point
        elif fix.state == later.state:
            assert (fix.speed_m_s, fix.point) == (0.0, later.point)


def test_trucks_of_one_roster_do_not_leave_together():
    def first_drive_s(seed):
        movement = MOVEMENT_MODELS["food_truck_day"](HOME, seed)
        return next(at_s for at_s in range(0, 10_000, 30) if movement.position(at_s).state == "driving")

    assert len({first_drive_s(str(seed)) for seed in range(10)}) > 7


def test_gauss_markov_bends_rather_than_jumps():
    movement = MOVEMENT_MODELS["gauss_markov"](HOME, "9")
    speeds = [movement.position(10.0 * step).speed_m_s for step in range(500)]
    changes = [abs(after - before) for before, after in itertools.pairwise(speeds)]
    spread = [abs(speed - sum(speeds) / len(speeds)) for speed in speeds]
    assert 1.5 < sum(speeds) / len(speeds) < 4.5
    # Memory: one step changes the speed less than the speeds differ over the whole way.
    assert sum(changes) / len(changes) < sum(spread) / len(spread)


def test_gauss_markov_turns_back_at_the_edge_even_when_it_never_forgets():
    small = Area(HOME.centre, 200.0)
    straight_on = GaussMarkovHabits(memory=1.0, mean_speed_m_s=8.0)
    movement = gauss_markov(small, "1", straight_on)
    away_m = [distance_m(small.centre, movement.position(5.0 * step).point) for step in range(400)]
    assert max(away_m) <= 200.01
    assert len({round(metres) for metres in away_m}) > 10


def test_track_follows_its_legs_and_stays_at_the_end():
    legs = [stay(0, 10, HERE, "serving"), Leg(10, 110, Path(HERE, THERE), "driving"), stay(110, 120, THERE, "closed")]
    track = Track(iter(legs), 12.0)
    length_m = distance_m(HERE, THERE)
    assert track.position(5) == Fix(*HERE, 0.0, "serving")
    assert track.position(10).state == "driving"
    assert distance_m(HERE, track.position(60).point) == pytest.approx(length_m / 2, abs=1e-3)
    assert track.position(60).speed_m_s == pytest.approx(length_m / 100)
    assert track.position(10_000) == Fix(*THERE, 0.0, "closed")


def test_unknown_model_is_refused_naming_those_there_are():
    with pytest.raises(InputError, match=r"'teleport'.*food_truck_day, gauss_markov, random_waypoint, stationary"):
        movement_model("teleport")


def test_gps_noise_is_gaussian_in_metres():
    chance = seeded(4)
    errors_m = [distance_m(HERE, with_gps_noise(HERE, 5.0, chance)) for _ in range(1_000)]
    # Root mean square of a two-dimensional Gaussian: sigma times the root of two.
    assert (sum(metres**2 for metres in errors_m) / 1_000) ** 0.5 == pytest.approx(5.0 * 2**0.5, rel=0.1)


def test_no_gps_noise_leaves_the_position_exact():
    assert with_gps_noise(HERE, 0.0, seeded(4)) == HERE
