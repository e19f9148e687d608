"""The poller beside the contract: outages, deletions that fail, and how it stops."""

from __future__ import annotations

import asyncio
import json
import logging
import random
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from simulator.errors import InputError
from simulator.stack.model import Queue, Trigger
from simulator.triggers import EventSourcePoller

REPOSITORY = Path(__file__).parents[3]


class FakeSqs:
    """As much of SQS as the poller uses; a receive hangs until the test gives messages or an error."""

    def __init__(self) -> None:
        self.answers: asyncio.Queue[list[dict[str, Any]] | Exception] = asyncio.Queue()
        self.receives = 0
        self.deletes: list[list[str]] = []
        self.delete_answers: list[dict[str, Any] | Exception] = []
        self.given_back: asyncio.Queue[list[str]] = asyncio.Queue()
        self.waiting = asyncio.Event()

    async def __call__(self, action: str, request: Mapping[str, Any]) -> dict[str, Any]:
        if action == "ReceiveMessage":
            self.request = request
            self.receives += 1
            self.waiting.set()
            received = await self.answers.get()
            if isinstance(received, Exception):
                raise received
            return {"Messages": received} if received else {}
        handles = [entry["ReceiptHandle"] for entry in request["Entries"]]
        if action == "ChangeMessageVisibilityBatch":
            assert {entry["VisibilityTimeout"] for entry in request["Entries"]} == {0}
            self.given_back.put_nowait(handles)
            return {}
        assert action == "DeleteMessageBatch"
        self.deletes.append(handles)
        answer = self.delete_answers.pop(0) if self.delete_answers else {}
        if isinstance(answer, Exception):
            raise answer
        return answer


def message(number: int) -> dict[str, Any]:
    return {"MessageId": f"m{number}", "ReceiptHandle": f"h{number}", "Body": "{}", "MD5OfBody": "", "Attributes": {}}


@pytest.fixture
def fake() -> FakeSqs:
    return FakeSqs()


@pytest.fixture
async def start(fake: FakeSqs, handler: Any) -> Any:
    """Start a poller on the fake; stopped at the end of the test."""
    pollers = []

    def begin(attributes: dict[str, str] | None = None, **settings: Any) -> EventSourcePoller:
        poller = EventSourcePoller(
            Trigger("T", "q", "send", **settings),
            Queue("Q", "q", "https://aws", "arn:q", attributes or {}),
            "http://queue",
            fake,
            handler,
            region="eu-west-1",
            chance=random.Random(1),
            on_batch=reports.put_nowait,
        )
        poller.start()
        pollers.append(poller)
        return poller

    reports: asyncio.Queue[Any] = asyncio.Queue()
    begin.reports = reports  # type: ignore[attr-defined]
    yield begin
    handler.gate.set()
    for poller in pollers:
        await poller.stop()


@pytest.mark.parametrize(
    ("attributes", "wait_s"),
    [({}, 20), ({"ReceiveMessageWaitTimeSeconds": "3"}, 3), ({"ReceiveMessageWaitTimeSeconds": "0"}, 20)],
    ids=["default", "the queue's", "never a short poll"],
)
async def test_receive_request(start, fake: FakeSqs, attributes: dict[str, str], wait_s: int) -> None:
    start(attributes)
    await asyncio.wait_for(fake.waiting.wait(), 10)
    assert fake.request == {
        "QueueUrl": "http://queue",
        "MaxNumberOfMessages": 10,
        "WaitTimeSeconds": wait_s,
        "AttributeNames": ["All"],
        "MessageAttributeNames": ["All"],
    }


async def test_an_outage_is_logged_once_and_survived(start, fake: FakeSqs, handler, caplog) -> None:
    caplog.set_level(logging.INFO, "simulator.triggers")
    for _ in range(3):
        fake.answers.put_nowait(ConnectionError("moto is gone"))
    fake.answers.put_nowait([message(1)])
    start()
    await handler.next_records()
    assert [r.getMessage() for r in caplog.records if r.name == "simulator.triggers"] == [
        "Cannot receive from queue q, trying until it works: moto is gone",
        "Queue q answers again after 3 failed attempts.",
    ]


async def test_partly_failed_deletion_is_repeated_for_what_failed(start, fake: FakeSqs) -> None:
    failed = {"Id": "1", "SenderFault": False, "Code": "InternalError", "Message": "try again"}
    fake.delete_answers = [{"Failed": [failed]}, ConnectionError("gone"), {}]
    fake.answers.put_nowait([message(1), message(2), message(3)])
    poller = start()
    await asyncio.wait_for(start.reports.get(), 10)
    assert fake.deletes == [["h1", "h2", "h3"], ["h2"], ["h2"]]
    assert poller.stats()["deleted"] == 3


async def test_a_stale_handle_is_not_tried_again_but_logged(start, fake: FakeSqs, caplog) -> None:
    failed = {"Id": "0", "SenderFault": True, "Code": "ReceiptHandleIsInvalid", "Message": "stale"}
    fake.delete_answers = [{"Failed": [failed]}]
    fake.answers.put_nowait([message(1), message(2)])
    poller = start()
    await asyncio.wait_for(start.reports.get(), 10)
    assert fake.deletes == [["h1", "h2"]]
    assert poller.stats()["deleted"] == 1
    assert "1 handled messages could not be deleted from q and come back: ReceiptHandleIsInvalid: stale" in caplog.text


