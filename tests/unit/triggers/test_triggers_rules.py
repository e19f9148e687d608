from __future__ import annotations

import json
import random
from typing import Any

import pytest

from simulator.errors import InputError
from simulator.invocation import InvocationResult, InvokeRefusedError
from simulator.stack.model import Queue, Trigger
from simulator.triggers.backoff import delay_s
from simulator.triggers.batching import MAX_PAYLOAD_BYTES, Batch, Received
from simulator.triggers.checks import check
from simulator.triggers.decision import Decision, decide
from simulator.triggers.event_shape import build_event, encode_event

ARN = "arn:aws:sqs:us-east-1:123456789012:vendor-queue"


def message(number: int = 1, **overrides: Any) -> dict[str, Any]:
    return {
        "MessageId": f"m{number}",
        "ReceiptHandle": f"h{number}",
        "Body": f"body {number}",
        "MD5OfBody": "0" * 32,
        "Attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1710277500123"},
    } | overrides


def queue(**overrides: Any) -> Queue:
    settings: dict[str, Any] = {
        "logical_id": "Q",
        "name": "vendor-queue",
        "url": "https://sqs.us-east-1.amazonaws.com/123456789012/vendor-queue",
        "arn": ARN,
        "attributes": {},
    }
    return Queue(**(settings | overrides))


def trigger(**overrides: Any) -> Trigger:
    settings: dict[str, Any] = {"logical_id": "T", "queue": "vendor-queue", "function": "send"}
    return Trigger(**(settings | overrides))


# -- Q04, Q05 --------------------------------------------------------------------------------------------------------


def test_Q04_whole_event() -> None:
    received = {
        "MessageId": "6f1c2a54-0b0e-4d59-9f27-3a8d5c1e7b10",
        "ReceiptHandle": "AQEB==",
        "MD5OfBody": "a14088130f55878bf5a482e444ae9581",
        "Body": '{"vendor":"v-17"}',
        "Attributes": {"ApproximateReceiveCount": 1, "SentTimestamp": "1710277500123", "SenderId": "AIDA"},
        "MD5OfMessageAttributes": "9815bd8e5bdede610d74a381ffbfd540",
        "MessageAttributes": {"source": {"StringValue": "feed", "DataType": "String"}},
    }
    assert build_event([received], ARN, "us-east-1") == {
        "Records": [
            {
                "messageId": "6f1c2a54-0b0e-4d59-9f27-3a8d5c1e7b10",
                "receiptHandle": "AQEB==",
                "body": '{"vendor":"v-17"}',
                "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1710277500123", "SenderId": "AIDA"},
                "messageAttributes": {
                    "source": {
                        "stringValue": "feed",
                        "stringListValues": [],
                        "binaryListValues": [],
                        "dataType": "String",
                    }
                },
                "md5OfMessageAttributes": "9815bd8e5bdede610d74a381ffbfd540",
                "md5OfBody": "a14088130f55878bf5a482e444ae9581",
                "eventSource": "aws:sqs",
                "eventSourceARN": ARN,
                "awsRegion": "us-east-1",
            }
        ]
    }


def test_Q05_binary_attributes_are_base64() -> None:
    attributes = {"b": {"BinaryValue": "AP8=", "DataType": "Binary"}}
    [record] = build_event([message(MessageAttributes=attributes)], ARN, "r")["Records"]
    assert record["messageAttributes"] == {
        "b": {"binaryValue": "AP8=", "stringListValues": [], "binaryListValues": [], "dataType": "Binary"}
    }


def test_Q05_attribute_digest_is_absent_without_attributes_and_null_with_a_window() -> None:
    [plain] = build_event([message()], ARN, "r")["Records"]
    [windowed] = build_event([message()], ARN, "r", batching_window=True)["Records"]
    assert "md5OfMessageAttributes" not in plain
    assert windowed["md5OfMessageAttributes"] is None
    assert plain["messageAttributes"] == {}


