from __future__ import annotations

import asyncio
import itertools
import json
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio

from simulator.cloud.cloud import Cloud
from simulator.cloud.sqs_calls import SqsCalls
from simulator.invocation import InvocationResult
from simulator.stack.model import Queue, Trigger
from simulator.triggers import EventSourcePoller
from simulator.triggers.settings import TriggerSettings

REGION = "eu-west-1"
_numbers = itertools.count()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def sqs() -> AsyncIterator[Any]:
    """A client of the patched moto in its own process, as a stack has it."""
    async with Cloud(region=REGION) as cloud:
        yield cloud.client("sqs")


class Handler:
    """An `Invoke` that records each event and answers as the test says."""

    def __init__(self) -> None:
        self.events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.answer: Callable[[dict[str, Any]], bytes | InvocationResult | Exception] = lambda event: b"null"
        self.gate = asyncio.Event()
        self.gate.set()
        self.running = 0
        self.most_running = 0
        self.origins: list[str] = []

    async def __call__(self, function_name: str, payload: bytes, *, origin: str = "") -> InvocationResult:
        event = json.loads(payload)
        self.origins.append(origin)
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            self.events.put_nowait(event)
            await self.gate.wait()
        finally:
            self.running -= 1
        answer = self.answer(event)
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, InvocationResult) else InvocationResult("r", answer)

    async def next_records(self) -> list[dict[str, Any]]:
        records: list[dict[str, Any]] = (await asyncio.wait_for(self.events.get(), 10))["Records"]
        return records


@pytest.fixture
def handler() -> Handler:
    return Handler()


@dataclass
class Source:
    """A queue in moto and the poller that feeds the handler from it."""

    sqs: Any
    queue: Queue
    url: str
    poller: EventSourcePoller
    reports: asyncio.Queue[Any] = field(default_factory=asyncio.Queue)

    async def send(self, *bodies: str, **settings: Any) -> list[str]:
        """Send, and return the message ids."""

        def work() -> list[str]:
            return [
                self.sqs.send_message(QueueUrl=self.url, MessageBody=body, **settings)["MessageId"] for body in bodies
            ]

        return await asyncio.to_thread(work)

    async def report(self) -> Any:
        """What became of the next batch, once that is settled."""
        return await asyncio.wait_for(self.reports.get(), 10)

    async def left(self) -> int:
        """Messages on the queue, in flight or not."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = await asyncio.to_thread(self.sqs.get_queue_attributes, QueueUrl=self.url, AttributeNames=names)
        return sum(int(answer["Attributes"][name]) for name in names)


MakeSource = Callable[..., Source]


@pytest.fixture
async def make_source(sqs: Any, handler: Handler) -> AsyncIterator[MakeSource]:
    """Make a queue and a poller on it; `attributes` are the queue's, the rest the trigger's."""
    sources = []
    calls = SqsCalls(sqs.meta.endpoint_url, REGION)

    def make(
        attributes: dict[str, str] | None = None,
        *,
        fifo: bool = False,
        settings: TriggerSettings | None = None,
        most_batches: int | None = None,
        function_timeout_s: int | None = None,
        **mapping: Any,
    ) -> Source:
        name = f"source-{next(_numbers)}" + (".fifo" if fifo else "")
        attributes = (
            {"ReceiveMessageWaitTimeSeconds": "1"} | (attributes or {}) | ({"FifoQueue": "true"} if fifo else {})
        )
        url = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        queue = Queue("Q", name, "https://aws", f"arn:aws:sqs:{REGION}:123456789012:{name}", attributes, fifo=fifo)
        reports: asyncio.Queue[Any] = asyncio.Queue()
        poller = EventSourcePoller(
            Trigger("T", name, "send", **mapping),
            queue,
            url,
            calls,
            handler,
            region=REGION,
            settings=settings,
            most_batches=most_batches,
            function_timeout_s=function_timeout_s,
            chance=random.Random(1),
            on_batch=reports.put_nowait,
        )
        source = Source(sqs, queue, url, poller, reports)
        sources.append(source)
        return source

    yield make
    handler.gate.set()
    for source in sources:
        await source.poller.stop()
    await calls.close()
