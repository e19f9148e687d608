from __future__ import annotations

import json

import pytest

from simulator.functions.event_rules import (
    EVENT_AGE_EXCEEDED,
    MAX_ERROR_MESSAGE_BYTES,
    RETRIES_EXHAUSTED,
    SUCCESS,
    ZERO_CONCURRENCY,
    EventLife,
    Over,
    TryAgain,
    dead_letter_attributes,
    destination_record,
)
from simulator.invocation import InvocationResult, InvokeRefusedError
from simulator.stack.model import Asynchronous

GOOD = InvocationResult("r1", b'{"ok": true}')
BAD = InvocationResult("r1", b'{"errorType": "E", "errorMessage": "no table"}', "Unhandled")
THROTTLED = InvokeRefusedError(429, "TooManyRequestsException", "Rate Exceeded.")


def life(*, blocked: bool = False, **settings: int) -> EventLife:
    return EventLife(Asynchronous(**settings), blocked=blocked)  # type: ignore[arg-type]


def test_F17_a_failing_handler_is_tried_twice_more_after_one_and_two_minutes() -> None:
    event = life()
    assert [event.ended(BAD, age) for age in (0, 60, 180)] == [TryAgain(60), TryAgain(120), Over(RETRIES_EXHAUSTED)]
    assert event.tries == 3


def test_F17_success_ends_it_at_any_try() -> None:
    event = life()
    event.ended(BAD, 0)
    assert event.ended(GOOD, 60) == Over(SUCCESS)


@pytest.mark.parametrize(
    ("retries", "steps"),
    [(0, [Over(RETRIES_EXHAUSTED)]), (1, [TryAgain(60), Over(RETRIES_EXHAUSTED)])],
)
def test_F17_fewer_retries_can_be_asked_for(retries: int, steps: list[TryAgain | Over]) -> None:
    event = life(max_retries=retries)
    assert [event.ended(BAD, 0) for _ in steps] == steps


def test_F17_throttles_back_off_from_one_second_to_five_minutes_and_are_no_tries() -> None:
    event = life()
    waits = [step.after_s for _ in range(11) if isinstance(step := event.refused(0), TryAgain)]
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
    assert event.tries == 0
    assert event.ended(BAD, 0) == TryAgain(60)
    assert event.refused(0) == TryAgain(1)


def test_F17_nothing_is_tried_when_the_event_would_be_too_old() -> None:
    assert life().refused(6 * 3_600) == Over(EVENT_AGE_EXCEEDED)
    assert life(max_age_s=60).ended(BAD, 0.1) == Over(EVENT_AGE_EXCEEDED)
    assert life(max_age_s=60).ended(BAD, 0) == TryAgain(60)


def test_F19_a_blocked_function_gets_no_second_chance() -> None:
    assert life(blocked=True).refused(0) == Over(ZERO_CONCURRENCY)


def test_F17_dead_letter_attributes_say_why() -> None:
    assert dead_letter_attributes("r1", BAD) == {
        "RequestID": {"DataType": "String", "StringValue": "r1"},
        "ErrorCode": {"DataType": "Number", "StringValue": "200"},
        "ErrorMessage": {"DataType": "String", "StringValue": "no table"},
    }
    assert dead_letter_attributes("r1", THROTTLED)["ErrorCode"]["StringValue"] == "429"


@pytest.mark.parametrize(
    ("message", "told"), [("", " "), ("é" * 600, "é" * 512)], ids=["none", "cut between characters"]
)
def test_F17_dead_letter_messages_are_what_sqs_takes(message: str, told: str) -> None:
    failed = InvocationResult("r1", json.dumps({"errorMessage": message}).encode(), "Unhandled")
    value = dead_letter_attributes("r1", failed)["ErrorMessage"]["StringValue"]
    assert value == told
    assert len(value.encode()) <= MAX_ERROR_MESSAGE_BYTES


def test_F17_record_of_a_failure() -> None:
    record = destination_record(
        request_id="r1",
        arn="arn:f",
        payload=b'{"n": 1}',
        condition=RETRIES_EXHAUSTED,
        tries=3,
        outcome=BAD,
        at_ms=1_710_277_502_043,
    )
    assert record == {
        "version": "1.0",
        "timestamp": "2024-03-12T21:05:02.043Z",
        "requestContext": {
            "requestId": "r1",
            "functionArn": "arn:f:$LATEST",
            "condition": "RetriesExhausted",
            "approximateInvokeCount": 3,
        },
        "requestPayload": {"n": 1},
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
        "responsePayload": {"errorType": "E", "errorMessage": "no table"},
    }


def test_F17_record_of_a_success_and_of_an_event_that_never_ran() -> None:
    facts = {"request_id": "r1", "arn": "arn:f", "payload": b"{}", "at_ms": 0}
    done = destination_record(condition=SUCCESS, tries=1, outcome=GOOD, **facts)  # type: ignore[arg-type]
    assert (done["responseContext"], done["responsePayload"]) == (
        {"statusCode": 200, "executedVersion": "$LATEST"},
        {"ok": True},
    )
    never = destination_record(condition=ZERO_CONCURRENCY, tries=0, outcome=THROTTLED, **facts)  # type: ignore[arg-type]
    assert not {"responseContext", "responsePayload"} & set(never)


def test_a_result_that_is_not_json_is_told_as_text() -> None:
    record = destination_record(
        request_id="r1",
        arn="a",
        payload=b"{}",
        condition=SUCCESS,
        tries=1,
        outcome=InvocationResult("r1", b"\xff raw"),
        at_ms=0,
    )
    assert record["responsePayload"] == "\ufffd raw"
