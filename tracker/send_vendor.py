"""Vendor updates go out to every open map.

Trigger: the vendor queue, in batches, with `ReportBatchItemFailures`. Event: an SQS batch (Q04); each body is one
vendor update as JSON text, and becomes the frame as it is.
Result: `{"batchItemFailures": […]}`: what was not broadcast comes back (Q10) and after five receives goes to the
dead-letter queue (Q13). That is an update that some open connection could not be given within the time there was, and
a body that is no vendor update. Everything else is deleted by the event source mapping.
Failures: raises for what no retry mends (a missing variable, 403 from @connections) and when the connections table
cannot be read; then the whole batch comes back (Q07).

Order: the updates of a batch are sorted by snowflake, and each connection gets them one after the other (M17). Across
batches a standard queue promises no order; the trigger's MaximumConcurrency keeps that small.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from tracker.aws import current_credentials, dynamodb_remove_connection, dynamodb_scan_table
from tracker.errors import InvalidEventError, InvalidUpdateError
from tracker.events import time_left_s
from tracker.fanout.broadcast import broadcast
from tracker.fanout.endpoint import CallbackEndpoint
from tracker.fanout.plan import Message, Recipient
from tracker.logs import MetricUnit, new_metrics, request_log
from tracker.settings import Settings, read_settings
from tracker.updates import parse_update

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tracker.events import BatchResponse, Context, SqsEvent, SqsRecord
    from tracker.fanout.outcome import BroadcastOutcome
    from tracker.logs import RequestLog
    from tracker.wire import VendorUpdate

RESERVED_S = 1.0
"""Kept back from the time left: to delete rows, write metrics and return."""
RESERVED_SHARE = 0.2
"""But never more than this share of it."""
YOUNG_S = 20.0
"""The handshake of a connection this young may still be under way; see `RetryPolicy.opening_delays_s`.

