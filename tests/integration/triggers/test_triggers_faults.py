"""Faults of triggers on a real queue."""

from __future__ import annotations

from random import Random

from simulator.active_faults import ActiveFault
from simulator.triggers.fault_room import TriggerFaults


def fault(kind: str, target: str | None = None) -> ActiveFault:
    return ActiveFault(kind, Random(1), target)


async def test_Q25_nothing_is_received_while_a_trigger_is_off_and_everything_after_it(make_source, handler) -> None:
    source = make_source(batch_size=10)
    room = TriggerFaults([source.poller])
    source.poller.start()
    await source.send("before")
    assert [each["body"] for each in await handler.next_records()] == ["before"]
    await source.report()
    await room.begin("f1", fault("trigger_off", source.queue.name))
    await room.begin("f2", fault("trigger_off"))
    await source.send("1", "2", "3")
    await room.end("f1")
    assert await source.left() == 3
    assert handler.events.empty()
    await room.end("f2")
    came: list[str] = []
    while len(came) < 3:
        came += [each["body"] for each in await handler.next_records()]
        await source.report()
    assert sorted(came) == ["1", "2", "3"]
    assert await source.left() == 0


async def test_Q25_a_batch_in_flight_goes_on_and_the_trigger_can_be_stopped_while_it_is_off(
    make_source, handler
) -> None:
    source = make_source(batch_size=1)
    room = TriggerFaults([source.poller])
    handler.gate.clear()
    source.poller.start()
    await source.send("in flight")
    await handler.next_records()
    await room.begin("f1", fault("trigger_off"))
    handler.gate.set()
    await source.poller.stop(drain_s=10)
    assert (await source.report()).decision.failure is None
    assert await source.left() == 0


async def test_a_trigger_of_another_queue_goes_on(make_source, handler) -> None:
    source = make_source(batch_size=1)
    await TriggerFaults([source.poller]).begin("f1", fault("trigger_off", "another"))
    source.poller.start()
    await source.send("a")
    assert [each["body"] for each in await handler.next_records()] == ["a"]


async def test_Q09_messages_come_twice_only_while_the_fault_is_on(make_source, handler) -> None:
    source = make_source(batch_size=1)
    room = TriggerFaults([source.poller])
    await room.begin("f1", fault("sqs_duplicate"))
    source.poller.start()
    await source.send("a")
    counts = [(await handler.next_records())[0]["attributes"]["ApproximateReceiveCount"] for _ in range(2)]
    assert counts == ["1", "2"]
    for _ in range(2):
        await source.report()
    await room.end("f1")
    await source.send("b")
    assert (await handler.next_records())[0]["body"] == "b"
    await source.report()
    assert await source.left() == 0
    assert source.poller.stats()["again"] == 1
