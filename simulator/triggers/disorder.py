"""What a standard queue may do and moto never does: deliver twice, and out of order (Q08, Q09). Seeded, off by default.

It is asked for by settings, for as long as the stack runs, or by faults (`sqs_duplicate`, `sqs_reorder`), for a while.

No message is lost by it. A duplicate is not made up: its message is not deleted after the first success but made
visible, so that the queue itself gives it out again, with another receipt handle and a higher count.
"""

from __future__ import annotations

from collections.abc import Sequence

from simulator.active_faults import ActiveFault, Chance
from simulator.stack.model import Queue
from simulator.triggers.batching import Received
from simulator.triggers.event_shape import Message
from simulator.triggers.settings import TriggerSettings


class Disorder:
    """Decides which messages of one queue are delivered late, and which again."""

    def __init__(self, queue: Queue, settings: TriggerSettings, chance: Chance) -> None:
        self._duplicate_share = 0.0 if queue.fifo else settings.duplicate_share
        self._shuffle_share = 0.0 if queue.fifo else settings.shuffle_share
        self._max_receive_count = queue.max_receive_count
        self._chance = chance
        self._queue = queue
        self._duplicating: tuple[ActiveFault, ...] = ()
        self._reordering: tuple[ActiveFault, ...] = ()
        self._held: list[Received] = []

    def set_faults(self, duplicating: Sequence[ActiveFault], reordering: Sequence[ActiveFault]) -> None:
        """These faults are on from now on; a FIFO queue knows neither."""
        self._duplicating = () if self._queue.fifo else tuple(duplicating)
        self._reordering = () if self._queue.fifo else tuple(reordering)

    @property
    def holding(self) -> bool:
        """Messages are held back; the next receive must not take long."""
        return bool(self._held)

    def arrange(self, received: Sequence[Received]) -> list[Received]:
        """What of the messages just received goes on now, and behind it what was held back before."""
        before, self._held = self._held, []
        if not self._shuffle_share and not self._reordering:
            return [*received, *before]
        now: list[Received] = []
        for each in received:
            (self._held if self._strikes(self._shuffle_share, self._reordering) else now).append(each)
        return [*now, *before]

    def take_held(self) -> list[Received]:
        """What is held back, when nothing will be delivered any more."""
        held, self._held = self._held, []
        return held

    def again(self, messages: Sequence[Message], done: Sequence[str]) -> tuple[str, ...]:
        """Which of the receipt handles that are `done` are delivered a second time instead of deleted.

        Each message at most once, and none that its next receive would send to the dead-letter queue.
        """
        if not self._duplicate_share and not self._duplicating:
            return ()
        candidates = set(done)
        return tuple(
            str(message["ReceiptHandle"])
            for message in messages
            if message["ReceiptHandle"] in candidates
            and self._may_come_again(message)
            and self._strikes(self._duplicate_share, self._duplicating)
        )

    def _strikes(self, share: float, faults: Sequence[ActiveFault]) -> bool:
        by_setting = self._chance.random() < share if share else False
        return any([by_setting, *(fault.hits(self._queue.name) for fault in faults)])

    def _may_come_again(self, message: Message) -> bool:
        first = str(message.get("Attributes", {}).get("ApproximateReceiveCount", "1")) == "1"
        return first and (self._max_receive_count is None or self._max_receive_count > 1)
