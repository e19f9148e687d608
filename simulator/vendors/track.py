"""A movement made of legs: stays and straight drives, one after the other, drawn as far as anyone asks."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulator.vendors.fix import Fix, State
from simulator.vendors.geodesy import LatLong, Path

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Leg:
    """A stretch of time on one path, at constant speed; a stay when the path has no length."""

    start_s: float
    end_s: float
    path: Path
    state: State

    @property
    def speed_m_s(self) -> float:
        """Metres per simulated second; 0 for a stay."""
        return self.path.length_m / (self.end_s - self.start_s) if self.path.length_m else 0.0

    def at(self, elapsed_s: float) -> Fix:
        """Return the fix at `elapsed_s`, which lies within the leg (or beyond its end: the end)."""
        lat, long = self.path.at(self.speed_m_s * (elapsed_s - self.start_s))
        return Fix(lat, long, self.speed_m_s, self.state)


def stay(start_s: float, end_s: float, where: LatLong, state: State) -> Leg:
    """Return a leg that goes nowhere."""
    return Leg(start_s, end_s, Path(where, where), state)


class Track:
    """The `Movement` along legs that join in time and place.

    Legs are drawn from `legs` once, in order, and kept (one per stay or drive), so any moment can be asked for again.
    After the last leg of a finite track the vendor stays where it ended.
    """

    def __init__(self, legs: Iterator[Leg], speed_limit_m_s: float) -> None:
        self._source = legs
        self._legs: list[Leg] = []
        self._starts_s: list[float] = []
        self._speed_limit_m_s = speed_limit_m_s

    @property
    def speed_limit_m_s(self) -> float:
        """See `Movement.speed_limit_m_s`."""
        return self._speed_limit_m_s

    def position(self, elapsed_s: float) -> Fix:
        """See `Movement.position`."""
        if elapsed_s < 0:
            raise ValueError(f"a movement starts at 0 s: position({elapsed_s})")
        self._draw_until(elapsed_s)
        leg = self._legs[bisect_right(self._starts_s, elapsed_s) - 1]
        if elapsed_s >= leg.end_s:
            return Fix(leg.path.end.lat, leg.path.end.long, 0.0, leg.state)
        return leg.at(elapsed_s)

    def _draw_until(self, elapsed_s: float) -> None:
        while not self._legs or self._legs[-1].end_s <= elapsed_s:
            leg = next(self._source, None)
            if leg is None:
                return
            self._legs.append(leg)
            self._starts_s.append(leg.start_s)
