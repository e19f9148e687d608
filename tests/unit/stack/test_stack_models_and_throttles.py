"""Request models (M09), and the throttles of stages and routes (L10)."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from simulator.errors import InputError
from simulator.stack.model import Stack, Throttle

Load = Callable[..., Stack]
Resources = dict[str, Any]

SCHEMA = {
    "$schema": "http://json-schema.org/draft-04/schema#",
    "type": "object",
    "required": ["action"],
    "properties": {"action": {"$ref": "#/definitions/word"}},
    "definitions": {"word": {"type": "string"}},
}


def changed(resources: Resources, logical_id: str, **properties: Any) -> Resources:
    copied = copy.deepcopy(resources)
    copied[logical_id]["Properties"] |= properties
    return copied


def with_model(
    resources: Resources, schema: Any = None, *, route: dict[str, Any] | None = None, **more: Any
) -> Resources:
    asked = {"RouteKey": "say", "RequestModels": {"$default": "Said"}} if route is None else route
    copied = changed(resources, "R", **asked)
    properties = {"ApiId": {"Ref": "Ws"}, "Name": "Said", "Schema": SCHEMA if schema is None else schema, **more}
    copied["M"] = {"Type": "AWS::ApiGatewayV2::Model", "Properties": properties}
    return copied


def test_M09_a_route_has_models(load: Load, websocket_resources: Resources) -> None:
    stack = load(with_model(websocket_resources, ContentType="application/json"))
    route = stack.websocket_apis[0].routes["say"]
    assert route.request_models == {"$default": SCHEMA}
    assert route.model_selection_expression is None
    assert stack.warnings == ()


def test_M09_models_are_selected_by_an_expression(load: Load, websocket_resources: Resources) -> None:
    asked = {"RouteKey": "say", "RequestModels": {"a": "Said", "b": "Said"}}
    resources = with_model(
        websocket_resources,
        route={**asked, "ModelSelectionExpression": "$request.body.kind"},
        Schema='{"type": "object"}',
    )
    route = load(resources).websocket_apis[0].routes["say"]
    assert route.request_models == {"a": {"type": "object"}, "b": {"type": "object"}}
    assert route.model_selection_expression == "$request.body.kind"


def test_M09_the_constant_expression_is_none_at_all(load: Load, websocket_resources: Resources) -> None:
    asked = {"RouteKey": "say", "RequestModels": {"$default": "Said"}, "ModelSelectionExpression": "$default"}
    route = load(with_model(websocket_resources, route=asked)).websocket_apis[0].routes["say"]
    assert route.model_selection_expression is None


@pytest.mark.parametrize(
    ("schema", "properties", "said"),
    [
        pytest.param({"type": "objekt"}, {}, "is not a JSON schema of draft 4 (at $.type", id="not a type"),
        pytest.param({"required": []}, {}, "(at $.required", id="draft 4 wants one required name at least"),
        pytest.param({"properties": {"a": {"minimum": "1"}}}, {}, "(at $.properties.a.minimum", id="deeper"),
        pytest.param("{", {}, "is not JSON", id="text that is not JSON"),
        pytest.param("[" * 5_000, {}, "is not JSON", id="text without end"),
        pytest.param("[]", {}, "must be a JSON schema, an object", id="a list"),
        pytest.param(7, {}, "must be a JSON schema, an object", id="a number"),
        pytest.param(
            {"$ref": "https://apigateway.amazonaws.com/restapis/abc/models/Other"}, {}, "another model", id="a URL"
        ),
        pytest.param({"items": [{"$ref": "Other"}]}, {}, "refers to 'Other', another model", id="a name"),
        pytest.param({"$ref": "#/definitions/none"}, {}, "which it does not have", id="a part that is not there"),
        pytest.param({"$ref": "#word"}, {}, "which it does not have", id="an anchor"),
        pytest.param({"pattern": "("}, {}, "(at $.pattern", id="a pattern that is none"),
        pytest.param({"patternProperties": {"(": {}}}, {}, "which is no pattern", id="a name that is no pattern"),
        pytest.param(SCHEMA, {"Name": "a-b"}, "property Name: 'a-b' must be", id="name"),
        pytest.param(SCHEMA, {"ContentType": "text/xml"}, "'text/xml' is not simulated", id="content type"),
    ],
)
def test_M09_refused_model(
    load: Load, websocket_resources: Resources, schema: Any, properties: dict[str, Any], said: str
) -> None:
    with pytest.raises(InputError) as refusal:
        load(with_model(websocket_resources, schema, route={}, **properties))
    assert "resource M, property" in str(refusal.value)
    assert said in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("reference", ["#", "#/definitions/word", "#/items/1", "#/definitions/a~1b~0c"])
def test_M09_a_schema_may_refer_to_its_own_parts(load: Load, websocket_resources: Resources, reference: str) -> None:
    schema = {"definitions": {"word": {}, "a/b~c": {}}, "items": [{}, {}], "properties": {"x": {"$ref": reference}}}
    route = load(with_model(websocket_resources, schema)).websocket_apis[0].routes["say"]
    assert route.request_models == {"$default": schema}


def test_M09_a_route_names_a_model_of_its_api(load: Load, websocket_resources: Resources) -> None:
    asked = {"RouteKey": "say", "RequestModels": {"$default": "Other"}}
    with pytest.raises(InputError, match=r"RequestModels.\$default: 'Other' is not the Name of a model"):
        load(with_model(websocket_resources, route=asked))


@pytest.mark.parametrize(
    ("route", "said"),
    [
        pytest.param({"RequestModels": {"$default": "Said"}}, "$connect comes without a message", id="connect"),
        pytest.param(
            {"ModelSelectionExpression": "$request.body.a"}, "no effect without RequestModels", id="no models"
        ),
    ],
)
def test_M09_what_has_no_effect_is_told(
    load: Load, websocket_resources: Resources, route: dict[str, Any], said: str
) -> None:
    (warning,) = load(with_model(websocket_resources, route=route)).warnings
    assert said in warning


def test_M09_models_are_for_websocket_apis(load: Load, http_resources: Resources) -> None:
    with pytest.raises(InputError, match="RequestModels: is for WebSocket APIs only"):
        load(changed(http_resources, "R", RequestModels={}))
    model = {"Type": "AWS::ApiGatewayV2::Model", "Properties": {"ApiId": {"Ref": "Web"}, "Name": "A", "Schema": {}}}
    with pytest.raises(InputError, match="resource M, property ApiId: is an HTTP API"):
        load({**http_resources, "M": model})


def test_M09_leaving_the_check_to_the_first_message_is_not_possible_here(
    load: Load, websocket_resources: Resources
) -> None:
    stack = load(changed(websocket_resources, "Ws", DisableSchemaValidation=True))
    assert stack.warnings == ("not simulated here: the properties ApiGatewayV2::Api.DisableSchemaValidation.",)


# -- throttles ---------------------------------------------------------------------------------------------------------


def test_L10_throttles_of_stage_and_route(load: Load, websocket_resources: Resources) -> None:
    resources = changed(
        websocket_resources,
        "S",
        DefaultRouteSettings={"ThrottlingBurstLimit": "5", "ThrottlingRateLimit": 2.5},
        RouteSettings={"$connect": {"ThrottlingRateLimit": 0}},
    )
    stack = load(resources)
    (api,) = stack.websocket_apis
    assert api.throttle == Throttle(rate_per_s=2.5, burst=5)
    assert api.routes["$connect"].throttle == Throttle(rate_per_s=0.0)
    assert stack.warnings == ()


def test_P17_throttles_of_an_http_api(load: Load, http_resources: Resources) -> None:
    resources = changed(
        http_resources,
        "S",
        DefaultRouteSettings={"ThrottlingBurstLimit": 1},
        RouteSettings={"GET /vendors": {"ThrottlingBurstLimit": 0}},
    )
    (api,) = load(resources).http_apis
    assert api.throttle == Throttle(burst=1)
    assert api.routes[0].throttle == Throttle(burst=0)


def test_L10_without_settings_only_the_accounts_throttle_holds(load: Load, websocket_resources: Resources) -> None:
    (api,) = load(
        changed(websocket_resources, "S", DefaultRouteSettings={}, RouteSettings={"$connect": {}})
    ).websocket_apis
    assert api.throttle is None
    assert api.routes["$connect"].throttle is None


def test_settings_about_metrics_and_logs_have_no_effect_and_are_named(
    load: Load, websocket_resources: Resources
) -> None:
    resources = changed(
        websocket_resources,
        "S",
        DefaultRouteSettings={"LoggingLevel": "INFO", "DataTraceEnabled": True, "ThrottlingBurstLimit": 1},
        RouteSettings={"$connect": {"DetailedMetricsEnabled": True}},
    )
    (warning,) = load(resources).warnings
    assert warning == (
        "not simulated here: the properties ApiGatewayV2::Stage.DefaultRouteSettings.DataTraceEnabled, "
        "ApiGatewayV2::Stage.DefaultRouteSettings.LoggingLevel, "
        "ApiGatewayV2::Stage.RouteSettings.*.DetailedMetricsEnabled."
    )


@pytest.mark.parametrize(
    ("properties", "said"),
    [
        pytest.param({"DefaultRouteSettings": {"ThrottlingBurstLimit": -1}}, "must be a whole number", id="burst"),
        pytest.param({"DefaultRouteSettings": {"ThrottlingBurstLimit": 1.5}}, "must be a whole number", id="half"),
        pytest.param({"DefaultRouteSettings": {"ThrottlingRateLimit": -0.1}}, "number of at least 0", id="rate"),
        pytest.param({"DefaultRouteSettings": {"ThrottlingRateLimit": "fast"}}, "number of at least 0", id="text"),
        pytest.param({"DefaultRouteSettings": {"ThrottlingRateLimit": "inf"}}, "number of at least 0", id="infinite"),
        pytest.param({"DefaultRouteSettings": {"ThrottlingRateLimit": True}}, "number of at least 0", id="truth"),
        pytest.param(
            {"DefaultRouteSettings": {"Throttling": 1}}, "DefaultRouteSettings.Throttling: is not one", id="name"
        ),
        pytest.param({"DefaultRouteSettings": 5}, "must be a mapping", id="no mapping"),
        pytest.param({"RouteSettings": {"say": {}}}, "RouteSettings.say: is not a route key", id="no such route"),
        pytest.param({"RouteSettings": {"$connect": 5}}, "RouteSettings.$connect: must be a mapping", id="a number"),
    ],
)
def test_L10_refused_route_settings(
    load: Load, websocket_resources: Resources, properties: dict[str, Any], said: str
) -> None:
    with pytest.raises(InputError) as refusal:
        load(changed(websocket_resources, "S", **properties))
    assert "resource S, property" in str(refusal.value)
    assert said in str(refusal.value)
