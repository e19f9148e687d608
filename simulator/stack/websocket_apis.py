"""WebSocket APIs with their routes."""

from __future__ import annotations

from simulator.stack.api_parts import ApiAssembly, refuse_authorization
from simulator.stack.functions import FunctionIndex
from simulator.stack.model import WebSocketApi, WebSocketRoute
from simulator.stack.names import StackReferences
from simulator.stack.resources import Properties, Resource

_MAX_TIMEOUT_MS = 29_000
_REPLY = "$default"


def build_websocket_api(
    resource: Resource,
    properties: Properties,
    names: StackReferences,
    assembly: ApiAssembly,
    functions: FunctionIndex,
    warnings: list[str],
) -> WebSocketApi:
    """One WebSocket API. Adds a warning for a route that is meant to reply but, as in AWS, will not (M12)."""
    api_id = names.api_id(resource)
    for name in ("Body", "CorsConfiguration"):
        if properties.value(name) is not None:
            raise properties.error(name, "is for HTTP APIs only; remove it.")
    expression = properties.required("RouteSelectionExpression")
    parts = assembly.parts[api_id]
    replying = {parts.route_ids[route_id] for route_id in parts.replying_routes if route_id in parts.route_ids}
    routes: dict[str, WebSocketRoute] = {}
    for route in parts.routes:
        key = route.required("RouteKey")
        if key in routes:
            raise route.error("RouteKey", f"'{key}' stands on two routes of {resource.logical_id}; remove one.")
        refuse_authorization(route)
        integration = assembly.integration(route, functions, max_timeout_ms=_MAX_TIMEOUT_MS)
        wants_reply = route.text("RouteResponseSelectionExpression") == _REPLY
        if wants_reply and key not in replying:
            warnings.append(
                route.place.at("RouteResponseSelectionExpression").sentence(
                    "has no AWS::ApiGatewayV2::RouteResponse beside it, so the reply is dropped, as AWS does."
                )
            )
        routes[key] = WebSocketRoute(key, integration.function, integration.timeout_ms, wants_reply and key in replying)
    if not routes:
        raise resource.place.error("has no routes; add at least one.")
    stage = assembly.stage(api_id, resource.place, allow_default=False)
    return WebSocketApi(
        logical_id=resource.logical_id,
        api_id=api_id,
        name=properties.text("Name", resource.logical_id),
        stage=stage.name,
        route_selection_expression=expression,
        routes=routes,
        stage_variables=stage.variables,
    )
