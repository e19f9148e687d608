"""Updates out to viewers: the part that a whole broadcast and one segment of it have in common.

Reading the table, posting and deleting the rows of the gone go on side by side, and everything ends before the
function's time does.

A viewer who does not read is answered 429 to the last (C14). As long as few are, they hold up nothing: the update
counts as broadcast and they are disconnected, so that they come back and start afresh. Otherwise any one client on the
internet could have every update sent again to everybody, until it ends among the dead letters. When many are answered
429 it is the account that is throttled (L10): then the update comes back, and nobody is disconnected.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from tracker.aws import current_credentials, websocket_disconnect
from tracker.events import time_left_s
from tracker.fanout.broadcast import Broadcast
from tracker.fanout.endpoint import CallbackEndpoint
from tracker.fanout.plan import Message
from tracker.viewers import GoneRows

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tracker.events import Context
    from tracker.fanout.outcome import BroadcastOutcome
    from tracker.fanout.plan import Recipient
    from tracker.logs import RequestLog
    from tracker.settings import Settings
    from tracker.wire import VendorUpdate

RESERVED_S = 1.0
"""Kept back from the time left: to delete rows, write metrics and return."""
RESERVED_SHARE = 0.2
"""But never more than this share of it."""
MAX_ARRAY_BYTES = 32_000
"""A JSON array of updates stays within one frame of API Gateway (L01, C13)."""
MAX_DISCONNECTS = 10
"""Slow viewers that one invocation disconnects; each costs a call. The next one sees to the rest."""


class Outgoing(NamedTuple):
    """One update and its text, which is what viewers get."""

    update: VendorUpdate
    body: str


class Delivery(NamedTuple):
    """What became of the updates."""

    done: tuple[bool, ...]
    """For each update in the order given, whether every viewer that counts has it."""
    outcome: BroadcastOutcome | None
    """None when there was no time to begin."""
    ended_ms: int
    """Epoch milliseconds of the last post; what is tidied up afterwards does not count."""


class TimeLeft(NamedTuple):
    """Until when to post and until when to tidy up, on `time.monotonic`."""

    post_until_s: float
    tidy_until_s: float

    @classmethod
    def of(cls, context: Context | None) -> TimeLeft:
        """Divide what the invocation has left."""
        left_s = time_left_s(context)
        reserve_s = min(RESERVED_S, left_s * RESERVED_SHARE)
        post_until_s = time.monotonic() + left_s - reserve_s
        # Half of the reserve is for this: rows of the gone must go even when broadcasting takes all the time.
        return cls(post_until_s, post_until_s + reserve_s / 2)


def deliver(
    outgoing: Sequence[Outgoing],
    pages: Iterable[Sequence[Recipient]],
    settings: Settings,
    time_left: TimeLeft,
    log: RequestLog,
) -> Delivery:
    """Send the updates, in order, to all viewers in `pages`; logs what some viewer could not be given.

    Raises what reading the pages raises, and `ConfigurationError` (a missing variable, 403 from @connections).
    """
    endpoint = CallbackEndpoint.from_websocket_url(settings.require_websocket_url())
    if time.monotonic() >= time_left.post_until_s:
        log.error("no time was left; nothing was broadcast")
        return Delivery((False,) * len(outgoing), None, _now_ms())
    messages, covers = _messages(outgoing, arrays=settings.fanout_batch_frames)
    gone = GoneRows(settings.connections_table, log)
    everybody = True
    with Broadcast(
        endpoint,
        messages=messages,
        credentials=current_credentials,
        region=settings.region,
        concurrency=settings.fanout_connections,
        deadline_s=time_left.post_until_s,
        on_gone=gone.put,
    ) as broadcast:
        for recipients in pages:
            if not broadcast.add(recipients):
                everybody = False
                break
    ended_ms = _now_ms()
    outcome = broadcast.outcome
    if not everybody:
        log.error("no time was left to read the whole connections table")
    tolerated = _tolerated(outcome, settings.fanout_slow_share)
    done: list[bool] = [everybody] * len(outgoing)
    for message, covered in zip(outcome.messages, covers, strict=True):
        if message.failed or (message.slow and not tolerated):
            for index in covered:
                done[index] = False
            log.error(
                "updates could not be broadcast to every open connection",
                update_ids=[outgoing[index].update["id"] for index in covered],
                delivered=message.delivered,
                failed=message.failed,
                slow=message.slow,
                connections={each.connection_id: each.reason for each in message.failures},
            )
    disconnecting = threading.Thread(target=_disconnect, args=(outcome.slow, endpoint, log), daemon=True)
    if tolerated:
        disconnecting.start()
    gone.finish(time_left.tidy_until_s)
    if tolerated:
        # A call that hangs is left behind, as with the rows.
        disconnecting.join(max(0.0, time_left.tidy_until_s - time.monotonic()))
    return Delivery(tuple(done), outcome, ended_ms)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _messages(outgoing: Sequence[Outgoing], *, arrays: bool) -> tuple[list[Message], list[range]]:
    """The frames, and which updates each one carries: one each, or as many as fit into a JSON array (C13)."""
    if not arrays:
        frames = [Message(order_key=each.update["userId"], body=each.body.encode()) for each in outgoing]
        return frames, [range(index, index + 1) for index in range(len(outgoing))]
    groups: list[list[str]] = []
    size = 0
    for each in outgoing:
        length = len(each.body.encode()) + 1
        if not groups or size + length >= MAX_ARRAY_BYTES:
            groups.append([])
            size = 1
        groups[-1].append(each.body)
        size += length
    covers: list[range] = []
    for group in groups:
        start = covers[-1].stop if covers else 0
        covers.append(range(start, start + len(group)))
    # Arrays may share vendors, so no array overtakes an earlier one that failed.
    return [Message(order_key="", body=f"[{','.join(group)}]".encode()) for group in groups], covers


def _tolerated(outcome: BroadcastOutcome, share: float) -> bool:
    """Whether the slow are few enough to be their own problem."""
    return bool(outcome.slow) and share > 0 and len(outcome.slow) <= max(1.0, share * outcome.recipients)


def _disconnect(slow: Sequence[str], endpoint: CallbackEndpoint, log: RequestLog) -> None:
    """Close the connections of viewers who do not read; their own clients know how to come back."""
    closed = 0
    for connection_id in slow[:MAX_DISCONNECTS]:
        try:
            websocket_disconnect(endpoint.url, connection_id)
        except (ClientError, BotoCoreError) as error:
            log.error("a viewer who does not read could not be disconnected", reason=str(error)[:200])
            break
        closed += 1
    log.warning("viewers who do not read were disconnected", slow=len(slow), disconnected=closed)
