"""The levers of a run: on a stack's control endpoint, and on what is put into tables and queues."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from random import Random
from typing import Any

import pytest

from simulator.clock import SystemClock
from simulator.errors import EnvironmentFailure, InputError
from simulator.fault_kinds import FAULT_KINDS, POISON_BODIES
from simulator.gateway.ids import is_connection_id
from simulator.load import stack_lever
from simulator.load.faults import Fault
from simulator.load.rows_and_messages import ContentLever, dead_connection_id, poison, rows_for
from simulator.load.stack_lever import LEASE_S, StackLever
from tracker.errors import InvalidUpdateError
from tracker.updates import parse_update


class Control:
    """A control endpoint that says yes, or whatever `answer` is."""

    def __init__(self) -> None:
        self.asked: asyncio.Queue[tuple[str, str, Any]] = asyncio.Queue()
        self.answer: tuple[int, dict[str, Any]] = (200, {"id": "f1"})

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        method, path, _ = head[0].split()
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        await self.asked.put((method, path, json.loads(body) if body else None))
        status, document = self.answer
        said = json.dumps(document).encode()
        writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: {len(said)}\r\n\r\n".encode() + said)
        await writer.drain()
        writer.close()

    async def next(self) -> tuple[str, str, Any]:
        return await asyncio.wait_for(self.asked.get(), 10)


class Viewers:
    """Says whose addresses it was asked for."""

    def addresses(self, group: str) -> list[str]:
        return ["127.0.0.1 1", group] if group == "walkers" else []


@pytest.fixture
def control() -> Control:
    return Control()


@pytest.fixture
async def lever(control: Control) -> AsyncIterator[StackLever]:
    server = await asyncio.start_server(control.serve, "127.0.0.1", 0)
    async with server:
        yield StackLever(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/primary", Viewers())


THROTTLE = FAULT_KINDS["dynamodb_throttle"]
ATTRIBUTES = {"operation": "Scan", "error": "ThrottlingException"}


async def test_the_stack_is_told_everything_and_for_how_long(lever: StackLever, control: Control) -> None:
    fault = Fault(THROTTLE, "rows", 1.0, 2.5, 0.25, ATTRIBUTES)
    await lever.begin(fault, Random(1))
    wish = {
        "kind": "dynamodb_throttle",
        "target": "rows",
        "probability": 0.25,
        "attributes": ATTRIBUTES,
        "duration_s": LEASE_S,
        "seed": Random(1).getrandbits(64),
    }
    assert await control.next() == ("POST", "/.tracker-sim/faults", wish)
    await lever.end(fault)
    assert await control.next() == ("DELETE", "/.tracker-sim/faults/f1", None)


async def test_a_fault_is_on_lease_and_prolonged_until_it_is_ended(
    lever: StackLever, control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stack_lever, "RENEW_EVERY_S", 0.001)
    fault = Fault(THROTTLE, attributes=ATTRIBUTES)
    await lever.begin(fault, Random(1))
    assert (await control.next())[2]["duration_s"] == LEASE_S
    assert await control.next() == ("POST", "/.tracker-sim/faults/f1", {"duration_s": LEASE_S})
    await lever.end(fault)


async def test_a_fault_that_was_over_before_its_time_is_told(lever: StackLever, control: Control) -> None:
    fault = Fault(THROTTLE, duration_s=1.0, attributes=ATTRIBUTES)
    await lever.begin(fault, Random(1))
    control.answer = (404, {"message": "Not Found"})
    with pytest.raises(EnvironmentFailure, match="it had come to its end before"):
        await lever.end(fault)


async def test_a_fault_of_a_group_names_the_sockets_of_its_viewers(lever: StackLever, control: Control) -> None:
    fault = Fault(FAULT_KINDS["half_open"], "walkers")
    await lever.begin(fault, Random(1))
    wish = (await control.next())[2]
    assert (wish["peers"], "target" in wish) == (["127.0.0.1 1", "walkers"], False)
    await lever.end(fault)


async def test_a_fault_of_a_group_that_is_not_there_is_trouble(lever: StackLever) -> None:
    with pytest.raises(EnvironmentFailure, match="nobody of late is connected then"):
        await lever.begin(Fault(FAULT_KINDS["half_open"], "late"), Random(1))


async def test_what_the_stack_says_no_to_is_told(lever: StackLever, control: Control) -> None:
    control.answer = (400, {"message": "no such table."})
    with pytest.raises(InputError, match=r"no such table\."):
        await lever.begin(Fault(THROTTLE, attributes=ATTRIBUTES), Random(1))


async def test_a_stack_that_is_gone_is_told() -> None:
    with pytest.raises(EnvironmentFailure, match="does not answer"):
        await StackLever("ws://127.0.0.1:9/x").begin(Fault(THROTTLE, attributes=ATTRIBUTES), Random(1))


def test_the_lever_has_every_kind_that_acts_inside_a_stack() -> None:
    kinds = set(StackLever("ws://127.0.0.1:9/x").kinds)
    assert kinds == {kind.name for kind in FAULT_KINDS.values() if kind.local}
    assert "stale_rows" not in kinds


@pytest.mark.parametrize(("share", "live", "rows"), [(0.3, 70, 30), (0.5, 40, 40), (0.9, 1, 9), (0.3, 0, 1)])
def test_dead_rows_make_up_their_share_of_the_table(share: float, live: int, rows: int) -> None:
    assert rows_for(share, live) == rows


def test_E01_ids_of_dead_rows_could_be_those_of_connections() -> None:
    chance = Random(1)
    ids = [dead_connection_id(chance) for _ in range(200)]
    assert all(is_connection_id(each) for each in ids)
    assert len(set(ids)) == 200
    assert dead_connection_id(Random(1)) == ids[0]


@pytest.mark.parametrize("body", POISON_BODIES)
def test_poison_is_never_an_update(body: str) -> None:
    bodies = poison(body, 30, Random(1))
    assert len(set(bodies)) == 30
    assert bodies == poison(body, 30, Random(1))
    for each in bodies:
        with pytest.raises(InvalidUpdateError):
            parse_update(each)


class Queue:
    """A stack whose queue notes what it is sent, and takes it when `open` is set."""

    def __init__(self) -> None:
        self.sqs = self
        self.open = threading.Event()
        self.bodies: list[str] = []

    def vendor_queue_url(self) -> str:
        return "queue"

    def connections_table(self) -> str:
        raise NotImplementedError

    def connection_rows(self) -> int:
        raise NotImplementedError

    def send_message_batch(self, *, QueueUrl: str, Entries: list[dict[str, str]]) -> dict[str, Any]:  # noqa: N803
        assert QueueUrl == "queue"
        assert self.open.wait(10)
        self.bodies += [each["MessageBody"] for each in Entries]
        return {}


@pytest.mark.parametrize(("duration_s", "slow"), [(None, False), (0.002, False), (0.002, True)])
async def test_all_poison_that_was_due_is_sent_however_slow_the_queue_is(duration_s: float | None, slow: bool) -> None:
    queue = Queue()
    lever = ContentLever(queue, SystemClock())
    kind = FAULT_KINDS["poison_messages"]
    fault = Fault(kind, duration_s=duration_s, attributes={"messages": 12, "body": "not_json"})
    if not slow:
        queue.open.set()
    await lever.begin(fault, Random(1))
    await asyncio.sleep(duration_s or 0)
    ending = asyncio.create_task(lever.end(fault))
    await asyncio.sleep(0)
    queue.open.set()
    await ending
    assert queue.bodies == poison("not_json", 12, Random(1))


async def test_poison_that_is_not_due_yet_is_not_sent_when_the_run_ends() -> None:
    queue = Queue()
    queue.open.set()
    lever = ContentLever(queue, SystemClock())
    fault = Fault(FAULT_KINDS["poison_messages"], duration_s=3_600.0, attributes={"messages": 2, "body": "mixed"})
    await lever.begin(fault, Random(1))
    await asyncio.sleep(0)
    await lever.end(fault)
    assert len(queue.bodies) <= 1
