"""The messages of one queue, found by receipt handle and by when they may be received, however many there are.

moto keeps a list and walks through it for each receive, delete, change and count. Here each of these takes as long as
it does on an empty queue, but for a logarithm. Pure: the time (epoch, ms) is passed in, and no lock is taken.
"""

from __future__ import annotations

import enum
import heapq
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol


class Message(Protocol):
    """What is looked at of moto's `Message`."""

    visible_at: float
    """Received messages are visible from after this moment (epoch, ms); 0 for one never received."""
    delayed_until: float
    """May be received from this moment on (epoch, ms); 0 when it was sent without delay."""
    sent_timestamp: Any
    """Epoch, ms."""
    group_id: str | None
    backlog: Any
    """The backlog it is in, which has to be told of changes; set by the backlog."""

    @property
    def all_receipt_handles(self) -> list[str | None]:
        """Every handle it was ever received under."""


class State(enum.Enum):
    """What a message waits for."""

    READY = "to be received"
    DELAYED = "its delay to end"
    IN_FLIGHT = "to be deleted, or its visibility timeout to end"


@dataclass(slots=True, eq=False)
class Entry:
    """One message's standing."""

    message: Any
    place: int
    """Its number in the order of sending, which it keeps."""
    state: State = State.READY
    due_ms: float = 0.0
    """The last moment at which it is not READY."""
    offered: bool = False
    """Whether `_ready` has its place."""


class Backlog:
    """A standard queue's messages; the one that was sent first is received first."""

    def __init__(self, messages: Iterable[Any] = ()) -> None:
        self._entries: dict[int, Entry] = {}
        """By place, and so in the order of sending."""
        self._by_message: dict[Any, Entry] = {}
        self._by_handle: dict[str, Entry] = {}
        self._waiting: list[tuple[float, int]] = []
        """A heap of due time and place. It keeps what no longer holds until it comes to the top, like `_ready`."""
        self._ready: list[int] = []
        """A heap of the places of messages to be received."""
        self._places = 0
        self._in_state: Counter[State] = Counter()
        for message in messages:
            self.append(message)

    # -- the messages as a whole -----------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Any]:
        """In the order of sending, as they were when asked."""
        return iter([entry.message for entry in self._entries.values()])

    def __contains__(self, message: Any) -> bool:
        return message in self._by_message

    def append(self, message: Any) -> None:
        """One more, behind all others."""
        entry = Entry(message, self._places)
        self._places += 1
        self._entries[entry.place] = entry
        self._by_message[message] = entry
        message.backlog = self
        for handle in message.all_receipt_handles:
            if handle is not None:
                self._by_handle[handle] = entry
        self._in_state[entry.state] += 1
        self._entered(entry)
        self._stand(entry)

    def remove(self, message: Any) -> None:
        """Take one out; it must be there."""
        entry = self._by_message.pop(message)
        message.backlog = None
        del self._entries[entry.place]
        for handle in message.all_receipt_handles:
            self._by_handle.pop(handle, None)
        self._in_state[entry.state] -= 1
        self._left(entry)

    def remove_sent_until(self, oldest_ms: float) -> None:
        """Take out what was sent at `oldest_ms` or before, up to the first message that was not."""
        while self._entries:
            message = next(iter(self._entries.values())).message
            if (message.sent_timestamp or 0) > oldest_ms:
                return
            self.remove(message)

    # -- single messages -------------------------------------------------------------------------------------------

    def with_handle(self, handle: str) -> Any | None:
        """The message that was once received under this handle, if it is still there."""
        entry = self._by_handle.get(handle)
        return None if entry is None else entry.message

    def changed(self, message: Any) -> None:
        """To be told when any of the message's times or its receipt handle has changed."""
        entry = self._by_message.get(message)
        if entry is not None:
            self._stand(entry)

    def handed_out(self, message: Any, handle: str) -> None:
        """To be told when a message gets a receipt handle."""
        entry = self._by_message.get(message)
        if entry is not None:
            self._by_handle[handle] = entry

    # -- receiving -------------------------------------------------------------------------------------------------

    def take(self, count: int, now_ms: float, is_spent: Callable[[Any], bool]) -> tuple[list[Any], list[Any]]:
        """Up to `count` messages to be received now, and those on the way there that are spent.

        The spent ones are taken out. The others stay as they are, for the caller to change.
        """
        self.settle(now_ms)
        taken: list[Entry] = []
        spent: list[Any] = []
        while self._ready and len(taken) < count:
            entry = self._entries.get(heapq.heappop(self._ready))
            if entry is None:
                continue
            entry.offered = False
            if entry.state is not State.READY:
                continue
            if is_spent(entry.message):
                self.remove(entry.message)
                spent.append(entry.message)
            else:
                taken.append(entry)
        for entry in taken:
            self._offer(entry)
        return [entry.message for entry in taken], spent

    def settle(self, now_ms: float) -> None:
        """Make READY what is due."""
        while self._waiting and self._waiting[0][0] < now_ms:
            due_ms, place = heapq.heappop(self._waiting)
            entry = self._entries.get(place)
            if entry is not None and entry.state is not State.READY and entry.due_ms == due_ms:
                self._change(entry, State.READY)

    def next_due_ms(self) -> float | None:
        """After `settle`: when the next message becomes READY; None when none waits for a time."""
        while self._waiting:
            due_ms, place = self._waiting[0]
            entry = self._entries.get(place)
            if entry is not None and entry.state is not State.READY and entry.due_ms == due_ms:
                return due_ms
            heapq.heappop(self._waiting)
        return None

    def count(self, state: State, now_ms: float) -> int:
        """How many messages are in `state`."""
        self.settle(now_ms)
        return self._in_state[state]

    # -- inside ----------------------------------------------------------------------------------------------------

    def _stand(self, entry: Entry) -> None:
        """Work out the state from the message's times."""
        hidden_ms = entry.message.visible_at
        delayed_ms = math.nextafter(entry.message.delayed_until, -math.inf)
        entry.due_ms = max(hidden_ms, delayed_ms)
        if entry.due_ms <= 0:
            self._change(entry, State.READY)
            return
        heapq.heappush(self._waiting, (entry.due_ms, entry.place))
        self._change(entry, State.IN_FLIGHT if hidden_ms >= delayed_ms else State.DELAYED)

    def _change(self, entry: Entry, state: State) -> None:
        before, entry.state = entry.state, state
        self._in_state[before] -= 1
        self._in_state[state] += 1
        self._moved(entry, before)

    def _offer(self, entry: Entry) -> None:
        if not entry.offered:
            entry.offered = True
            heapq.heappush(self._ready, entry.place)

    def _entered(self, entry: Entry) -> None:
        """It is there now."""

    def _left(self, entry: Entry) -> None:
        """It is gone."""

    def _moved(self, entry: Entry, before: State) -> None:
        """Its state was `before`, and may be the same."""
        del before
        if entry.state is State.READY:
            self._offer(entry)


