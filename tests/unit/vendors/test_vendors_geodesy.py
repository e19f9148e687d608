import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.vendors.geodesy import LatLong, Path, bearing_deg, destination, distance_m, random_point
from simulator.vendors.seeds import seeded

FERRY_BUILDING = LatLong(37.7955, -122.3937)
OCEAN_BEACH = LatLong(37.7594, -122.5107)
points = st.builds(LatLong, st.floats(-85, 85), st.floats(-180, 180))


def test_distance_is_that_of_the_ellipsoid_not_of_a_sphere():
    # Flinders Peak to Buninyong, the worked example of the Geocentric Datum of Australia manual.
    flinders = LatLong(-37.95103341666667, 144.42486788888888)
    buninyong = LatLong(-37.65282113888889, 143.92649552777777)
    assert distance_m(flinders, buninyong) == pytest.approx(54_972.271, abs=0.1)
    assert bearing_deg(flinders, buninyong) == pytest.approx(306.86815, abs=1e-4)


@given(start=points, bearing=st.floats(0, 359.9), travelled_m=st.floats(1, 1_000_000))
def test_destination_lies_at_the_distance_travelled(start, bearing, travelled_m):
    assert distance_m(start, destination(start, bearing, travelled_m)) == pytest.approx(travelled_m, abs=1e-3)


def test_path_passes_points_in_proportion_and_ends_exactly_where_it_should():
    path = Path(FERRY_BUILDING, OCEAN_BEACH)
    assert path.at(0) == FERRY_BUILDING
    assert path.at(path.length_m) == path.at(path.length_m + 5) == OCEAN_BEACH
    assert distance_m(FERRY_BUILDING, path.at(path.length_m / 4)) == pytest.approx(path.length_m / 4, abs=1e-3)


def test_path_of_no_length_stays():
    path = Path(FERRY_BUILDING, FERRY_BUILDING)
    assert (path.length_m, path.at(3)) == (0.0, FERRY_BUILDING)


def test_path_across_the_antimeridian_is_the_short_way_with_longitudes_in_range():
    path = Path(LatLong(-17.0, 179.9), LatLong(-17.0, -179.9))
    assert path.length_m < 25_000
    longitudes = [path.at(path.length_m * step / 10).long for step in range(11)]
    assert all(abs(longitude) >= 179.9 - 1e-9 and abs(longitude) <= 180 for longitude in longitudes)


def test_random_points_fill_the_disc_evenly():
    chance = seeded(1)
    away = [distance_m(FERRY_BUILDING, random_point(chance, FERRY_BUILDING, 1_000)) for _ in range(400)]
    assert max(away) <= 1_000.001
    # Half of the area lies beyond 707 m.
    assert 150 < sum(metres > 707 for metres in away) < 250
