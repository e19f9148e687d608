"""What template.yaml promises, read from its transformed form."""

import copy
import re
from pathlib import Path

import pytest
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

from tracker import settings, viewers
from tracker.default import ACTIONS

TEMPLATE = Path(__file__).parents[3] / "template.yaml"


class NoManagedPolicies:
    def load(self):
        return {}


@pytest.fixture(scope="module")
def source():
    return yaml_parse(TEMPLATE.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def resources(source):
    template = copy.deepcopy(source)
    template["Globals"]["Function"]["CodeUri"] = "s3://bucket/key"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        return transform(template, {}, NoManagedPolicies())["Resources"]


def of_type(resources, kind):
    return {name: r.get("Properties", {}) for name, r in resources.items() if r["Type"] == kind}


def references(value):
    """Logical ids that a value names by Ref, GetAtt or Sub."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "Ref":
                yield inner
            elif key == "Fn::GetAtt":
                yield inner[0] if isinstance(inner, list) else inner.split(".")[0]
            elif key == "Fn::Sub":
                text, names = inner if isinstance(inner, list) else (inner, {})
                yield from (part.split("}")[0].split(".")[0] for part in text.split("${")[1:])
                yield from references(names)
            else:
                yield from references(inner)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


def test_the_routes_lead_to_the_handlers(resources):
    integrations = of_type(resources, "AWS::ApiGatewayV2::Integration")
    functions = of_type(resources, "AWS::Lambda::Function")
    handlers = {}
    for route in of_type(resources, "AWS::ApiGatewayV2::Route").values():
        integration = next(name for name in references(route["Target"]) if name in integrations)
        function = next(name for name in references(integrations[integration]["IntegrationUri"]) if name in functions)
        handlers[route["RouteKey"]] = functions[function]["Handler"]
    assert handlers == {
        "$connect": "tracker.connect.handler",
        "$disconnect": "tracker.disconnect.handler",
        "$default": "tracker.default.handler",
        "sendvendor": "tracker.publish_vendor.handler",
    }


def test_A01_who_connects_is_looked_at_on_connect_only(resources):
    routes = of_type(resources, "AWS::ApiGatewayV2::Route").values()
    (connect,) = [route for route in routes if route.get("AuthorizationType", "NONE") != "NONE"]
    (authorizer,) = of_type(resources, "AWS::ApiGatewayV2::Authorizer").values()
    assert (connect["RouteKey"], connect["AuthorizationType"]) == ("$connect", "CUSTOM")
    assert resources[connect["AuthorizerId"]["Ref"]]["Properties"] == authorizer
    assert authorizer["AuthorizerType"] == "REQUEST"
    assert "AuthorizeFunction" in references(authorizer["AuthorizerUri"])
    assert resources["AuthorizeFunction"]["Properties"]["Handler"] == "tracker.authorize.handler"


def test_A02_viewers_who_bring_nothing_are_not_refused_before_the_authorizer_sees_them(resources):
    (authorizer,) = of_type(resources, "AWS::ApiGatewayV2::Authorizer").values()
    assert "IdentitySource" not in authorizer


def test_api_gateway_may_call_the_authorizer(resources):
    permissions = of_type(resources, "AWS::Lambda::Permission").values()
    (permission,) = [p for p in permissions if "AuthorizeFunction" in references(p["FunctionName"])]
    assert permission["Action"] == "lambda:InvokeFunction"
    assert permission["Principal"] == "apigateway.amazonaws.com"
    assert "WebSocketApi" in references(permission["SourceArn"])


def test_M12_only_the_sendvendor_route_answers_and_its_answer_is_let_through(resources):
    routes = of_type(resources, "AWS::ApiGatewayV2::Route")
    answering = {name for name, route in routes.items() if "RouteResponseSelectionExpression" in route}
    (response,) = of_type(resources, "AWS::ApiGatewayV2::RouteResponse").values()
    assert answering == {response["RouteId"]["Ref"]}
    assert routes[response["RouteId"]["Ref"]]["RouteKey"] == "sendvendor"
    assert response["RouteResponseKey"] == "$default"


def test_no_secret_stands_in_the_template_and_only_the_authorizer_knows_where_it_is(source, resources):
    parameter = source["Parameters"]["VendorTokenSecretsParameter"]
    assert re.fullmatch(parameter["AllowedPattern"], parameter["Default"])
    knowing = {
        name
        for name, function in of_type(resources, "AWS::Lambda::Function").items()
        if any(variable.startswith("VENDOR_TOKEN") for variable in function["Environment"]["Variables"])
    }
    assert knowing == {"AuthorizeFunction"}
    variables = resources["AuthorizeFunction"]["Properties"]["Environment"]["Variables"]
    assert variables["VENDOR_TOKEN_SECRETS_PARAMETER"] == {"Ref": "VendorTokenSecretsParameter"}
    assert "VENDOR_TOKEN_SECRETS" not in variables


@pytest.mark.parametrize("name", ["secrets", "/a b", "/a/", "//a", "/*", "/a${b}", "/a\n", ""])
def test_a_parameter_name_that_would_widen_the_role_is_refused(source, name):
    assert not re.fullmatch(source["Parameters"]["VendorTokenSecretsParameter"]["AllowedPattern"], name)


def test_the_actions_that_default_names_are_the_custom_routes(source):
    routes = source["Resources"]["WebSocketApi"]["Properties"]["Routes"]
    assert set(ACTIONS) == {route for route in routes if not route.startswith("$")}


def test_the_table_names_are_those_the_handlers_assume(source):
    parameters = source["Parameters"]
    assert parameters["ConnectionsTableName"]["Default"] == settings.DEFAULT_CONNECTIONS_TABLE
    assert parameters["VendorsTableName"]["Default"] == settings.DEFAULT_VENDORS_TABLE


def test_rows_of_connections_expire(resources):
    ttl = resources["ConnectionsTable"]["Properties"]["TimeToLiveSpecification"]
    assert ttl == {"AttributeName": "expiresAt", "Enabled": True}


def test_the_trigger_reports_failures_and_the_queue_outlasts_the_function(source, resources):
    """(Q10, Q13, Q14)"""
    mappings = of_type(resources, "AWS::Lambda::EventSourceMapping")
    assert {name: mapping["BatchSize"] for name, mapping in mappings.items()} == {
        "SendVendorFunctionVendorUpdates": 10,
        "FanOutFunctionSegments": 1,
    }
    for mapping in mappings.values():
        assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    parameters = source["Parameters"]
    timeout_s = parameters["SendVendorTimeout"]["Default"]
    assert parameters["VendorQueueVisibilityTimeout"]["Default"] >= 6 * timeout_s
    assert parameters["VendorQueueMaxReceiveCount"]["Default"] == 5
    queue = resources["VendorQueue"]["Properties"]
    assert queue["RedrivePolicy"]["deadLetterTargetArn"] == {"Fn::GetAtt": ["VendorDeadLetterQueue", "Arn"]}
    assert queue["ReceiveMessageWaitTimeSeconds"] == 3
    assert queue["MessageRetentionPeriod"] == 24 * 60 * 60


def test_a_connection_is_young_for_as_long_as_its_handshake_may_take(resources):
    """(C15): a 410 within that time is no proof that it is gone."""
    functions = [resources[name]["Properties"] for name in ("AuthorizeFunction", "ConnectFunction")]
    assert sum(function["Timeout"] for function in functions) < viewers.YOUNG_S


def test_the_alarm_calls_whoever_is_asked_for(source, resources):
    assert source["Parameters"]["AlarmTopicArn"]["Default"] == ""
    actions = resources["VendorDeadLetterAlarm"]["Properties"]["AlarmActions"]
    assert actions == {"Fn::If": ["AlarmTopicGiven", [{"Ref": "AlarmTopicArn"}], {"Ref": "AWS::NoValue"}]}


@pytest.mark.parametrize(
    ("role", "actions"),
    [
        ("ConnectRole", {"dynamodb:PutItem"}),
        ("DisconnectRole", {"dynamodb:DeleteItem"}),
        ("GetVendorsRole", {"dynamodb:Scan"}),
        ("DefaultRole", {"execute-api:ManageConnections"}),
        ("PublishVendorRole", {"sqs:SendMessage"}),
        ("AuthorizeRole", {"ssm:GetParameter"}),
        (
            "SendVendorRole",
            {
                "dynamodb:Scan", "dynamodb:BatchWriteItem", "execute-api:ManageConnections", "sqs:SendMessage",
                "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes",
            },
        ),
        (
            "FanOutRole",
            {
                "dynamodb:Scan", "dynamodb:BatchWriteItem", "execute-api:ManageConnections",
                "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes",
            },
        ),
    ],
)  # fmt: skip
def test_every_function_may_do_what_it_does_and_no_more(resources, role, actions):
    properties = resources[role]["Properties"]
    assert "ManagedPolicyArns" not in properties
    allowed = set()
    for policy in properties["Policies"]:
        for written in policy["PolicyDocument"]["Statement"]:
            statement = written["Fn::If"][1] if "Fn::If" in written else written
            action = statement["Action"]
            allowed.update([action] if isinstance(action, str) else action)
            assert statement["Resource"] != "*"
    assert allowed == actions | {"logs:CreateLogStream", "logs:PutLogEvents"}


def test_without_segments_there_is_no_fan_out_queue_and_nobody_may_send_to_it(source, resources):
    assert source["Parameters"]["FanOutSegments"]["Default"] == 0
    names = {name for name, body in source["Resources"].items() if body.get("Condition") == "FanOut"}
    assert names == {"FanOutQueue", "FanOutFunction", "FanOutLogs", "FanOutRole"}
    variables = resources["SendVendorFunction"]["Properties"]["Environment"]["Variables"]
    assert variables["FANOUT_QUEUE_URL"] == {"Fn::If": ["FanOut", {"Ref": "FanOutQueue"}, ""]}
    statements = resources["SendVendorRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]
    (conditional,) = [each["Fn::If"] for each in statements if "Fn::If" in each]
    assert (conditional[0], conditional[1]["Action"]) == ("FanOut", "sqs:SendMessage")


def test_posting_is_allowed_on_this_api_and_stage_only(source):
    statements = source["Resources"]["DefaultRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]
    assert statements[-1]["Resource"] == {
        "Fn::Sub": "arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}"
        ":${WebSocketApi}/${StageName}/POST/@connections/*"
    }


def test_no_resource_waits_for_itself(resources):
    open_names = {name: {r for r in references(body) if r in resources} for name, body in resources.items()}
    for name, body in resources.items():
        depends = body.get("DependsOn", [])
        open_names[name].update([depends] if isinstance(depends, str) else depends)
    while open_names:
        free = [name for name, needs in open_names.items() if not needs & open_names.keys()]
        assert free, f"these resources need each other: {sorted(open_names)}"
        for name in free:
            del open_names[name]


def test_every_handler_exists(resources):
    for function in of_type(resources, "AWS::Lambda::Function").values():
        module, _, name = function["Handler"].rpartition(".")
        path = TEMPLATE.parent.joinpath(*module.split(".")).with_suffix(".py")
        assert f"def {name}(event:" in path.read_text(encoding="utf-8")


def test_every_log_group_ends(resources):
    groups = of_type(resources, "AWS::Logs::LogGroup")
    used = {f["LoggingConfig"]["LogGroup"]["Ref"] for f in of_type(resources, "AWS::Lambda::Function").values()}
    assert used == set(groups)
    assert all("RetentionInDays" in group for group in groups.values())


def test_the_outputs_name_everything_that_is_needed_to_drive_the_stack(source):
    assert set(source["Outputs"]) == {
        "WebSocketUrl", "HttpUrl", "ManagementUrl", "VendorQueueUrl", "VendorDeadLetterQueueUrl",
        "ConnectionsTableName", "VendorsTableName",
    }  # fmt: skip
