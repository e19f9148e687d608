"""Who gets which message next: the rules of a broadcast, without a socket or a clock.

Every connection is a lane with all messages of the broadcast in their order; lanes are added while others are being
served. A lane is in one of four states:

=========  ==============================================================================================
ready      waiting for its turn
posting    its next message is being posted; there is never more than one post under way (M17)
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
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

from tracker.fanout.outcome import SAMPLE, BroadcastOutcome, Failure, MessageOutcome
from tracker.fanout.retry import RetryPolicy, Uniform, Verdict, judge
from tracker.fanout.sigv4 import payload_hash

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

NO_TIME_LEFT = "no time was left"
_TOO_MANY_REQUESTS = HTTPStatus.TOO_MANY_REQUESTS.value


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


class Recipient(NamedTuple):
    """One row of the connections table."""

    connection_id: str
    young: bool = False
    """Its `$connect` may not have returned yet, so that a first 410 is no proof that it is gone (C15)."""


class Lane:
    """One connection and how far it has come. Only the plan changes it."""

    __slots__ = ("attempts", "closed", "failures", "opening_answers", "position", "recipient", "slow")

    def __init__(self, recipient: Recipient) -> None:
        self.recipient = recipient
        self.position = 0
        """Index of the message to post now."""
        self.attempts = 0
        """Failed tries of that message."""
        self.opening_answers = 0
        """410s that were taken for a handshake under way."""
        self.failures: list[tuple[int, str]] | None = None
        """Message and reason of what failed so far; owed to nobody should the connection prove gone."""
        self.slow = False
        """The last answer was 429 (C14)."""
        self.closed = False


class Plan:
    """See the module's first lines."""

    def __init__(self, messages: Sequence[Message], policy: RetryPolicy, uniform: Uniform) -> None:
        self._messages = tuple(messages)
        self._policy = policy
        self._uniform = uniform
        self._lanes: set[Lane] = set()
        """The open ones: a lane is forgotten when it closes, so that memory does not grow with the table."""
        self._ready: deque[Lane] = deque()
        self._more = True
        self._delivered = [0] * len(messages)
        self._failed = [0] * len(messages)
        self._slow_failed = [0] * len(messages)
        self._slow: list[str] = []
        self._recipients = 0
        self._failures: list[list[Failure]] = [[] for _ in messages]
        self._gone: list[str] = []
        self._gone_count = 0
        self._retries = 0
        self._stopped: str | None = None
        self._forbidden: str | None = None

    # -- who is to get them ----------------------------------------------------------------------------------------

    def add(self, recipients: Iterable[Recipient]) -> None:
        """Take more recipients; after `stop` everything for them has failed at once."""
        if not self._messages:
            return
        for recipient in recipients:
            lane = Lane(recipient)
            self._lanes.add(lane)
            self._recipients += 1
            if self._stopped is None:
                self._ready.append(lane)
            else:
                self._give_up(lane, self._stopped)

    def no_more(self) -> None:
        """Say that all recipients have been added."""
        self._more = False

    # -- what is to be done ----------------------------------------------------------------------------------------

    @property
    def finished(self) -> bool:
        """True when no recipient is open and none will come, or would be of use."""
        return not self._lanes and (not self._more or self._stopped is not None)

    @property
    def open_lanes(self) -> int:
        """How many recipients have not got everything yet."""
        return len(self._lanes)

    @property
    def ready(self) -> bool:
        """True when `take` has something to give."""
        return bool(self._ready)

    def take(self) -> Lane | None:
        """Return the next ready lane, now posting; None when none is ready."""
        return self._ready.popleft() if self._ready else None

    def message_of(self, lane: Lane) -> Message:
        """Return the message that the lane is to post now."""
        return self._messages[lane.position]

    def resume(self, lane: Lane) -> None:
        """Say that a resting lane has rested, or that its post was never sent."""
        if not lane.closed:
            self._ready.append(lane)

    # -- what came of it -------------------------------------------------------------------------------------------

    def answered(self, lane: Lane, status: int, detail: str = "") -> float | None:
        """Take the answer to a lane's post; returns the seconds to rest before `resume`, None for no rest."""
        if lane.closed:
            return None
        verdict = judge(status)
        lane.slow = status == _TOO_MANY_REQUESTS
        if verdict is Verdict.DELIVERED:
            self._delivered[lane.position] += 1
            self._advance(lane)
            return None
        reason = f"status {status}" + (f" {detail}" if detail else "")
        match verdict:
            case Verdict.GONE if lane.recipient.young and lane.opening_answers < len(self._policy.opening_delays_s):
                lane.opening_answers += 1
                self._retries += 1
                return self._policy.opening_delays_s[lane.opening_answers - 1]
            case Verdict.GONE | Verdict.MALFORMED:
                self._gone.append(lane.recipient.connection_id)
                self._gone_count += 1
                # What failed on a connection that turned out to be gone is owed to nobody.
                lane.failures = None
                self._close(lane)
            case Verdict.FORBIDDEN:
                self._forbidden = reason
                self.stop(reason)
            case Verdict.RETRY:
                return self._try_again(lane, reason)
            case _:
                self._fail(lane, reason)
        return None

    def unreachable(self, lane: Lane, reason: str) -> float | None:
        """Take a post that got no answer; returns the seconds to rest before `resume`, None for no rest."""
        return None if lane.closed else self._try_again(lane, reason)

    def take_gone(self) -> list[str]:
        """Return the connections found gone since the last call: their rows can be removed already."""
        gone, self._gone = self._gone, []
        return gone

    def stop(self, reason: str = NO_TIME_LEFT) -> None:
        """End the broadcast: everything not delivered by now has failed."""
        self._stopped = reason
        self._ready.clear()
        for lane in list(self._lanes):
            self._give_up(lane, reason)

    def outcome(self) -> BroadcastOutcome:
        """Return what became of it all; ask when finished."""
        return BroadcastOutcome(
            messages=tuple(
                MessageOutcome(delivered, failed, slow, tuple(failures))
                for delivered, failed, slow, failures in zip(
                    self._delivered, self._failed, self._slow_failed, self._failures, strict=True
                )
            ),
            gone=self._gone_count,
            retries=self._retries,
            recipients=self._recipients,
            slow=tuple(self._slow),
            forbidden=self._forbidden,
        )

    # -- inside ----------------------------------------------------------------------------------------------------

    def _try_again(self, lane: Lane, reason: str) -> float | None:
        lane.attempts += 1
        # Who was refused to the last with one message is asked once for each of the others: ten tries for each of ten
        # would hold up the next batch, and everybody with it, for as long as the function may run.
        again = not (lane.slow and lane.failures is not None)
        delay_s = self._policy.delay_s(lane.attempts, self._uniform) if again else None
        if delay_s is None:
            self._fail(lane, f"{reason} after {lane.attempts} attempts")
            return None
        self._retries += 1
        return delay_s

    def _give_up(self, lane: Lane, reason: str) -> None:
        while not lane.closed:
            self._note(lane, reason)
            self._step(lane)

    def _fail(self, lane: Lane, reason: str) -> None:
        self._note(lane, reason)
        self._advance(lane)

    def _note(self, lane: Lane, reason: str) -> None:
        if lane.failures is None:
            lane.failures = []
        lane.failures.append((lane.position, reason))

    def _advance(self, lane: Lane) -> None:
        self._step(lane)
        if lane.failures is not None:
            held = {self._messages[position].order_key for position, _ in lane.failures}
            while not lane.closed and self._messages[lane.position].order_key in held:
                self._note(lane, "an earlier update of the same vendor failed")
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
        self._lanes.discard(lane)
        if lane.failures is None:
            return
        if lane.slow:
            self._slow.append(lane.recipient.connection_id)
        failed = self._slow_failed if lane.slow else self._failed
        for position, reason in lane.failures:
            failed[position] += 1
            if len(self._failures[position]) < SAMPLE:
                self._failures[position].append(Failure(lane.recipient.connection_id, reason))
