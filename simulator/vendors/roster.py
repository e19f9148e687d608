"""Made vendors: a roster of food trucks for a city, out of Faker and one seed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from faker import Faker

from simulator.errors import InputError
from simulator.vendors.city import SAN_FRANCISCO, Area, City
from simulator.vendors.geodesy import random_point
from simulator.vendors.seeds import seeded
from simulator.vendors.text import clean_text
from simulator.vendors.vendor import DESCRIPTION_LIMIT, NAME_LIMIT, Vendor, handle_of, image_url_of

if TYPE_CHECKING:
    from random import Random

HOME_RADIUS_M = 1_500.0
_HANDLE_LIMIT = 15
_DISHES = (
    "tacos al pastor", "lobster rolls", "poke bowls", "bánh mì", "pupusas", "falafel wraps", "soft serve", "arepas",
    "smash burgers", "ramen", "crêpes", "jollof rice", "dosas", "cold brew", "churros", "dumplings", "kettle corn",
    "Nashville hot chicken", "pierogi", "açaí bowls",
)  # fmt: skip
_TRADES = ("Truck", "Kitchen", "Cart", "Street Food", "Eats", "Grill", "Wagon", "Catering")


def made_roster(
    count: int, seed: int, city: City = SAN_FRANCISCO, *, home_radius_m: float = HOME_RADIUS_M
) -> list[Vendor]:
    """Return `count` vendors with names of their own, each with a home area inside `city`.

    Ids and handles are unique. The same seed gives the same roster, and a longer roster starts with the shorter one
    (names come from Faker's word lists, so this holds for one release of Faker).
    Raises `InputError` when `count` is negative.
    """
    if count < 0:
        raise InputError(f"A roster cannot have {count} vendors; ask for 0 or more.")
    fake = Faker(city.locale)
    fake.seed_instance(f"{seed}/roster")
    chance = seeded(seed, "roster")
    radius_m = min(home_radius_m, city.radius_m)
    taken_ids: set[str] = set()
    taken_handles: set[str] = set()
    roster = []
    for _ in range(count):
        # Faker of the city's locale speaks the owner's name; the trade is what the sign on the truck says.
        name = clean_text(f"{fake.last_name()}'s {chance.choice(_TRADES)}", NAME_LIMIT)
        dishes = chance.sample(_DISHES, 2)
        twitter_id = _unused_id(chance, taken_ids)
        roster.append(
            Vendor(
                twitter_id=twitter_id,
                name=name,
                handle=_unused_handle(handle_of(name), taken_handles),
                description=clean_text(
                    f"{dishes[0].capitalize()} and {dishes[1]}. {fake.catch_phrase()}.", DESCRIPTION_LIMIT
                ),
                image_url=image_url_of(twitter_id),
                home=Area(random_point(chance, city.centre, city.radius_m - radius_m), radius_m),
                place=city.place,
            )
        )
    return roster


def _unused_id(chance: Random, taken: set[str]) -> str:
    while True:
        twitter_id = str(chance.randrange(10**17, 10**18))
        if twitter_id not in taken:
            taken.add(twitter_id)
            return twitter_id


def _unused_handle(wanted: str, taken: set[str]) -> str:
    handle, number = wanted, 1
    while handle.casefold() in taken:
        number += 1
        handle = f"{wanted[: _HANDLE_LIMIT - len(str(number))]}{number}"
    taken.add(handle.casefold())
    return handle
