"""The rows of the event source mapping's contract, on moto's queues."""

from __future__ import annotations

import asyncio
import hashlib
import json
from typing import Any

import pytest

from simulator.invocation import InvocationResult, InvokeRefusedError
from simulator.triggers.settings import TriggerSettings

RAISED = InvocationResult("r", b'{"errorType":"ValueError","errorMessage":"no"}', "Unhandled")
SHORT = {"VisibilityTimeout": "1"}


def failures(*identifiers: str) -> bytes:
    return json.dumps({"batchItemFailures": [{"itemIdentifier": i} for i in identifiers]}).encode()


async def test_Q01_batches_are_no_larger_than_asked_for(make_source, handler) -> None:
    source = make_source(batch_size=2)
    await source.send(*"abcde")
    source.poller.start()
    sizes = [len(await handler.next_records()) for _ in range(3)]
    assert sizes == [2, 2, 1]


async def test_Q01_more_than_ten_are_gathered_within_the_window(make_source, handler) -> None:
    source = make_source(batch_size=25, batching_window_s=20)
    await source.send(*(str(n) for n in range(27)))
    source.poller.start()
    assert [r["body"] for r in await handler.next_records()] == [str(n) for n in range(25)]


async def test_Q02_window_ends_with_what_has_come(make_source, handler) -> None:
    source = make_source(batch_size=100, batching_window_s=1)
    source.poller.start()
    await source.send("a")
    records = await handler.next_records()
    assert [r["body"] for r in records] == ["a"]
    assert records[0]["md5OfMessageAttributes"] is None


async def test_Q03_one_message_does_not_wait_for_a_full_batch(make_source, handler) -> None:
    source = make_source(batch_size=10)
    source.poller.start()
    await source.send("alone")
    assert [r["body"] for r in await handler.next_records()] == ["alone"]


async def test_Q03_a_batch_holds_all_its_messages_and_all_are_deleted(make_source, handler) -> None:
    source = make_source()
    await source.send("a", "b", "c")
    source.poller.start()
    assert [r["body"] for r in await handler.next_records()] == ["a", "b", "c"]
    assert (await source.report()).messages == 3
    assert await source.left() == 0


async def test_Q04_record(make_source, handler) -> None:
    source = make_source()
    attributes = {"source": {"StringValue": "feed", "DataType": "String"}}
    [message_id] = await source.send('{"vendor":"v-17"}', MessageAttributes=attributes)
    source.poller.start()
    [record] = await handler.next_records()
    assert record.pop("receiptHandle")
    facts = record.pop("attributes")
    assert all(isinstance(value, str) for value in facts.values())
    assert facts["ApproximateReceiveCount"] == "1"
    assert {"SentTimestamp", "SenderId", "ApproximateFirstReceiveTimestamp"} <= set(facts)
    assert record == {
        "messageId": message_id,
        "body": '{"vendor":"v-17"}',
        "messageAttributes": {
            "source": {"stringValue": "feed", "stringListValues": [], "binaryListValues": [], "dataType": "String"}
        },
        "md5OfMessageAttributes": "9815bd8e5bdede610d74a381ffbfd540",
        "md5OfBody": hashlib.md5(b'{"vendor":"v-17"}', usedforsecurity=False).hexdigest(),
        "eventSource": "aws:sqs",
        "eventSourceARN": source.queue.arn,
        "awsRegion": "eu-west-1",
    }
    assert handler.origins == [f"queue={source.queue.name} messages=1 first={message_id}"]


async def test_Q04_redelivery_counts_up_and_changes_the_handle(make_source, handler) -> None:
    source = make_source(SHORT)
    handler.answer = lambda event: RAISED
    await source.send("a")
    source.poller.start()
    [first], [second] = await handler.next_records(), await handler.next_records()
    assert first["messageId"] == second["messageId"]
    assert first["receiptHandle"] != second["receiptHandle"]
    counts = [r["attributes"]["ApproximateReceiveCount"] for r in (first, second)]
    assert counts == ["1", "2"]


@pytest.mark.parametrize("returned", [b'{"statusCode":500}', b"null", b"not json", failures("x")])
async def test_Q06_normal_return_deletes_the_batch(make_source, handler, returned: bytes) -> None:
    source = make_source()
    handler.answer = lambda event: returned
    await source.send("a", "b")
    source.poller.start()
    assert len((await source.report()).decision.delete) == 2
    assert await source.left() == 0
    assert source.poller.stats() == {
        "received": 2,
        "filtered": 0,
        "deleted": 2,
        "again": 0,
        "failed": 0,
        "invocations": 1,
        "errors": 0,
        "throttled": 0,
        "in_flight": 0,
    }