def test_events_keep_order_and_any_text() -> None:
    bodies = ["a", "é🚚", "\x00", "half \ud800", ""]
    event = build_event([message(n, Body=body) for n, body in enumerate(bodies)], ARN, "r")
    assert [r["body"] for r in event["Records"]] == bodies
    assert [r["messageId"] for r in event["Records"]] == ["m0", "m1", "m2", "m3", "m4"]
    encode_event(event)


# -- Q06, Q07, Q10, Q11 ------------------------------------------------------------------------------------------------

ALL_DONE = Decision(delete=("h1", "h2", "h3"), keep=())
BATCH = [message(1), message(2), message(3)]


def kept(reason: str) -> Decision:
    return Decision(delete=(), keep=("m1", "m2", "m3"), failure=reason)


def result(value: Any) -> InvocationResult:
    return InvocationResult("r", value if isinstance(value, bytes) else json.dumps(value).encode())


def items(*identifiers: Any) -> InvocationResult:
    return result({"batchItemFailures": [{"itemIdentifier": identifier} for identifier in identifiers]})


@pytest.mark.parametrize(
    "returned",
    [None, {}, {"statusCode": 500}, {"batchItemFailures": [{"itemIdentifier": "m1"}]}, "text", b"not json", 0],
    ids=["null", "empty", "statusCode 500", "a report nobody asked for", "text", "bytes", "number"],
)
def test_Q06_without_reports_any_return_value_deletes_all(returned: Any) -> None:
    assert decide(BATCH, result(returned), report_batch_item_failures=False) == ALL_DONE


@pytest.mark.parametrize("report", [False, True])
@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        pytest.param(
            InvocationResult("r", b'{"errorType":"ValueError","errorMessage":"no"}', "Unhandled"),
            "the function failed: ValueError: no",
            id="raised",
        ),
        pytest.param(
            InvocationResult("r", b"<html>", "Unhandled"), "the function failed: no error object", id="odd error"
        ),
        pytest.param(
            InvokeRefusedError(404, "ResourceNotFoundException", "Function not found: send"),
            "the function could not be invoked: Function not found: send",
            id="cannot be invoked",
        ),
    ],
)
def test_Q07_failed_invocation_deletes_nothing(outcome: Any, reason: str, report: bool) -> None:
    assert decide(BATCH, outcome, report_batch_item_failures=report) == kept(reason)


@pytest.mark.parametrize(
    ("returned", "decision"),
    [
        pytest.param(items("m2"), Decision(("h1", "h3"), ("m2",)), id="one"),
        pytest.param(items("m3", "m1"), Decision(("h2",), ("m1", "m3")), id="two, in any order"),
        pytest.param(items("m2", "m2"), Decision(("h1", "h3"), ("m2",)), id="the same twice"),
        pytest.param(items("m1", "m2", "m3"), Decision((), ("m1", "m2", "m3")), id="all"),
        pytest.param(result({}), ALL_DONE, id="empty object"),
        pytest.param(result(None), ALL_DONE, id="null"),
        pytest.param(result(""), ALL_DONE, id="empty string"),
        pytest.param(result([]), ALL_DONE, id="empty list"),
        pytest.param(items(), ALL_DONE, id="empty list of failures"),
        pytest.param(result({"batchItemFailures": None}), ALL_DONE, id="null failures"),
        pytest.param(result({"statusCode": 500}), ALL_DONE, id="no report"),
    ],
)
def test_Q10_reported_items_stay_and_the_others_are_deleted(returned: InvocationResult, decision: Decision) -> None:
    assert decide(BATCH, returned, report_batch_item_failures=True) == decision


