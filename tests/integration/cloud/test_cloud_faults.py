"""Faults of DynamoDB and SQS in the child process, seen by a client as the tracker has it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from random import Random
from typing import Any

import pytest
import pytest_asyncio
from botocore.exceptions import ClientError

from simulator.active_faults import ActiveFault
from simulator.cloud.cloud import Cloud
from simulator.cloud.fault_room import CloudFaults
from simulator.errors import EnvironmentFailure, InputError
from simulator.fault_kinds import FAULT_KINDS

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cloud() -> AsyncIterator[Cloud]:
    async with Cloud(region="eu-west-1") as started:
        for table in ("rows", "others"):
            started.client("dynamodb").create_table(
                TableName=table,
                BillingMode="PAY_PER_REQUEST",
                AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
                KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            )
        yield started


@pytest.fixture
def room(cloud: Cloud) -> CloudFaults:
    return CloudFaults(cloud)


def fault(kind: str, *, target: str | None = None, probability: float = 1.0, **attributes: Any) -> ActiveFault:
    defaults = {each.name: each.default for each in FAULT_KINDS[kind].attributes}
    return ActiveFault(kind, Random("1"), target, probability, {**defaults, **attributes}, seed="1")


async def put(cloud: Cloud, row: str, table: str = "rows") -> dict[str, Any]:
    answer: dict[str, Any] = await asyncio.to_thread(
        cloud.client("dynamodb").put_item, TableName=table, Item={"id": {"S": row}}
    )
    return answer


async def scan(cloud: Cloud, **request: Any) -> list[str]:
    answer = await asyncio.to_thread(cloud.client("dynamodb").scan, TableName="rows", **request)
    assert answer["Count"] == answer["ScannedCount"] == len(answer["Items"])
    return [item["id"]["S"] for item in answer["Items"]]


@pytest.mark.parametrize(
    ("kind", "attributes", "code"),
    [
        pytest.param("dynamodb_throttle", {}, "ProvisionedThroughputExceededException", id="D11"),
        pytest.param("dynamodb_throttle", {"error": "ThrottlingException"}, "ThrottlingException", id="D11-other"),
        pytest.param("dynamodb_error", {}, "InternalServerError", id="500"),
    ],
)
async def test_calls_fail_and_change_nothing_while_the_fault_is_on(
    cloud: Cloud, room: CloudFaults, kind: str, attributes: dict[str, Any], code: str
) -> None:
    await room.begin("f1", fault(kind, target="rows", operation="PutItem", **attributes))
    with pytest.raises(ClientError) as refused:
        await put(cloud, f"never {code}")
    assert refused.value.response["Error"]["Code"] == code
    await put(cloud, "elsewhere", "others")
    assert f"never {code}" not in await scan(cloud, ConsistentRead=True)
    await room.end("f1")
    assert (await put(cloud, "after"))["ResponseMetadata"]["RetryAttempts"] == 0


async def test_a_share_of_the_calls_is_got_over_by_the_sdks_own_retries(cloud: Cloud, room: CloudFaults) -> None:
    await room.begin("f1", fault("dynamodb_throttle", probability=0.3))
    attempts = []
    for number in range(12):
        try:
            attempts.append((await put(cloud, f"share {number}"))["ResponseMetadata"]["RetryAttempts"])
        except ClientError:
            attempts.append(9)
    await room.end("f1")
    assert 0 in attempts
    assert max(attempts) > 0


async def test_calls_come_late_while_the_fault_is_on(cloud: Cloud, room: CloudFaults) -> None:
    loop = asyncio.get_running_loop()
    await room.begin("f1", fault("dynamodb_latency", delay_ms=300.0))
    began_s = loop.time()
    await put(cloud, "late")
    assert loop.time() - began_s >= 0.3
    await room.end("f1")


async def test_D06_an_eventually_consistent_scan_misses_new_rows_and_a_consistent_one_does_not(
    cloud: Cloud, room: CloudFaults
) -> None:
    await put(cloud, "old")
    await room.begin("f1", fault("dynamodb_stale_scan", target="rows", lag_ms=600_000.0))
    await put(cloud, "new")
    await put(cloud, "old")
    assert "new" not in await scan(cloud)
    assert "old" in await scan(cloud)
    assert "new" not in await scan(cloud, ProjectionExpression="id")
    assert "new" in await scan(cloud, ConsistentRead=True)
    await room.end("f1")
    assert "new" in await scan(cloud)


async def test_messages_become_visible_later_while_the_fault_is_on(cloud: Cloud, room: CloudFaults) -> None:
    sqs = cloud.client("sqs")
    url = sqs.create_queue(QueueName="late")["QueueUrl"]

    async def delayed() -> int:
        answer = await asyncio.to_thread(
            sqs.get_queue_attributes, QueueUrl=url, AttributeNames=["ApproximateNumberOfMessagesDelayed"]
        )
        return int(answer["Attributes"]["ApproximateNumberOfMessagesDelayed"])

    await room.begin("f1", fault("sqs_delay", delay_s=900))
    await asyncio.to_thread(sqs.send_message, QueueUrl=url, MessageBody="a")
    entries = [{"Id": str(number), "MessageBody": "b"} for number in range(2)]
    await asyncio.to_thread(sqs.send_message_batch, QueueUrl=url, Entries=entries)
    assert await delayed() == 3
    await room.end("f1")
    await asyncio.to_thread(sqs.send_message, QueueUrl=url, MessageBody="c")
    assert await delayed() == 3
    received = await asyncio.to_thread(sqs.receive_message, QueueUrl=url, MaxNumberOfMessages=10)
    assert [message["Body"] for message in received["Messages"]] == ["c"]


async def test_an_order_that_cannot_be_carried_out_is_told(cloud: Cloud) -> None:
    with pytest.raises(EnvironmentFailure, match="could not do it"):
        await cloud.order({"nonsense": 1})
    await cloud.order({"off": "what never was on"})


async def test_an_endpoint_of_somebody_else_is_left_alone(cloud: Cloud) -> None:
    other = Cloud(region="eu-west-1", endpoint_url=cloud.endpoint_url)
    with pytest.raises(InputError, match="not the simulator's own"):
        await CloudFaults(other).begin("f1", fault("dynamodb_error"))
    await other.stop()
