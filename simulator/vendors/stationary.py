"""A vendor that stays where it is: the stand on the corner."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.vendors.geodesy import random_point
from simulator.vendors.seeds import seeded
from simulator.vendors.track import Track, stay

if TYPE_CHECKING:
    from simulator.vendors.city import Area


def stationary(home: Area, seed: int | str) -> Track:
    """Return the movement of a stand at one random point within `home`."""
    where = random_point(seeded(seed, "stationary"), home.centre, home.radius_m)
    return Track(iter([stay(0.0, 0.0, where, "serving")]), 0.0)
