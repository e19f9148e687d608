"""FIFO queues through the trigger, on the patched moto (Q18, Q19)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from simulator.invocation import InvocationResult

RAISED = InvocationResult("r", b'{"errorType":"ValueError","errorMessage":"no"}', "Unhandled")
CONTENT = {"ContentBasedDeduplication": "true"}
SHORT = CONTENT | {"VisibilityTimeout": "1"}


async def send(source: Any, *bodies: str) -> None:
    """Each body into the group of its first letter."""
    for body in bodies:
        await source.send(body, MessageGroupId=body[0])


async def bodies(handler: Any) -> list[str]:
    return [record["body"] for record in await handler.next_records()]


async def test_Q18_groups_are_served_side_by_side_and_one_batch_of_a_group_at_a_time(make_source, handler) -> None:
    source = make_source(CONTENT, fifo=True, batch_size=1)
    handler.gate.clear()
    await send(source, "a1", "a2", "b1", "c1")
    source.poller.start()
    assert sorted([(await bodies(handler))[0] for _ in range(3)]) == ["a1", "b1", "c1"]
    assert handler.running == 3
    handler.gate.set()
    assert await bodies(handler) == ["a2"]
    for _ in range(4):
        await source.report()
    assert handler.most_running == 3
    assert await source.left() == 0


async def test_Q16_maximum_concurrency_holds_for_groups(make_source, handler) -> None:
    source = make_source(CONTENT, fifo=True, batch_size=1, maximum_concurrency=2)
    handler.gate.clear()
    await send(source, "a1", "b1", "c1", "d1")
    source.poller.start()
    for _ in range(2):
        await bodies(handler)
    handler.gate.set()
    for _ in range(4):
        await source.report()
    assert handler.most_running == 2


async def test_Q18_a_batch_mixes_groups_and_keeps_the_order_of_each(make_source, handler) -> None:
    source = make_source(CONTENT, fifo=True)
    await send(source, "a1", "b1", "a2", "b2")
    source.poller.start()
    came = await bodies(handler)
    assert [body for body in came if body[0] == "a"] == ["a1", "a2"]
    assert [body for body in came if body[0] == "b"] == ["b1", "b2"]


async def test_Q18_a_failed_batch_blocks_its_group_and_comes_back_in_order(make_source, handler) -> None:
    source = make_source(SHORT, fifo=True, batch_size=2)
    answers = iter([RAISED])
    handler.answer = lambda event: next(answers, b"null") if event["Records"][0]["body"][0] == "a" else b"null"
    await send(source, "a1", "a2", "a3", "b1")
    source.poller.start()
    came = [await bodies(handler) for _ in range(4)]
    assert [batch for batch in came if batch[0][0] == "a"] == [["a1", "a2"], ["a1", "a2"], ["a3"]]
    assert ["b1"] in came[:3]


async def test_Q18_everything_from_the_first_failure_on_comes_back_in_order(make_source, handler) -> None:
    source = make_source(SHORT, fifo=True, report_batch_item_failures=True)
    failed = [True]

    def from_the_second_on(event: dict[str, Any]) -> bytes:
        ids = [record["messageId"] for record in event["Records"]][1:] if failed.pop() else []
        failed.append(False)
        return json.dumps({"batchItemFailures": [{"itemIdentifier": each} for each in ids]}).encode()

    handler.answer = from_the_second_on
    await send(source, "a1", "a2", "a3")
    source.poller.start()
    assert await bodies(handler) == ["a1", "a2", "a3"]
    await send(source, "a4")
    assert await bodies(handler) == ["a2", "a3", "a4"]


async def test_Q18_a_dead_letter_frees_its_group(make_source, handler) -> None:
    dead = make_source(CONTENT, fifo=True)
    policy = {"deadLetterTargetArn": dead.queue.arn, "maxReceiveCount": "1"}
    source = make_source(SHORT | {"RedrivePolicy": json.dumps(policy)}, fifo=True, batch_size=1)
    handler.answer = lambda event: RAISED if event["Records"][0]["body"] == "a1" else b"null"
    await send(source, "a1", "a2")
    source.poller.start()
    assert await bodies(handler) == ["a1"]
    assert await bodies(handler) == ["a2"]
    dead.poller.start()
    [record] = await handler.next_records()
    assert (record["body"], record["attributes"]["DeadLetterQueueSourceArn"]) == ("a1", source.queue.arn)


@pytest.mark.parametrize("attributes", [{}, CONTENT], ids=["explicit deduplication", "by content"])
async def test_Q19_records_of_fifo_queues(make_source, handler, attributes: dict[str, str]) -> None:
    source = make_source(attributes, fifo=True)
    settings = {} if attributes else {"MessageDeduplicationId": "d1"}
    await source.send("x", MessageGroupId="g1", **settings)
    source.poller.start()
    [record] = await handler.next_records()
    facts = record["attributes"]
    assert facts["MessageGroupId"] == "g1"
    assert len(facts["SequenceNumber"]) == 20
    assert facts["SequenceNumber"].isdigit()
    if attributes:
        assert len(facts["MessageDeduplicationId"]) == 64
    else:
        assert facts["MessageDeduplicationId"] == "d1"
