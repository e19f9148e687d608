"""Vendor updates go out to every open map.

Trigger: the vendor queue, in batches, with `ReportBatchItemFailures`. Event: an SQS batch (Q04); each body is one
vendor update as JSON text, and becomes the frame as it is.
Result: `{"batchItemFailures": […]}`: what was not broadcast comes back (Q10) and after five receives goes to the
dead-letter queue (Q13). That is an update that some open connection could not be given within the time there was (see
`tracker.delivery` for those that do not read), and a body that is no vendor update. Everything else is deleted by the
event source mapping.
Failures: raises for what no retry mends (a missing variable, 403 from @connections) and when the connections table
cannot be read; then the whole batch comes back (Q07).

Order: the updates of a batch are sorted by snowflake, and each connection gets them one after the other (M17). Across
batches a standard queue promises no order; the trigger's MaximumConcurrency keeps that small.

With `FANOUT_QUEUE_URL` set and more than `FANOUT_THRESHOLD` connections open, nothing is posted here: the batch is put
on that queue once for each segment of the table, and `tracker.fan_out` does the rest. Then "done" means that SQS has
it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracker.aws import sqs_send_messages
from tracker.delivery import Outgoing, TimeLeft, deliver
from tracker.errors import InvalidEventError, InvalidUpdateError
from tracker.logs import request_log
from tracker.metrics import Metrics
from tracker.segments import encode_segments
from tracker.settings import read_settings
from tracker.updates import parse_update
from tracker.viewers import read_viewers

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tracker.delivery import Delivery
    from tracker.events import BatchResponse, Context, SqsEvent, SqsRecord
    from tracker.fanout.plan import Recipient
    from tracker.logs import RequestLog
    from tracker.settings import Settings
    from tracker.wire import VendorUpdate


def handler(event: SqsEvent, context: Context | None) -> BatchResponse:
    """Broadcast a batch of updates."""
    if "Records" not in event:
        raise InvalidEventError("send_vendor takes an SQS batch; this event is none")
    return _broadcast_batch(event["Records"], context)


class _Deliverable:
    """One update, and the record (or records, when SQS delivered it twice) that brought it."""

    def __init__(self, update: VendorUpdate, record: SqsRecord) -> None:
        self.outgoing = Outgoing(update, record["body"])
        self.records = [record]


def _broadcast_batch(records: Sequence[SqsRecord], context: Context | None) -> BatchResponse:
    time_left = TimeLeft.of(context)
    log = request_log(context)
    failed: list[SqsRecord] = []
    deliverables = _sorted_deliverables(records, failed, log)
    invalid = len(failed)
    delivery: Delivery | None = None
    if deliverables:
        settings = read_settings()
        outgoing = [each.outgoing for each in deliverables]
        everybody = read_viewers(settings.connections_table)
        pages = _few(everybody, settings.fanout_threshold) if settings.fanout_queue_url else everybody
        if pages is None:
            _hand_over(outgoing, settings, log)
        else:
            delivery = deliver(outgoing, pages, settings, time_left, log)
            for deliverable, done in zip(deliverables, delivery.done, strict=True):
                if not done:
                    failed.extend(deliverable.records)
    _measure(deliverables, invalid, delivery)
    outcome = delivery.outcome if delivery else None
    log.info(
        "batch done",
        records=len(records),
        broadcast=sum(delivery.done) if delivery else 0,
        failed=len(failed),
        delivered=outcome.delivered if outcome else 0,
        gone=outcome.gone if outcome else 0,
    )
    return {"batchItemFailures": [{"itemIdentifier": record["messageId"]} for record in failed]}


def _few(pages: Iterable[Sequence[Recipient]], threshold: int) -> list[Sequence[Recipient]] | None:
    """The pages, read up, when they hold no more than `threshold` viewers; None when there are more."""
    read: list[Sequence[Recipient]] = []
    count = 0
    for page in pages:
        read.append(page)
        count += len(page)
        if count > threshold:
            return None
    return read


def _hand_over(outgoing: Sequence[Outgoing], settings: Settings, log: RequestLog) -> None:
    """Put the broadcast on the fan-out queue, once for each segment of the table."""
    sqs_send_messages(settings.fanout_queue_url or "", encode_segments(outgoing, settings.fanout_segments))
    log.info("handed a broadcast to the fan-out queue", updates=len(outgoing), segments=settings.fanout_segments)


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
    return sorted(by_body.values(), key=lambda deliverable: int(deliverable.outgoing.update["id"]))


def _measure(deliverables: Sequence[_Deliverable], invalid: int, delivery: Delivery | None) -> None:
    metrics = Metrics("send_vendor")
    metrics.count("UpdatesInvalid", invalid)
    if delivery is not None:
        metrics.count("UpdatesBroadcast", sum(delivery.done))
        metrics.count("UpdatesFailed", len(delivery.done) - sum(delivery.done))
    if delivery is not None and delivery.outcome is not None:
        metrics.count("Deliveries", delivery.outcome.delivered)
        metrics.count("ConnectionsGone", delivery.outcome.gone)
        metrics.count("ConnectionsSlow", len(delivery.outcome.slow))
        metrics.count("PostRetries", delivery.outcome.retries)
        complete = [d for d, done in zip(deliverables, delivery.done, strict=True) if done]
        for deliverable in complete:
            sent_ms = deliverable.records[0].get("attributes", {}).get("SentTimestamp", "")
            if sent_ms.isdecimal():
                # From the queue to the last viewer.
                latency_ms = max(0.0, delivery.ended_ms - int(sent_ms))
                metrics.milliseconds("BroadcastLatency", latency_ms)
    metrics.flush()
