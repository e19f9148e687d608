from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from simulator.errors import InputError
from simulator.stack import load_stack
from simulator.stack.model import Cors, Function, HttpRoute, Queue, Stack, Table, Trigger, WebSocketRoute

Load = Callable[..., Stack]
Resources = dict[str, Any]

TABLE: dict[str, Any] = {
    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    "BillingMode": "PAY_PER_REQUEST",
}


def changed(resources: Resources, logical_id: str, **properties: Any) -> Resources:
    """A copy of `resources` with some properties of one resource set, or removed by None."""
    copied = copy.deepcopy(resources)
    target = copied[logical_id].setdefault("Properties", {})
    for name, value in properties.items():
        target.pop(name, None)
        if value is not None:
            target[name] = value
    return copied


# -- what is built -----------------------------------------------------------------------------------------------------


def test_table(load: Load) -> None:
    properties = {**TABLE, "TimeToLiveSpecification": {"AttributeName": "expiresAt", "Enabled": True}}
    stack = load({"Rows": {"Type": "AWS::DynamoDB::Table", "Properties": properties}})
    assert stack.tables == (Table("Rows", "local-Rows", {"TableName": "local-Rows", **TABLE}, "expiresAt"),)


def test_provisioned_table_with_index_takes_numbers_written_as_texts(load: Load) -> None:
    throughput = {"ReadCapacityUnits": "5", "WriteCapacityUnits": 1}
    index = {"IndexName": "by", "KeySchema": TABLE["KeySchema"], "ProvisionedThroughput": throughput}
    properties = {**TABLE, "TableName": "rows", "ProvisionedThroughput": throughput, "GlobalSecondaryIndexes": [index]}
    del properties["BillingMode"]
    (table,) = load({"Rows": {"Type": "AWS::DynamoDB::Table", "Properties": properties}}).tables
    assert table.create_request == {
        "TableName": "rows",
        "AttributeDefinitions": TABLE["AttributeDefinitions"],
        "KeySchema": TABLE["KeySchema"],
        "BillingMode": "PROVISIONED",
        "ProvisionedThroughput": {"ReadCapacityUnits": 5, "WriteCapacityUnits": 1},
        "GlobalSecondaryIndexes": [
            {
                "IndexName": "by",
                "KeySchema": TABLE["KeySchema"],
                "Projection": {"ProjectionType": "ALL"},
                "ProvisionedThroughput": {"ReadCapacityUnits": 5, "WriteCapacityUnits": 1},
            }
        ],
    }


def test_time_to_live_that_is_not_enabled_is_off(load: Load) -> None:
    properties = {**TABLE, "TimeToLiveSpecification": {"AttributeName": "expiresAt", "Enabled": False}}
    assert load({"Rows": {"Type": "AWS::DynamoDB::Table", "Properties": properties}}).tables[0].ttl_attribute is None


def test_queue_with_dead_letter_queue(load: Load) -> None:
    redrive = {"deadLetterTargetArn": {"Fn::GetAtt": ["Dead", "Arn"]}, "maxReceiveCount": "5"}
    stack = load(
        {
            "Work": {
                "Type": "AWS::SQS::Queue",
                "Properties": {"QueueName": "work", "VisibilityTimeout": 60, "RedrivePolicy": redrive},
            },
            "Dead": {"Type": "AWS::SQS::Queue"},
        }
    )
    assert stack.queues == (
        Queue(
            logical_id="Work",
            name="work",
            url="https://sqs.us-east-1.amazonaws.com/123456789012/work",
            arn="arn:aws:sqs:us-east-1:123456789012:work",
            attributes={"VisibilityTimeout": "60"},
            dead_letter_queue="local-Dead",
            max_receive_count=5,
        ),
        Queue(
            logical_id="Dead",
            name="local-Dead",
            url="https://sqs.us-east-1.amazonaws.com/123456789012/local-Dead",
            arn="arn:aws:sqs:us-east-1:123456789012:local-Dead",
            attributes={},
        ),
    )


def test_fifo_queue_gets_the_suffix_in_its_generated_name(load: Load) -> None:
    properties = {"FifoQueue": True, "ContentBasedDeduplication": "true"}
    (queue,) = load({"Q": {"Type": "AWS::SQS::Queue", "Properties": properties}}).queues
    assert (queue.name, queue.fifo) == ("local-Q.fifo", True)
    assert queue.attributes == {"FifoQueue": "true", "ContentBasedDeduplication": "true"}


def test_function(load: Load, make_function: Callable[..., Any], tmp_path: Path) -> None:
    variables = {"TABLE": {"Ref": "Rows"}, "LIMIT": 5, "ON": True, "GONE": {"Ref": "AWS::NoValue"}}
    resources = {
        "Rows": {"Type": "AWS::DynamoDB::Table", "Properties": TABLE},
        "F": make_function(
            Timeout=10, MemorySize=256, ReservedConcurrentExecutions=2, Environment={"Variables": variables}
        ),
    }
    assert load(resources).functions == (
        Function(
            logical_id="F",
            name="local-F",
            arn="arn:aws:lambda:us-east-1:123456789012:function:local-F",
            handler="app.handler",
            runtime="python3.12",
            code_dir=tmp_path / "src",
            timeout_s=10,
            memory_mb=256,
            environment={"TABLE": "local-Rows", "LIMIT": "5", "ON": "true"},
            reserved_concurrency=2,
        ),
    )