@pytest.mark.parametrize(
    "outcome",
    [RAISED, InvokeRefusedError(404, "ResourceNotFoundException", "Function not found")],
    ids=["raises", "cannot be invoked"],
)
async def test_Q07_failed_invocation_leaves_all_invisible_on_the_queue(make_source, handler, outcome: Any) -> None:
    source = make_source({"VisibilityTimeout": "30"})
    handler.answer = lambda event: outcome
    await source.send("a", "b")
    source.poller.start()
    decision = (await source.report()).decision
    assert (decision.delete, len(decision.keep)) == ((), 2)
    await source.poller.stop()
    at_once = await asyncio.to_thread(source.sqs.receive_message, QueueUrl=source.url, WaitTimeSeconds=0)
    assert "Messages" not in at_once
    assert await source.left() == 2
    assert source.poller.stats()["errors"] == 1


async def test_Q07_failed_messages_reappear_after_the_visibility_timeout(make_source, handler) -> None:
    source = make_source(SHORT)
    answers = iter([RAISED])
    handler.answer = lambda event: next(answers, b"null")
    ids = await source.send("a", "b")
    source.poller.start()
    first = await handler.next_records()
    again = await handler.next_records()
    while len(again) < 2:
        again += await handler.next_records()
    assert [r["messageId"] for r in first] == sorted((r["messageId"] for r in again), key=ids.index) == ids


async def test_Q10_reported_items_come_back_and_the_others_are_gone(make_source, handler) -> None:
    source = make_source(SHORT, report_batch_item_failures=True)
    ids = await source.send("a", "b", "c")
    answers = iter([failures(ids[1]), b"{}"])
    handler.answer = lambda event: next(answers)
    source.poller.start()
    assert [r["body"] for r in await handler.next_records()] == ["a", "b", "c"]
    assert [r["body"] for r in await handler.next_records()] == ["b"]
    await source.report()
    assert (await source.report()).decision.keep == ()
    assert await source.left() == 0
    assert source.poller.stats() | {"in_flight": 0} == {
        "received": 4,
        "filtered": 0,
        "deleted": 3,
        "again": 0,
        "failed": 1,
        "invocations": 2,
        "errors": 0,
        "throttled": 0,
        "in_flight": 0,
    }


@pytest.mark.parametrize("returned", [b"null", b"{}", failures(), b'{"batchItemFailures":null}'])
async def test_Q10_empty_report_is_success(make_source, handler, returned: bytes) -> None:
    source = make_source(report_batch_item_failures=True)
    handler.answer = lambda event: returned
    await source.send("a")
    source.poller.start()
    await source.report()
    assert await source.left() == 0


@pytest.mark.parametrize("returned", [b"not json", failures(""), failures("unknown"), b'{"batchItemFailures":[{}]}'])
async def test_Q11_malformed_report_brings_the_whole_batch_back(make_source, handler, returned: bytes) -> None:
    source = make_source(report_batch_item_failures=True)
    handler.answer = lambda event: returned
    await source.send("a", "b")
    source.poller.start()
    decision = (await source.report()).decision
    assert decision.delete == ()
    assert decision.failure is not None
    assert await source.left() == 2


