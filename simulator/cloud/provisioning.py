"""Creates a stack's tables and queues at an endpoint. What is already there is used as it is, never changed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from simulator.errors import EnvironmentFailure
from simulator.stack.model import Queue, Stack, Table

Result = TypeVar("Result")

_ACTIVE_POLL = {"Delay": 1, "MaxAttempts": 60}


@dataclass(frozen=True, slots=True)
class Provisioned:
    """What a stack has at its endpoint."""

    queue_urls: Mapping[str, str]
    """Queue name to the URL that this endpoint gives it."""
    table_names: tuple[str, ...]


async def provision(stack: Stack, dynamodb: Any, sqs: Any) -> Provisioned:
    """Create tables and queues, as many at a time as depend on nothing; dead-letter queues before their sources.

    Raises `EnvironmentFailure` naming the resource that the endpoint would not have.
    """
    queues = {queue.name: queue for queue in stack.queues}
    ready: dict[str, asyncio.Task[str]] = {}

    def creation(name: str) -> asyncio.Task[str]:
        if name not in ready:
            ready[name] = group.create_task(_create_after(queues[name]))
        return ready[name]

    async def _create_after(queue: Queue) -> str:
        target_url = await creation(queue.dead_letter_queue) if queue.dead_letter_queue else None
        return await asyncio.to_thread(_named, f"queue {queue.name}", lambda: _create_queue(sqs, queue, target_url))

    try:
        async with asyncio.TaskGroup() as group:
            for table in stack.tables:
                group.create_task(_create_in_thread(dynamodb, table))
            for name in queues:
                creation(name)
    except* EnvironmentFailure as failures:
        raise _first(failures) from failures
    return Provisioned({name: task.result() for name, task in ready.items()}, tuple(t.name for t in stack.tables))


async def _create_in_thread(dynamodb: Any, table: Table) -> None:
    await asyncio.to_thread(_named, f"table {table.name}", lambda: _create_table(dynamodb, table))


def _first(failures: BaseExceptionGroup[EnvironmentFailure]) -> EnvironmentFailure:
    first: BaseException = failures
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    return first if isinstance(first, EnvironmentFailure) else EnvironmentFailure(str(first))


def _named(what: str, create: Callable[[], Result]) -> Result:
    try:
        return create()
    except (BotoCoreError, ClientError, KeyError) as error:
        missing = f"its answer has no {error}" if isinstance(error, KeyError) else str(error)
        reason = " ".join(missing.split())
        raise EnvironmentFailure(
            f"the {what} could not be created ({reason}); check the template and the AWS endpoint."
        ) from error


def _create_table(dynamodb: Any, table: Table) -> None:
    try:
        answer = dynamodb.create_table(**table.create_request)
    except dynamodb.exceptions.ResourceInUseException:
        _check_existing(dynamodb, table)
        return
    if answer["TableDescription"]["TableStatus"] != "ACTIVE":
        dynamodb.get_waiter("table_exists").wait(TableName=table.name, WaiterConfig=_ACTIVE_POLL)
    if table.ttl_attribute is not None:
        dynamodb.update_time_to_live(
            TableName=table.name,
            TimeToLiveSpecification={"AttributeName": table.ttl_attribute, "Enabled": True},
        )


def _check_existing(dynamodb: Any, table: Table) -> None:
    existing = dynamodb.describe_table(TableName=table.name)["Table"]["KeySchema"]
    if list(existing) != list(table.create_request["KeySchema"]):
        raise EnvironmentFailure(
            f"the table {table.name} already exists with another key; delete it, or rename {table.logical_id}."
        )


def _create_queue(sqs: Any, queue: Queue, dead_letter_url: str | None) -> str:
    attributes = dict(queue.attributes)
    if dead_letter_url is not None:
        answer = sqs.get_queue_attributes(QueueUrl=dead_letter_url, AttributeNames=["QueueArn"])
        attributes["RedrivePolicy"] = json.dumps(
            {"deadLetterTargetArn": answer["Attributes"]["QueueArn"], "maxReceiveCount": queue.max_receive_count}
        )
    try:
        url = sqs.create_queue(QueueName=queue.name, Attributes=attributes)["QueueUrl"]
    except sqs.exceptions.QueueNameExists:
        url = sqs.get_queue_url(QueueName=queue.name)["QueueUrl"]
    return str(url)