def test_websocket_api(load: Load, websocket_resources: Resources) -> None:
    resources = changed(websocket_resources, "S", StageVariables={"colour": "blue"})
    (api,) = load(resources).websocket_apis
    assert (api.logical_id, api.name, api.stage) == ("Ws", "ws", "primary")
    assert api.route_selection_expression == "$request.body.action"
    assert api.routes == {"$connect": WebSocketRoute("$connect", "local-F")}
    assert api.stage_variables == {"colour": "blue"}
    assert len(api.api_id) == 10
    assert api.api_id.isalnum()
    assert api.api_id == api.api_id.lower()


def test_route_with_route_response_replies(load: Load, websocket_resources: Resources) -> None:
    resources = changed(websocket_resources, "R", RouteKey="echo", RouteResponseSelectionExpression="$default")
    response = {"ApiId": {"Ref": "Ws"}, "RouteId": {"Ref": "R"}, "RouteResponseKey": "$default"}
    resources["Reply"] = {"Type": "AWS::ApiGatewayV2::RouteResponse", "Properties": response}
    stack = load(resources)
    assert stack.websocket_apis[0].routes["echo"].route_response
    assert stack.warnings == ()


def test_route_without_route_response_does_not_reply_and_says_so(load: Load, websocket_resources: Resources) -> None:
    stack = load(changed(websocket_resources, "R", RouteKey="echo", RouteResponseSelectionExpression="$default"))
    assert not stack.websocket_apis[0].routes["echo"].route_response
    (warning,) = stack.warnings
    assert "resource R, property RouteResponseSelectionExpression" in warning


def test_http_api_of_single_resources(load: Load, http_resources: Resources) -> None:
    cors = {"AllowOrigins": ["*"], "AllowMethods": ["GET"], "MaxAge": 60}
    (api,) = load(changed(http_resources, "Web", CorsConfiguration=cors)).http_apis
    assert api.stage == "$default"
    assert api.routes == (HttpRoute("GET", "/vendors", "local-F"),)
    assert api.cors == Cors(allow_origins=("*",), allow_methods=("GET",), max_age_s=60)


def test_trigger(load: Load, trigger_resources: Resources) -> None:
    resources = changed(
        trigger_resources,
        "M",
        BatchSize=100,
        MaximumBatchingWindowInSeconds=2,
        FunctionResponseTypes=["ReportBatchItemFailures"],
        ScalingConfig={"MaximumConcurrency": 4},
        Enabled=False,
    )
    assert load(resources).triggers == (
        Trigger(
            logical_id="M",
            queue="local-Q",
            function="local-F",
            batch_size=100,
            batching_window_s=2,
            report_batch_item_failures=True,
            maximum_concurrency=4,
            enabled=False,
        ),
    )


@pytest.mark.parametrize(
    "reference",
    [
        pytest.param({"Ref": "F"}, id="name"),
        pytest.param({"Fn::GetAtt": ["F", "Arn"]}, id="arn"),
        pytest.param({"Ref": "Live"}, id="alias"),
        pytest.param({"Fn::Sub": "123456789012:function:${F}"}, id="partial-arn"),
        pytest.param({"Fn::Sub": "${F}:live"}, id="name-with-alias"),
    ],
)
def test_a_trigger_finds_its_function_however_it_is_referred_to(
    load: Load, trigger_resources: Resources, reference: object
) -> None:
    resources = changed(trigger_resources, "M", FunctionName=reference)
    alias = {"FunctionName": {"Ref": "F"}, "FunctionVersion": "$LATEST", "Name": "live"}
    resources["Live"] = {"Type": "AWS::Lambda::Alias", "Properties": alias}
    assert load(resources).triggers[0].function == "local-F"


def test_a_resource_whose_condition_does_not_hold_is_not_there(load: Load) -> None:
    stack = load(
        {
            "A": {"Type": "AWS::SQS::Queue", "Condition": "Big"},
            "B": {"Type": "AWS::SQS::Queue"},
        },
        Parameters={"Size": {"Type": "String", "Default": "small"}},
        Conditions={"Big": {"Fn::Equals": [{"Ref": "Size"}, "big"]}},
        Outputs={"A": {"Value": "x", "Condition": "Big"}, "B": {"Value": {"Ref": "B"}}},
    )
    assert [queue.logical_id for queue in stack.queues] == ["B"]
    assert stack.outputs == {"B": "https://sqs.us-east-1.amazonaws.com/123456789012/local-B"}


