"""When a batch is complete (Q01, Q02, Q03)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from simulator.stack.model import Queue, Trigger
from simulator.triggers.event_shape import Message, build_record, encode_event

MAX_PAYLOAD_BYTES = 6 * 1024 * 1024
"""A batch closes before its event would exceed this (Q02)."""
MAX_RECEIVE = 10
"""ReceiveMessage's own limit; larger batches are gathered over several calls."""
MAX_LONG_POLL_S = 20
_ENVELOPE_BYTES = len('{"Records":[]}')


@dataclass(frozen=True, slots=True)
class Received:
    """A message and when it was received: its visibility timeout counts from there."""

    message: Message
    at_s: float
    """Monotonic."""


class Batch:
    """Gathers messages until the batch is full, its window is over, or its event would be too large.

    What does not fit stays for the next batch. `now_s` is monotonic; the window opens with the first message.
    """

    def __init__(self, trigger: Trigger, queue: Queue, region: str) -> None:
        self._size = trigger.batch_size
        self._window_s = trigger.batching_window_s
        self._queue = queue
        self._region = region
        self._received: list[Received] = []
        self._bytes: list[int] = []
        self._opened_s = 0.0

    def add(self, received: Sequence[Received], now_s: float) -> None:
        """Messages have come."""
        if received and not self._received:
            self._opened_s = now_s
        self._received.extend(received)
        self._bytes.extend(self._event_bytes(each.message) for each in received)

    def complete(self, now_s: float) -> bool:
        """True when the handler is to be invoked now."""
        if not self._received:
            return False
        return (
            len(self._received) >= self._size
            or self._fitting() < len(self._received)
            or now_s - self._opened_s >= self._window_s
        )

    def receive_request(self, long_poll_s: int, now_s: float) -> tuple[int, int]:
        """`MaxNumberOfMessages` and `WaitTimeSeconds` of the next receive.

        SQS counts whole seconds, so a window may be overrun by less than one (AWS: by up to 20, Q02).
        """
        count = min(MAX_RECEIVE, self._size - len(self._received))
        if not self._received:
            return count, long_poll_s
        left_s = self._window_s - (now_s - self._opened_s)
        return count, max(1, min(long_poll_s, int(left_s + 0.999)))

    def take(self, now_s: float) -> list[Received]:
        """The messages of the finished batch; the rest begins the next one."""
        count = min(self._size, self._fitting())
        taken, self._received = self._received[:count], self._received[count:]
        del self._bytes[:count]
        self._opened_s = now_s
        return taken

    def take_all(self) -> list[Received]:
        """Whatever has been gathered, when nothing will be invoked any more."""
        taken, self._received, self._bytes = self._received, [], []
        return taken

    def _fitting(self) -> int:
        """How many messages fit into one event; at least one, whatever its size."""
        total = _ENVELOPE_BYTES
        for index, size in enumerate(self._bytes):
            total += size
            if index and total > MAX_PAYLOAD_BYTES:
                return index
        return len(self._bytes)

    def _event_bytes(self, message: Message) -> int:
        record = build_record(message, self._queue.arn, self._region, batching_window=self._window_s > 0)
        return len(encode_event(record)) + 1
