"""Whatever is done to SQS, patched moto answers as stock moto does, but for the differences that are listed."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from moto.sqs import models

from beside_stock.sides import Answer, BesideStock, beside_stock, machine_settings

BEGIN_S = 1_700_000_000.0
MOST_MESSAGES = 60
"""Of one example: each costs stock moto the more the more there are."""

BODIES = st.sampled_from(["a", "b", "€", "x" * 400])
ATTRIBUTES = st.sampled_from(
    [
        {},
        {"colour": {"DataType": "String", "StringValue": "red"}},
        {
            "colour": {"DataType": "String", "StringValue": "blue"},
            "size.width": {"DataType": "Number", "StringValue": "7"},
            "size.blob": {"DataType": "Binary", "BinaryValue": "aGk="},
        },
    ]
)
WRONG_ATTRIBUTES = {"colour": {"DataType": "Colour", "StringValue": "red"}}
ASKED = st.sampled_from([{}, {"MessageAttributeNames": ["All"]}, {"MessageAttributeNames": ["size.*", "colour"]}])
SYSTEM = st.sampled_from(
    [
        {},
        {"AttributeNames": ["All"]},
        {"AttributeNames": ["ApproximateReceiveCount", "SentTimestamp"]},
        {"MessageSystemAttributeNames": ["ApproximateFirstReceiveTimestamp", "SenderId"]},
    ]
)
TIMEOUTS = [0, 5, 30, 300]
NAMES = [
    ["All"],
    ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed"],
    ["QueueArn", "RedrivePolicy", "KmsMasterKeyId", "FifoQueue"],
    [],
    ["Wrong"],
]

STEPS = [
    *["send"] * 4,
    *["send_batch"] * 2,
    *["receive"] * 6,
    *["delete"] * 3,
    *["wait"] * 3,
    "delete_batch",
    "change_visibility",
    "change_visibility_batch",
    *["look"] * 2,
    "set_attributes",
    "purge",
    "sources",
    *["fail_until_dead"] * 2,
]

Handles = tuple[str, str]
"""Stock moto's and patched moto's receipt handle of one receive."""


class Clock:
    """Both sides' time; it moves when it is told to."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.now_s = BEGIN_S
        patch.setattr(time, "time", lambda: self.now_s)
        patch.setattr(models, "unix_time", lambda: self.now_s)
        patch.setattr(models, "unix_time_millis", lambda: self.now_s * 1000)


