from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from simulator.errors import InputError
from simulator.stack import load_stack
from simulator.stack.model import (
    Authorizer,
    Cors,
    HttpRoute,
    IdentitySource,
    Stack,
    Throttle,
    Trigger,
    WebSocketRoute,
)

ROOT = Path(__file__).parents[3]

SAM = """\
AWSTemplateFormatVersion: 2010-09-09
Transform: AWS::Serverless-2016-10-31
Parameters:
  Stage: {Type: String, Default: primary}
Globals:
  Function:
    CodeUri: src/
    Runtime: python3.12
    Timeout: 10
    Environment: {Variables: {STAGE: !Ref Stage}}
Resources:
  Api:
    Type: AWS::Serverless::WebSocketApi
    Properties:
      StageName: !Ref Stage
      RouteSelectionExpression: $request.body.action
      Routes:
        $connect: {FunctionArn: !GetAtt Talk.Arn}
        say: {FunctionArn: !GetAtt Talk.Arn, IntegrationTimeout: 5000}
  Web:
    Type: AWS::Serverless::HttpApi
    Properties:
      StageName: web
      CorsConfiguration: {AllowOrigins: ["*"], AllowMethods: [GET]}
  Talk:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.handler
      FunctionName: !Sub "talk-${Stage}"
      Policies: [DynamoDBCrudPolicy: {TableName: !Ref Rows}]
      Environment: {Variables: {URL: !Sub "wss://${Api}.execute-api.${AWS::Region}.${AWS::URLSuffix}/${Stage}"}}
      Events:
        List: {Type: HttpApi, Properties: {ApiId: !Ref Web, Path: "/rows/{id}", Method: get}}
        Any: {Type: HttpApi}
        Work:
          Type: SQS
          Properties: {Queue: !GetAtt Queue.Arn, BatchSize: 5, FunctionResponseTypes: [ReportBatchItemFailures]}
        Nightly: {Type: Schedule, Properties: {Schedule: rate(1 day)}}
  Queue: {Type: AWS::SQS::Queue}
  Rows: {Type: AWS::Serverless::SimpleTable}
"""


@pytest.fixture
def template(tmp_path: Path) -> Path:
    (tmp_path / "src").mkdir()
    path = tmp_path / "shop.yaml"
    path.write_text(SAM)
    return path


def load(template: Path, **parameters: str) -> Stack:
    return load_stack(template, parameters=parameters, cache_dir=template.parent / "cache")


def test_a_sam_template_becomes_a_stack(template: Path) -> None:
    stack = load(template, Stage="test")
    (function,) = stack.functions
    (websocket_api,) = stack.websocket_apis
    assert (function.name, function.handler, function.timeout_s) == ("talk-test", "app.handler", 10)
    assert function.code_dir == template.parent / "src"
    assert function.environment == {
        "STAGE": "test",
        "URL": f"wss://{websocket_api.api_id}.execute-api.us-east-1.amazonaws.com/test",
    }
    assert websocket_api.routes == {
        "$connect": WebSocketRoute("$connect", "talk-test"),
        "say": WebSocketRoute("say", "talk-test", timeout_ms=5000),
    }
    http_apis = {api.logical_id: api for api in stack.http_apis}
    assert http_apis["Web"].stage == "web"
    assert http_apis["Web"].routes == (HttpRoute("GET", "/rows/{id}", "talk-test"),)
    assert http_apis["Web"].cors == Cors(allow_origins=("*",), allow_methods=("GET",))
    assert http_apis["ServerlessHttpApi"].routes == (HttpRoute("ANY", "$default", "talk-test"),)
    assert stack.triggers == (
        Trigger("TalkWork", "local-Queue", "talk-test", batch_size=5, report_batch_item_failures=True),
    )
    assert [table.name for table in stack.tables] == ["local-Rows"]
    assert stack.warnings == (
        (
            f"{template}: resource Talk, property Events.Nightly: Schedule events are not simulated; "
            "nothing invokes the function for them."
        ),
        "not simulated here: IAM roles and policies, Lambda permissions.",
    )


