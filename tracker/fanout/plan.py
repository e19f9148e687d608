"""Who gets which message next: the rules of a broadcast, without a socket or a clock.

Every connection is a lane with all messages of the broadcast in their order. A lane is in one of four states:

=========  ==============================================================================================
ready      waiting for a worker
posting    one worker is posting its next message; so there is never more than one post under way (M17)
resting    an answer said "later"; it becomes ready again when `resume` is called
closed     all messages are done, or the connection is gone
=========  ==============================================================================================

Ready lanes take turns, so that all viewers get the first message before anyone gets the second, and a slow one holds
up nobody else. When a message fails on a lane, later messages of the same order key (the vendor) are held back on
that lane and fail too: they will be sent again after it, so the viewer never sees the vendor jump back.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tracker.fanout.outcome import BroadcastOutcome, Failure, MessageOutcome
from tracker.fanout.retry import RetryPolicy, Uniform, Verdict, judge
from tracker.fanout.sigv4 import payload_hash

if TYPE_CHECKING:
    from collections.abc import Sequence

NO_TIME_LEFT = "no time was left"


@dataclass(frozen=True, slots=True)
class Message:
    """One frame to be sent to everyone."""

    order_key: str
    """Messages of one key reach each connection in the order given, or not at all."""
    body: bytes
    """UTF-8 text."""
    payload_hash: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "payload_hash", payload_hash(self.body))


@dataclass(frozen=True, slots=True)
class Recipient:
    """One row of the connections table."""

    connection_id: str
    young: bool = False
    """Its `$connect` may not have returned yet, so that a first 410 is no proof that it is gone (C15)."""


@dataclass(slots=True, eq=False)
class Lane:
    """One connection and how far it has come. Only the plan changes it."""

    recipient: Recipient
    position: int = 0
    """Index of the message to post now."""
    attempts: int = 0
    """Failed tries of that message."""
    opening_answers: int = 0
    """410s that were taken for a handshake under way."""
    held_keys: set[str] = field(default_factory=set)
    closed: bool = False


class Plan:
    """See the module's first lines."""

    def __init__(
        self, messages: Sequence[Message], recipients: Sequence[Recipient], policy: RetryPolicy, uniform: Uniform
    ) -> None:
        self._messages = tuple(messages)
        self._policy = policy
        self._uniform = uniform
        self._lanes = [Lane(recipient) for recipient in recipients] if messages else []
        self._ready = deque(self._lanes)
        self._open = len(self._lanes)
        self._delivered = [0] * len(messages)
        self._failed: list[list[Failure]] = [[] for _ in messages]
        self._gone: list[str] = []
        self._retries = 0
        self._forbidden: str | None = None

    @property
    def finished(self) -> bool:
        """True when no lane is open any more."""
        return self._open == 0

    @property
    def width(self) -> int:
        """How many lanes are open: more workers than that are of no use."""
        return self._open

    def take(self) -> Lane | None:
        """Return the next ready lane, now posting; None when none is ready."""
        return self._ready.popleft() if self._ready else None

    def message_of(self, lane: Lane) -> Message:
        """Return the message that the lane is to post now."""
        return self._messages[lane.position]

    def resume(self, lane: Lane) -> None:
        """Say that a resting lane has rested."""
        if not lane.closed:
            self._ready.append(lane)

    def answered(self, lane: Lane, status: int, detail: str = "") -> float | None:
        """Take the answer to a lane's post; returns the seconds to rest before `resume`, None for no rest."""
        if lane.closed:
            return None
        reason = f"status {status}" + (f" {detail}" if detail else "")
        match judge(status):
            case Verdict.DELIVERED:
                self._delivered[lane.position] += 1
                self._advance(lane)
            case Verdict.GONE if lane.recipient.young and lane.opening_answers < len(self._policy.opening_delays_s):
                lane.opening_answers += 1
                self._retries += 1
                return self._policy.opening_delays_s[lane.opening_answers - 1]
            case Verdict.GONE | Verdict.MALFORMED:
                self._gone.append(lane.recipient.connection_id)
                self._close(lane)
            case Verdict.FORBIDDEN:
                self._forbidden = reason
                self.stop(reason)
            case Verdict.RETRY:
                return self._try_again(lane, reason)
            case Verdict.REJECTED:
                self._fail(lane, reason)
        return None

    def unreachable(self, lane: Lane, reason: str) -> float | None:
        """Take a post that got no answer; returns the seconds to rest before `resume`, None for no rest."""
        return None if lane.closed else self._try_again(lane, reason)

    def stop(self, reason: str = NO_TIME_LEFT) -> None:
        """End the broadcast: everything not delivered by now has failed."""
        self._ready.clear()
        for lane in self._lanes:
            while not lane.closed:
                self._failed[lane.position].append(Failure(lane.recipient.connection_id, reason))
                self._step(lane)

    def outcome(self) -> BroadcastOutcome:
        """Return what became of it all; ask when finished."""
        gone = set(self._gone)
        return BroadcastOutcome(
            messages=tuple(
                # What failed on a connection that turned out to be gone is owed to nobody.
                MessageOutcome(delivered, tuple(failure for failure in failed if failure.connection_id not in gone))
                for delivered, failed in zip(self._delivered, self._failed, strict=True)
            ),
            gone=tuple(self._gone),
            retries=self._retries,
            forbidden=self._forbidden,
        )

    def _try_again(self, lane: Lane, reason: str) -> float | None:
        lane.attempts += 1
        delay_s = self._policy.delay_s(lane.attempts, self._uniform)
        if delay_s is None:
            self._fail(lane, f"{reason} after {lane.attempts} attempts")
            return None
        self._retries += 1
        return delay_s

    def _fail(self, lane: Lane, reason: str) -> None:
        self._failed[lane.position].append(Failure(lane.recipient.connection_id, reason))
        lane.held_keys.add(self.message_of(lane).order_key)
        self._advance(lane)

    def _advance(self, lane: Lane) -> None:
        self._step(lane)
        while not lane.closed and self.message_of(lane).order_key in lane.held_keys:
            self._failed[lane.position].append(
                Failure(lane.recipient.connection_id, "an earlier update of the same vendor failed")
            )
            self._step(lane)
        if not lane.closed:
            self._ready.append(lane)

    def _step(self, lane: Lane) -> None:
        lane.position += 1
        lane.attempts = 0
        if lane.position == len(self._messages):
            self._close(lane)

    def _close(self, lane: Lane) -> None:
        lane.closed = True
        self._open -= 1
