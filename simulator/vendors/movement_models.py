"""The movement models by the names that scenarios use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeAlias

from simulator.errors import InputError
from simulator.vendors.city import Area
from simulator.vendors.fix import Movement
from simulator.vendors.food_truck_day import food_truck_day
from simulator.vendors.gauss_markov import gauss_markov
from simulator.vendors.random_waypoint import random_waypoint
from simulator.vendors.stationary import stationary

MovementModel: TypeAlias = Callable[[Area, str], Movement]
"""`(home area, seed) -> movement`; the seed already names the vendor."""

MOVEMENT_MODELS: Mapping[str, MovementModel] = MappingProxyType(
    {
        "food_truck_day": food_truck_day,
        "gauss_markov": gauss_markov,
        "random_waypoint": random_waypoint,
        "stationary": stationary,
    }
)


def movement_model(name: str) -> MovementModel:
    """Return the model called `name`; raises `InputError` naming the models there are."""
    if name not in MOVEMENT_MODELS:
        raise InputError(f"There is no movement model {name!r}; use one of {', '.join(sorted(MOVEMENT_MODELS))}.")
    return MOVEMENT_MODELS[name]
