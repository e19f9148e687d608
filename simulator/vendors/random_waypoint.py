"""Random waypoint: go straight to a random point at a random speed, pause, and again.

Source: D. B. Johnson, D. A. Maltz, Dynamic source routing in ad hoc wireless networks, in Mobile Computing (1996).
The lowest speed is above zero, or the mean speed decays for ever: J. Yoon, M. Liu, B. Noble, Random waypoint
considered harmful, INFOCOM 2003.
"""

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
class WaypointHabits:
    """Parameters of the model; pairs are the lowest and the highest value drawn."""

    speed_m_s: tuple[float, float] = (1.0, 8.0)
    pause_s: tuple[float, float] = (0.0, 120.0)


def random_waypoint(home: Area, seed: int | str, habits: WaypointHabits | None = None) -> Track:
    """Return a random waypoint movement within `home`."""
    habits = habits or WaypointHabits()
    return Track(_legs(home, seeded(seed, "random_waypoint"), habits), habits.speed_m_s[1])


def _legs(home: Area, chance: Random, habits: WaypointHabits) -> Iterator[Leg]:
    here = random_point(chance, home.centre, home.radius_m)
    now_s = 0.0
    while True:
        there = random_point(chance, home.centre, home.radius_m)
        path = Path(here, there)
        arrive_s = now_s + path.length_m / chance.uniform(*habits.speed_m_s)
        yield Leg(now_s, arrive_s, path, "moving")
        now_s = arrive_s + chance.uniform(*habits.pause_s)
        yield stay(arrive_s, now_s, there, "paused")
        here = there
