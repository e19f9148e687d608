"""A backlog answers as a list does that is walked through each time, on random operations."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from simulator.cloud.patches.backlog import Backlog, GroupedBacklog, State

MOST_RECEIVES = 3


class Message:
    """As moto's: tells the backlog of what it becomes."""

    def __init__(self, number: int, group: str, sent_ms: int, delay_ms: int) -> None:
        self.number = number
        self.group_id = group
        self.sent_timestamp = sent_ms
        self.visible_at = 0.0
        self.delayed_until = sent_ms + delay_ms if delay_ms else 0.0
        self.all_receipt_handles: list[str | None] = [None]
        self.receives = 0
        self.backlog: Any = None

    def hide(self, until_ms: float) -> None:
        self.visible_at = until_ms
        self.backlog.changed(self)

    def hand_out(self, handle: str) -> None:
        self.receives += 1
        self.all_receipt_handles.append(handle)
        self.backlog.handed_out(self, handle)

    def state(self, now_ms: float) -> State:
        if now_ms < self.delayed_until:
            return State.DELAYED
        return State.READY if now_ms > self.visible_at else State.IN_FLIGHT


def is_spent(message: Message) -> bool:
    return message.receives >= MOST_RECEIVES


class StandardQueue(RuleBasedStateMachine):
    """Rules are what SQS does to a queue; `messages` is the list that is walked through."""

    def __init__(self) -> None:
        super().__init__()
        self.backlog = self.make()
        self.messages: list[Message] = []
        self.now_ms = 1_000
        self.sent = 0
        self.handles: list[str] = []

    def make(self) -> Backlog:
        return Backlog()

    def expected(self, count: int) -> tuple[list[Message], list[Message]]:
        taken: list[Message] = []
        spent: list[Message] = []
        for message in self.messages:
            if message.state(self.now_ms) is not State.READY:
                continue
            if len(taken) == count:
                break
            (spent if is_spent(message) else taken).append(message)
        return taken, spent

    @rule(group=st.sampled_from("abc"), delay_ms=st.sampled_from([0, 0, 0, 5, 20]))
    def send(self, group: str, delay_ms: int) -> None:
        message = Message(self.sent, group, self.now_ms, delay_ms)
        self.sent += 1
        self.backlog.append(message)
        self.messages.append(message)

    @rule(count=st.integers(1, 10), timeout_ms=st.sampled_from([0, 5, 10, 30]))
    def receive(self, count: int, timeout_ms: int) -> None:
        taken, spent = self.backlog.take(count, self.now_ms, is_spent)
        wanted, lost = self.expected(count)
        assert [message.number for message in taken] == [message.number for message in wanted]
        # Whether those behind the last one taken are found spent now or with the next look is left open.
        assert {message.number for message in spent} <= {message.number for message in lost}
        self.messages = [message for message in self.messages if message not in spent]
        for message in taken:
            if timeout_ms:
                message.hide(self.now_ms + timeout_ms)
            handle = f"{message.number}-{message.receives}"
            message.hand_out(handle)
            self.handles.append(handle)

    @rule(data=st.data(), timeout_ms=st.sampled_from([0, 15]))
    def change_visibility(self, data: st.DataObject, timeout_ms: int) -> None:
        message = self.drawn(data)
        if message is not None:
            message.hide(self.now_ms + timeout_ms)

    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        message = self.drawn(data)
        if message is not None:
            self.backlog.remove(message)
            self.messages.remove(message)

    @rule(passed_ms=st.sampled_from([1, 4, 5, 10, 15, 30]))
    def wait(self, passed_ms: int) -> None:
        self.now_ms += passed_ms

    @rule()
    def expire(self) -> None:
        """Only the front is looked at."""
        oldest_ms = self.now_ms - 60
        self.backlog.remove_sent_until(oldest_ms)
        while self.messages and self.messages[0].sent_timestamp <= oldest_ms:
            self.messages.pop(0)

    def drawn(self, data: st.DataObject) -> Message | None:
        if not self.handles:
            return None
        handle = data.draw(st.sampled_from(self.handles))
        found = self.backlog.with_handle(handle)
        wanted = next((message for message in self.messages if handle in message.all_receipt_handles), None)
        assert found is wanted
        return wanted

    @invariant()
    def counts_and_order(self) -> None:
        assert list(self.backlog) == self.messages
        assert len(self.backlog) == len(self.messages)
        for state in State:
            wanted = sum(message.state(self.now_ms) is state for message in self.messages)
            assert self.backlog.count(state, self.now_ms) == wanted

    @invariant()
    def next_due(self) -> None:
        self.backlog.settle(self.now_ms)
        waiting = [message for message in self.messages if message.state(self.now_ms) is not State.READY]
        due_ms = [max(message.visible_at, message.delayed_until) for message in waiting]
        assert self.backlog.next_due_ms() == (pytest.approx(min(due_ms)) if due_ms else None)


class FifoQueue(StandardQueue):
    """Groups, and the rest as before."""

    def make(self) -> Backlog:
        return GroupedBacklog()

    def expected(self, count: int) -> tuple[list[Message], list[Message]]:
        blocked = {message.group_id for message in self.messages if message.state(self.now_ms) is State.IN_FLIGHT}
        groups: dict[str, list[Message]] = {}
        for message in self.messages:
            if message.group_id in blocked:
                continue
            if message.state(self.now_ms) is State.DELAYED:
                blocked.add(message.group_id)
            else:
                groups.setdefault(message.group_id, []).append(message)
        found = [message for group in groups.values() for message in group]
        return [each for each in found if not is_spent(each)][:count], [each for each in found if is_spent(each)]


MANY = settings(max_examples=60, stateful_step_count=40, deadline=None, derandomize=True)
TestStandardQueue = StandardQueue.TestCase
TestStandardQueue.settings = MANY
TestFifoQueue = FifoQueue.TestCase
TestFifoQueue.settings = MANY


@pytest.mark.parametrize("kind", [Backlog, GroupedBacklog])
def test_what_is_done_to_one_message_does_not_depend_on_how_many_there_are(kind: type[Backlog]) -> None:
    """Counted by how often anything is looked at: each message's state is asked for through its times."""

    class Counted(Message):
        looks = 0

        @property
        def visible_at(self) -> float:
            Counted.looks += 1
            return self._visible_at

        @visible_at.setter
        def visible_at(self, until_ms: float) -> None:
            self._visible_at = until_ms

    def looks(messages: int) -> int:
        backlog = kind([Counted(number, str(number), 1, 0) for number in range(messages)])
        Counted.looks = 0
        for now_ms in range(1_000, 1_020):
            taken, _ = backlog.take(10, now_ms, is_spent)
            for message in taken:
                message.hide(now_ms + 1_000)
                message.hand_out(f"{message.number}")
            for message in taken:
                backlog.remove(message)
            backlog.count(State.READY, now_ms)
        return Counted.looks

    assert looks(20_000) == looks(300) > 0
