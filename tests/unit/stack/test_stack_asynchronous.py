"""What a template says of asynchronous invocations (F17)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from simulator.errors import InputError
from simulator.stack import load_stack
from simulator.stack.model import Asynchronous, Destination, Stack

Load = Callable[..., Stack]
MakeFunction = Callable[..., dict[str, Any]]
QUEUE: Mapping[str, Any] = {"Type": "AWS::SQS::Queue", "Properties": {}}
FIFO_QUEUE: Mapping[str, Any] = {"Type": "AWS::SQS::Queue", "Properties": {"FifoQueue": True}}


def arn(logical_id: str) -> dict[str, Any]:
    return {"Fn::GetAtt": [logical_id, "Arn"]}


def config(**properties: Any) -> dict[str, Any]:
    return {
        "Type": "AWS::Lambda::EventInvokeConfig",
        "Properties": {"FunctionName": {"Ref": "F"}, "Qualifier": "$LATEST", **properties},
    }


def test_without_any_of_it_lambdas_defaults_hold(load: Load, make_function: MakeFunction) -> None:
    [function] = load({"F": make_function()}).functions
    assert function.asynchronous == Asynchronous(None, max_retries=2, max_age_s=21_600)


def test_dead_letter_queue_retries_and_destinations(load: Load, make_function: MakeFunction) -> None:
    stack = load(
        {
            "Dead": QUEUE,
            "Good": QUEUE,
            "F": make_function(DeadLetterConfig={"TargetArn": arn("Dead")}),
            "G": make_function(),
            "C": config(
                MaximumRetryAttempts=0,
                MaximumEventAgeInSeconds="60",
                DestinationConfig={"OnSuccess": {"Destination": arn("Good")}, "OnFailure": {"Destination": arn("G")}},
            ),
        }
    )
    assert {f.logical_id: f.asynchronous for f in stack.functions} == {
        "F": Asynchronous(
            "local-Dead",
            max_retries=0,
            max_age_s=60,
            on_success=Destination("queue", "local-Good"),
            on_failure=Destination("function", "local-G"),
        ),
        "G": Asynchronous(),
    }
    assert stack.warnings == ()


def test_sam_writes_the_same_shorter(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    template = tmp_path / "template.yaml"
    template.write_text(
        "Transform: AWS::Serverless-2016-10-31\n"
        "Resources:\n"
        "  Dead:\n"
        "    Type: AWS::SQS::Queue\n"
        "  F:\n"
        "    Type: AWS::Serverless::Function\n"
        "    Properties:\n"
        "      CodeUri: src/\n"
        "      Handler: app.go\n"
        "      Runtime: python3.12\n"
        "      DeadLetterQueue: {Type: SQS, TargetArn: !GetAtt Dead.Arn}\n"
        "      EventInvokeConfig:\n"
        "        MaximumRetryAttempts: 1\n"
        "        DestinationConfig:\n"
        "          OnFailure: {Type: SQS, Destination: !GetAtt Dead.Arn}\n"
    )
    [function] = load_stack(template, cache_dir=tmp_path / "cache").functions
    assert function.asynchronous == Asynchronous(
        "local-Dead", max_retries=1, on_failure=Destination("queue", "local-Dead")
    )


def test_a_target_that_is_not_simulated_is_named(load: Load, make_function: MakeFunction) -> None:
    topic = "arn:aws:sns:us-east-1:123456789012:alarms"
    stack = load({"F": make_function(DeadLetterConfig={"TargetArn": topic})})
    assert stack.functions[0].asynchronous.dead_letter_queue is None
    [warning] = stack.warnings
    assert f"'{topic}' is not a queue or function of this template; what should go there is dropped." in warning


@pytest.mark.parametrize(
    ("resources", "message"),
    [
        pytest.param({"C": config(MaximumRetryAttempts=3)}, "MaximumRetryAttempts.* from 0 to 2", id="retries"),
        pytest.param({"C": config(MaximumEventAgeInSeconds=59)}, "from 60 to 21600", id="age"),
        pytest.param(
            {"Q": FIFO_QUEUE, "C": config(DestinationConfig={"OnFailure": {"Destination": arn("Q")}})},
            "Q must be a standard queue",
            id="FIFO",
        ),
    ],
)
def test_what_lambda_refuses(load: Load, make_function: MakeFunction, resources: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        load({"F": make_function(), **resources})


def test_a_function_is_no_dead_letter_queue(load: Load, make_function: MakeFunction) -> None:
    with pytest.raises(InputError, match="must be a queue or a topic"):
        load({"F": make_function(DeadLetterConfig={"TargetArn": arn("G")}), "G": make_function()})