@pytest.mark.parametrize(
    ("returned", "reason"),
    [
        pytest.param(result(b"not json"), "the result is not JSON", id="not JSON"),
        pytest.param(result("text"), "the result is not an object", id="a string"),
        pytest.param(result([1]), "the result is not an object", id="a list"),
        pytest.param(result({"batchItemFailures": "m1"}), "batchItemFailures is not a list", id="failures not a list"),
        pytest.param(
            result({"batchItemFailures": [{"foo": "notvalid"}]}),
            "an entry of batchItemFailures has no itemIdentifier",
            id="misspelt",
        ),
        pytest.param(
            result({"batchItemFailures": ["m1"]}),
            "an entry of batchItemFailures has no itemIdentifier",
            id="not an object",
        ),
        pytest.param(items(""), "an entry of batchItemFailures has no itemIdentifier", id="empty"),
        pytest.param(items(None), "an entry of batchItemFailures has no itemIdentifier", id="null"),
        pytest.param(items(7), "an entry of batchItemFailures has no itemIdentifier", id="number"),
        pytest.param(items("m1", "m9"), "itemIdentifier 'm9' is not in the batch", id="one unknown fails everything"),
    ],
)
def test_Q11_malformed_report_fails_the_whole_batch(returned: InvocationResult, reason: str) -> None:
    assert decide(BATCH, returned, report_batch_item_failures=True) == kept(reason)


# -- Q01, Q02, Q03 -----------------------------------------------------------------------------------------------------


def batch(**settings: Any) -> Batch:
    return Batch(trigger(**settings), queue(), "us-east-1")


def add(gathered: Batch, messages: list[dict[str, Any]], now_s: float) -> None:
    gathered.add([Received(each, now_s) for each in messages], now_s)


def ids(received: list[Received]) -> list[str]:
    return [each.message["MessageId"] for each in received]


def test_Q03_without_a_window_whatever_came_is_a_batch() -> None:
    gathered = batch()
    assert not gathered.complete(0)
    add(gathered, [message(1), message(2)], 0)
    assert gathered.complete(0)
    assert ids(gathered.take(0)) == ["m1", "m2"]
    assert not gathered.complete(99)


@pytest.mark.parametrize(
    ("size", "count"), [(1, 1), (5, 5), (10, 10), (100, 10)], ids=["one", "five", "ten", "hundred by tens"]
)
def test_Q01_no_more_is_received_than_the_batch_takes(size: int, count: int) -> None:
    assert batch(batch_size=size, batching_window_s=1).receive_request(20, 0) == (count, 20)


def test_Q01_large_batches_are_gathered_over_several_receives() -> None:
    gathered = batch(batch_size=25, batching_window_s=10)
    add(gathered, [message(n) for n in range(10)], 0)
    add(gathered, [message(n) for n in range(10)], 1)
    assert gathered.receive_request(20, 1) == (5, 9)
    assert not gathered.complete(1)
    add(gathered, [message(n) for n in range(5)], 2)
    assert gathered.complete(2)
    assert len(gathered.take(2)) == 25


@pytest.mark.parametrize(("now_s", "complete"), [(5.0, False), (6.9, False), (7.0, True), (8.0, True)])
def test_Q02_window_counts_from_the_first_message(now_s: float, complete: bool) -> None:
    gathered = batch(batching_window_s=2)
    add(gathered, [], 4)
    add(gathered, [message(1)], 5)
    add(gathered, [message(2)], 6)
    assert gathered.complete(now_s) == complete


@pytest.mark.parametrize(("now_s", "wait_s"), [(5, 3), (5.5, 3), (7.2, 1), (7.999, 1), (9, 1)])
def test_Q02_the_next_receive_waits_no_longer_than_the_window(now_s: float, wait_s: int) -> None:
    gathered = batch(batching_window_s=3)
    add(gathered, [message(1)], 5)
    assert gathered.receive_request(20, now_s) == (9, wait_s)


def test_Q02_batch_closes_before_its_event_exceeds_six_megabytes() -> None:
    gathered = batch(batching_window_s=300)
    big = [message(n, Body="é" * (512 * 1024)) for n in range(8)]
    add(gathered, big, 0)
    assert gathered.complete(0)
    first = gathered.take(0)
    assert 1 < len(first) < 8
    assert len(encode_event(build_event([each.message for each in first], ARN, "us-east-1"))) <= MAX_PAYLOAD_BYTES
    one_more = build_event([*(each.message for each in first), big[len(first)]], ARN, "us-east-1")
    assert len(encode_event(one_more)) > MAX_PAYLOAD_BYTES
    assert not gathered.complete(0)
    assert ids(gathered.take_all()) == [m["MessageId"] for m in big[len(first) :]]


