import random

import pytest

from simulator.errors import InputError
from simulator.vendors.city import SAN_FRANCISCO, City
from simulator.vendors.geodesy import LatLong, distance_m
from simulator.vendors.roster import made_roster


def test_same_seed_gives_the_same_roster_and_a_longer_one_begins_with_it():
    assert made_roster(5, seed=7) == made_roster(5, seed=7) == made_roster(9, seed=7)[:5]
    assert made_roster(5, seed=7) != made_roster(5, seed=8)


def test_roster_leaves_global_chance_alone():
    random.seed(5)
    expected = random.random()
    random.seed(5)
    made_roster(3, seed=1)
    assert random.random() == expected


def test_ids_and_handles_are_unique_and_well_formed():
    roster = made_roster(400, seed=3)
    assert len({vendor.twitter_id for vendor in roster}) == 400
    assert len({vendor.handle.casefold() for vendor in roster}) == 400
    for vendor in roster:
        assert vendor.twitter_id.isdigit()
        assert 1 <= len(vendor.handle) <= 15
        assert vendor.handle.isalnum()
        assert vendor.name
        assert 0 < len(vendor.description) <= 160
        assert vendor.image_url.startswith("https://images.example.com/")


def test_home_areas_lie_inside_the_city():
    for vendor in made_roster(50, seed=3):
        reach_m = distance_m(SAN_FRANCISCO.centre, vendor.home.centre) + vendor.home.radius_m
        assert reach_m <= SAN_FRANCISCO.radius_m + 0.01
        assert vendor.place == SAN_FRANCISCO.place


def test_vendors_live_in_the_city_that_is_asked_for():
    suva = City("Suva", LatLong(-18.14, 178.44), 900.0, "Fiji", "FJ")
    (vendor,) = made_roster(1, seed=3, city=suva)
    assert distance_m(suva.centre, vendor.home.centre) < 900
    assert (vendor.home.radius_m, vendor.place.full_name) == (900.0, "Suva, Fiji")


def test_negative_number_of_vendors_is_refused():
    with pytest.raises(InputError, match="-1 vendors"):
        made_roster(-1, seed=3)
