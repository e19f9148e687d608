"""The loose parts of APIs (integrations, routes, stages, authorizers …), gathered for the API they belong to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from simulator.stack.functions import FunctionIndex
from simulator.stack.intrinsics import Resolver
from simulator.stack.names import StackReferences
from simulator.stack.place import Place
from simulator.stack.resources import Properties, Resource
from simulator.stack.stages import Stage, build_stage

MAX_ROUTES = 300
"""Per API (L15)."""
_RESERVED_PATHS = ("ping", "sping")
_KINDS = frozenset({"Route", "Integration", "Stage", "RouteResponse", "Authorizer", "Model"})


@dataclass(frozen=True, slots=True)
class Integration:
    """What a route points to: always a Lambda proxy integration."""

    function: str
    timeout_ms: int
    payload_format: str


@dataclass(slots=True)
class ApiParts:
    """Everything of one API besides itself."""

    routes: list[Properties] = field(default_factory=list)
    route_ids: dict[str, str] = field(default_factory=dict)
    """Route id to route key."""
    replying_routes: set[str] = field(default_factory=set)
    """Ids of routes with a route response."""
    stages: list[Properties] = field(default_factory=list)
    authorizers: dict[str, Properties] = field(default_factory=dict)
    """By authorizer id."""
    models: list[Properties] = field(default_factory=list)


class ApiAssembly:
    """Which parts belong to which API, and which integration a route's target is."""

    def __init__(self, resources: Mapping[str, Resource], resolver: Resolver, names: StackReferences) -> None:
        self._resolver = resolver
        self.parts: dict[str, ApiParts] = {
            names.api_id(resource): ApiParts()
            for resource in resources.values()
            if resource.type == "AWS::ApiGatewayV2::Api"
        }
        self._integrations: dict[str, Properties] = {}
        for resource in resources.values():
            kind = resource.type.removeprefix("AWS::ApiGatewayV2::")
            if kind == "ApiMapping":
                _refuse_reserved_path(resource.properties(resolver))
            if kind not in _KINDS or kind == resource.type:
                continue
            properties = resource.properties(resolver)
            parts = self._parts_of(properties)
            if kind == "Route":
                parts.routes.append(properties)
                parts.route_ids[names.physical_id(resource)] = properties.required("RouteKey")
            elif kind == "Integration":
                self._integrations[names.physical_id(resource)] = properties
            elif kind == "Stage":
                parts.stages.append(properties)
            elif kind == "Authorizer":
                parts.authorizers[names.physical_id(resource)] = properties
            elif kind == "Model":
                parts.models.append(properties)
            else:
                parts.replying_routes.add(properties.required("RouteId"))

    def stage(self, api_id: str, place: Place, route_keys: frozenset[str], *, allow_default: bool) -> Stage:
        """The one stage of an API that has these route keys. None, or several, is refused."""
        stages = self.parts[api_id].stages
        if len(stages) != 1:
            what = "has no stage, so no client could reach it; add an AWS::ApiGatewayV2::Stage"
            if stages:
                what = f"has {len(stages)} stages and the simulator runs one; leave one"
            raise place.error(f"{what}.")
        return build_stage(stages[0], route_keys, allow_default=allow_default)

    def integration(self, route: Properties, functions: FunctionIndex, *, max_timeout_ms: int) -> Integration:
        """What the route's Target stands for. Anything but a Lambda function of this stack is refused."""
        target = route.required("Target")
        properties = self._integrations.get(target.removeprefix("integrations/"))
        if properties is None or not target.startswith("integrations/"):
            raise route.error("Target", f"'{target}' is not an integration of this template; correct the reference.")
        kind = properties.required("IntegrationType")
        if kind not in ("AWS_PROXY", "AWS"):
            raise properties.error(
                "IntegrationType", f"'{kind}' is not simulated; only Lambda proxy integrations (AWS_PROXY) are."
            )
        if kind == "AWS":
            raise properties.error(
                "IntegrationType", "'AWS' needs mapping templates, which are not simulated; use AWS_PROXY."
            )
        if properties.text("ConnectionType", "INTERNET") != "INTERNET":
            raise properties.error("ConnectionType", "VPC links are not simulated; remove it.")
        uri = properties.required("IntegrationUri")
        function = functions.find(uri, properties.place.at("IntegrationUri"))
        return Integration(
            function=function.name,
            timeout_ms=properties.integer("TimeoutInMillis", max_timeout_ms, 50, max_timeout_ms),
            payload_format=properties.text("PayloadFormatVersion", "1.0"),
        )

    def _parts_of(self, properties: Properties) -> ApiParts:
        api_id = properties.required("ApiId")
        if api_id not in self.parts:
            raise properties.error("ApiId", f"'{api_id}' is not an API of this template; correct the reference.")
        return self.parts[api_id]


def check_route_count(count: int, place: Place) -> None:
    """Refuse an API without routes, or with more than AWS allows (L15)."""
    if not count:
        raise place.error("has no routes; add at least one.")
    if count > MAX_ROUTES:
        raise place.error(f"has {count} routes and AWS allows {MAX_ROUTES}; split it.")


def _refuse_reserved_path(mapping: Properties) -> None:
    """A custom domain's own health checks answer on these paths (L15)."""
    key = mapping.text("ApiMappingKey")
    if key.split("/")[0] in _RESERVED_PATHS:
        raise mapping.error("ApiMappingKey", f"'{key}' is reserved on custom domains; choose another path.")
