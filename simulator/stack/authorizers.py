"""Lambda REQUEST authorizers, out of resources and out of an OpenAPI body, with the checks AWS makes (A01, A02).

JWT authorizers, IAM and API keys are refused by name: running without them would let everybody in.

Sources: CloudFormation `AWS::ApiGatewayV2::Authorizer`; API Gateway Developer Guide, "Control access to HTTP APIs with
AWS Lambda authorizers" and "x-amazon-apigateway-authorizer object". That an HTTP API keeps results for 300 s when
nothing is said was found on AWS by Terraform's acceptance tests.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from simulator.stack.functions import FunctionIndex
from simulator.stack.model import Authorizer, IdentitySource
from simulator.stack.place import Place
from simulator.stack.resources import Properties

Protocol = Literal["WEBSOCKET", "HTTP"]

CONNECT = "$connect"
_EXTENSION = "x-amazon-apigateway-authorizer"
_NOBODY = "NONE"
"""What SAM writes for an operation that does without the API's default authorizer."""
_IAM_EXTENSION = "x-amazon-apigateway-authtype"
_MAX_TTL_S, _DEFAULT_TTL_S = 3_600, 300
_TIMEOUT_MS: Mapping[Protocol, int] = {"WEBSOCKET": 29_000, "HTTP": 10_000}

_SPELLING: Mapping[Protocol, re.Pattern[str]] = {
    "WEBSOCKET": re.compile(r"(?:route\.request\.(header|querystring)|(context|stageVariables))\.(\S+)"),
    "HTTP": re.compile(r"\$(?:request\.(header|querystring)|(context|stageVariables))\.(\S+)"),
}
_EXAMPLE: Mapping[Protocol, str] = {
    "WEBSOCKET": "route.request.header.Auth, route.request.querystring.token, stageVariables.name or context.name",
    "HTTP": "$request.header.Auth, $request.querystring.token, $stageVariables.name or $context.name",
}


@dataclass(frozen=True, slots=True)
class _Names:
    """What one way of writing an authorizer calls its properties."""

    uri: str
    sources: str
    ttl: str
    payload_format: str
    simple: str


_RESOURCE = _Names(
    uri="AuthorizerUri",
    sources="IdentitySource",
    ttl="AuthorizerResultTtlInSeconds",
    payload_format="AuthorizerPayloadFormatVersion",
    simple="EnableSimpleResponses",
)
_OPENAPI = _Names(
    uri="authorizerUri",
    sources="identitySource",
    ttl="authorizerResultTtlInSeconds",
    payload_format="authorizerPayloadFormatVersion",
    simple="enableSimpleResponses",
)


def build_authorizer(properties: Properties, functions: FunctionIndex, protocol: Protocol) -> Authorizer:
    """One `AWS::ApiGatewayV2::Authorizer` of an API of this kind."""
    name = properties.required("Name")
    kind = properties.required("AuthorizerType")
    if kind == "JWT" and protocol == "WEBSOCKET":
        raise properties.error("AuthorizerType", "'JWT' is for HTTP APIs only; use REQUEST.")
    if kind != "REQUEST":
        raise properties.error("AuthorizerType", f"'{kind}' is not simulated; only REQUEST (a Lambda function) is.")
    if properties.mapping("JwtConfiguration"):
        raise properties.error("JwtConfiguration", "is for JWT authorizers, which are not simulated; remove it.")
    return _request_authorizer(name, properties, properties.texts("IdentitySource"), functions, protocol, _RESOURCE)


def openapi_authorizers(body: Mapping[str, Any], place: Place, functions: FunctionIndex) -> dict[str, Authorizer]:
    """The authorizers under `components.securitySchemes` of an HTTP API's body, by the name that routes use."""
    components = body.get("components")
    schemes = components.get("securitySchemes") if isinstance(components, Mapping) else None
    if not schemes:
        return {}
    here = place.at("components").at("securitySchemes")
    if not isinstance(schemes, Mapping):
        raise here.error("must be a mapping of schemes.")
    return {str(name): _scheme(str(name), scheme, here.at(name), functions) for name, scheme in schemes.items()}


def operation_authorizer(
    body: Mapping[str, Any], operation: Mapping[str, Any], authorizers: Mapping[str, Authorizer], place: Place
) -> Authorizer | None:
    """The authorizer that `security` of an operation, or else of the whole body, names."""
    security = operation.get("security", body.get("security"))
    if not security:
        return None
    here = place.at("security")
    if not isinstance(security, list) or not all(isinstance(item, Mapping) for item in security):
        raise here.error("must be a list of mappings, as in OpenAPI.")
    names = [name for item in security for name in item if name != _NOBODY or name in authorizers]
    if not names:
        return None
    if len(names) > 1:
        raise here.error(f"asks for {', '.join(map(str, names))}, and a route has one authorizer at most; leave one.")
    if names[0] not in authorizers:
        raise here.error(f"'{names[0]}' is not among components.securitySchemes; add it there.")
    return authorizers[names[0]]