class Queues(RuleBasedStateMachine):
    """A queue whose messages go to another one when they have been received once or twice."""

    def __init__(self, sides: BesideStock, clock: Clock) -> None:
        super().__init__()
        self.sides = sides
        self.clock = clock
        self.handles: list[Handles] = []
        self.sent = 0

    def ask(self, operation: str, **request: Any) -> dict[str, Any]:
        return self.sides.both("sqs", operation, **request)[1]

    def ask_about(self, operation: str, handles: list[Handles], entries: list[Any] | None, **request: Any) -> None:
        """As `ask`, with receipt handles, which each side has made up for itself."""
        asked = []
        for side in (0, 1):
            if entries is None:
                asked.append({**request, "ReceiptHandle": handles[0][side]})
            else:
                own = [{**entry, "ReceiptHandle": pair[side]} for entry, pair in zip(entries, handles, strict=True)]
                asked.append({**request, "Entries": own})
        stock, patched = self.sides.each("sqs", operation, *asked)
        names = {handle: f"handle {number}" for number, pair in enumerate(handles) for handle in pair}
        self.sides.agree(operation, request, with_names(stock, names), with_names(patched, names))

    @initialize(delay_s=st.sampled_from([0, 0, 5]), receives=st.sampled_from([1, 2]))
    def create(self, delay_s: int, receives: int) -> None:
        self.sides.reset()
        self.clock.now_s = BEGIN_S
        self.ask("CreateQueue", QueueName="dead")
        redrive = f'{{"deadLetterTargetArn": "arn:aws:sqs:us-east-1:ACCOUNT:dead", "maxReceiveCount": {receives}}}'
        attributes = {"RedrivePolicy": redrive, "VisibilityTimeout": "30", "DelaySeconds": str(delay_s)}
        self.ask("CreateQueue", QueueName="work", Attributes=attributes)

    @rule(data=st.data(), steps=st.lists(st.sampled_from(STEPS), min_size=3, max_size=12))
    def go_on(self, data: st.DataObject, steps: list[str]) -> None:
        for name in steps:
            getattr(self, name)(data)

    # -- sending ---------------------------------------------------------------------------------------------------

    def message(self, data: st.DataObject) -> dict[str, Any]:
        message = {"MessageBody": data.draw(BODIES), "MessageAttributes": data.draw(ATTRIBUTES)}
        if data.draw(st.integers(0, 3)) == 0:
            message["DelaySeconds"] = data.draw(seldom([0, 1, 10], 901))
        return message

    def send(self, data: st.DataObject) -> None:
        if self.sent >= MOST_MESSAGES:
            return
        self.sent += 1
        message = self.message(data)
        if data.draw(st.integers(0, 20)) == 11:
            message["MessageAttributes"] = WRONG_ATTRIBUTES
        self.ask("SendMessage", QueueUrl=data.draw(seldom(["work", "work", "dead"], "nowhere")), **message)

    def send_batch(self, data: st.DataObject) -> None:
        count = data.draw(seldom([1, 2, 5, 10], 11))
        if self.sent + count > MOST_MESSAGES:
            return
        self.sent += count
        ids = [data.draw(seldom([f"m{number}"], "m0" if number % 2 else "not allowed")) for number in range(count)]
        self.ask("SendMessageBatch", QueueUrl="work", Entries=[{"Id": each, **self.message(data)} for each in ids])

    # -- receiving -------------------------------------------------------------------------------------------------

    def receive(self, data: st.DataObject) -> None:
        request = {"QueueUrl": data.draw(seldom(["work", "work", "work", "dead"], "nowhere"))}
        request |= data.draw(ASKED) | data.draw(SYSTEM)
        self.take(request | self.limits(data))

    def limits(self, data: st.DataObject) -> dict[str, Any]:
        request = {}
        if data.draw(st.booleans()):
            request["VisibilityTimeout"] = data.draw(seldom(TIMEOUTS, 43_201))
        if data.draw(st.integers(0, 3)):
            request["MaxNumberOfMessages"] = data.draw(seldom([1, 2, 5, 10], 11))
        return request

    def fail_until_dead(self, data: st.DataObject) -> None:
        for _ in range(3):
            self.take({"QueueUrl": "work", "VisibilityTimeout": 0} | data.draw(SYSTEM))
        self.take({"QueueUrl": "dead"} | self.limits(data) | data.draw(SYSTEM))

    def take(self, request: dict[str, Any]) -> None:
        stock, patched = self.sides.each("sqs", "ReceiveMessage", request, request)
        found = [[each.pop("ReceiptHandle") for each in body.get("Messages", [])] for _, body in (stock, patched)]
        self.sides.agree("ReceiveMessage", request, stock, patched)
        self.handles += zip(*found, strict=True)

    def some_handles(self, data: st.DataObject, most: int) -> list[Handles]:
        """Old and new ones, and now and then one that never was."""
        known = self.handles[-20:]
        count = data.draw(st.integers(1, most))
        return [data.draw(seldom(known, ("never", "never"))) if known else ("never", "never") for _ in range(count)]

    def delete(self, data: st.DataObject) -> None:
        self.ask_about("DeleteMessage", self.some_handles(data, 1), None, QueueUrl=queue(data))

    def delete_batch(self, data: st.DataObject) -> None:
        handles = self.some_handles(data, 5)
        entries = [{"Id": str(number)} for number in range(len(handles))]
        self.ask_about("DeleteMessageBatch", handles, entries, QueueUrl=queue(data))

    def change_visibility(self, data: st.DataObject) -> None:
        timeout_s = data.draw(seldom([0, 0, 10, 43_000], 43_201))
        handles = self.some_handles(data, 1)
        self.ask_about("ChangeMessageVisibility", handles, None, QueueUrl=queue(data), VisibilityTimeout=timeout_s)

    def change_visibility_batch(self, data: st.DataObject) -> None:
        handles = self.some_handles(data, 4)
        entries = [
            {"Id": str(number), "VisibilityTimeout": data.draw(seldom([0, 10], 43_201))}
            for number in range(len(handles))
        ]
        self.ask_about("ChangeMessageVisibilityBatch", handles, entries, QueueUrl=queue(data))

    # -- the queues ------------------------------------------------------------------------------------------------

    def look(self, data: st.DataObject) -> None:
        self.ask("GetQueueAttributes", QueueUrl=queue(data), AttributeNames=data.draw(st.sampled_from(NAMES)))

    def set_attributes(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(["VisibilityTimeout", "DelaySeconds"]))
        self.ask("SetQueueAttributes", QueueUrl="work", Attributes={name: data.draw(st.sampled_from(["0", "3", "30"]))})

    def purge(self, data: st.DataObject) -> None:
        if data.draw(st.integers(0, 3)) == 2:
            self.ask("PurgeQueue", QueueUrl=queue(data))

    def wait(self, data: st.DataObject) -> None:
        self.clock.now_s += data.draw(st.sampled_from([0.5, 1, 5, 10, 30, 70]))

    def sources(self, data: st.DataObject) -> None:
        self.ask("ListDeadLetterSourceQueues", QueueUrl=queue(data))


