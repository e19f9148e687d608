"""When is a run over? A decision on what can be observed, without clocks or calls of its own.

After the last update has left, deliveries may still be on their way, and a failed batch comes back only after the
queue's visibility timeout, up to `maxReceiveCount` times (Q07, Q13). So the wait ends when everything has arrived and
nothing is left in the queue; or when nothing is left that could still bring what is missing; or at a limit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from simulator.load.wording import counted

MARGIN_S = 10.0
"""On top of the time all redeliveries can take: polling, the last invocation, the move to the dead-letter queue."""
LIMIT_WITHOUT_REDRIVE_S = 60.0
"""For a queue without a redrive policy, which may redeliver until its retention ends."""


@dataclass(frozen=True, slots=True)
class DrainPolicy:
    """How long to wait."""

    limit_s: float
    quiet_s: float


@dataclass(frozen=True, slots=True)
class Observation:
    """What can be seen at one moment; times in seconds on one monotonic scale."""

    now_s: float
    outstanding: int
    """Expected deliveries that have not arrived."""
    queued: int | None
    """Messages in the queue that can be received now; None when the queue cannot be asked."""
    in_flight: int | None
    """Messages received and neither deleted nor visible again; None when the queue cannot be asked."""
    at_the_function: int | None
    """Messages that the trigger has received and neither deleted nor given back; None when the stack does not say."""
    last_frame_s: float | None


@dataclass(frozen=True, slots=True)
class Wait:
    """Look again in a moment."""

    reason: str


@dataclass(frozen=True, slots=True)
class Finish:
    """The run is over."""

    outcome: Literal["complete", "quiet", "limit"]
    reason: str


def drain_policy(
    *, limit_s: float | None, quiet_s: float, visibility_timeout_s: float, max_receive_count: int | None
) -> DrainPolicy:
    """The scenario's own limit, or else the time in which the last redelivery must have happened."""
    if limit_s is None:
        redeliveries_s = visibility_timeout_s * max_receive_count if max_receive_count else LIMIT_WITHOUT_REDRIVE_S
        limit_s = redeliveries_s + MARGIN_S
    return DrainPolicy(limit_s=limit_s, quiet_s=quiet_s)


def decide(seen: Observation, *, started_s: float, policy: DrainPolicy) -> Wait | Finish:
    """Decide at one moment of a drain that began at `started_s`."""
    waited_s = seen.now_s - started_s
    pending = _pending(seen)
    if seen.outstanding == 0 and not pending:
        return Finish("complete", "every expected delivery has arrived")
    if waited_s >= policy.limit_s:
        return Finish(
            "limit", f"{_what_is_missing(seen, pending)} after the longest wait allowed, {policy.limit_s:g} s"
        )
    if pending:
        return Wait(pending)
    quiet_since_s = max(started_s, seen.last_frame_s if seen.last_frame_s is not None else started_s)
    quiet_s = seen.now_s - quiet_since_s
    if quiet_s >= policy.quiet_s:
        return Finish(
            "quiet",
            f"{_deliveries(seen.outstanding)} missing, nothing is left in the queue and no frame came for "
            f"{policy.quiet_s:g} s",
        )
    return Wait(f"{_deliveries(seen.outstanding)} missing")


def _pending(seen: Observation) -> str:
    """What could still bring frames, in words; empty when there is nothing."""
    if seen.at_the_function:
        return f"{counted(seen.at_the_function, 'message')} at the function"
    held = (seen.queued or 0) + (seen.in_flight or 0)
    return f"{counted(held, 'message')} in the queue" if held else ""


def _what_is_missing(seen: Observation, pending: str) -> str:
    if seen.outstanding and pending:
        return f"{_deliveries(seen.outstanding)} missing and still {pending}"
    return f"{_deliveries(seen.outstanding)} missing" if seen.outstanding else f"still {pending}"


def _deliveries(count: int) -> str:
    return f"{counted(count, 'delivery')} {'is' if count == 1 else 'are'}"
