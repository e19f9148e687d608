"""Where a vendor is at one moment, and what it means to move."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from simulator.vendors.geodesy import LatLong

State = Literal["setting_up", "serving", "driving", "moving", "paused", "closed"]


@dataclass(frozen=True, slots=True)
class Fix:
    """One reading of a vendor's position."""

    lat: float
    long: float
    speed_m_s: float
    state: State

    @property
    def point(self) -> LatLong:
        """The position alone."""
        return LatLong(self.lat, self.long)


class Movement(Protocol):
    """A way of moving: a pure function of elapsed simulated time, once the seed is given."""

    @property
    def speed_limit_m_s(self) -> float:
        """No two fixes are further apart than this speed allows."""

    def position(self, elapsed_s: float) -> Fix:
        """Return where the vendor is `elapsed_s` simulated seconds after its start (not negative).

        The answer does not depend on what was asked before; asking in rising order is the cheap way.
        """
