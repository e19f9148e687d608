"""FIFO queues: what stock moto gets wrong, and that the patches give what AWS gives (Q18, Q19, Q13)."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from moto.sqs.models import sqs_backends

from simulator.cloud.settings import CloudSettings

Call = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def call(patched_moto: Call) -> Call:
    return patched_moto


def create(call: Call, name: str = "work", *, fifo: bool = True, **attributes: str) -> str:
    name, attributes = (f"{name}.fifo", {"FifoQueue": "true"} | attributes) if fifo else (name, attributes)
    status, body = call("sqs", "CreateQueue", QueueName=name, Attributes=attributes)
    assert status == 200
    return str(body["QueueUrl"])


def queue_of(url: str) -> Any:
    return sqs_backends["123456789012"]["us-east-1"].queues[url.rpartition("/")[2]]


def send(call: Call, url: str, *bodies: str, **settings: Any) -> list[dict[str, Any]]:
    """Each body into the group of its first letter, under itself as deduplication id."""
    answers = []
    for body in bodies:
        extra = {"MessageGroupId": body[0], "MessageDeduplicationId": body} | settings
        status, answer = call("sqs", "SendMessage", QueueUrl=url, MessageBody=body, **extra)
        assert status == 200
        answers.append(answer)
    return answers


def receive(call: Call, url: str, count: int = 10, **settings: Any) -> list[dict[str, Any]]:
    _, body = call("sqs", "ReceiveMessage", QueueUrl=url, MaxNumberOfMessages=count, AttributeNames=["All"], **settings)
    messages: list[dict[str, Any]] = body.get("Messages", [])
    return messages


def bodies(messages: list[dict[str, Any]]) -> list[str]:
    return [message["Body"] for message in messages]


def delete(call: Call, url: str, message: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    return call("sqs", "DeleteMessage", QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])


def let_visibility_run_out(url: str) -> None:
    """As if the timeout of all that is in flight had passed; each message at a moment of its own, first ones first."""
    for number, message in enumerate(queue_of(url)._messages):
        if message.visible_at:
            message.visible_at = 1.0 + number


# -- order -----------------------------------------------------------------------------------------------------------


def test_Q18_order_survives_a_visibility_timeout(call: Call) -> None:
    url = create(call)
    send(call, url, "b0", "b1", "b2")
    assert bodies(receive(call, url)) == ["b0", "b1", "b2"]
    let_visibility_run_out(url)
    assert bodies(receive(call, url)) == ["b0", "b1", "b2"]


def test_stock_moto_loses_that_order(stock_moto: Call) -> None:
    url = create(stock_moto)
    send(stock_moto, url, "b0", "b1", "b2")
    receive(stock_moto, url)
    let_visibility_run_out(url)
    assert bodies(receive(stock_moto, url)) != ["b0", "b1", "b2"]


def test_Q18_a_group_in_flight_is_blocked_and_the_others_are_not(call: Call) -> None:
    url = create(call)
    send(call, url, "a0", "a1", "b0", "b1")
    assert bodies(receive(call, url, 1)) == ["a0"]
    assert bodies(receive(call, url)) == ["b0", "b1"]
    assert receive(call, url) == []


def test_Q18_a_partial_delete_leaves_the_group_blocked_until_the_rest_is_visible(call: Call) -> None:
    url = create(call)
    send(call, url, "a0", "a1", "a2", "a3")
    first = receive(call, url, 3)
    delete(call, url, first[0])
    assert receive(call, url) == []
    let_visibility_run_out(url)
    assert bodies(receive(call, url)) == ["a1", "a2", "a3"]


def test_Q18_one_message_given_back_does_not_free_its_group(call: Call) -> None:
    url = create(call)
    send(call, url, "a0", "a1")
    first = receive(call, url)
    for message in first:
        assert receive(call, url) == []
        handle = message["ReceiptHandle"]
        call("sqs", "ChangeMessageVisibility", QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=0)
    assert bodies(receive(call, url)) == ["a0", "a1"]


def test_Q18_a_receive_takes_as_many_of_one_group_as_it_can(call: Call) -> None:
    url = create(call)
    send(call, url, "a0", "b0", "a1", "b1")
    assert bodies(receive(call, url, 3)) == ["a0", "a1", "b0"]


def test_Q18_a_delayed_message_holds_up_those_behind_it(call: Call) -> None:
    url = create(call)
    send(call, url, "a0", "a1")
    next(iter(queue_of(url)._messages)).delay(60)
    send(call, url, "b0")
    assert bodies(receive(call, url)) == ["b0"]


STEPS = st.lists(
    st.one_of(
        st.sampled_from("abc").map(lambda group: ("send", group)),
        st.integers(1, 10).map(lambda count: ("receive", count)),
        st.integers(0, 20).map(lambda which: ("delete", which)),
        st.integers(0, 20).map(lambda which: ("give-back", which)),
        st.just(("run-out", 0)),
    ),
    max_size=40,
)


@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(todo=STEPS)
def test_Q18_whatever_happens_each_group_is_handed_out_in_order_and_one_batch_at_a_time(
    moto_of_both_kinds: Callable[..., Any], todo: list[tuple[str, Any]]
) -> None:
    with moto_of_both_kinds(patched=True) as call:
        url = create(call)
        waiting: dict[str, list[str]] = {group: [] for group in "abc"}
        held: list[dict[str, Any]] = []
        for number, (kind, value) in enumerate(todo):
            if kind == "send":
                send(call, url, f"{value}{number}")
                waiting[value].append(f"{value}{number}")
            elif kind == "receive":
                busy = {message["Body"][0] for message in held}
                got = receive(call, url, value)
                free = [body for group in "abc" if group not in busy for body in waiting[group]]
                assert len(got) == min(value, len(free))
                for group in {message["Body"][0] for message in got}:
                    assert group not in busy
                    of_group = [message["Body"] for message in got if message["Body"][0] == group]
                    assert of_group == waiting[group][: len(of_group)]
                held += got
            elif kind == "run-out":
                let_visibility_run_out(url)
                held = []
            elif held:
                message = held.pop(value % len(held))
                if kind == "delete":
                    assert delete(call, url, message)[0] == 200
                    waiting[message["Body"][0]].remove(message["Body"])
                else:
                    handle = message["ReceiptHandle"]
                    call("sqs", "ChangeMessageVisibility", QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=0)


# -- deduplication and numbers ---------------------------------------------------------------------------------------


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[float], None]]:
    """Moves the time that deduplication goes by."""
    from simulator.cloud.patches import sqs_fifo_send  # noqa: PLC0415  it needs moto

    now_s = [1_700_000_000.0]

    def advance(seconds: float) -> None:
        now_s[0] += seconds

    monkeypatch.setattr(sqs_fifo_send.time, "time", lambda: now_s[0])
    yield advance
    monkeypatch.undo()


def test_Q18_a_deduplication_id_is_remembered_after_its_message_is_gone(call: Call) -> None:
    url = create(call)
    [first] = send(call, url, "a0")
    [message] = receive(call, url)
    delete(call, url, message)
    [again] = send(call, url, "a0")
    assert (again["MessageId"], again["SequenceNumber"]) == (first["MessageId"], first["SequenceNumber"])
    assert receive(call, url) == []


def test_stock_moto_forgets_it(stock_moto: Call) -> None:
    url = create(stock_moto)
    send(stock_moto, url, "a0")
    [message] = receive(stock_moto, url)
    delete(stock_moto, url, message)
    send(stock_moto, url, "a0")
    assert bodies(receive(stock_moto, url)) == ["a0"]


def test_Q18_a_deduplication_id_is_free_again_after_five_minutes(call: Call, clock: Callable[[float], None]) -> None:
    url = create(call)
    send(call, url, "a0")
    clock(299)
    send(call, url, "a0")
    assert len(queue_of(url)._messages) == 1
    clock(1)
    send(call, url, "a0")
    assert len(queue_of(url)._messages) == 2


def test_deduplication_by_group_where_the_queue_says_so(call: Call) -> None:
    url = create(call, DeduplicationScope="messageGroup", FifoThroughputLimit="perMessageGroupId")
    for group in "ab":
        for _ in range(2):
            send(call, url, "x", MessageGroupId=group)
    assert len(receive(call, url)) == 2


def test_Q19_every_message_has_its_number_group_and_deduplication_id(call: Call) -> None:
    url = create(call, ContentBasedDeduplication="true")
    for body in "xyz":
        call("sqs", "SendMessage", QueueUrl=url, MessageBody=body, MessageGroupId="g")
    found = [message["Attributes"] for message in receive(call, url)]
    assert all({"MessageGroupId", "MessageDeduplicationId", "SequenceNumber"} <= set(each) for each in found)
    numbers = [each["SequenceNumber"] for each in found]
    assert {len(number) for number in numbers} == {20}
    assert numbers == sorted(numbers)
    assert len(set(numbers)) == 3


# -- deleting --------------------------------------------------------------------------------------------------------


def test_an_expired_handle_is_refused_and_its_message_stays(call: Call) -> None:
    url = create(call)
    send(call, url, "a0")
    [message] = receive(call, url)
    let_visibility_run_out(url)
    status, body = delete(call, url, message)
    assert (status, "The receipt handle has expired" in json.dumps(body)) == (400, True)
    [again] = receive(call, url)
    assert delete(call, url, message)[0] == 400
    assert delete(call, url, again)[0] == 200
    assert delete(call, url, again)[0] == 200
    assert list(queue_of(url)._messages) == []


def test_in_a_batch_an_expired_handle_is_refused_by_itself(call: Call) -> None:
    url = create(call)
    send(call, url, "a0", "b0")
    expired = receive(call, url, 1)
    let_visibility_run_out(url)
    fresh = receive(call, url, 2)[1:]
    entries = [{"Id": m["Body"], "ReceiptHandle": m["ReceiptHandle"]} for m in expired + fresh]
    entries.append({"Id": "none", "ReceiptHandle": "nonsense"})
    _, body = call("sqs", "DeleteMessageBatch", QueueUrl=url, Entries=entries)
    assert body["Successful"] == [{"Id": "b0"}]
    assert [(each["Id"], each["Code"]) for each in body["Failed"]] == [
        ("a0", "InvalidParameterValue"),
        ("none", "ReceiptHandleIsInvalid"),
    ]


def test_a_long_poll_wakes_when_the_group_is_freed(call: Call) -> None:
    url = create(call)
    send(call, url, "a0", "a1")
    [first] = receive(call, url, 1)
    got: list[str] = []
    poll = threading.Thread(target=lambda: got.extend(bodies(receive(call, url, WaitTimeSeconds=20))))
    poll.start()
    delete(call, url, first)
    poll.join()
    assert got == ["a1"]


# -- dead letters ----------------------------------------------------------------------------------------------------


def with_dead_letters(call: Call, *, fifo: bool) -> tuple[str, str]:
    dead = create(call, "dead", fifo=fifo)
    redrive = {"deadLetterTargetArn": queue_of(dead).queue_arn, "maxReceiveCount": 1}
    return create(call, "work", fifo=fifo, RedrivePolicy=json.dumps(redrive)), dead


def test_Q13_fifo_dead_letters_keep_their_order_and_free_their_group(call: Call) -> None:
    work, dead = with_dead_letters(call, fifo=True)
    send(call, work, "a0", "a1", "a2", "b0")
    assert bodies(receive(call, work, 2)) == ["a0", "a1"]
    let_visibility_run_out(work)
    assert bodies(receive(call, work)) == ["a2", "b0"]
    assert bodies(receive(call, dead)) == ["a0", "a1"]


def test_Q13_fifo_dead_letters_are_not_taken_for_duplicates(call: Call) -> None:
    """Two queues may share a dead-letter queue, and their messages a deduplication id."""
    work, dead = with_dead_letters(call, fifo=True)
    send(call, dead, "a0")
    send(call, work, "a0")
    receive(call, work)
    let_visibility_run_out(work)
    assert receive(call, work) == []
    assert bodies(receive(call, dead)) == ["a0", "a0"]


@pytest.mark.parametrize("fifo", [False, True], ids=["standard", "fifo"])
def test_Q13_a_dead_letter_tells_its_source(call: Call, fifo: bool) -> None:
    work, dead = with_dead_letters(call, fifo=fifo)
    settings = {} if fifo else {"MessageGroupId": "g"}
    call(
        "sqs",
        "SendMessage",
        QueueUrl=dead,
        MessageBody="own",
        **({"MessageGroupId": "g"} | ({"MessageDeduplicationId": "o"} if fifo else {})),
    )
    call(
        "sqs",
        "SendMessage",
        QueueUrl=work,
        MessageBody="x",
        **({"MessageGroupId": "x", "MessageDeduplicationId": "x"} if fifo else settings),
    )
    receive(call, work)
    let_visibility_run_out(work)
    assert receive(call, work) == []
    found = {m["Body"]: m["Attributes"].get("DeadLetterQueueSourceArn") for m in receive(call, dead)}
    assert found == {"own": None, "x": queue_of(work).queue_arn}
    let_visibility_run_out(dead)
    _, body = call("sqs", "ReceiveMessage", QueueUrl=dead, MaxNumberOfMessages=10, AttributeNames=["SenderId"])
    assert [set(m["Attributes"]) for m in body["Messages"]] == [{"SenderId"}] * 2


# -- the limit of messages in flight ---------------------------------------------------------------------------------


@pytest.fixture
def narrow(moto_of_both_kinds: Callable[..., Any]) -> Iterator[Call]:
    with moto_of_both_kinds(patched=True, settings=CloudSettings(in_flight_messages=3)) as call:
        yield call


@pytest.mark.parametrize("fifo", [False, True], ids=["standard", "fifo"])
def test_Q22_too_many_messages_in_flight(narrow: Call, fifo: bool) -> None:
    url = create(narrow, fifo=fifo)
    for number in range(5):
        extra = {"MessageGroupId": str(number), "MessageDeduplicationId": str(number)} if fifo else {}
        narrow("sqs", "SendMessage", QueueUrl=url, MessageBody=str(number), **extra)
    held = receive(narrow, url)
    assert len(held) == 3
    status, body = narrow("sqs", "ReceiveMessage", QueueUrl=url)
    assert (status, body.get("__type", "").rpartition("#")[2]) == ((200, "") if fifo else (403, "OverLimit"))
    assert receive(narrow, url, WaitTimeSeconds=1) == []
    delete(narrow, url, held[0])
    assert bodies(receive(narrow, url)) == ["3"]