AUTHORIZED_SAM = """\
Transform: AWS::Serverless-2016-10-31
Globals: {Function: {CodeUri: src/, Runtime: python3.12, Handler: app.handler}}
Resources:
  Api:
    Type: AWS::Serverless::WebSocketApi
    Properties:
      StageName: primary
      RouteSelectionExpression: $request.body.action
      Auth: {AuthType: CUSTOM, AuthArn: !GetAtt Who.Arn, IdentitySource: [route.request.querystring.token]}
      DefaultRouteSettings: {ThrottlingBurstLimit: 10, ThrottlingRateLimit: 5}
      RouteSettings: {say: {ThrottlingRateLimit: 1}}
      Routes:
        $connect: {FunctionArn: !GetAtt Talk.Arn}
        say: {FunctionArn: !GetAtt Talk.Arn}
  Web:
    Type: AWS::Serverless::HttpApi
    Properties:
      StageName: web
      Auth:
        DefaultAuthorizer: Asks
        Authorizers:
          Asks:
            FunctionArn: !GetAtt Who.Arn
            AuthorizerPayloadFormatVersion: "2.0"
            EnableSimpleResponses: true
            EnableFunctionDefaultPermissions: true
            Identity: {Headers: [Auth], QueryStrings: [q], Context: [routeKey], ReauthorizeEvery: 20}
  Who: {Type: AWS::Serverless::Function}
  Talk:
    Type: AWS::Serverless::Function
    Properties:
      Events:
        List: {Type: HttpApi, Properties: {ApiId: !Ref Web, Path: /rows, Method: get}}
        Open: {Type: HttpApi, Properties: {ApiId: !Ref Web, Path: /open, Method: get, Auth: {Authorizer: NONE}}}
        Work:
          Type: SQS
          Properties:
            Queue: !GetAtt Queue.Arn
            FilterCriteria: {Filters: [{Pattern: '{"body": {"kind": ["move"]}}'}]}
            ProvisionedPollerConfig: {MinimumPollers: 3}
  Queue: {Type: AWS::SQS::Queue}
"""


def test_authorizers_throttles_and_filters_of_a_sam_template(template: Path) -> None:
    template.write_text(AUTHORIZED_SAM)
    stack = load(template)
    (websocket_api,), (http_api,), (trigger,) = stack.websocket_apis, stack.http_apis, stack.triggers
    assert websocket_api.routes["$connect"].authorizer == Authorizer(
        "ApiConnectAuthorizer", "local-Who", (IdentitySource("querystring", "token"),)
    )
    assert websocket_api.routes["say"].authorizer is None
    assert websocket_api.throttle == Throttle(rate_per_s=5, burst=10)
    assert websocket_api.routes["say"].throttle == Throttle(rate_per_s=1)
    assert {route.path: route.authorizer for route in http_api.routes} == {
        "/rows": Authorizer(
            name="Asks",
            function="local-Who",
            identity_sources=(
                IdentitySource("header", "Auth"),
                IdentitySource("querystring", "q"),
                IdentitySource("context", "routeKey"),
            ),
            timeout_ms=10_000,
            payload_format="2.0",
            simple_responses=True,
            result_ttl_s=20,
        ),
        "/open": None,
    }
    assert (trigger.filters, trigger.provisioned_pollers) == (({"body": {"kind": ["move"]}},), (3, 200))
    assert stack.warnings == ("not simulated here: IAM roles and policies, Lambda permissions.",)