def queue(data: st.DataObject) -> str:
    return data.draw(st.sampled_from(["work", "work", "work", "dead"]))


def seldom(good: list[Any], wrong: Any) -> st.SearchStrategy[Any]:
    """Something good, and now and then what is wrong."""
    return st.integers(0, 14).flatmap(lambda number: st.just(wrong) if number == 9 else st.sampled_from(good))


def with_names(answer: Answer, names: dict[str, str]) -> Answer:
    """Receipt handles in error messages are each side's own."""
    status, body = answer
    return status, named(body, names)


def named(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: named(each, names) for key, each in value.items()}
    if isinstance(value, list):
        return [named(each, names) for each in value]
    if isinstance(value, str):
        for handle, name in names.items():
            value = value.replace(handle, name)
    return value


class FifoQueue(RuleBasedStateMachine):
    """What stock moto does right: one group, no message that becomes visible again, no duplicates."""

    def __init__(self, sides: BesideStock, clock: Clock) -> None:
        super().__init__()
        self.sides = sides
        self.clock = clock
        self.sent = 0
        self.handles: list[Handles] = []

    @initialize(by_content=st.booleans())
    def create(self, by_content: bool) -> None:
        self.sides.reset()
        self.clock.now_s = BEGIN_S
        attributes = {"FifoQueue": "true", "ContentBasedDeduplication": str(by_content).lower()}
        self.sides.both("sqs", "CreateQueue", QueueName="work.fifo", Attributes=attributes)

    @rule(count=st.integers(1, 4), wrong=st.integers(0, 20))
    def send(self, count: int, wrong: int) -> None:
        for _ in range(count):
            self.sent += 1
            request = {"QueueUrl": "work.fifo", "MessageBody": f"body {self.sent}"}
            request |= {} if wrong == 11 else {"MessageGroupId": "g", "MessageDeduplicationId": str(self.sent)}
            request |= {"DelaySeconds": 5} if wrong == 13 else {}
            stock, patched = self.sides.each("sqs", "SendMessage", request, request)
            assert ("SequenceNumber" in stock[1]) == ("SequenceNumber" in patched[1])
            for answer in (stock, patched):
                answer[1].pop("SequenceNumber", None)  # stock moto's are random (Q19)
            self.sides.agree("SendMessage", request, stock, patched)

    @rule(count=st.integers(1, 10))
    def receive(self, count: int) -> None:
        request = {"QueueUrl": "work.fifo", "MaxNumberOfMessages": count, "VisibilityTimeout": 600}
        request["AttributeNames"] = ["MessageGroupId", "MessageDeduplicationId", "ApproximateReceiveCount"]
        stock, patched = self.sides.each("sqs", "ReceiveMessage", request, request)
        found = [[each.pop("ReceiptHandle") for each in body.get("Messages", [])] for _, body in (stock, patched)]
        self.sides.agree("ReceiveMessage", request, stock, patched)
        self.handles += zip(*found, strict=True)

    @rule(count=st.integers(1, 10))
    def delete(self, count: int) -> None:
        for stock, patched in self.handles[:count]:
            own = [{"QueueUrl": "work.fifo", "ReceiptHandle": handle} for handle in (stock, patched)]
            self.sides.agree("DeleteMessage", {}, *self.sides.each("sqs", "DeleteMessage", *own))
        del self.handles[:count]

    @rule()
    def look(self) -> None:
        self.sides.both("sqs", "GetQueueAttributes", QueueUrl="work.fifo", AttributeNames=["All"])


@pytest.mark.parametrize("machine", [Queues, FifoQueue], ids=["standard", "fifo"])
def test_sqs_beside_stock(monkeypatch: pytest.MonkeyPatch, machine: Any) -> None:
    clock = Clock(monkeypatch)
    with beside_stock() as sides:
        run_state_machine_as_test(
            lambda: machine(sides, clock),
            settings=machine_settings(25, 10),
        )
        if machine is Queues:
            assert sides.seen == {"Q13"}
