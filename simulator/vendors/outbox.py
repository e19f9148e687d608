"""What waits to be sent: full batches where possible, the order of each vendor kept, failed entries sent again.

Rules, no I/O. A vendor has at most one update under way: were two of its updates in one batch and only the first
failed, the second would overtake it. Its next update waits, while other vendors go on.
"""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tracker.updates import encode_update

if TYPE_CHECKING:
    from random import Random

    from simulator.vendors.plan import PlannedUpdate

BATCH_ENTRIES = 10
"""SendMessageBatch takes ten."""
BATCH_BYTES = 1_048_576
"""One MiB, for each message and for all of a batch (Q22)."""


@dataclass(frozen=True, slots=True)
class RetryRules:
    """How often and after what pause an entry is sent again: exponential backoff with full jitter.

    Source: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
    """

    attempts: int = 8
    """Sends of one entry, the first included."""
    base_s: float = 0.05
    cap_s: float = 2.0

    def pause_s(self, attempts_made: int, chance: Random) -> float:
        """Return how long to wait after the `attempts_made`-th attempt (1, 2, …) failed."""
        return chance.random() * float(min(self.cap_s, self.base_s * 2 ** (attempts_made - 1)))


@dataclass(slots=True)
class Entry:
    """One update on its way."""

    planned: PlannedUpdate
    body: str
    attempts: int = 0
    """Sends begun so far."""

    @property
    def vendor_id(self) -> str:
        """The vendor it is from."""
        return self.planned.update["userId"]


@dataclass(frozen=True, slots=True)
class Accepted:
    """SQS took the entry."""

    message_id: str


@dataclass(frozen=True, slots=True)
class Refused:
    """SQS did not take the entry, or the call failed."""

    reason: str
    may_retry: bool
    """False when the same entry would be refused again."""


@dataclass(slots=True)
class Settled:
    """What became of a batch."""

    sent: list[tuple[PlannedUpdate, str]] = field(default_factory=list)
    """With the message id of each."""
    failed: list[tuple[PlannedUpdate, str]] = field(default_factory=list)
    """Given up, with the reason."""
    to_resend: list[PlannedUpdate] = field(default_factory=list)


class Outbox:
    """Updates in the order they came, handed out in batches of at most one per vendor."""

    def __init__(self, chance: Random, rules: RetryRules | None = None) -> None:
        self._chance = chance
        self._rules = rules or RetryRules()
        self._waiting: dict[str, deque[Entry]] = {}
        # Vendors are in exactly one of: ready, resting, or under way (in neither).
        self._ready: deque[str] = deque()
        self._resting: list[tuple[float, int, str]] = []
        self._rests = 0

    def add(self, planned: PlannedUpdate) -> None:
        """Put an update behind the earlier ones of its vendor."""
        entry = Entry(planned, encode_update(planned.update))
        if entry.vendor_id in self._waiting:
            self._waiting[entry.vendor_id].append(entry)
        else:
            self._waiting[entry.vendor_id] = deque([entry])
            self._ready.append(entry.vendor_id)

    def take(self, now_s: float) -> list[Entry]:
        """Return the next batch, empty when nothing may be sent at `now_s`; `settle` must follow."""
        while self._resting and self._resting[0][0] <= now_s:
            # To the front: it has waited longer than anything that came since.
            self._ready.appendleft(heapq.heappop(self._resting)[2])
        batch: list[Entry] = []
        bytes_left = BATCH_BYTES
        while self._ready and len(batch) < BATCH_ENTRIES:
            entry = self._waiting[self._ready[0]][0]
            # An entry that is too large by itself goes alone, for SQS to refuse.
            if batch and len(entry.body) > bytes_left:
                break
            self._ready.popleft()
            entry.attempts += 1
            bytes_left -= len(entry.body)
            batch.append(entry)
        return batch

    def wake_s(self) -> float | None:
        """Return when a resting entry may be sent again; None when none rests."""
        return self._resting[0][0] if self._resting else None

    def settle(self, batch: list[Entry], outcomes: list[Accepted | Refused], now_s: float) -> Settled:
        """Take note of what SQS said about each entry of `batch`, in the same order."""
        settled = Settled()
        for entry, outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, Accepted):
                settled.sent.append((entry.planned, outcome.message_id))
            elif outcome.may_retry and entry.attempts < self._rules.attempts:
                settled.to_resend.append(entry.planned)
                pause_s = self._rules.pause_s(entry.attempts, self._chance)
                self._rests += 1
                heapq.heappush(self._resting, (now_s + pause_s, self._rests, entry.vendor_id))
                continue
            else:
                settled.failed.append((entry.planned, outcome.reason))
            waiting = self._waiting[entry.vendor_id]
            waiting.popleft()
            if waiting:
                self._ready.append(entry.vendor_id)
            else:
                del self._waiting[entry.vendor_id]
        return settled
