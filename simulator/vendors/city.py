"""A city: where made vendors live, and what an update says about the place."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from simulator.vendors.geodesy import LatLong


@dataclass(frozen=True, slots=True)
class Area:
    """A disc on the ground."""

    centre: LatLong
    radius_m: float


@dataclass(frozen=True, slots=True)
class Place:
    """What the `geo` object of an update says besides the coordinates (Twitter's place object)."""

    id: str
    """Sixteen hex digits."""
    name: str
    full_name: str
    place_type: str
    """`city` or `poi`."""
    country: str
    country_code: str
    """ISO 3166-1 alpha-2."""


@dataclass(frozen=True, slots=True)
class City:
    """A city as a disc; streets are not known here, so vendors move in straight lines (approximate)."""

    name: str
    centre: LatLong
    radius_m: float
    country: str
    country_code: str
    locale: str = "en_US"
    """Faker locale that the vendors' names come from."""

    @property
    def place(self) -> Place:
        """The city itself as the place of an update."""
        return Place(
            id=place_id(self.country_code, self.name),
            name=self.name,
            full_name=f"{self.name}, {self.country}",
            place_type="city",
            country=self.country,
            country_code=self.country_code,
        )

    def spot(self, name: str) -> Place:
        """Return a point of interest of this city: a street address, a corner."""
        return Place(
            id=place_id(self.country_code, self.name, name),
            name=name,
            full_name=f"{name}, {self.name}",
            place_type="poi",
            country=self.country,
            country_code=self.country_code,
        )


def place_id(*parts: str) -> str:
    """Return sixteen hex digits that are the same for the same `parts` in every run."""
    return hashlib.sha256("\x00".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:16]


SAN_FRANCISCO = City(
    name="San Francisco",
    centre=LatLong(37.7599, -122.4374),
    # The largest disc around the centre of the city that touches neither the ocean nor the bay much.
    radius_m=4_500.0,
    country="United States",
    country_code="US",
)