async def test_deletion_goes_by_tens(start, fake: FakeSqs) -> None:
    for ten in range(2):
        fake.answers.put_nowait([message(ten * 10 + n) for n in range(10)])
    fake.answers.put_nowait([message(20)])
    start(batch_size=21, batching_window_s=300)
    await asyncio.wait_for(start.reports.get(), 10)
    assert [len(handles) for handles in fake.deletes] == [10, 10, 1]


async def test_an_error_in_the_invoker_does_not_stop_the_trigger(start, fake: FakeSqs, handler, caplog) -> None:
    answers = iter([ZeroDivisionError("a bug"), b"null"])
    handler.answer = lambda event: next(answers)
    fake.answers.put_nowait([message(1)])
    fake.answers.put_nowait([message(2)])
    poller = start(batch_size=1)
    await asyncio.wait_for(start.reports.get(), 10)
    assert "a batch was given up" in caplog.text
    assert fake.deletes == [["h2"]]
    assert poller.stats()["in_flight"] == 0


async def test_stop_does_not_wait_for_a_hanging_long_poll_and_gives_its_messages_back(start, fake: FakeSqs) -> None:
    poller = start()
    await asyncio.wait_for(fake.waiting.wait(), 10)
    await asyncio.wait_for(poller.stop(), 1)
    fake.answers.put_nowait([message(1), message(2)])
    assert await asyncio.wait_for(fake.given_back.get(), 10) == ["h1", "h2"]


async def test_stop_gives_back_what_was_gathered_for_a_batch(start, fake: FakeSqs) -> None:
    fake.answers.put_nowait([message(1)])
    poller = start(batch_size=10, batching_window_s=300)
    while fake.receives < 2:
        fake.waiting.clear()
        await asyncio.wait_for(fake.waiting.wait(), 10)
    assert poller.stats()["in_flight"] == 1
    await poller.stop()
    assert fake.given_back.get_nowait() == ["h1"]
    assert poller.stats()["in_flight"] == 0


async def test_stop_lets_a_batch_end(start, fake: FakeSqs, handler) -> None:
    handler.gate.clear()
    fake.answers.put_nowait([message(1)])
    poller = start()
    await handler.next_records()
    stopping = asyncio.create_task(poller.stop(drain_s=10))
    await asyncio.sleep(0)
    handler.gate.set()
    await stopping
    assert fake.deletes == [["h1"]]


async def test_stop_leaves_a_batch_that_takes_too_long_to_the_queue(start, fake: FakeSqs, handler) -> None:
    handler.gate.clear()
    fake.answers.put_nowait([message(1)])
    poller = start()
    await handler.next_records()
    await poller.stop(drain_s=0)
    assert fake.deletes == []
    assert handler.running == 0
    assert poller.stats()["in_flight"] == 0


def test_the_program_ends_while_a_long_poll_hangs() -> None:
    script = (
        "import asyncio\n"
        "from simulator.stack.model import Queue, Trigger\n"
        "from simulator.triggers import EventSourcePoller\n"
        "async def main():\n"
        "    waiting = asyncio.Event()\n"
        "    async def sqs(action, request):\n"
        "        waiting.set()\n"
        "        await asyncio.Event().wait()\n"
        "    source = Trigger('T', 'q', 'f'), Queue('Q', 'q', 'u', 'a', {}), 'u'\n"
        "    poller = EventSourcePoller(*source, sqs, None, region='r')\n"
        "    poller.start()\n"
        "    await waiting.wait()\n"
        "    await poller.stop()\n"
        "asyncio.run(main())\n"
        "print('ended')\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert (done.stdout, done.stderr, done.returncode) == ("ended\n", "", 0)


async def test_settings_that_aws_refuses_are_refused_before_anything_starts(start) -> None:
    with pytest.raises(InputError, match=r"Trigger T .* BatchSize 0"):
        start(batch_size=0)


async def test_event_reaches_the_function_as_json(start, fake: FakeSqs, handler) -> None:
    fake.answers.put_nowait([message(1) | {"Body": "é🚚 \u2028"}])
    start()
    event = await asyncio.wait_for(handler.events.get(), 10)
    assert json.loads(json.dumps(event)) == event
    assert event["Records"][0]["body"] == "é🚚 \u2028"


async def test_a_poller_that_breaks_off_says_so_and_stops_all_the_same(make_source, caplog) -> None:
    """Another emulator may leave out what an event needs."""
    source = make_source()

    async def sqs(action: str, request: Mapping[str, Any]) -> dict[str, Any]:
        return {"Messages": [{"MessageId": "m"}]}

    source.poller._calls._sqs = sqs
    source.poller.start()
    await asyncio.wait_for(asyncio.wait({source.poller._receiver}), 10)
    await source.poller.stop()
    assert f"polling {source.queue.name} broke off" in caplog.text
    assert "KeyError" in caplog.text
