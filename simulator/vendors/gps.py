"""GPS noise: a receiver in a city is a few metres off, differently each time."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from simulator.vendors.geodesy import LatLong, destination

if TYPE_CHECKING:
    from random import Random

GPS_SIGMA_M = 5.0
"""A phone under open sky is within 4.9 m (https://www.gps.gov/systems/gps/performance/accuracy/)."""


def with_gps_noise(point: LatLong, sigma_m: float, chance: Random) -> LatLong:
    """Return `point` moved north and east by two Gaussian errors of `sigma_m` metres each, drawn from `chance`."""
    if sigma_m == 0:
        return point
    north_m, east_m = chance.gauss(0.0, sigma_m), chance.gauss(0.0, sigma_m)
    return destination(point, math.degrees(math.atan2(east_m, north_m)), math.hypot(north_m, east_m))