def test_a_message_too_large_for_any_event_still_makes_a_batch() -> None:
    gathered = batch()
    add(gathered, [message(1, Body="x" * (MAX_PAYLOAD_BYTES + 1)), message(2)], 0)
    assert gathered.complete(0)
    assert ids(gathered.take(0)) == ["m1"]
    assert ids(gathered.take(0)) == ["m2"]


@pytest.mark.parametrize(
    ("settings", "of_queue", "sentence"),
    [
        pytest.param({"batch_size": 0}, {}, "BatchSize 0; a standard queue takes 1 to 10000", id="Q01 none"),
        pytest.param({"batch_size": 10_001, "batching_window_s": 1}, {}, "BatchSize 10001", id="Q01 too many"),
        pytest.param(
            {"batch_size": 11},
            {},
            "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10",
            id="Q01 no window",
        ),
        pytest.param({"batch_size": 11}, {"fifo": True}, "a FIFO queue takes 1 to 10", id="Q01 FIFO"),
        pytest.param({"batching_window_s": 1}, {"fifo": True}, "FIFO queues do not have", id="Q01 FIFO window"),
        pytest.param({"batching_window_s": 301}, {}, "it takes 0 to 300", id="Q02 window"),
        pytest.param({"maximum_concurrency": 1}, {}, "MaximumConcurrency 1; it takes 2 to 1000", id="Q16 low"),
        pytest.param({"maximum_concurrency": 1001}, {}, "MaximumConcurrency 1001", id="Q16 high"),
        pytest.param({"provisioned_pollers": (1, 5)}, {}, "1 to 5 provisioned pollers", id="Q16 too few pollers"),
        pytest.param({"provisioned_pollers": (2, 10_001)}, {}, "2 to 10001", id="Q16 too many pollers"),
        pytest.param({"provisioned_pollers": (9, 5)}, {}, "not below it", id="Q16 pollers the wrong way round"),
        pytest.param(
            {"provisioned_pollers": (2, 5), "maximum_concurrency": 5}, {}, "both MaximumConcurrency", id="Q16 both"
        ),
        pytest.param({"filters": ({"body": "x"},)}, {}, r"\$\.body must be a list", id="Q23 no list"),
    ],
)
def test_settings_that_aws_refuses_are_refused(
    settings: dict[str, Any], of_queue: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence):
        check(trigger(**settings), queue(**of_queue))


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"batch_size": 10_000, "batching_window_s": 1},
        {"maximum_concurrency": 2},
        {"maximum_concurrency": 1000},
        {"provisioned_pollers": (2, 10_000)},
        {"filters": ({"body": ["x"]},)},
    ],
)
def test_settings_that_aws_takes_are_taken(settings: dict[str, Any]) -> None:
    check(trigger(**settings), queue())


def test_backoff_doubles_to_a_ceiling_and_half_of_it_is_chance() -> None:
    chance = random.Random(7)
    for attempt, ceiling in [(1, 0.1), (2, 0.2), (6, 3.2), (7, 5.0), (1000, 5.0)]:
        delays = [delay_s(attempt, chance) for _ in range(50)]
        assert ceiling / 2 <= min(delays) < max(delays) <= ceiling


def test_a_handlers_error_cannot_forge_a_line_of_the_log() -> None:
    error = {"errorType": "E", "errorMessage": "no\n12:00:00.000 ERROR forged \x1b[2J"}
    outcome = InvocationResult("r", json.dumps(error).encode(), "Unhandled")
    decision = decide([message()], outcome, report_batch_item_failures=True)
    assert decision.failure == r"the function failed: E: no\n12:00:00.000 ERROR forged \x1b[2J"
