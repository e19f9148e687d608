from random import Random
from typing import Any

import pytest

from simulator.active_faults import ActiveFault
from simulator.cloud.fault_rules import (
    DYNAMODB_KINDS,
    SQS_DELAY,
    STALE_SCAN,
    Failing,
    Mishap,
    delayed_request,
    dynamodb_mishap,
    tables_of,
)
from simulator.fault_kinds import DYNAMODB_THROTTLES, FAULT_KINDS


def fault(kind: str, *, target: str | None = None, probability: float = 1.0, **attributes: Any) -> ActiveFault:
    defaults = {each.name: each.default for each in FAULT_KINDS[kind].attributes}
    return ActiveFault(kind, Random(1), target, probability, {**defaults, **attributes})


def test_every_kind_of_the_cloud_is_known_here() -> None:
    local = {kind.name for kind in FAULT_KINDS.values() if kind.piece in ("dynamodb", "sqs") and kind.local}
    assert local == {*DYNAMODB_KINDS, STALE_SCAN, SQS_DELAY}


@pytest.mark.parametrize("error", DYNAMODB_THROTTLES)
def test_D11_a_throttled_call_is_told_so(error: str) -> None:
    mishap = dynamodb_mishap([fault("dynamodb_throttle", error=error)], "Scan", ["t"])
    assert mishap is not None
    assert mishap.error is not None
    assert mishap.error.status == 400
    assert mishap.error.error_type.rpartition("#")[2] == error


@pytest.mark.parametrize(
    ("faults", "mishap"),
    [
        pytest.param([fault("dynamodb_throttle", target="other")], None, id="another table"),
        pytest.param([fault("dynamodb_throttle", operation="PutItem")], None, id="another operation"),
        pytest.param([fault("dynamodb_error", probability=0.0)], None, id="no luck"),
        pytest.param([fault("dynamodb_latency", delay_ms=20.0, operation="Scan")], Mishap(0.02), id="late"),
        pytest.param(
            [fault("dynamodb_latency", delay_ms=20.0), fault("dynamodb_error"), fault("dynamodb_throttle")],
            Mishap(0.02, Failing(500, "com.amazonaws.dynamodb.v20120810#InternalServerError", "Internal server error")),
            id="late, and the oldest error",
        ),
    ],
)
def test_what_becomes_of_a_call(faults: list[ActiveFault], mishap: Mishap | None) -> None:
    assert dynamodb_mishap(faults, "Scan", ["t"]) == mishap


@pytest.mark.parametrize(
    ("request_", "tables"),
    [
        ({"TableName": "a"}, ["a"]),
        ({"TableName": "arn:aws:dynamodb:us-east-1:1:table/a"}, ["a"]),
        ({"RequestItems": {"a": [], "b": []}}, ["a", "b"]),
        ({"TransactItems": [{"Put": {"TableName": "a"}}, {"Delete": {"TableName": "b"}}]}, ["a", "b"]),
        ({}, []),
    ],
)
def test_the_tables_of_a_request(request_: dict[str, Any], tables: list[str]) -> None:
    assert tables_of(request_) == tables


QUEUE = "http://127.0.0.1:1/1/q"


@pytest.mark.parametrize(
    ("operation", "request_", "later"),
    [
        ("SendMessage", {"QueueUrl": QUEUE}, {"QueueUrl": QUEUE, "DelaySeconds": 5}),
        ("SendMessage", {"QueueUrl": QUEUE, "DelaySeconds": 2}, {"QueueUrl": QUEUE, "DelaySeconds": 7}),
        ("SendMessage", {"QueueUrl": QUEUE, "DelaySeconds": 899}, {"QueueUrl": QUEUE, "DelaySeconds": 900}),
        ("SendMessage", {"QueueUrl": QUEUE + ".fifo"}, None),
        ("SendMessage", {"QueueUrl": "http://127.0.0.1:1/1/other"}, None),
        ("ReceiveMessage", {"QueueUrl": QUEUE}, None),
        ("SendMessageBatch", {"QueueUrl": QUEUE}, None),
        (
            "SendMessageBatch",
            {"QueueUrl": QUEUE, "Entries": [{"Id": "0"}, {"Id": "1", "DelaySeconds": 1}]},
            {"QueueUrl": QUEUE, "Entries": [{"Id": "0", "DelaySeconds": 5}, {"Id": "1", "DelaySeconds": 6}]},
        ),
    ],
)
def test_messages_that_are_sent_come_later(
    operation: str, request_: dict[str, Any], later: dict[str, Any] | None
) -> None:
    assert delayed_request([fault("sqs_delay", target="q")], operation, request_) == later


def test_only_the_share_that_is_hit_comes_later() -> None:
    request = {"QueueUrl": QUEUE, "Entries": [{"Id": str(number)} for number in range(1_000)]}
    later = delayed_request([fault("sqs_delay", probability=0.3)], "SendMessageBatch", request)
    assert later is not None
    assert 250 < sum("DelaySeconds" in entry for entry in later["Entries"]) < 350
