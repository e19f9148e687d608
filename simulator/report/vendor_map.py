"""Where the vendors went, on a plain projection: no tiles, so that nothing is fetched.

Degrees of longitude are shortened by the cosine of the middle latitude (equirectangular), which is true to scale
for a city and fair for a country. Positions are put on a grid finer than a screen, and what falls on the same
place twice in a row is left out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from simulator.load.raw_results import VendorTrack

GRID = 4_000
"""Steps of the longer side."""
_MOST_POINTS = 60_000
_MARGIN = 0.04
_M_PER_DEGREE = 111_195.0
"""Of latitude, on a sphere of 6,371 km."""
_LEAST_EXTENT_M = 100.0
_WIDEST, _TALLEST = 1.9, 1.3
"""Bounds of width over height: the map is widened or heightened to fit a screen."""


@dataclass(frozen=True, slots=True)
class Path:
    """One vendor's way on the grid: x to the east, y to the north."""

    vendor: str
    name: str
    points: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class VendorMap:
    """All ways, and what is needed to read them."""

    width: int
    height: int
    """Grid steps."""
    m_per_step: float
    west: float
    south: float
    east: float
    north: float
    """Degrees."""
    paths: tuple[Path, ...]


def vendor_map(tracks: Sequence[VendorTrack], most_points: int = _MOST_POINTS) -> VendorMap | None:
    """Put the tracks on a grid; None when there is nothing to put on it."""
    points = [(lat, long) for track in tracks for _, lat, long in track.points if _sane(lat, long)]
    if not points:
        return None
    south, north = min(lat for lat, _ in points), max(lat for lat, _ in points)
    west, east = min(long for _, long in points), max(long for _, long in points)
    shortening = max(math.cos(math.radians((south + north) / 2)), 0.01)
    height_m = max((north - south) * _M_PER_DEGREE, _LEAST_EXTENT_M) * (1 + 2 * _MARGIN)
    width_m = max((east - west) * _M_PER_DEGREE * shortening, _LEAST_EXTENT_M) * (1 + 2 * _MARGIN)
    width_m, height_m = max(width_m, height_m * _TALLEST), max(height_m, width_m / _WIDEST)
    m_per_step = max(width_m, height_m) / GRID
    half_lat = height_m / 2 / _M_PER_DEGREE
    half_long = width_m / 2 / _M_PER_DEGREE / shortening
    left, bottom = (west + east) / 2 - half_long, (south + north) / 2 - half_lat
    budget = max(2, most_points // len(tracks))

    def on_grid(lat: float, long: float) -> tuple[int, int]:
        return (
            round((long - left) * _M_PER_DEGREE * shortening / m_per_step),
            round((lat - bottom) * _M_PER_DEGREE / m_per_step),
        )

    return VendorMap(
        width=round(width_m / m_per_step),
        height=round(height_m / m_per_step),
        m_per_step=m_per_step,
        west=left,
        south=bottom,
        east=left + 2 * half_long,
        north=bottom + 2 * half_lat,
        paths=tuple(
            Path(
                track.vendor,
                track.name,
                _thinned([on_grid(lat, long) for _, lat, long in track.points if _sane(lat, long)], budget),
            )
            for track in tracks
        ),
    )


def _sane(lat: float, long: float) -> bool:
    return -90 <= lat <= 90 and -180 <= long <= 180  # noqa: PLR2004  degrees; NaN is neither


def _thinned(points: Sequence[tuple[int, int]], budget: int) -> tuple[tuple[int, int], ...]:
    """Without standing still, then evenly thinned; first and last stay."""
    moved = [point for before, point in zip((None, *points), points, strict=False) if point != before]
    if len(moved) <= budget:
        return tuple(moved)
    stride = (len(moved) - 1) / (budget - 1)
    return tuple(moved[round(number * stride)] for number in range(budget))