@pytest.mark.parametrize(
    ("written", "instead", "said"),
    [
        pytest.param(
            'AuthorizerPayloadFormatVersion: "2.0"\n            EnableSimpleResponses: true\n'
            "            EnableFunctionDefaultPermissions: true\n"
            "            Identity: {Headers: [Auth], QueryStrings: [q], Context: [routeKey], ReauthorizeEvery: 20}",
            "",
            "must define 'AuthorizerPayloadFormatVersion'",
            id="no-format",
        ),
        pytest.param(
            "{AuthType: CUSTOM, AuthArn: !GetAtt Who.Arn, IdentitySource: [route.request.querystring.token]}",
            "{AuthType: AWS_IAM}",
            "'AWS_IAM' is not simulated and everybody would be let in",
            id="iam",
        ),
        pytest.param("route.request.querystring.token", "$request.header.A", "must be written like", id="spelling"),
    ],
)
def test_refused_sam_authorizers(template: Path, written: str, instead: str, said: str) -> None:
    assert written in AUTHORIZED_SAM
    template.write_text(AUTHORIZED_SAM.replace(written, instead))
    with pytest.raises(InputError) as refusal:
        load(template)
    assert said in str(refusal.value)


def test_the_second_start_does_not_import_the_translator(template: Path) -> None:
    first = load(template)
    script = (
        "import sys; from pathlib import Path; from simulator.stack import load_stack\n"
        f"stack = load_stack(Path({str(template)!r}), cache_dir=Path({str(template.parent / 'cache')!r}))\n"
        "print(stack.functions[0].name, *(m for m in ('samtranslator', 'boto3', 'yaml') if m in sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["talk-primary"]
    assert load(template) == first


def test_a_changed_template_is_translated_anew(template: Path) -> None:
    load(template)
    template.write_text(SAM.replace("BatchSize: 5", "BatchSize: 6"))
    assert load(template).triggers[0].batch_size == 6


def test_a_folder_that_goes_missing_is_noticed_in_spite_of_the_cache(template: Path) -> None:
    load(template)
    (template.parent / "src").rmdir()
    with pytest.raises(InputError, match=r"resource Talk, property CodeUri: .*src does not exist"):
        load(template)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        pytest.param("Path: ", "Pfad: ", "Talk", id="translator-refuses"),
        pytest.param("Handler: app.handler", "Handlr: app.handler", "Handlr", id="unknown-property"),
        pytest.param(
            "Handler: app.handler",
            "Handler: app.handler\n      InlineCode: x",
            "written into the template",
            id="inline",
        ),
        pytest.param("Handler: app.handler", "PackageType: Image\n      ImageUri: x", "container images", id="image"),
        pytest.param("CodeUri: src/", "CodeUri: s3://b/k", "lies in S3", id="s3"),
        pytest.param(
            "Type: AWS::Serverless::SimpleTable", "Type: AWS::Serverless::Api", "of SAM, Function, HttpApi", id="rest"
        ),
        pytest.param("Runtime: python3.12", "Runtime: nodejs22.x", "'nodejs22.x' cannot be run here", id="node"),
        pytest.param("Method: get}", "Method: get, Auth: {Authorizer: AWS_IAM}}", "", id="http-authorizer"),
        pytest.param("Type: SQS", "Type: 5", "Talk", id="event-type"),
    ],
)
def test_refusals_are_one_sentence_naming_file_and_resource(template: Path, old: str, new: str, said: str) -> None:
    assert old in SAM
    template.write_text(SAM.replace(old, new, 1))
    with pytest.raises(InputError) as refusal:
        load(template)
    assert str(refusal.value).startswith(f"{template}: ")
    assert said in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_our_own_template_loads(tmp_path: Path) -> None:
    stack = load_stack(ROOT / "template.yaml", cache_dir=tmp_path)
    assert {table.name: table.ttl_attribute for table in stack.tables} == {
        "websocket-connections": "expiresAt",
        "vendors": None,
    }
    source = next(queue for queue in stack.queues if queue.name == "vendor-twitter-queue")
    assert (source.attributes["VisibilityTimeout"], source.max_receive_count) == ("60", 5)
    (websocket_api,), (http_api,) = stack.websocket_apis, stack.http_apis
    assert sorted(websocket_api.routes) == ["$connect", "$default", "$disconnect", "sendvendor"]
    assert [(route.method, route.path) for route in http_api.routes] == [("GET", "/vendors")]
    assert [trigger.queue for trigger in stack.triggers] == ["vendor-twitter-queue"]
    assert len(stack.warnings) == 1
