"""WebSocket APIs with their routes."""

from __future__ import annotations

from collections.abc import Iterator

from simulator.stack.api_parts import ApiAssembly, check_route_count
from simulator.stack.authorizers import CONNECT, build_authorizer, route_authorizer
from simulator.stack.functions import FunctionIndex
from simulator.stack.model import WebSocketApi, WebSocketRoute
from simulator.stack.names import StackReferences
from simulator.stack.request_models import build_model, model_selection, route_models
from simulator.stack.resources import Properties, Resource

_MAX_TIMEOUT_MS = 29_000
_REPLY = "$default"
_DISCONNECT = "$disconnect"


def build_websocket_api(
    resource: Resource,
    properties: Properties,
    names: StackReferences,
    assembly: ApiAssembly,
    functions: FunctionIndex,
    warnings: list[str],
) -> WebSocketApi:
    """One WebSocket API. Adds a warning for what a route asks for and, as in AWS, will not get."""
    api_id = names.api_id(resource)
    for name in ("Body", "CorsConfiguration"):
        if properties.value(name) is not None:
            raise properties.error(name, "is for HTTP APIs only; remove it.")
    expression = properties.required("RouteSelectionExpression")
    parts = assembly.parts[api_id]
    check_route_count(len(parts.routes), resource.place)
    stage = assembly.stage(api_id, resource.place, frozenset(parts.route_ids.values()), allow_default=False)
    authorizers = {
        authorizer_id: build_authorizer(each, functions, "WEBSOCKET")
        for authorizer_id, each in parts.authorizers.items()
    }
    models = dict(map(build_model, parts.models))
    replying = {parts.route_ids[route_id] for route_id in parts.replying_routes if route_id in parts.route_ids}
    routes: dict[str, WebSocketRoute] = {}
    for route in parts.routes:
        key = route.required("RouteKey")
        if key in routes:
            raise route.error("RouteKey", f"'{key}' stands on two routes of {resource.logical_id}; remove one.")
        integration = assembly.integration(route, functions, max_timeout_ms=_MAX_TIMEOUT_MS)
        request_models = route_models(route, models)
        routes[key] = WebSocketRoute(
            key=key,
            function=integration.function,
            timeout_ms=integration.timeout_ms,
            route_response=route.text("RouteResponseSelectionExpression") == _REPLY and key in replying,
            authorizer=route_authorizer(route, authorizers, key, "WEBSOCKET"),
            throttle=stage.route_throttles.get(key),
            model_selection_expression=model_selection(route) if request_models else None,
            request_models=request_models,
        )
        warnings += _without_effect(route, routes[key])
    return WebSocketApi(
        logical_id=resource.logical_id,
        api_id=api_id,
        name=properties.text("Name", resource.logical_id),
        stage=stage.name,
        route_selection_expression=expression,
        routes=routes,
        stage_variables=stage.variables,
        throttle=stage.throttle,
    )


def _without_effect(properties: Properties, route: WebSocketRoute) -> Iterator[str]:
    """A sentence for each thing that a route asks for in vain."""
    if properties.text("RouteResponseSelectionExpression") == _REPLY and not route.route_response:
        yield properties.place.at("RouteResponseSelectionExpression").sentence(
            "has no AWS::ApiGatewayV2::RouteResponse beside it, so the reply is dropped, as AWS does."
        )
    if route.request_models and route.key in (CONNECT, _DISCONNECT):
        yield properties.place.at("RequestModels").sentence(f"has no effect: {route.key} comes without a message.")
    elif properties.text("ModelSelectionExpression") and not route.request_models:
        yield properties.place.at("ModelSelectionExpression").sentence("has no effect without RequestModels.")
