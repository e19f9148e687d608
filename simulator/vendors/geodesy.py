"""Positions on the WGS 84 ellipsoid: distances, bearings and points along a geodesic, by GeographicLib.

Longitudes that come out lie in -180…180, also when a path crosses the antimeridian.
Source: C. F. F. Karney, Algorithms for geodesics, J. Geodesy 87 (2013), https://doi.org/10.1007/s00190-012-0578-z
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from geographiclib.geodesic import Geodesic

if TYPE_CHECKING:
    from random import Random

_EARTH = Geodesic.WGS84
_POSITION = Geodesic.LATITUDE | Geodesic.LONGITUDE


class LatLong(NamedTuple):
    """A point in WGS 84 degrees: `lat` -90…90, `long` -180…180."""

    lat: float
    long: float


class Path:
    """The shortest way between two points."""

    __slots__ = ("_line", "end", "length_m", "start")

    def __init__(self, start: LatLong, end: LatLong) -> None:
        self.start = start
        self.end = end
        self._line = None if start == end else _EARTH.InverseLine(start.lat, start.long, end.lat, end.long)
        self.length_m: float = 0.0 if self._line is None else self._line.s13

    def at(self, travelled_m: float) -> LatLong:
        """Return the point `travelled_m` metres from the start; beyond either end, that end."""
        if travelled_m <= 0 or self._line is None:
            return self.start
        if travelled_m >= self.length_m:
            return self.end
        point = self._line.Position(travelled_m, _POSITION)
        return LatLong(point["lat2"], point["lon2"])


def distance_m(start: LatLong, end: LatLong) -> float:
    """Return the length of the shortest way from `start` to `end`, in metres."""
    metres: float = _EARTH.Inverse(start.lat, start.long, end.lat, end.long, Geodesic.DISTANCE)["s12"]
    return metres


def bearing_deg(start: LatLong, end: LatLong) -> float:
    """Return the direction in which `end` lies as seen from `start`, clockwise from north, 0 ≤ bearing < 360."""
    azimuth: float = _EARTH.Inverse(start.lat, start.long, end.lat, end.long, Geodesic.AZIMUTH)["azi1"]
    return azimuth % 360.0


def destination(start: LatLong, bearing: float, travelled_m: float) -> LatLong:
    """Return where one arrives after `travelled_m` metres in direction `bearing` (degrees clockwise from north)."""
    point = _EARTH.Direct(start.lat, start.long, bearing, travelled_m, _POSITION)
    return LatLong(point["lat2"], point["lon2"])


def random_point(chance: Random, centre: LatLong, radius_m: float) -> LatLong:
    """Return a point drawn evenly over the disc of `radius_m` around `centre`."""
    bearing = 360.0 * chance.random()
    # The square root spreads points evenly over the area; without it they crowd at the centre.
    return destination(centre, bearing, radius_m * math.sqrt(chance.random()))
