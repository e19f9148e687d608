"""A food truck's day: park at a spot, set up, serve, drive to the next spot at street speed, and again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulator.vendors.geodesy import Path, random_point
from simulator.vendors.seeds import seeded
from simulator.vendors.track import Leg, Track, stay

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

    from simulator.vendors.city import Area


@dataclass(frozen=True, slots=True)
class TruckHabits:
    """How a truck spends its day; pairs are the lowest and the highest value drawn."""

    spots: tuple[int, int] = (3, 6)
    """Number of places it returns to (at least 2)."""
    set_up_s: tuple[float, float] = (120.0, 480.0)
    serve_s: tuple[float, float] = (900.0, 2_700.0)
    street_speed_m_s: tuple[float, float] = (6.0, 12.0)
    """Average speed of a drive, traffic lights included: 22 to 43 km/h."""


def food_truck_day(home: Area, seed: int | str, habits: TruckHabits | None = None) -> Track:
    """Return the movement of a truck that works a few spots within `home`.

    It starts somewhere in the middle of a stay, so that trucks of one roster do not all leave together. Drives are
    geodesics: streets are not known (approximate).
    """
    habits = habits or TruckHabits()
    return Track(_legs(home, seeded(seed, "food_truck_day"), habits), habits.street_speed_m_s[1])


def _legs(home: Area, chance: Random, habits: TruckHabits) -> Iterator[Leg]:
    spots = [random_point(chance, home.centre, home.radius_m) for _ in range(chance.randint(*habits.spots))]
    here = 0
    set_up_s, serve_s = chance.uniform(*habits.set_up_s), chance.uniform(*habits.serve_s)
    now_s = -chance.random() * (set_up_s + serve_s)
    while True:
        open_s, leave_s = now_s + set_up_s, now_s + set_up_s + serve_s
        if open_s > 0:
            yield stay(max(now_s, 0.0), open_s, spots[here], "setting_up")
        yield stay(max(open_s, 0.0), leave_s, spots[here], "serving")
        there = (here + chance.randrange(1, len(spots))) % len(spots)
        path = Path(spots[here], spots[there])
        now_s = leave_s + path.length_m / chance.uniform(*habits.street_speed_m_s)
        yield Leg(leave_s, now_s, path, "driving")
        here = there
        set_up_s, serve_s = chance.uniform(*habits.set_up_s), chance.uniform(*habits.serve_s)