def route_authorizer(
    route: Properties, authorizers: Mapping[str, Authorizer], route_key: str, protocol: Protocol
) -> Authorizer | None:
    """The authorizer of a route resource (`authorizers` by id); None when it has none.

    On a WebSocket API only `$connect` may have one (A01).
    """
    if route.flag("ApiKeyRequired"):
        raise route.error("ApiKeyRequired", "API keys are not simulated and everybody would be let in; remove it.")
    kind = route.text("AuthorizationType", "NONE")
    authorizer_id = route.text("AuthorizerId")
    if kind not in ("NONE", "CUSTOM"):
        raise route.error(
            "AuthorizationType",
            f"'{kind}' is not simulated and everybody would be let in; set it to NONE, or to CUSTOM with a Lambda "
            "authorizer, to run here.",
        )
    if protocol == "WEBSOCKET" and route_key != CONNECT and (kind != "NONE" or authorizer_id):
        raise route.error(
            "AuthorizationType" if kind != "NONE" else "AuthorizerId",
            f"is for the $connect route only, and this route is '{route_key}'; move it there.",
        )
    if kind == "NONE":
        if authorizer_id:
            raise route.error("AuthorizerId", "has no effect without AuthorizationType CUSTOM; set that.")
        return None
    if authorizer_id not in authorizers:
        raise route.error(
            "AuthorizerId",
            f"'{authorizer_id}' is not an authorizer of this API in this template; correct the reference.",
        )
    return authorizers[authorizer_id]


def _scheme(name: str, scheme: Any, place: Place, functions: FunctionIndex) -> Authorizer:
    if not isinstance(scheme, Mapping):
        raise place.error("must be a mapping.")
    if _IAM_EXTENSION in scheme:
        raise place.at(_IAM_EXTENSION).error(
            "IAM authorization is not simulated and everybody would be let in; remove it."
        )
    extension = scheme.get(_EXTENSION)
    here = place.at(_EXTENSION)
    if not isinstance(extension, Mapping):
        raise here.error("is missing, so it is not known who is let in; add a Lambda authorizer.")
    properties = Properties(extension, lambda value, _place: value, here)
    kind = properties.required("type").lower()
    if kind != "request":
        raise properties.error("type", f"'{kind}' is not simulated; only request (a Lambda function) is.")
    sources = properties.value("identitySource")
    # OpenAPI bodies also write the sources as one text with commas.
    listed = [part.strip() for part in sources.split(",") if part.strip()] if isinstance(sources, str) else None
    texts = properties.texts("identitySource") if listed is None else listed
    return _request_authorizer(name, properties, texts, functions, "HTTP", _OPENAPI)


def _request_authorizer(
    name: str,
    properties: Properties,
    sources: list[str],
    functions: FunctionIndex,
    protocol: Protocol,
    names: _Names,
) -> Authorizer:
    """What both ways of writing have in common."""
    function = functions.find(properties.required(names.uri), properties.place.at(names.uri))
    here = properties.place.at(names.sources)
    identity_sources = tuple(_identity_source(text, protocol, here) for text in sources)
    ttl_s = properties.optional_integer(names.ttl, 0, _MAX_TTL_S)
    payload_format = properties.text(names.payload_format)
    simple = properties.flag(names.simple)
    if protocol == "WEBSOCKET":
        for key, given in ((names.ttl, ttl_s), (names.payload_format, payload_format == "2.0"), (names.simple, simple)):
            if given:
                raise properties.error(key, "is for HTTP APIs only; remove it.")
        payload_format, ttl_s = "1.0", 0
    if payload_format not in ("1.0", "2.0"):
        raise properties.error(names.payload_format, f"must be '1.0' or '2.0', and is '{payload_format}'.")
    if simple and payload_format == "1.0":
        raise properties.error(names.simple, "needs payload format 2.0; set that, or answer with a policy.")
    if ttl_s and not identity_sources:
        raise properties.error(names.ttl, "needs at least one identity source, which results are kept by; add one.")
    if ttl_s is None:
        ttl_s = _DEFAULT_TTL_S if identity_sources else 0
    return Authorizer(
        name=name,
        function=function.name,
        identity_sources=identity_sources,
        timeout_ms=_TIMEOUT_MS[protocol],
        payload_format=cast("Literal['1.0', '2.0']", payload_format),
        simple_responses=simple,
        result_ttl_s=ttl_s,
    )


def _identity_source(text: str, protocol: Protocol, place: Place) -> IdentitySource:
    found = _SPELLING[protocol].fullmatch(text)
    if found is None:
        raise place.error(f"'{text}' must be written like {_EXAMPLE[protocol]}.")
    return IdentitySource(cast("Any", found[1] or found[2]), found[3])
