"""Lambda authorizers as a template writes them (A01, A02)."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from simulator.errors import InputError
from simulator.stack.model import Authorizer, IdentitySource, Stack

Load = Callable[..., Stack]
Resources = dict[str, Any]

AUTHORIZE = {"Type": "AWS::Lambda::Function", "Properties": {"Handler": "a.b", "Runtime": "python3.12", "Code": "src"}}
FUNCTIONS = "arn:${AWS::Partition}:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions"
URI = {"Fn::Sub": f"{FUNCTIONS}/${{Who.Arn}}/invocations"}


def with_authorizer(resources: Resources, api: str, *, route: dict[str, Any] | None = None, **more: Any) -> Resources:
    """`resources` with the authorizer A on the route R."""
    copied = copy.deepcopy(resources)
    defaults = {"ApiId": {"Ref": api}, "Name": "who", "AuthorizerType": "REQUEST", "AuthorizerUri": URI}
    properties = {name: value for name, value in {**defaults, **more}.items() if value is not None}
    copied["Who"] = AUTHORIZE
    copied["A"] = {"Type": "AWS::ApiGatewayV2::Authorizer", "Properties": properties}
    copied["R"]["Properties"] |= {"AuthorizationType": "CUSTOM", "AuthorizerId": {"Ref": "A"}, **(route or {})}
    return copied


# -- WebSocket APIs ----------------------------------------------------------------------------------------------------


def test_A01_an_authorizer_on_connect(load: Load, websocket_resources: Resources) -> None:
    sources = ["route.request.header.Auth", "route.request.querystring.token", "stageVariables.colour"]
    resources = with_authorizer(websocket_resources, "Ws", IdentitySource=[*sources, "context.identity.sourceIp"])
    stack = load(resources)
    assert stack.websocket_apis[0].routes["$connect"].authorizer == Authorizer(
        name="who",
        function="local-Who",
        identity_sources=(
            IdentitySource("header", "Auth"),
            IdentitySource("querystring", "token"),
            IdentitySource("stageVariables", "colour"),
            IdentitySource("context", "identity.sourceIp"),
        ),
    )
    assert stack.warnings == ()


def test_an_authorizer_without_identity_sources(load: Load, websocket_resources: Resources) -> None:
    resources = with_authorizer(websocket_resources, "Ws", AuthorizerPayloadFormatVersion="1.0")
    (api,) = load(resources).websocket_apis
    assert api.routes["$connect"].authorizer == Authorizer("who", "local-Who")


@pytest.mark.parametrize(
    ("route", "authorizer", "said"),
    [
        pytest.param(
            {"RouteKey": "say"},
            {},
            "resource R, property AuthorizationType: is for the $connect route only, and this route is 'say'",
            id="A01-other-route",
        ),
        pytest.param(
            {"RouteKey": "say", "AuthorizationType": "NONE"}, {}, "R, property AuthorizerId: is for the", id="A01-half"
        ),
        pytest.param({}, {"AuthorizerType": "JWT"}, "'JWT' is for HTTP APIs only", id="A01-jwt"),
        pytest.param({}, {"AuthorizerType": "TOKEN"}, "'TOKEN' is not simulated", id="A01-token"),
        pytest.param({"AuthorizationType": "JWT"}, {}, "'JWT' is not simulated and everybody", id="A01-route-jwt"),
        pytest.param({"AuthorizationType": "NONE"}, {}, "no effect without AuthorizationType CUSTOM", id="type-none"),
        pytest.param({"AuthorizerId": "x"}, {}, "'x' is not an authorizer of this API", id="no-such-authorizer"),
        pytest.param({"AuthorizerId": None}, {}, "'' is not an authorizer of this API", id="no-authorizer"),
        pytest.param({}, {"Name": None}, "resource A, property Name: is missing", id="no-name"),
        pytest.param({}, {"AuthorizerUri": None}, "AuthorizerUri: is missing", id="no-uri"),
        pytest.param({}, {"AuthorizerUri": "x"}, "'x' is not a function of this template", id="no-such-function"),
        pytest.param({}, {"ApiId": "x"}, "is not an API of this template", id="no-such-api"),
        pytest.param(
            {},
            {"IdentitySource": ["$request.header.Auth"]},
            "written like route.request.header.Auth",
            id="A02-spelling",
        ),
        pytest.param({}, {"IdentitySource": ["route.request.header."]}, "must be written like", id="A02-no-name"),
        pytest.param({}, {"IdentitySource": ["Auth"]}, "must be written like", id="A02-bare-name"),
        pytest.param({}, {"IdentitySource": "Auth"}, "must be a list", id="A02-no-list"),
        pytest.param({}, {"AuthorizerResultTtlInSeconds": 5}, "for HTTP APIs only", id="ttl"),
        pytest.param({}, {"AuthorizerPayloadFormatVersion": "2.0"}, "for HTTP APIs only", id="payload-format"),
        pytest.param({}, {"EnableSimpleResponses": True}, "for HTTP APIs only", id="simple-responses"),
        pytest.param({}, {"JwtConfiguration": {"Issuer": "x"}}, "is for JWT authorizers", id="jwt-configuration"),
    ],
)
def test_refused_websocket_authorizer(
    load: Load, websocket_resources: Resources, route: dict[str, Any], authorizer: dict[str, Any], said: str
) -> None:
    with pytest.raises(InputError) as refusal:
        load(with_authorizer(websocket_resources, "Ws", route=route, **authorizer))
    assert said in str(refusal.value)


# -- HTTP APIs out of resources ----------------------------------------------------------------------------------------


def test_an_authorizer_on_an_http_route(load: Load, http_resources: Resources) -> None:
    resources = with_authorizer(
        http_resources,
        "Web",
        AuthorizerPayloadFormatVersion="2.0",
        EnableSimpleResponses=True,
        AuthorizerResultTtlInSeconds=60,
        IdentitySource=["$request.header.Authorization", "$context.routeKey", "$stageVariables.a"],
    )
    (api,) = load(resources).http_apis
    assert api.routes[0].authorizer == Authorizer(
        name="who",
        function="local-Who",
        identity_sources=(
            IdentitySource("header", "Authorization"),
            IdentitySource("context", "routeKey"),
            IdentitySource("stageVariables", "a"),
        ),
        timeout_ms=10_000,
        payload_format="2.0",
        simple_responses=True,
        result_ttl_s=60,
    )


@pytest.mark.parametrize(
    ("properties", "ttl_s"),
    [
        pytest.param({"IdentitySource": ["$request.header.A"]}, 300, id="by-default"),
        pytest.param({"IdentitySource": ["$request.header.A"], "AuthorizerResultTtlInSeconds": 0}, 0, id="off"),
        pytest.param(
            {"IdentitySource": ["$request.header.A"], "AuthorizerResultTtlInSeconds": 3600}, 3600, id="longest"
        ),
        pytest.param({}, 0, id="nothing-to-keep-it-by"),
    ],
)
def test_how_long_a_result_is_kept(
    load: Load, http_resources: Resources, properties: dict[str, Any], ttl_s: int
) -> None:
    resources = with_authorizer(http_resources, "Web", AuthorizerPayloadFormatVersion="1.0", **properties)
    authorizer = load(resources).http_apis[0].routes[0].authorizer
    assert authorizer is not None
    assert authorizer.result_ttl_s == ttl_s


SOURCE = {"IdentitySource": ["$request.header.A"]}


@pytest.mark.parametrize(
    ("authorizer", "said"),
    [
        pytest.param({"AuthorizerType": "JWT"}, "'JWT' is not simulated; only REQUEST", id="jwt"),
        pytest.param({"AuthorizerPayloadFormatVersion": None}, "must be '1.0' or '2.0', and is ''", id="no-format"),
        pytest.param({"AuthorizerPayloadFormatVersion": "3.0"}, "must be '1.0' or '2.0'", id="format"),
        pytest.param(
            {"AuthorizerPayloadFormatVersion": "1.0", "EnableSimpleResponses": True},
            "needs payload format 2.0",
            id="simple",
        ),
        pytest.param({"AuthorizerResultTtlInSeconds": 5}, "needs at least one identity source", id="ttl-for-nobody"),
        pytest.param({**SOURCE, "AuthorizerResultTtlInSeconds": 3_601}, "from 0 to 3600", id="ttl-too-long"),
        pytest.param(
            {"IdentitySource": ["route.request.header.A"]}, "written like $request.header.Auth", id="spelling"
        ),
    ],
)
def test_refused_http_authorizer(load: Load, http_resources: Resources, authorizer: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as refusal:
        load(with_authorizer(http_resources, "Web", **{"AuthorizerPayloadFormatVersion": "2.0", **authorizer}))
    assert "resource A, property" in str(refusal.value)
    assert said in str(refusal.value)


# -- HTTP APIs out of an OpenAPI body ----------------------------------------------------------------------------------

REQUEST = {
    "type": "request",
    "authorizerUri": URI,
    "authorizerPayloadFormatVersion": "2.0",
    "identitySource": "$request.header.Auth, $request.querystring.q",
    "enableSimpleResponses": True,
    "authorizerResultTtlInSeconds": 5,
}
WHO = Authorizer(
    name="who",
    function="local-Who",
    identity_sources=(IdentitySource("header", "Auth"), IdentitySource("querystring", "q")),
    timeout_ms=10_000,
    payload_format="2.0",
    simple_responses=True,
    result_ttl_s=5,
)


def scheme(extension: Any = None, **more: Any) -> dict[str, Any]:
    extended = {"x-amazon-apigateway-authorizer": extension} if extension is not None else {}
    return {"type": "apiKey", "name": "Unused", "in": "header", **extended, **more}


def api_of(body: dict[str, Any]) -> Resources:
    return {
        "F": AUTHORIZE,
        "Who": AUTHORIZE,
        "Web": {"Type": "AWS::ApiGatewayV2::Api", "Properties": {"Body": body}},
        "S": {"Type": "AWS::ApiGatewayV2::Stage", "Properties": {"ApiId": {"Ref": "Web"}, "StageName": "$default"}},
    }


def body(security: Any = "absent", whole: Any = "absent", who: Any = None) -> dict[str, Any]:
    integration = {"type": "aws_proxy", "uri": {"Fn::GetAtt": ["F", "Arn"]}, "payloadFormatVersion": "2.0"}
    operation: dict[str, Any] = {"x-amazon-apigateway-integration": integration}
    if security != "absent":
        operation["security"] = security
    document: dict[str, Any] = {
        "openapi": "3.0.1",
        "paths": {"/a": {"get": operation}},
        "components": {"securitySchemes": {"who": scheme(REQUEST) if who is None else who}},
    }
    if whole != "absent":
        document["security"] = whole
    return document


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        pytest.param(body(), None, id="not asked for"),
        pytest.param(body([{"who": []}]), WHO, id="by the operation"),
        pytest.param(body(whole=[{"who": []}]), WHO, id="by the whole body"),
        pytest.param(body([], whole=[{"who": []}]), None, id="the operation asks for none"),
        pytest.param(body([{}]), None, id="an empty requirement"),
    ],
)
def test_an_authorizer_of_an_openapi_body(load: Load, document: dict[str, Any], expected: Authorizer | None) -> None:
    (api,) = load(api_of(document)).http_apis
    assert api.routes[0].authorizer == expected


@pytest.mark.parametrize(
    ("document", "said"),
    [
        pytest.param(body([{"other": []}]), "'other' is not among components.securitySchemes", id="no such scheme"),
        pytest.param(body([{"who": []}, {"x": []}]), "asks for who, x", id="two at once"),
        pytest.param(body("who"), "must be a list of mappings", id="security a text"),
        pytest.param(body(who=scheme({"type": "jwt"}, type="oauth2")), "'jwt' is not simulated", id="jwt"),
        pytest.param(
            body(who=scheme(**{"x-amazon-apigateway-authtype": "awsSigv4"})), "IAM authorization is not", id="iam"
        ),
        pytest.param(body(who=scheme()), "x-amazon-apigateway-authorizer: is missing", id="api key"),
        pytest.param(body(who="x"), "must be a mapping", id="scheme a text"),
    ],
)
def test_refused_openapi_security(load: Load, document: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as refusal:
        load(api_of(document))
    assert "resource Web, property Body" in str(refusal.value)
    assert said in str(refusal.value)
