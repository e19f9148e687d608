"""Sending to and draining a queue that has a backlog, on the patched moto beside a queue without one, and stock moto.

A turn sends some messages in batches of ten and then receives and deletes as many, as a trigger does, so that the
backlog is the same in each. Stock moto counts the whole backlog at each access.
"""

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from instruments.contest import clocks, record, rounds_of
from instruments.results import WALL_TOLERANCE, Group, Role
from simulator.cloud.cloud import Cloud

REGION = "us-east-1"
BATCH = 10
BODY = "x" * 366
CPU = "server_cpu_us_per_message"


@dataclass
class Queue:
    """One queue of one moto; messages are numbered, and come out in that order."""

    name: str
    role: Role
    cloud: Cloud
    messages_a_turn: int
    backlog: int
    url: str = ""
    sent: int = 0
    taken: list[int] = field(default_factory=list)

    @property
    def pid(self) -> int:
        assert self.cloud.pid is not None
        return self.cloud.pid

    def open(self) -> None:
        sqs = self.cloud.client("sqs")
        name = f"{self.name}-{self.backlog}-{self.messages_a_turn}"
        self.url = sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "600"})["QueueUrl"]
        self.send(self.backlog)

    def send(self, messages: int) -> None:
        sqs = self.cloud.client("sqs")
        for _ in range(messages // BATCH):
            entries = [{"Id": str(n), "MessageBody": f"{self.sent + n} {BODY}"} for n in range(BATCH)]
            answer = sqs.send_message_batch(QueueUrl=self.url, Entries=entries)
            assert len(answer["Successful"]) == BATCH
            self.sent += BATCH

    def drain(self, messages: int) -> None:
        sqs = self.cloud.client("sqs")
        goal = len(self.taken) + messages
        while len(self.taken) < goal:
            received = sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=BATCH)["Messages"]
            entries = [{"Id": str(n), "ReceiptHandle": each["ReceiptHandle"]} for n, each in enumerate(received)]
            answer = sqs.delete_message_batch(QueueUrl=self.url, Entries=entries)
            assert len(answer["Successful"]) == len(received)
            self.taken += [int(each["Body"].partition(" ")[0]) for each in received]

    def close(self) -> None:
        """Everything taken was taken once, and the backlog is what it was."""
        assert sorted(self.taken) == list(range(self.sent - self.backlog))
        asked = ["ApproximateNumberOfMessages"]
        found: dict[str, Any] = self.cloud.client("sqs").get_queue_attributes(QueueUrl=self.url, AttributeNames=asked)
        assert found["Attributes"] == {asked[0]: str(self.backlog)}
        self.cloud.client("sqs").delete_queue(QueueUrl=self.url)


@pytest.fixture(scope="module")
def motos(environment: pytest.MonkeyPatch) -> Iterator[dict[str, Cloud]]:
    """`patched` and `stock`."""
    clouds = {"patched": Cloud(region=REGION), "stock": Cloud(region=REGION, stock_moto=True)}
    with asyncio.Runner() as runner:
        try:
            for cloud in clouds.values():
                runner.run(cloud.start())
            yield clouds
        finally:
            for cloud in clouds.values():
                runner.run(cloud.stop())


def take_turns(group: Group, queues: list[Queue], rounds: int) -> None:
    with contextlib.ExitStack() as exits:
        for queue in queues:
            queue.open()
            exits.callback(queue.close)
        for number, queue in rounds_of(queues, rounds):
            for word, work in (("send", queue.send), ("drain", queue.drain)):
                with clocks([queue.pid]) as taken:
                    work(queue.messages_a_turn)
                if number:
                    subject = f"{word}_{queue.name}"
                    record(group, subject, queue.role, taken, unit="message", units=queue.messages_a_turn)


@pytest.mark.parametrize("backlog", [1_000, 10_000])
def test_backlog(group, motos, backlog):
    found: Group = group(f"queue-{backlog}", f"send and drain at a backlog of {backlog:,}, beside an empty queue")
    queues = [
        Queue("backlog", "ours", motos["patched"], 100, backlog),
        Queue("empty", "reference", motos["patched"], 100, 0),
        Queue("stock_empty", "reference", motos["stock"], 20, 0),
    ]
    take_turns(found, queues, rounds=7)
    if backlog == 10_000:
        found.subjects["drain_backlog"].metrics["messages_per_s"].reach = 500.0
    for word in ("send", "drain"):
        found.set_against(CPU, f"{word}_backlog", f"{word}_empty", reach=0.8)
        found.set_against(CPU, f"{word}_backlog", f"{word}_stock_empty", tolerance=0.25)
        found.set_against("messages_per_s", f"{word}_backlog", f"{word}_stock_empty", tolerance=WALL_TOLERANCE)


@pytest.mark.long
def test_stock_backlog(group, motos):
    """A backlog of 1,000 is what stock moto bears in a benchmark: the cost of each access grows with it."""
    found: Group = group("queue-1000-stock", "send and drain at a backlog of 1,000, patched and stock moto")
    queues = [
        Queue("patched", "ours", motos["patched"], 10, 1_000),
        Queue("stock", "reference", motos["stock"], 10, 1_000),
    ]
    take_turns(found, queues, rounds=3)
    for word in ("send", "drain"):
        found.set_against(CPU, f"{word}_patched", f"{word}_stock", tolerance=0.25)
        found.set_against("messages_per_s", f"{word}_patched", f"{word}_stock", tolerance=WALL_TOLERANCE)
