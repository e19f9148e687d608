from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from simulator.stack import load_stack
from simulator.stack.model import Stack

Load = Callable[..., Stack]


def function(**properties: Any) -> dict[str, Any]:
    defaults = {"Handler": "app.handler", "Runtime": "python3.12", "Code": "src"}
    return {"Type": "AWS::Lambda::Function", "Properties": {**defaults, **properties}}


def integration_uri(function_id: str) -> dict[str, Any]:
    path = "lambda:path/2015-03-31/functions"
    return {"Fn::Sub": f"arn:${{AWS::Partition}}:apigateway:${{AWS::Region}}:{path}/${{{function_id}.Arn}}/invocations"}


def api(kind: str, **properties: Any) -> dict[str, Any]:
    return {"Type": f"AWS::ApiGatewayV2::{kind}", "Properties": properties}


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Writes resources as a plain template beside a code folder, and loads it."""
    (tmp_path / "src").mkdir()

    def write_and_load(
        resources: Mapping[str, Any], *, parameters: Mapping[str, str] | None = None, **sections: Any
    ) -> Stack:
        template = tmp_path / "shop.json"
        template.write_text(json.dumps({"Resources": resources, **sections}))
        return load_stack(template, parameters=parameters, cache_dir=tmp_path / "cache")

    return write_and_load


@pytest.fixture
def make_function() -> Callable[..., dict[str, Any]]:
    return function


@pytest.fixture
def websocket_resources() -> dict[str, Any]:
    """The least WebSocket API: one route, one integration, one stage."""
    return {
        "F": function(),
        "Ws": api("Api", Name="ws", ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.action"),
        "I": api("Integration", ApiId={"Ref": "Ws"}, IntegrationType="AWS_PROXY", IntegrationUri=integration_uri("F")),
        "R": api("Route", ApiId={"Ref": "Ws"}, RouteKey="$connect", Target={"Fn::Sub": "integrations/${I}"}),
        "S": api("Stage", ApiId={"Ref": "Ws"}, StageName="primary", AutoDeploy=True),
    }


@pytest.fixture
def http_resources() -> dict[str, Any]:
    """The least HTTP API out of separate resources."""
    return {
        "F": function(),
        "Web": api("Api", Name="web", ProtocolType="HTTP"),
        "I": api(
            "Integration",
            ApiId={"Ref": "Web"},
            IntegrationType="AWS_PROXY",
            IntegrationUri={"Fn::GetAtt": ["F", "Arn"]},
            PayloadFormatVersion="2.0",
        ),
        "R": api("Route", ApiId={"Ref": "Web"}, RouteKey="GET /vendors", Target={"Fn::Sub": "integrations/${I}"}),
        "S": api("Stage", ApiId={"Ref": "Web"}, StageName="$default"),
    }


@pytest.fixture
def trigger_resources() -> dict[str, Any]:
    """A queue that triggers a function."""
    return {
        "F": function(Timeout=10),
        "Q": {"Type": "AWS::SQS::Queue", "Properties": {"VisibilityTimeout": 60}},
        "M": {
            "Type": "AWS::Lambda::EventSourceMapping",
            "Properties": {"EventSourceArn": {"Fn::GetAtt": ["Q", "Arn"]}, "FunctionName": {"Ref": "F"}},
        },
    }
