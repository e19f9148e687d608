"""What the SQS patches change on purpose."""

from __future__ import annotations

import copy
import sys
import threading
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from moto.dynamodb.models.dynamo_type import DynamoType, Item
from moto.sqs.models import Message, sqs_backends

from simulator.cloud.patches.sqs_deleted_handles import RecentHandles

Call = Callable[..., tuple[int, dict[str, Any]]]

MIB = 1_048_576


@pytest.fixture
def call(patched_moto: Call) -> Call:
    return patched_moto


@pytest.fixture
def eager_threads() -> Iterator[None]:
    """Threads take turns at every opportunity, so that a missing lock shows."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def create(call: Call, name: str = "work", **attributes: str) -> str:
    status, body = call("sqs", "CreateQueue", QueueName=name, Attributes=attributes)
    assert status == 200
    return str(body["QueueUrl"])


def bodies(call: Call, url: str, **parameters: Any) -> list[str]:
    _, body = call("sqs", "ReceiveMessage", QueueUrl=url, **{"MaxNumberOfMessages": 10, **parameters})
    return [message["Body"] for message in body.get("Messages", [])]


def in_threads(count: int, work: Callable[[int], None]) -> None:
    threads = [threading.Thread(target=work, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.parametrize(
    ("text", "accepted"),
    [
        pytest.param("x" * MIB, True, id="just-fits"),
        pytest.param("x" * (MIB + 1), False, id="one-byte-more"),
        pytest.param("€" * (MIB // 3), True, id="three-bytes-each-fit"),
        pytest.param("€" * (MIB // 3 + 1), False, id="three-bytes-each-too-many"),
    ],
)
def test_size_is_counted_in_bytes(call: Call, text: str, accepted: bool) -> None:
    """(Q22)"""
    url = create(call)
    assert (call("sqs", "SendMessage", QueueUrl=url, MessageBody=text)[0] == 200) is accepted
    assert bodies(call, url) == ([text] if accepted else [])


def test_the_size_of_a_batch_is_counted_in_bytes(call: Call) -> None:
    """(Q22)"""
    url = create(call)
    entries = [{"Id": str(number), "MessageBody": "€" * (MIB // 6 + 1)} for number in range(2)]
    status, body = call("sqs", "SendMessageBatch", QueueUrl=url, Entries=entries)
    assert (status, "BatchRequestTooLong" in body["__type"]) == (400, True)
    assert bodies(call, url) == []


def test_a_long_poll_holds_up_nobody_and_wakes_for_a_message(call: Call) -> None:
    url, other = create(call), create(call, "other")
    got: list[str] = []
    poll = threading.Thread(target=lambda: got.extend(bodies(call, url, WaitTimeSeconds=20)))
    poll.start()
    call("sqs", "SendMessage", QueueUrl=other, MessageBody="x")
    assert bodies(call, other) == ["x"]
    assert poll.is_alive()
    call("sqs", "SendMessage", QueueUrl=url, MessageBody="y")
    poll.join()
    assert got == ["y"]


def test_a_long_poll_wakes_when_a_message_is_given_back(call: Call) -> None:
    url = create(call)
    call("sqs", "SendMessage", QueueUrl=url, MessageBody="x")
    _, body = call("sqs", "ReceiveMessage", QueueUrl=url, VisibilityTimeout=3600)
    handle = body["Messages"][0]["ReceiptHandle"]
    got: list[str] = []
    poll = threading.Thread(target=lambda: got.extend(bodies(call, url, WaitTimeSeconds=20)))
    poll.start()
    call("sqs", "ChangeMessageVisibility", QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=0)
    poll.join()
    assert got == ["x"]


def test_a_long_poll_on_a_queue_that_stays_empty_ends(call: Call) -> None:
    assert bodies(call, create(call), WaitTimeSeconds=1) == []


def test_a_delayed_message_arrives_within_a_long_poll(call: Call) -> None:
    url = create(call)
    call("sqs", "SendMessage", QueueUrl=url, MessageBody="later", DelaySeconds=1)
    assert bodies(call, url) == []
    assert bodies(call, url, WaitTimeSeconds=20) == ["later"]


def test_a_message_past_its_retention_is_gone(call: Call) -> None:
    url = create(call, MessageRetentionPeriod="60")
    for text in ("old", "new"):
        call("sqs", "SendMessage", QueueUrl=url, MessageBody=text)
    queue: Any = sqs_backends["123456789012"]["us-east-1"].queues["work"]
    next(iter(queue._messages)).sent_timestamp -= 61_000
    assert bodies(call, url) == ["new"]
    assert [message.body for message in queue._messages] == ["new"]


def test_no_message_is_given_to_two_receivers(call: Call, eager_threads: None) -> None:
    url = create(call, VisibilityTimeout="600")
    for batch in range(8):
        entries = [{"Id": str(number), "MessageBody": f"{batch}-{number}"} for number in range(10)]
        call("sqs", "SendMessageBatch", QueueUrl=url, Entries=entries)
    got: Counter[str] = Counter()

    def receive(_number: int) -> None:
        while messages := bodies(call, url, MaxNumberOfMessages=1):
            got.update(messages)

    in_threads(6, receive)
    assert (len(got), set(got.values())) == (80, {1})


def test_no_update_is_lost(call: Call, eager_threads: None) -> None:
    key = [{"AttributeName": "k", "KeyType": "HASH"}]
    kinds = [{"AttributeName": "k", "AttributeType": "S"}]
    call(
        "dynamodb",
        "CreateTable",
        TableName="rows",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=key,
        AttributeDefinitions=kinds,
    )

    def add(_number: int) -> None:
        for _ in range(25):
            call(
                "dynamodb",
                "UpdateItem",
                TableName="rows",
                Key={"k": {"S": "counter"}},
                UpdateExpression="ADD n :one",
                ExpressionAttributeValues={":one": {"N": "1"}},
            )

    in_threads(8, add)
    _, body = call("dynamodb", "GetItem", TableName="rows", Key={"k": {"S": "counter"}})
    assert body["Item"]["n"] == {"N": "200"}


def test_an_event_source_mapping_never_takes_a_message(call: Call) -> None:
    """Our own poller is the only consumer: the first delivery is the first receive (Q04)."""
    url = create(call)
    queue: Any = sqs_backends["123456789012"]["us-east-1"].queues["work"]
    queue.lambda_event_source_mappings["arn"] = object()
    call("sqs", "SendMessage", QueueUrl=url, MessageBody="x")
    _, body = call("sqs", "ReceiveMessage", QueueUrl=url, AttributeNames=["ApproximateReceiveCount"])
    assert body["Messages"][0]["Attributes"] == {"ApproximateReceiveCount": "1"}


def test_a_look_at_one_attribute_does_not_count_the_backlog(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    from moto.sqs.models import Queue  # noqa: PLC0415  the class that is patched

    url = create(call)
    call("sqs", "SendMessage", QueueUrl=url, MessageBody="x")

    def counted(_self: Any) -> int:
        raise AssertionError("the backlog was counted")

    for name in ("", "_delayed", "_not_visible"):
        monkeypatch.setattr(Queue, f"approximate_number_of_messages{name}", property(counted))
    assert bodies(call, url) == ["x"]
    assert call("sqs", "GetQueueAttributes", QueueUrl=url, AttributeNames=["QueueArn"])[0] == 200


# -- what is not kept ------------------------------------------------------------------------------------------------


def test_messages_and_items_are_forgotten_when_they_are_gone(call: Call) -> None:
    """Stock moto lists each that was ever made, and each copy, on its dashboard."""
    kept = {model: len(model.instances_tracked) for model in (Message, Item)}
    url = create(call)
    call("sqs", "SendMessage", QueueUrl=url, MessageBody="x")
    handle = call("sqs", "ReceiveMessage", QueueUrl=url)[1]["Messages"][0]["ReceiptHandle"]
    [message] = sqs_backends["123456789012"]["us-east-1"].queues["work"]._messages
    gone = weakref.ref(message)
    del message
    call("sqs", "DeleteMessage", QueueUrl=url, ReceiptHandle=handle)
    assert gone() is None
    copy.deepcopy(Item(DynamoType({"S": "k"}), None, {}))
    assert {model: len(model.instances_tracked) for model in (Message, Item)} == kept


def test_Q20_a_message_may_be_deleted_again(call: Call) -> None:
    url = create(call)
    call("sqs", "SendMessage", QueueUrl=url, MessageBody="x")
    handle = call("sqs", "ReceiveMessage", QueueUrl=url)[1]["Messages"][0]["ReceiptHandle"]
    assert [call("sqs", "DeleteMessage", QueueUrl=url, ReceiptHandle=handle)[0] for _ in range(2)] == [200, 200]
    assert call("sqs", "DeleteMessage", QueueUrl=url, ReceiptHandle="never")[0] == 400


def test_the_oldest_deleted_handles_make_room_for_new_ones() -> None:
    handles = RecentHandles(kept=3)
    handles.update(["a", "b"])
    handles.update(["c", "a", "d"])
    assert [handle in handles for handle in "abcd"] == [False, True, True, True]
