"""HTTP APIs: from an OpenAPI body (what SAM writes) or from route and integration resources."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

from simulator.stack.api_parts import ApiAssembly, check_route_count
from simulator.stack.authorizers import build_authorizer, openapi_authorizers, operation_authorizer, route_authorizer
from simulator.stack.functions import FunctionIndex
from simulator.stack.model import Authorizer, Cors, HttpApi, HttpRoute
from simulator.stack.names import StackReferences
from simulator.stack.place import Place
from simulator.stack.resources import Properties, Resource

_METHODS = frozenset({"ANY", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
_ANY_METHOD = "x-amazon-apigateway-any-method"
_INTEGRATION = "x-amazon-apigateway-integration"
_CORS = "x-amazon-apigateway-cors"
_PATH_ITEM_TEXTS = frozenset({"parameters", "summary", "description", "servers"})
_INTEGRATION_KEYS = frozenset(
    {"httpMethod", "type", "uri", "payloadFormatVersion", "timeoutInMillis", "connectionType", "passthroughBehavior"}
    | {"credentials"}
)
_DEFAULT = "$default"
_MAX_TIMEOUT_MS = 30_000


def build_http_api(
    resource: Resource,
    properties: Properties,
    names: StackReferences,
    assembly: ApiAssembly,
    functions: FunctionIndex,
) -> HttpApi:
    """One HTTP API. Raises `InputError` for integrations that are not Lambda, doubled routes, and JWT and the like."""
    api_id = names.api_id(resource)
    body = properties.mapping("Body")
    parts = assembly.parts[api_id]
    if parts.models:
        raise parts.models[0].error(
            "ApiId", "is an HTTP API, and models are for WebSocket APIs only; remove the model."
        )
    routes = [*_body_routes(body, properties.place.at("Body"), functions)]
    authorizers = {
        authorizer_id: build_authorizer(each, functions, "HTTP") for authorizer_id, each in parts.authorizers.items()
    }
    routes += [_route(route, assembly, authorizers, functions) for route in parts.routes]
    seen: set[str] = set()
    for route in routes:
        if route.key in seen:
            raise resource.place.error(f"has the route '{route.key}' twice; remove one.")
        seen.add(route.key)
    check_route_count(len(routes), resource.place)
    stage = assembly.stage(api_id, resource.place, frozenset(seen), allow_default=True)
    info = body.get("info")
    title = str(info.get("title", "")) if isinstance(info, Mapping) else ""
    return HttpApi(
        logical_id=resource.logical_id,
        api_id=api_id,
        name=properties.text("Name") or title or resource.logical_id,
        stage=stage.name,
        routes=tuple(replace(route, throttle=stage.route_throttles.get(route.key)) for route in routes),
        cors=_cors(properties, body),
        stage_variables=stage.variables,
        throttle=stage.throttle,
    )


def _route(
    properties: Properties, assembly: ApiAssembly, authorizers: Mapping[str, Authorizer], functions: FunctionIndex
) -> HttpRoute:
    """One route resource."""
    for name in ("RequestModels", "ModelSelectionExpression", "RouteResponseSelectionExpression"):
        if properties.value(name) is not None:
            raise properties.error(name, "is for WebSocket APIs only; remove it.")
    key = properties.required("RouteKey")
    method, path = _route_key(key, properties.place.at("RouteKey"))
    integration = assembly.integration(properties, functions, max_timeout_ms=_MAX_TIMEOUT_MS)
    return HttpRoute(
        method=method,
        path=path,
        function=integration.function,
        payload_format=_payload_format(integration.payload_format, properties.place),
        timeout_ms=integration.timeout_ms,
        authorizer=route_authorizer(properties, authorizers, key, "HTTP"),
    )


def _route_key(key: str, place: Place) -> tuple[str, str]:
    if key == _DEFAULT:
        return "ANY", _DEFAULT
    method, _, path = key.partition(" ")
    if method not in _METHODS or not path.startswith("/"):
        raise place.error(f"'{key}' must be a method and a path, as in 'GET /vendors', or $default.")
    return method, path


def _payload_format(text: str, place: Place) -> Literal["1.0", "2.0"]:
    if text == "1.0":
        return "1.0"
    if text == "2.0":
        return "2.0"
    raise place.at("PayloadFormatVersion").error(f"must be '1.0' or '2.0', and is '{text}'.")


def _body_routes(body: Mapping[str, Any], place: Place, functions: FunctionIndex) -> list[HttpRoute]:
    authorizers = openapi_authorizers(body, place, functions)
    paths = body.get("paths") or {}
    if not isinstance(paths, Mapping):
        raise place.at("paths").error("must be a mapping of paths.")
    routes: list[HttpRoute] = []
    for path, item in paths.items():
        here = place.at("paths").at(path)
        if not isinstance(item, Mapping) or "$ref" in item:
            raise here.error("must be a mapping of methods, written out.")
        for name, operation in item.items():
            if name in _PATH_ITEM_TEXTS or (name.startswith("x-") and name != _ANY_METHOD):
                continue
            method = "ANY" if name == _ANY_METHOD else name.upper()
            if method not in _METHODS or not isinstance(operation, Mapping):
                raise here.at(name).error("is not a method.")
            if path != _DEFAULT and not path.startswith("/"):
                raise here.error("must start with '/'.")
            route = _operation_route(method, path, operation, here.at(name), functions)
            routes.append(replace(route, authorizer=operation_authorizer(body, operation, authorizers, here.at(name))))
    return routes


def _operation_route(
    method: str, path: str, operation: Mapping[str, Any], place: Place, functions: FunctionIndex
) -> HttpRoute:
    integration = operation.get(_INTEGRATION)
    here = place.at(_INTEGRATION)
    if not isinstance(integration, Mapping):
        raise here.error("is missing, so nothing would answer; add a Lambda proxy integration.")
    unknown = sorted(set(integration) - _INTEGRATION_KEYS)
    if unknown:
        raise here.at(unknown[0]).error("is not simulated; remove it.")
    settings = Properties(integration, lambda value, _place: value, here)
    kind = settings.required("type")
    if kind.upper() != "AWS_PROXY":
        raise here.at("type").error(f"'{kind}' is not simulated; only Lambda proxy integrations (aws_proxy) are.")
    if settings.text("connectionType", "INTERNET") != "INTERNET":
        raise here.at("connectionType").error("VPC links are not simulated; remove it.")
    function = functions.find(settings.required("uri"), here.at("uri"))
    return HttpRoute(
        method="ANY" if path == _DEFAULT else method,
        path=path,
        function=function.name,
        payload_format=_payload_format(settings.text("payloadFormatVersion", "1.0"), here),
        timeout_ms=settings.integer("timeoutInMillis", _MAX_TIMEOUT_MS, 50, _MAX_TIMEOUT_MS),
    )


def _cors(properties: Properties, body: Mapping[str, Any]) -> Cors | None:
    """The API's own CorsConfiguration, or the OpenAPI extension, which spells the same in camel case."""
    own = properties.mapping("CorsConfiguration")
    extension = body.get(_CORS)
    if not own and not isinstance(extension, Mapping):
        return None
    place = properties.place.at("CorsConfiguration") if own else properties.place.at("Body").at(_CORS)
    raw = own or {str(key)[:1].upper() + str(key)[1:]: value for key, value in (extension or {}).items()}
    cors = Properties(raw, lambda value, _place: value, place)
    known = {"AllowOrigins", "AllowMethods", "AllowHeaders", "ExposeHeaders", "MaxAge", "AllowCredentials"}
    for name in raw:
        if name not in known:
            raise cors.error(name, f"is not one of {', '.join(sorted(known))}; correct it.")
    origins, credentials = tuple(cors.texts("AllowOrigins")), cors.flag("AllowCredentials")
    if credentials and "*" in origins:
        raise cors.error("AllowCredentials", "cannot be true while every origin ('*') is allowed; name the origins.")
    return Cors(
        allow_origins=origins,
        allow_methods=tuple(cors.texts("AllowMethods")),
        allow_headers=tuple(cors.texts("AllowHeaders")),
        expose_headers=tuple(cors.texts("ExposeHeaders")),
        max_age_s=cors.optional_integer("MaxAge", -1, 86_400),
        allow_credentials=credentials,
    )