Longer than the authorizer and `$connect` may run together, because `connectedAt` is when the client came: a cold start
or a slow write comes after.
"""
REMOVERS = 8
LOGGED_FAILURES = 20
MAX_METRIC_VALUES = 100
"""CloudWatch takes no more values of one metric in one EMF line."""


def handler(event: SqsEvent, context: Context | None) -> BatchResponse:
    """Broadcast a batch of updates."""
    if "Records" not in event:
        raise InvalidEventError("send_vendor takes an SQS batch; this event is none")
    return _broadcast_batch(event["Records"], context)


class _Deliverable:
    """One update, and the record (or records, when SQS delivered it twice) that brought it."""

    def __init__(self, update: VendorUpdate, record: SqsRecord) -> None:
        self.update = update
        self.body = record["body"]
        self.records = [record]


def _broadcast_batch(records: Sequence[SqsRecord], context: Context | None) -> BatchResponse:
    left_s = time_left_s(context)
    reserve_s = min(RESERVED_S, left_s * RESERVED_SHARE)
    deadline_s = time.monotonic() + left_s - reserve_s
    log = request_log(context)
    failed: list[SqsRecord] = []
    deliverables = _sorted_deliverables(records, failed, log)
    invalid = len(failed)
    outcome: BroadcastOutcome | None = None
    broadcast_count = 0
    if deliverables:
        settings = read_settings()
        endpoint = CallbackEndpoint.from_websocket_url(settings.require_websocket_url())
        recipients = _recipients(settings.connections_table, deadline_s)
        if recipients is None:
            log.error("no time was left to read the connections table; nothing was broadcast")
            failed.extend(record for deliverable in deliverables for record in deliverable.records)
        else:
            outcome = _broadcast(deliverables, recipients, endpoint, settings, deadline_s)
            for deliverable, message in zip(deliverables, outcome.messages, strict=True):
                if message.complete:
                    broadcast_count += 1
                    continue
                failed.extend(deliverable.records)
                log.error(
                    "an update could not be broadcast to every open connection",
                    update_id=deliverable.update["id"],
                    delivered=message.delivered,
                    failed=len(message.failed),
                    connections={f.connection_id: f.reason for f in message.failed[:LOGGED_FAILURES]},
                )
    _measure(deliverables, broadcast_count, invalid, outcome)
    if outcome is not None and outcome.gone:
        # Half of the reserve is for this: rows of the gone must go even when broadcasting takes all the time.
        _remove_rows(read_settings().connections_table, outcome.gone, deadline_s + reserve_s / 2, log)
    log.info(
        "batch done",
        records=len(records),
        broadcast=broadcast_count,
        failed=len(failed),
        delivered=outcome.delivered if outcome else 0,
        gone=len(outcome.gone) if outcome else 0,
    )
    return {"batchItemFailures": [{"itemIdentifier": record["messageId"]} for record in failed]}


def _sorted_deliverables(records: Sequence[SqsRecord], failed: list[SqsRecord], log: RequestLog) -> list[_Deliverable]:
    """Sort out what can be sent, oldest snowflake first; the records of what cannot are added to `failed`."""
    by_body: dict[str, _Deliverable] = {}
    for record in records:
        known = by_body.get(record["body"])
        if known is not None:
            known.records.append(record)
            continue
        try:
            update = parse_update(record["body"])
        except InvalidUpdateError as error:
            log.error("a message is not a vendor update", message_id=record["messageId"], reason=str(error))
            failed.append(record)
        else:
            by_body[record["body"]] = _Deliverable(update, record)
    return sorted(by_body.values(), key=lambda deliverable: int(deliverable.update["id"]))


def _recipients(table: str, deadline_s: float) -> list[Recipient] | None:
    """Read the open connections, once for the whole batch; None when time ran out."""
    young_since_ms = (time.time() - YOUNG_S) * 1_000
    recipients: list[Recipient] = []
    # Consistent: a viewer whose handshake has just completed must not miss what is sent right after (D06).
    for page in dynamodb_scan_table(table, projection=("connectionId", "connectedAt"), consistent=True):
        recipients.extend(
            Recipient(row["connectionId"], young=row.get("connectedAt", 0) > young_since_ms) for row in page.items
        )
        if time.monotonic() > deadline_s:
            return None
    return recipients


def _broadcast(
    deliverables: Iterable[_Deliverable],
    recipients: Sequence[Recipient],
    endpoint: CallbackEndpoint,
    settings: Settings,
    deadline_s: float,
) -> BroadcastOutcome:
    return broadcast(
        endpoint,
        messages=[Message(order_key=each.update["userId"], body=each.body.encode()) for each in deliverables],
        recipients=recipients,
        credentials=current_credentials(),
        region=settings.region,
        concurrency=settings.fanout_connections,
        deadline_s=deadline_s,
    )


def _remove_rows(table: str, gone: Sequence[str], deadline_s: float, log: RequestLog) -> None:
    """Delete the rows of gone connections; what cannot be deleted now will be met again by the next broadcast."""
    from concurrent.futures import ThreadPoolExecutor, wait  # noqa: PLC0415  most batches meet nobody who is gone

    def remove(connection_id: str) -> bool:
        try:
            dynamodb_remove_connection(table, connection_id)
        except (ClientError, BotoCoreError):
            log.error("the row of a gone connection could not be deleted", connection_id=connection_id)
            return False
        return True

    pool = ThreadPoolExecutor(min(REMOVERS, len(gone)))
    removals = [pool.submit(remove, connection_id) for connection_id in gone]
    done, _ = wait(removals, timeout=max(0.0, deadline_s - time.monotonic()))
    # A delete that hangs is left behind: waiting for it past the function's time would bring the whole batch back.
    pool.shutdown(wait=False, cancel_futures=True)
    removed = sum(removal.result() for removal in done)
    log.info("removed the rows of gone connections", gone=len(gone), removed=removed)


def _measure(
    deliverables: Sequence[_Deliverable], broadcast_count: int, invalid: int, outcome: BroadcastOutcome | None
) -> None:
    metrics = new_metrics("send_vendor")
    metrics.add_metric("UpdatesBroadcast", MetricUnit.Count, broadcast_count)
    metrics.add_metric("UpdatesFailed", MetricUnit.Count, len(deliverables) - broadcast_count)
    metrics.add_metric("UpdatesInvalid", MetricUnit.Count, invalid)
    if outcome is not None:
        metrics.add_metric("Deliveries", MetricUnit.Count, outcome.delivered)
        metrics.add_metric("ConnectionsGone", MetricUnit.Count, len(outcome.gone))
        metrics.add_metric("PostRetries", MetricUnit.Count, outcome.retries)
        now_ms = time.time() * 1_000
        complete = [d for d, message in zip(deliverables, outcome.messages, strict=True) if message.complete]
        for deliverable in complete[:MAX_METRIC_VALUES]:
            sent_ms = deliverable.records[0].get("attributes", {}).get("SentTimestamp", "")
            if sent_ms.isdecimal():
                # From the queue to the last viewer.
                latency_ms = max(0.0, now_ms - int(sent_ms))
                metrics.add_metric("BroadcastLatency", MetricUnit.Milliseconds, latency_ms)
    metrics.flush_metrics()
