"""The stage of an API: its name (L15), its variables, and the throttles on it and on single routes (L10)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from simulator.stack.model import Throttle
from simulator.stack.resources import Properties

_NAME = re.compile(r"[A-Za-z0-9_-]{1,128}")
_SETTINGS = frozenset(
    {"ThrottlingBurstLimit", "ThrottlingRateLimit", "DetailedMetricsEnabled", "DataTraceEnabled", "LoggingLevel"}
)
_MAX_BURST = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Stage:
    """The one stage of an API."""

    name: str
    variables: Mapping[str, str]
    throttle: Throttle | None = None
    route_throttles: Mapping[str, Throttle] = field(default_factory=dict)
    """By route key; its unset values are the stage's."""


def build_stage(properties: Properties, route_keys: frozenset[str], *, allow_default: bool) -> Stage:
    """One stage of an API that has routes with these keys."""
    name = properties.required("StageName")
    if not _NAME.fullmatch(name) and not (allow_default and name == "$default"):
        raise properties.error("StageName", f"'{name}' must be 1 to 128 letters, digits, hyphens and underscores.")
    variables = properties.mapping("StageVariables")
    by_route = properties.inside("RouteSettings")
    throttles: dict[str, Throttle] = {}
    for key in properties.mapping("RouteSettings"):
        if key not in route_keys:
            raise by_route.error(key, "is not a route key of this API; correct it.")
        throttle = _throttle(by_route, key)
        if throttle is not None:
            throttles[key] = throttle
    return Stage(
        name,
        {key: str(value) for key, value in variables.items()},
        _throttle(properties, "DefaultRouteSettings"),
        throttles,
    )


def _throttle(properties: Properties, name: str) -> Throttle | None:
    """The throttle in one mapping of route settings; None when it says nothing of throttling."""
    inside = properties.inside(name)
    for key in properties.mapping(name):
        if key not in _SETTINGS:
            raise inside.error(key, f"is not one of {', '.join(sorted(_SETTINGS))}; correct it.")
    throttle = Throttle(
        rate_per_s=inside.optional_number("ThrottlingRateLimit", 0),
        burst=inside.optional_integer("ThrottlingBurstLimit", 0, _MAX_BURST),
    )
    return None if throttle == Throttle() else throttle