async def test_Q13_redrive_after_max_receive_count(make_source, handler, sqs) -> None:
    dead = make_source()
    arn = await asyncio.to_thread(
        lambda: sqs.get_queue_attributes(QueueUrl=dead.url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    )
    redrive = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": "2"})
    source = make_source({"VisibilityTimeout": "1", "RedrivePolicy": redrive})
    handler.answer = lambda event: RAISED if event["Records"][0]["eventSourceARN"] == source.queue.arn else b"null"
    [message_id] = await source.send("poison")
    source.poller.start()
    dead.poller.start()
    counts = []
    while True:
        [record] = await handler.next_records()
        assert (record["messageId"], record["body"]) == (message_id, "poison")
        if record["eventSourceARN"] == dead.queue.arn:
            break
        counts.append(record["attributes"]["ApproximateReceiveCount"])
    assert counts == ["1", "2"]


async def test_Q15_a_saturated_trigger_receives_no_more(make_source, handler) -> None:
    source = make_source(batch_size=1, settings=TriggerSettings(start_concurrency=2, concurrency_per_minute=0))
    handler.gate.clear()
    await source.send(*"abcde")
    source.poller.start()
    await handler.next_records()
    await handler.next_records()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(handler.events.get(), 0.3)
    assert source.poller.stats()["received"] == 2
    assert source.poller.stats()["in_flight"] == 2
    handler.gate.set()
    for _ in range(5):
        await source.report()
    assert handler.most_running == 2
    assert await source.left() == 0


async def test_Q15_concurrency_grows_while_there_is_a_backlog(make_source, handler) -> None:
    source = make_source(batch_size=1, settings=TriggerSettings(start_concurrency=1, concurrency_per_minute=60_000))
    handler.gate.clear()
    await source.send(*"abcd")
    source.poller.start()
    for _ in range(4):
        await handler.next_records()
    assert handler.running == 4


async def test_no_more_batches_than_the_function_can_take_here(make_source, handler) -> None:
    source = make_source(
        batch_size=1, most_batches=2, settings=TriggerSettings(start_concurrency=1, concurrency_per_minute=60_000)
    )
    handler.gate.clear()
    await source.send(*"abcd")
    source.poller.start()
    for _ in range(2):
        await handler.next_records()
    handler.gate.set()
    for _ in range(4):
        await source.report()
    assert handler.most_running == 2


async def test_Q12_failures_lower_the_concurrency_unless_items_are_reported(make_source, handler) -> None:
    handler.answer = lambda event: RAISED
    limits = []
    for report in (False, True):
        source = make_source(batch_size=1, report_batch_item_failures=report)
        await source.send(*"abc")
        source.poller.start()
        for _ in range(3):
            await source.report()
        limits.append(source.poller._concurrency.limit(0))
    assert limits == [2, 5]


async def test_Q16_maximum_concurrency(make_source, handler) -> None:
    source = make_source(batch_size=1, maximum_concurrency=3)
    handler.gate.clear()
    await source.send(*"abcde")
    source.poller.start()
    for _ in range(3):
        await handler.next_records()
    handler.gate.set()
    for _ in range(5):
        await source.report()
    assert handler.most_running == 3


async def test_Q17_throttled_call_is_repeated_with_the_same_batch(make_source, handler) -> None:
    source = make_source()
    answers = iter([InvokeRefusedError(429, "TooManyRequestsException", "Rate Exceeded.")] * 2 + [b"null"])
    handler.answer = lambda event: next(answers)
    await source.send("a")
    source.poller.start()
    seen = [await handler.next_records() for _ in range(3)]
    assert seen[0] == seen[1] == seen[2]
    await source.report()
    assert source.poller.stats() | {"in_flight": 0} == {
        "received": 1,
        "filtered": 0,
        "deleted": 1,
        "again": 0,
        "failed": 0,
        "invocations": 1,
        "errors": 0,
        "throttled": 2,
        "in_flight": 0,
    }


async def test_Q17_throttled_batch_goes_back_when_its_visibility_runs_out(make_source, handler) -> None:
    source = make_source(SHORT)
    handler.answer = lambda event: InvokeRefusedError(429, "TooManyRequestsException", "Rate Exceeded.")
    await source.send("a")
    source.poller.start()
    assert (await source.report()).decision.failure == "the function could not be invoked: Rate Exceeded."
    handler.answer = lambda event: b"null"
    await source.report()
    assert await source.left() == 0


async def test_Q20_a_handler_that_deletes_its_messages_itself_is_harmless(make_source, handler) -> None:
    source = make_source()

    def delete(event: dict[str, Any]) -> bytes:
        for record in event["Records"]:
            source.sqs.delete_message(QueueUrl=source.url, ReceiptHandle=record["receiptHandle"])
        return b"null"

    handler.answer = delete
    await source.send("a", "b")
    source.poller.start()
    await source.report()
    assert await source.left() == 0


async def test_Q25_disabled_trigger_polls_nothing(make_source, handler) -> None:
    source = make_source(enabled=False)
    source.poller.start()
    await source.send("a")
    await source.poller.stop()
    assert await source.left() == 1
    assert handler.events.empty()


async def test_Q08_held_messages_arrive_behind_later_ones_and_none_is_lost(make_source, handler) -> None:
    source = make_source(batch_size=2, settings=TriggerSettings(shuffle_share=0.5), maximum_concurrency=2)
    sent = [str(number) for number in range(20)]
    await source.send(*sent)
    source.poller.start()
    came: list[str] = []
    while len(came) < len(sent):
        came += [record["body"] for record in await handler.next_records()]
    assert came != sent
    assert sorted(came, key=int) == sent


async def test_Q09_a_duplicate_is_delivered_again_although_the_function_succeeded(make_source, handler) -> None:
    source = make_source(batch_size=1, settings=TriggerSettings(duplicate_share=1))
    await source.send("a", "b")
    source.poller.start()
    came = [(await handler.next_records())[0] for _ in range(4)]
    for _ in range(4):
        await source.report()
    assert sorted(each["body"] for each in came) == ["a", "a", "b", "b"]
    assert sorted(each["attributes"]["ApproximateReceiveCount"] for each in came) == ["1", "1", "2", "2"]
    assert len({each["receiptHandle"] for each in came}) == 4
    assert await source.left() == 0
    assert {name: source.poller.stats()[name] for name in ("again", "deleted")} == {"again": 2, "deleted": 2}


async def test_Q09_a_message_that_its_handler_deleted_does_not_come_again(make_source, handler) -> None:
    source = make_source(batch_size=1, settings=TriggerSettings(duplicate_share=1))

    def delete(event: dict[str, Any]) -> bytes:
        source.sqs.delete_message(QueueUrl=source.url, ReceiptHandle=event["Records"][0]["receiptHandle"])
        return b"null"

    handler.answer = delete
    await source.send("a")
    source.poller.start()
    await source.report()
    assert await source.left() == 0
    assert source.poller.stats()["again"] == 0


async def test_Q14_window_and_function_lengthen_the_visibility(make_source, handler) -> None:
    source = make_source({"VisibilityTimeout": "1"}, batching_window_s=1, function_timeout_s=1)
    handler.answer = lambda event: RAISED
    await source.send("a")
    source.poller.start()
    await source.report()
    handler.events.get_nowait()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(handler.events.get(), 2)


async def test_Q20_of_a_batch_that_then_fails_only_what_was_not_deleted_comes_back(make_source, handler) -> None:
    source = make_source(SHORT)
    answers = iter([RAISED])

    def delete_one(event: dict[str, Any]) -> bytes | InvocationResult:
        handle = event["Records"][0]["receiptHandle"]
        source.sqs.delete_message(QueueUrl=source.url, ReceiptHandle=handle)
        return next(answers, b"null")

    handler.answer = delete_one
    await source.send("a", "b")
    source.poller.start()
    assert [r["body"] for r in await handler.next_records()] == ["a", "b"]
    assert [r["body"] for r in await handler.next_records()] == ["b"]
    await source.report()
    await source.report()
    assert await source.left() == 0


async def test_Q23_messages_that_no_filter_fits_are_deleted_unseen(make_source, handler) -> None:
    source = make_source(filters=({"body": {"kind": ["wanted"]}},))
    await source.send('{"kind": "other"}', "no JSON", '{"kind": "wanted"}', '{"kind": "wanted", "n": 2}')
    source.poller.start()
    assert [r["body"] for r in await handler.next_records()] == ['{"kind": "wanted"}', '{"kind": "wanted", "n": 2}']
    await source.report()
    await source.poller.stop(drain_s=10)
    assert await source.left() == 0
    stats = source.poller.stats()
    assert (stats["received"], stats["filtered"], stats["deleted"], stats["in_flight"]) == (4, 2, 2, 0)


async def test_a_handler_that_stands_still_holds_up_no_other_trigger(make_source, handler) -> None:
    """A breakpoint, for instance: one batch of one trigger waits, and nothing else does."""
    stopped, going = make_source(batch_size=1, maximum_concurrency=2), make_source(batch_size=1)
    held = asyncio.Event()

    async def invoke(function_name: str, payload: bytes, *, origin: str = "") -> InvocationResult:
        if json.loads(payload)["Records"][0]["body"] == "stop":
            await held.wait()
        return InvocationResult("r", b"null")

    for source in (stopped, going):
        source.poller._invoke = invoke
        source.poller.start()
    await stopped.send("stop", "go on")
    await going.send("a", "b", "c")
    for source, count in ((stopped, 1), (going, 3)):
        for _ in range(count):
            await source.report()
    assert stopped.poller.stats()["in_flight"] == 1
    held.set()
    await stopped.report()
    assert await stopped.left() == 0