def test_parameters_reach_names(load: Load) -> None:
    stack = load(
        {"A": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": {"Fn::Sub": "${Env}-work"}}}},
        parameters={"Env": "test"},
        Parameters={"Env": {"Type": "String"}},
    )
    assert stack.queues[0].name == "test-work"


def test_long_generated_names_stay_within_the_limit_and_apart(load: Load, make_function: Callable[..., Any]) -> None:
    stack = load({"F" * 70: make_function(), "F" * 71: make_function()})
    first, second = (function.name for function in stack.functions)
    assert len(first) == len(second) == 64
    assert first != second


def test_api_ids_are_the_same_each_time_and_differ_between_apis(load: Load, websocket_resources: Resources) -> None:
    one = load(websocket_resources).websocket_apis[0].api_id
    again = load(changed(websocket_resources, "S", StageName="other")).websocket_apis[0].api_id
    assert one == again


def test_yaml_template_in_another_region(tmp_path: Path) -> None:
    template = tmp_path / "2 shop.yaml"
    template.write_text("Resources:\n  Q: {Type: 'AWS::SQS::Queue'}\nOutputs:\n  Arn: {Value: !GetAtt Q.Arn}\n")
    stack = load_stack(template, region="cn-north-1", account_id="111111111111", cache_dir=tmp_path / "c")
    assert stack.outputs == {"Arn": "arn:aws-cn:sqs:cn-north-1:111111111111:local-Q"}
    assert stack.queues[0].url == "https://sqs.cn-north-1.amazonaws.com.cn/111111111111/local-Q"


def test_second_load_takes_the_kept_translation_and_gives_the_same(load: Load, trigger_resources: Resources) -> None:
    assert load(trigger_resources) == load(trigger_resources)


# -- warnings ----------------------------------------------------------------------------------------------------------


def test_what_does_nothing_by_nature_shares_one_sentence(load: Load, make_function: Callable[..., Any]) -> None:
    stack = load(
        {
            "F": make_function(TracingConfig={"Mode": "Active"}, Description="d", Tags=[]),
            "Role": {"Type": "AWS::IAM::Role"},
            "Policy": {"Type": "AWS::IAM::Policy"},
            "Logs": {"Type": "AWS::Logs::LogGroup"},
            "Alarm": {"Type": "AWS::CloudWatch::Alarm", "Properties": {"Threshold": {"Fn::ImportValue": "x"}}},
        }
    )
    assert stack.warnings == (
        (
            "not simulated here: IAM roles and policies, alarms, log groups; "
            "the properties Lambda::Function.TracingConfig."
        ),
    )


@pytest.mark.parametrize(
    ("resource", "said"),
    [
        pytest.param({"Type": "AWS::S3::Bucket"}, "resource X: AWS::S3::Bucket is not simulated", id="unknown-type"),
        pytest.param(
            {"Type": "AWS::SQS::Queue", "Properties": {"Shiny": 1}}, "resource X, property Shiny", id="unknown-property"
        ),
        pytest.param(
            {"Type": "AWS::DynamoDB::Table", "Properties": {**TABLE, "StreamSpecification": {}}},
            "not streamed to anything",
            id="streams",
        ),
        pytest.param(
            {
                "Type": "AWS::Lambda::EventSourceMapping",
                "Properties": {"EventSourceArn": "arn:aws:kinesis:us-east-1:1:stream/s", "FunctionName": "f"},
            },
            "is not an SQS queue",
            id="stream-trigger",
        ),
    ],
)
def test_what_is_missed_is_named(load: Load, resource: dict[str, Any], said: str) -> None:
    (warning,) = load({"X": resource}).warnings
    assert said in warning
    assert "shop.json" in warning


def test_a_reference_to_something_not_simulated_gets_a_stand_in_and_a_warning(
    load: Load, make_function: Callable[..., Any]
) -> None:
    variables = {"TOPIC": {"Fn::GetAtt": ["Topic", "TopicArn"]}, "BUCKET": {"Ref": "Bucket"}}
    stack = load(
        {
            "F": make_function(Environment={"Variables": variables}),
            "Topic": {"Type": "AWS::SNS::Topic"},
            "Bucket": {"Type": "AWS::S3::Bucket"},
        }
    )
    assert stack.functions[0].environment == {
        "TOPIC": "arn:aws:sns:us-east-1:123456789012:Topic/TopicArn",
        "BUCKET": "local-Bucket",
    }
    assert any("Topic.TopicArn (AWS::SNS::Topic) is not simulated" in warning for warning in stack.warnings)


def test_an_output_that_cannot_be_worked_out_is_left_out_with_a_warning(load: Load) -> None:
    stack = load(
        {"Q": {"Type": "AWS::SQS::Queue"}},
        Outputs={"Bad": {"Value": {"Fn::ImportValue": "x"}}, "Good": {"Value": {"Fn::GetAtt": ["Q", "QueueName"]}}},
    )
    assert stack.outputs == {"Good": "local-Q"}
    (warning,) = stack.warnings
    assert "output Bad: is left out: uses Fn::ImportValue" in warning


# -- refusals ----------------------------------------------------------------------------------------------------------


def assert_refused(load: Load, resources: Resources, logical_id: str, said: str) -> None:
    with pytest.raises(InputError) as refusal:
        load(resources)
    assert f"resource {logical_id}" in str(refusal.value)
    assert said in str(refusal.value)


def queue(**properties: Any) -> dict[str, Any]:
    return {"Type": "AWS::SQS::Queue", "Properties": properties}


def table(**properties: Any) -> dict[str, Any]:
    return {"Type": "AWS::DynamoDB::Table", "Properties": {**TABLE, **properties}}


@pytest.mark.parametrize(
    ("resource", "said"),
    [
        pytest.param(queue(QueueName="a b"), "property QueueName: 'a b' must be", id="queue-name"),
        pytest.param(queue(VisibilityTimeout=50_000), "property VisibilityTimeout: must be a whole", id="visibility"),
        pytest.param(queue(DelaySeconds="soon"), "property DelaySeconds", id="delay-is-no-number"),
        pytest.param(queue(DelaySeconds=True), "property DelaySeconds", id="delay-is-a-truth-value"),
        pytest.param(queue(DelaySeconds=[1]), "property DelaySeconds", id="delay-is-a-list"),
        pytest.param(queue(FifoQueue=True, QueueName="q"), "must end in .fifo", id="fifo-name"),
        pytest.param(queue(FifoQueue="perhaps"), "must be true or false", id="fifo-neither"),
        pytest.param(queue(ContentBasedDeduplication=True), "for FIFO queues only", id="not-fifo"),
        pytest.param(queue(VisibilityTimout=3), "did you mean VisibilityTimeout?", id="misspelt"),
        pytest.param(queue(RedrivePolicy={"maxReceiveCount": 1}), "RedrivePolicy.deadLetterTargetArn", id="no-target"),
        pytest.param(queue(RedrivePolicy="{"), "must be a mapping with deadLetterTargetArn", id="policy-not-json"),
        pytest.param(
            queue(RedrivePolicy={"deadLetterTargetArn": "arn:aws:sqs:us-east-1:1:x", "maxReceiveCount": 1}),
            "is not a queue of this template",
            id="target-elsewhere",
        ),
        pytest.param(
            queue(RedrivePolicy={"deadLetterTargetArn": {"Fn::GetAtt": ["X", "Arn"]}, "maxReceiveCount": 1}),
            "round in a circle",
            id="target-is-itself",
        ),
        pytest.param(
            queue(RedrivePolicy={"deadLetterTargetArn": {"Fn::GetAtt": ["X", "Arn"]}, "maxReceiveCount": 0}),
            "RedrivePolicy.maxReceiveCount: must be a whole number from 1 to 1000",
            id="receives-none",
        ),
        pytest.param(table(TableName="t"), "property TableName: 't' must be", id="table-name"),
        pytest.param(table(KeySchema=[]), "property KeySchema: must be one HASH key", id="no-key"),
        pytest.param(
            table(KeySchema=[{"AttributeName": "other", "KeyType": "HASH"}]),
            "'other' is not among the AttributeDefinitions",
            id="key-not-defined",
        ),
        pytest.param(table(BillingMode="PROVISIONED"), "ProvisionedThroughput: is missing", id="no-throughput"),
        pytest.param(table(BillingMode="FREE"), "property BillingMode", id="billing"),
        pytest.param(
            table(AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "X"}]),
            "AttributeDefinitions.0.AttributeType: must be S, N or B",
            id="attribute-type",
        ),
        pytest.param(table(ImportSourceSpecification={}), "importing from S3 is not simulated", id="import"),
        pytest.param({"Type": "AWS::CloudFormation::Stack"}, "nested stacks are not simulated", id="nested"),
        pytest.param({"Properties": {}}, "must be a mapping with a Type", id="no-type"),
        pytest.param([], "must be a mapping with a Type", id="a-list"),
        pytest.param(
            {"Type": "AWS::SQS::Queue", "QueueName": "q"}, "indent it below Properties", id="beside-properties"
        ),
        pytest.param({"Type": "AWS::SQS::Queue", "Properties": [1]}, "property Properties: must be a", id="properties"),
        pytest.param({"Type": "AWS::SQS::Queue", "Condition": "No"}, "uses the condition 'No'", id="no-condition"),
        pytest.param(queue(QueueName={"Ref": "Y"}), "refers to Y, which the template does not define", id="no-such"),
        pytest.param(queue(QueueName={"Ref": "AWS::Stage"}), "is not a pseudo parameter", id="no-pseudo-parameter"),
        pytest.param(queue(QueueName={"Ref": "X"}), "refers to itself", id="circle"),
        pytest.param(
            queue(QueueName={"Fn::ImportValue": "x"}), "property QueueName: uses Fn::ImportValue", id="import-value"
        ),
    ],
)
def test_refused_resource(load: Load, resource: object, said: str) -> None:
    with pytest.raises(InputError) as refusal:
        load({"X": resource})
    assert "shop.json: resource X" in str(refusal.value)
    assert said in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("properties", "said"),
    [
        pytest.param({"Runtime": "nodejs22.x"}, "property Runtime: 'nodejs22.x' cannot be run here", id="node"),
        pytest.param({"Runtime": ""}, "property Runtime: is missing", id="no-runtime"),
        pytest.param({"PackageType": "Image"}, "container images are not simulated", id="image"),
        pytest.param({"Handler": ""}, "property Handler: is missing", id="no-handler"),
        pytest.param({"Handler": "app"}, "must be written as module.function", id="handler-without-function"),
        pytest.param({"Timeout": 901}, "property Timeout: must be a whole number from 1 to 900", id="timeout"),
        pytest.param({"MemorySize": 64}, "property MemorySize", id="memory"),
        pytest.param({"FunctionName": "a.b"}, "property FunctionName", id="name"),
        pytest.param({"Code": "nowhere"}, "does not exist; correct the path", id="no-folder"),
        pytest.param({"Code": "shop.json"}, "is not a folder", id="a-file"),
        pytest.param({"Code": "s3://bucket/key"}, "lies in S3", id="s3-url"),
        pytest.param({"Code": {"S3Bucket": "b", "S3Key": "k"}}, "lies in S3", id="s3"),
        pytest.param({"Code": {"ZipFile": "def handler(e, c): pass"}}, "written into the template", id="inline"),
        pytest.param(
            {"Environment": {"Variables": {"AWS_REGION": "x"}}}, "Variables.AWS_REGION: is set by", id="reserved"
        ),
        pytest.param({"Environment": {"Variables": {"1A": "x"}}}, "is not a name for a variable", id="variable-name"),
        pytest.param({"Environment": {"Variables": {"A": ["x"]}}}, "Variables.A: must be a text", id="variable-list"),
        pytest.param({"Environment": {"Variables": {"A": "x" * 4100}}}, "Lambda allows 4096", id="variables-too-long"),
        pytest.param({"Environment": "A=1"}, "property Environment: must be a mapping", id="environment"),
    ],
)
def test_refused_function(load: Load, make_function: Callable[..., Any], properties: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as refusal:
        load({"F": make_function(**properties)})
    assert "shop.json: resource F, property" in str(refusal.value)
    assert said in str(refusal.value)


@pytest.mark.parametrize(
    "name",
    [
        *("_HANDLER", "_X_AMZN_TRACE_ID", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_EXECUTION_ENV"),
        *("AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_VERSION", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE"),
        *("AWS_LAMBDA_INITIALIZATION_TYPE", "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME"),
        *("AWS_LAMBDA_RUNTIME_API", "AWS_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
        *("AWS_SESSION_TOKEN", "LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR"),
    ],
)
def test_F05_reserved_names_are_refused(load: Load, make_function: Callable[..., Any], name: str) -> None:
    with pytest.raises(InputError, match=f"Variables.{name}: is set by Lambda itself"):
        load({"F": make_function(Environment={"Variables": {name: "x"}})})


def test_F05_variables_take_4_kb_together(load: Load, make_function: Callable[..., Any]) -> None:
    variables = {"A": "x" * 4_000, "B": "é" * 47}
    assert load({"F": make_function(Environment={"Variables": variables})}).functions[0].environment == variables
    with pytest.raises(InputError, match="take 4097 bytes and Lambda allows 4096"):
        load({"F": make_function(Environment={"Variables": {**variables, "C": ""}})})


def test_F05_a_variable_of_our_own_that_begins_with_aws_is_allowed(
    load: Load, make_function: Callable[..., Any]
) -> None:
    """Only the names on Lambda's closed list are reserved (inferred)."""
    stack = load({"F": make_function(Environment={"Variables": {"AWS_TABLE_NAME": "t"}})})
    assert stack.functions[0].environment == {"AWS_TABLE_NAME": "t"}


@pytest.mark.parametrize(
    ("logical_id", "properties", "said"),
    [
        pytest.param("M", {"BatchSize": 11}, "Maximum batch window in seconds must be greater than 0", id="window"),
        pytest.param("M", {"BatchSize": 10_001}, "from 1 to 10000", id="most"),
        pytest.param("M", {"MaximumBatchingWindowInSeconds": 301}, "from 0 to 300", id="longest-window"),
    ],
)
def test_Q01_Q02_batches_and_windows_that_aws_refuses(
    load: Load, trigger_resources: Resources, logical_id: str, properties: dict[str, Any], said: str
) -> None:
    assert_refused(load, changed(trigger_resources, logical_id, **properties), "M", said)


@pytest.mark.parametrize(
    ("logical_id", "properties", "said"),
    [
        pytest.param(
            "F",
            {"Timeout": 61},
            "Queue visibility timeout: 60 seconds is less than Function timeout: 61 seconds",
            id="slow-function",
        ),
        pytest.param(
            "Q", {"VisibilityTimeout": 0}, "Queue visibility timeout: 0 seconds is less", id="no-visibility-timeout"
        ),
    ],
)
def test_Q14_visibility_timeouts_that_aws_refuses(
    load: Load, trigger_resources: Resources, logical_id: str, properties: dict[str, Any], said: str
) -> None:
    assert_refused(load, changed(trigger_resources, logical_id, **properties), "M", said)


@pytest.mark.parametrize(
    ("logical_id", "properties", "said"),
    [
        pytest.param("M", {"ScalingConfig": {"MaximumConcurrency": 1}}, "from 2 to 1000", id="one-at-a-time"),
        pytest.param("M", {"ProvisionedPollerConfig": {"MinimumPollers": 1}}, "from 2 to 200", id="fewest-pollers"),
        pytest.param(
            "M", {"ProvisionedPollerConfig": {"MaximumPollers": 10_001}}, "from 2 to 10000", id="most-pollers"
        ),
        pytest.param("M", {"ProvisionedPollerConfig": {"MinimumPollers": 201}}, "from 2 to 200", id="minimum"),
        pytest.param(
            "M",
            {"ProvisionedPollerConfig": {"MinimumPollers": 5, "MaximumPollers": 4}},
            "is 5, more than the 4",
            id="reversed",
        ),
        pytest.param(
            "M",
            {"ProvisionedPollerConfig": {"MinimumPollers": 2}, "ScalingConfig": {"MaximumConcurrency": 2}},
            "exclude each other",
            id="exclusive",
        ),
    ],
)
def test_Q16_concurrency_and_pollers_that_aws_refuses(
    load: Load, trigger_resources: Resources, logical_id: str, properties: dict[str, Any], said: str
) -> None:
    assert_refused(load, changed(trigger_resources, logical_id, **properties), "M", said)


def test_Q24_a_queue_that_is_not_there_is_refused(load: Load, trigger_resources: Resources) -> None:
    resources = changed(trigger_resources, "M", EventSourceArn="arn:aws:sqs:us-east-1:123456789012:gone")
    assert_refused(load, resources, "M", "AWS.SimpleQueueService.NonExistentQueue")


@pytest.mark.parametrize(
    ("logical_id", "properties", "said"),
    [
        pytest.param("M", {"EventSourceArn": None}, "property EventSourceArn: is missing", id="no-source"),
        pytest.param("M", {"FunctionName": "other"}, "is not a function of this template", id="no-such-function"),
        pytest.param(
            "M", {"FunctionResponseTypes": ["All"]}, "can only be ReportBatchItemFailures", id="response-type"
        ),
        pytest.param("M", {"BatchSyze": 1}, "did you mean BatchSize?", id="misspelt"),
    ],
)
def test_refused_trigger(
    load: Load, trigger_resources: Resources, logical_id: str, properties: dict[str, Any], said: str
) -> None:
    assert_refused(load, changed(trigger_resources, logical_id, **properties), "M", said)


@pytest.mark.parametrize(
    ("logical_id", "properties", "said"),
    [
        pytest.param("M", {"FilterCriteria": {"Filters": [{"Pattern": "{"}]}}, "it is not JSON", id="json"),
        pytest.param("M", {"FilterCriteria": {"Filters": [{"Pattern": "[" * 3000}]}}, "it is not JSON", id="depth"),
        pytest.param("M", {"FilterCriteria": {"Filters": [{"Pattern": "7"}]}}, "$ must be an object", id="object"),
        pytest.param("M", {"FilterCriteria": {"Filters": [{}]}}, "Filters.0.Pattern: must be a text", id="none"),
        pytest.param("M", {"FilterCriteria": {"Filters": ["{}"]}}, "Filters.0.Pattern: must be a text", id="text"),
        pytest.param(
            "M",
            {"FilterCriteria": {"Filters": [{"Pattern": '{"body": {"a": [1]}}' + " " * 4_096}]}},
            "has 4116 characters",
            id="long",
        ),
        pytest.param(
            "M",
            {"FilterCriteria": {"Filters": [{"Pattern": '{"a": [1]}'}] * 6}},
            "are 6 and Lambda allows 5",
            id="six",
        ),
    ],
)
def test_Q23_filters_that_aws_refuses(
    load: Load, trigger_resources: Resources, logical_id: str, properties: dict[str, Any], said: str
) -> None:
    assert_refused(load, changed(trigger_resources, logical_id, **properties), "M", said)


@pytest.mark.parametrize(
    ("properties", "said"),
    [
        pytest.param({"BatchSize": 11}, "from 1 to 10", id="batch"),
        pytest.param({"MaximumBatchingWindowInSeconds": 1}, "is not for FIFO queues", id="window"),
    ],
)
def test_Q01_a_fifo_trigger_has_no_large_batches_and_no_window(
    load: Load, trigger_resources: Resources, properties: dict[str, Any], said: str
) -> None:
    resources = changed(changed(trigger_resources, "Q", FifoQueue=True), "M", **properties)
    with pytest.raises(InputError, match=said):
        load(resources)


def test_Q14_lambdas_and_queues_defaults_are_what_the_check_compares(load: Load, trigger_resources: Resources) -> None:
    """A queue has 30 s and a function 3 s when nothing is said."""
    assert load(changed(changed(trigger_resources, "Q", VisibilityTimeout=None), "F", Timeout=30)).triggers
    with pytest.raises(InputError, match="Queue visibility timeout: 30 seconds"):
        load(changed(changed(trigger_resources, "Q", VisibilityTimeout=None), "F", Timeout=31))
    assert load(changed(changed(trigger_resources, "Q", VisibilityTimeout=3), "F", Timeout=None)).triggers


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        pytest.param({"MinimumPollers": 5}, (5, 200), id="maximum-by-default"),
        pytest.param({"MaximumPollers": 3}, (2, 3), id="minimum-by-default"),
        pytest.param({"MinimumPollers": 200, "MaximumPollers": "10000"}, (200, 10_000), id="most"),
        pytest.param({}, None, id="nothing-said"),
    ],
)
def test_Q16_provisioned_pollers(
    load: Load, trigger_resources: Resources, config: dict[str, Any], expected: tuple[int, int] | None
) -> None:
    (trigger,) = load(changed(trigger_resources, "M", ProvisionedPollerConfig=config)).triggers
    assert trigger.provisioned_pollers == expected


def test_Q16_more_concurrency_than_the_function_has_reserved_is_told(load: Load, trigger_resources: Resources) -> None:
    resources = changed(trigger_resources, "F", ReservedConcurrentExecutions=3)
    assert load(changed(resources, "M", ScalingConfig={"MaximumConcurrency": 3})).warnings == ()
    (warning,) = load(changed(resources, "M", ScalingConfig={"MaximumConcurrency": 4})).warnings
    assert "resource M, property ScalingConfig: MaximumConcurrency 4 is more than the 3 that F has reserved" in warning


def test_Q23_filters_are_read_in_their_order(load: Load, trigger_resources: Resources) -> None:
    patterns = ['{"body": {"kind": ["move"]}}', '{"messageAttributes": {"source": {"stringValue": [{"prefix": "f"}]}}}']
    criteria = {"Filters": [{"Pattern": pattern} for pattern in patterns]}
    (trigger,) = load(changed(trigger_resources, "M", FilterCriteria=criteria)).triggers
    assert trigger.filters == (
        {"body": {"kind": ["move"]}},
        {"messageAttributes": {"source": {"stringValue": [{"prefix": "f"}]}}},
    )


@pytest.mark.parametrize("criteria", [{}, {"Filters": []}])
def test_Q23_no_filters(load: Load, trigger_resources: Resources, criteria: dict[str, Any]) -> None:
    assert load(changed(trigger_resources, "M", FilterCriteria=criteria)).triggers[0].filters == ()


def test_the_same_pair_is_not_mapped_twice(load: Load, trigger_resources: Resources) -> None:
    with pytest.raises(InputError, match="a second time"):
        load({**trigger_resources, "M2": trigger_resources["M"]})


AUTHORIZED = "everybody would be let in"


@pytest.mark.parametrize(
    ("logical_id", "properties", "said"),
    [
        pytest.param("R", {"AuthorizationType": "AWS_IAM"}, AUTHORIZED, id="iam"),
        pytest.param("R", {"AuthorizationScopes": ["a"]}, AUTHORIZED, id="scopes"),
        pytest.param("R", {"ApiKeyRequired": True}, AUTHORIZED, id="api-key"),
        pytest.param("R", {"Target": None}, "property Target: is missing", id="no-target"),
        pytest.param("R", {"Target": "integrations/x"}, "is not an integration of this template", id="other-target"),
        pytest.param("R", {"ApiId": "x"}, "is not an API of this template", id="other-api"),
        pytest.param("I", {"IntegrationType": "MOCK"}, "'MOCK' is not simulated", id="mock"),
        pytest.param("I", {"IntegrationType": "HTTP_PROXY"}, "'HTTP_PROXY' is not simulated", id="http"),
        pytest.param("I", {"IntegrationType": "AWS"}, "use AWS_PROXY", id="mapping-templates"),
        pytest.param("I", {"IntegrationUri": "https://example.org"}, "is not a function of this template", id="uri"),
        pytest.param("I", {"RequestTemplates": {}}, "rewriting events", id="templates"),
        pytest.param(
            "Ws", {"RouteSelectionExpression": None}, "RouteSelectionExpression: is missing", id="no-selection"
        ),
        pytest.param("Ws", {"ProtocolType": "MQTT"}, "must be WEBSOCKET or HTTP", id="protocol"),
        pytest.param("Ws", {"CorsConfiguration": {"AllowOrigins": ["*"]}}, "for HTTP APIs only", id="cors"),
        pytest.param("Ws", {"Target": "x"}, "quick create is not simulated", id="quick-create"),
    ],
)
def test_refused_websocket_api(
    load: Load, websocket_resources: Resources, logical_id: str, properties: dict[str, Any], said: str
) -> None:
    assert_refused(load, changed(websocket_resources, logical_id, **properties), logical_id, said)


@pytest.mark.parametrize(
    ("logical_id", "properties", "said"),
    [
        pytest.param("I", {"TimeoutInMillis": 29_001}, "from 50 to 29000", id="longest"),
        pytest.param("I", {"TimeoutInMillis": 49}, "from 50 to 29000", id="shortest"),
    ],
)
def test_L12_integration_timeouts_that_aws_refuses(
    load: Load, websocket_resources: Resources, logical_id: str, properties: dict[str, Any], said: str
) -> None:
    assert_refused(load, changed(websocket_resources, logical_id, **properties), logical_id, said)


@pytest.mark.parametrize(
    ("logical_id", "properties", "said"),
    [
        pytest.param("S", {"StageName": "a/b"}, "property StageName", id="stage-name"),
        pytest.param("S", {"StageName": "a" * 129}, "property StageName", id="stage-name-too-long"),
        pytest.param("S", {"StageName": "$default"}, "property StageName", id="default-stage-is-for-http"),
    ],
)
def test_L15_stage_names_that_aws_refuses(
    load: Load, websocket_resources: Resources, logical_id: str, properties: dict[str, Any], said: str
) -> None:
    assert_refused(load, changed(websocket_resources, logical_id, **properties), logical_id, said)


@pytest.mark.parametrize(
    ("logical_id", "properties", "said"),
    [
        pytest.param("R", {"AuthorizationType": "JWT"}, AUTHORIZED, id="jwt"),
        pytest.param("R", {"RouteKey": "vendors"}, "must be a method and a path", id="route-key"),
        pytest.param("R", {"RouteKey": "get /vendors"}, "must be a method and a path", id="lower-case-method"),
        pytest.param("I", {"PayloadFormatVersion": "3.0"}, "must be '1.0' or '2.0'", id="payload-format"),
        pytest.param("I", {"ConnectionType": "VPC_LINK"}, "VPC links are not simulated", id="vpc-link"),
        pytest.param("Web", {"CorsConfiguration": {"Origins": ["*"]}}, "CorsConfiguration.Origins", id="cors-key"),
        pytest.param(
            "Web",
            {"CorsConfiguration": {"AllowOrigins": ["*"], "AllowCredentials": True}},
            "name the origins",
            id="cors-credentials-for-everyone",
        ),
        pytest.param("Web", {"BodyS3Location": {}}, "put it into the template as Body", id="body-in-s3"),
    ],
)
def test_refused_http_api(
    load: Load, http_resources: Resources, logical_id: str, properties: dict[str, Any], said: str
) -> None:
    with pytest.raises(InputError) as refusal:
        load(changed(http_resources, logical_id, **properties))
    assert said in str(refusal.value)


def test_routes_and_stages_that_stand_twice_or_are_missing(
    load: Load, websocket_resources: Resources, http_resources: Resources
) -> None:
    without_stage = {key: value for key, value in websocket_resources.items() if key != "S"}
    with pytest.raises(InputError, match="resource Ws: has no stage"):
        load(without_stage)
    with pytest.raises(InputError, match="has 2 stages"):
        load({**websocket_resources, "S2": changed(websocket_resources, "S", StageName="b")["S"]})
    with pytest.raises(InputError, match=r"'\$connect' stands on two routes"):
        load({**websocket_resources, "R2": websocket_resources["R"]})
    with pytest.raises(InputError, match="'GET /vendors' twice"):
        load({**http_resources, "R2": http_resources["R"]})
    with pytest.raises(InputError, match="resource Web: has no routes"):
        load({key: value for key, value in http_resources.items() if key != "R"})


def test_L15_an_api_has_300_routes_at_most(
    load: Load, websocket_resources: Resources, http_resources: Resources
) -> None:
    def with_routes(resources: Resources, key: str, count: int) -> Resources:
        more = {f"R{number}": changed(resources, "R", RouteKey=f"{key}{number}")["R"] for number in range(count - 1)}
        return {**resources, **more}

    assert len(load(with_routes(websocket_resources, "move", 300)).websocket_apis[0].routes) == 300
    with pytest.raises(InputError, match="resource Ws: has 301 routes and AWS allows 300"):
        load(with_routes(websocket_resources, "move", 301))
    assert len(load(with_routes(http_resources, "GET /", 300)).http_apis[0].routes) == 300
    with pytest.raises(InputError, match="resource Web: has 301 routes and AWS allows 300"):
        load(with_routes(http_resources, "GET /", 301))


@pytest.mark.parametrize("key", ["ping", "sping", "ping/deeper"])
def test_L15_health_check_paths_are_reserved_on_custom_domains(
    load: Load, websocket_resources: Resources, key: str
) -> None:
    def mapped(path: str) -> Resources:
        properties = {"ApiId": {"Ref": "Ws"}, "DomainName": "example.org", "Stage": "primary", "ApiMappingKey": path}
        return {**websocket_resources, "Map": {"Type": "AWS::ApiGatewayV2::ApiMapping", "Properties": properties}}

    with pytest.raises(InputError, match=f"resource Map, property ApiMappingKey: '{key}' is reserved"):
        load(mapped(key))
    (warning,) = load(mapped("pings")).warnings
    assert "AWS::ApiGatewayV2::ApiMapping is not simulated" in warning


def test_names_are_unique(load: Load) -> None:
    with pytest.raises(InputError, match="resource B: has the same name as A"):
        load({"A": queue(QueueName="q"), "B": queue(QueueName="q")})


def test_dead_letter_queue_is_fifo_when_its_source_is(load: Load) -> None:
    redrive = {"deadLetterTargetArn": {"Fn::GetAtt": ["D", "Arn"]}, "maxReceiveCount": 1}
    with pytest.raises(InputError, match="D must be a FIFO queue"):
        load({"Q": queue(FifoQueue=True, RedrivePolicy=redrive), "D": queue()})


def test_a_reference_to_a_resource_left_out_by_its_condition(load: Load) -> None:
    resources = {
        "A": {"Type": "AWS::SQS::Queue", "Condition": "Never"},
        "B": queue(QueueName={"Fn::GetAtt": ["A", "QueueName"]}),
    }
    with pytest.raises(InputError, match="refers to A, which its condition leaves out"):
        load(resources, Conditions={"Never": {"Fn::Equals": ["a", "b"]}})


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(None, "there is no such file", id="missing"),
        pytest.param("Resources: [", "is not valid YAML (line", id="malformed"),
        pytest.param("- a", "is not a template", id="list"),
        pytest.param("Description: x", "has no Resources section", id="no-resources"),
        pytest.param("Resources: {}", "has no Resources section", id="empty-resources"),
        pytest.param("Resources: {A: {Type: T}}\nOutput: {}", "property Output: is not a section", id="section"),
        pytest.param(
            "Transform: AWS::LanguageExtensions\nResources: {A: {Type: T}}", "property Transform", id="transform"
        ),
        pytest.param(
            "Resources: {F: {Type: AWS::Serverless::Function}}", "property Transform: is missing", id="no-sam"
        ),
        pytest.param("Resources: {A: {Type: T}}\nOutputs: {O: 1}", "output O: must be a mapping", id="output"),
        pytest.param("Resources: {A: {Type: T}}\nParameters: [1]", "property Parameters: must be", id="parameters"),
    ],
)
def test_refused_file(tmp_path: Path, content: str | None, said: str) -> None:
    template = tmp_path / "t.yaml"
    if content is not None:
        template.write_text(content)
    with pytest.raises(InputError) as refusal:
        load_stack(template, cache_dir=tmp_path / "cache")
    assert str(refusal.value).startswith(f"{template}: ")
    assert said in str(refusal.value)


def test_a_folder_is_no_template(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        load_stack(tmp_path, cache_dir=tmp_path / "cache")