@dataclass(slots=True, eq=False)
class _Group:
    entries: dict[int, Entry] = field(default_factory=dict)
    """By place, and so in their order."""
    in_flight: int = 0
    offered_at: int | None = None
    """The place under which `_ready` has the group."""


class GroupedBacklog(Backlog):
    """A FIFO queue's messages: nothing of a group that has a message in flight, nor behind one that is delayed (Q18).

    `_ready` has the first place of each group that may be received from.
    """

    def __init__(self, messages: Iterable[Any] = ()) -> None:
        self._groups: dict[str | None, _Group] = {}
        super().__init__(messages)

    def take(self, count: int, now_ms: float, is_spent: Callable[[Any], bool]) -> tuple[list[Any], list[Any]]:
        """As many messages of one group as there are before those of the next."""
        self.settle(now_ms)
        taken: list[Any] = []
        spent: list[Any] = []
        seen: list[_Group] = []
        while self._ready and len(taken) < count:
            place = heapq.heappop(self._ready)
            entry = self._entries.get(place)
            group = None if entry is None else self._groups[entry.message.group_id]
            if group is None or group.offered_at != place:
                continue
            group.offered_at = None
            if group.in_flight:
                continue
            seen.append(group)
            for each in group.entries.values():
                if each.state is not State.READY or len(taken) == count:
                    break
                (spent if is_spent(each.message) else taken).append(each.message)
        for group in seen:
            self._offer_group(group)
        for message in spent:
            self.remove(message)
        return taken, spent

    def _offer_group(self, group: _Group) -> None:
        if group.in_flight or group.offered_at is not None or not group.entries:
            return
        first = next(iter(group.entries.values()))
        if first.state is State.READY:
            group.offered_at = first.place
            heapq.heappush(self._ready, first.place)

    def _entered(self, entry: Entry) -> None:
        self._groups.setdefault(entry.message.group_id, _Group()).entries[entry.place] = entry

    def _left(self, entry: Entry) -> None:
        group = self._groups[entry.message.group_id]
        del group.entries[entry.place]
        if entry.state is State.IN_FLIGHT:
            group.in_flight -= 1
        if group.offered_at == entry.place:
            group.offered_at = None
        if not group.entries:
            del self._groups[entry.message.group_id]
        else:
            self._offer_group(group)

    def _moved(self, entry: Entry, before: State) -> None:
        group = self._groups[entry.message.group_id]
        group.in_flight += (entry.state is State.IN_FLIGHT) - (before is State.IN_FLIGHT)
        self._offer_group(group)
