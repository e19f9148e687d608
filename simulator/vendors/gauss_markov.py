"""Gauss-Markov mobility: speed and direction that remember themselves, so the way bends instead of jumping.

Source: B. Liang, Z. J. Haas, Predictive distance-based mobility management for PCS networks, INFOCOM 1999; the turn
towards the middle near the edge is from T. Camp, J. Boleng, V. Davies, A survey of mobility models (2002), 2.5.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from simulator.vendors.fix import Fix
from simulator.vendors.geodesy import destination
from simulator.vendors.seeds import seeded

if TYPE_CHECKING:
    from simulator.vendors.city import Area

_EDGE = 0.8
"""Share of the radius beyond which the mean direction is back to the middle."""


@dataclass(frozen=True, slots=True)
class GaussMarkovHabits:
    """Parameters of the model."""

    memory: float = 0.85
    """Alpha: 0 is Brownian motion, 1 a straight line."""
    mean_speed_m_s: float = 3.0
    speed_sigma_m_s: float = 1.5
    speed_limit_m_s: float = 10.0
    direction_sigma_deg: float = 40.0
    step_s: float = 10.0
    """Simulated time between two changes of speed and direction."""


class _Step(NamedTuple):
    """One stretch at constant speed and direction, on a plane around the middle of the home area."""

    east_m: float
    north_m: float
    speed_m_s: float
    direction_deg: float
    """Clockwise from north."""

    def after(self, seconds: float) -> tuple[float, float]:
        """Return how far east and north it has come."""
        reach_m, angle = self.speed_m_s * seconds, math.radians(self.direction_deg)
        return self.east_m + reach_m * math.sin(angle), self.north_m + reach_m * math.cos(angle)


class GaussMarkov:
    """A Gauss-Markov `Movement` that never leaves its home area.

    It walks on the azimuthal equidistant plane around the middle, where the distance from the middle is exact and
    no other is shorter than on the ground (over 10 km, longer by less than a millionth), so a step costs no geodesic.
    """

    def __init__(self, home: Area, seed: int | str, habits: GaussMarkovHabits | None = None) -> None:
        self._home = home
        self._habits = habits or GaussMarkovHabits()
        self._chance = seeded(seed, "gauss_markov")
        self._mean_direction_deg = 360.0 * self._chance.random()
        away_m, angle = home.radius_m * math.sqrt(self._chance.random()), math.tau * self._chance.random()
        start = _Step(
            away_m * math.sin(angle), away_m * math.cos(angle), self._habits.mean_speed_m_s, self._mean_direction_deg
        )
        self._steps = [self._within_home(start)]

    @property
    def speed_limit_m_s(self) -> float:
        """See `Movement.speed_limit_m_s`."""
        return self._habits.speed_limit_m_s

    def position(self, elapsed_s: float) -> Fix:
        """See `Movement.position`."""
        if elapsed_s < 0:
            raise ValueError(f"a movement starts at 0 s: position({elapsed_s})")
        number = int(elapsed_s // self._habits.step_s)
        while len(self._steps) <= number:
            self._steps.append(self._next(self._steps[-1]))
        step = self._steps[number]
        east_m, north_m = step.after(elapsed_s - number * self._habits.step_s)
        bearing = math.degrees(math.atan2(east_m, north_m))
        lat, long = destination(self._home.centre, bearing, math.hypot(east_m, north_m))
        return Fix(lat, long, step.speed_m_s, "moving")

    def _next(self, last: _Step) -> _Step:
        habits, alpha = self._habits, self._habits.memory
        east_m, north_m = last.after(habits.step_s)
        noise = math.sqrt(1.0 - alpha * alpha)
        speed_m_s = (
            alpha * last.speed_m_s
            + (1.0 - alpha) * habits.mean_speed_m_s
            + noise * self._chance.gauss(0.0, habits.speed_sigma_m_s)
        )
        if math.hypot(east_m, north_m) > _EDGE * self._home.radius_m:
            # Kept from here on, as Camp et al. do: a mean that points outwards again would press against the edge.
            self._mean_direction_deg = _to_the_middle_deg(east_m, north_m)
        # The short way round: 350° and 10° have the mean 0°, not 180°.
        turn_deg = (self._mean_direction_deg - last.direction_deg + 180.0) % 360.0 - 180.0
        direction_deg = (
            last.direction_deg + (1.0 - alpha) * turn_deg + noise * self._chance.gauss(0.0, habits.direction_sigma_deg)
        ) % 360.0
        speed_m_s = min(max(speed_m_s, 0.0), habits.speed_limit_m_s)
        return self._within_home(_Step(east_m, north_m, speed_m_s, direction_deg))

    def _within_home(self, step: _Step) -> _Step:
        if math.hypot(*step.after(self._habits.step_s)) <= self._home.radius_m:
            return step
        # Straight to the middle, and not past it: from inside the disc this ends inside the disc.
        fastest_m_s = math.hypot(step.east_m, step.north_m) / self._habits.step_s
        return step._replace(
            speed_m_s=min(step.speed_m_s, fastest_m_s), direction_deg=_to_the_middle_deg(step.east_m, step.north_m)
        )


def _to_the_middle_deg(east_m: float, north_m: float) -> float:
    return math.degrees(math.atan2(-east_m, -north_m)) % 360.0


def gauss_markov(home: Area, seed: int | str, habits: GaussMarkovHabits | None = None) -> GaussMarkov:
    """Return a Gauss-Markov movement within `home`."""
    return GaussMarkov(home, seed, habits)
