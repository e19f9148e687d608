"""One segment of a large broadcast: the updates go out to one part of the open maps.

Trigger: the fan-out queue, one message at a time, with `ReportBatchItemFailures`. Event: an SQS batch (Q04) whose
bodies are segments (`tracker.segments`), put there by `send_vendor` when more connections are open than one function
should serve: so AWS spreads the posting over as many functions as there are segments.
Result: `{"batchItemFailures": […]}`: a segment that some open connection could not be given comes back alone (Q10), and
after five receives goes to the dead-letter queue (Q13); the other segments have nothing to do with it.
Failures: raises for what no retry mends, as `send_vendor` does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracker.delivery import TimeLeft, deliver
from tracker.errors import InvalidEventError, InvalidUpdateError
from tracker.logs import request_log
from tracker.metrics import Metrics
from tracker.segments import parse_segment
from tracker.settings import read_settings
from tracker.viewers import read_viewers

if TYPE_CHECKING:
    from tracker.events import BatchResponse, Context, SqsEvent


def handler(event: SqsEvent, context: Context | None) -> BatchResponse:
    """Broadcast each segment; usually there is one."""
    if "Records" not in event:
        raise InvalidEventError("fan_out takes an SQS batch; this event is none")
    log = request_log(context)
    settings = read_settings()
    time_left = TimeLeft.of(context)
    failed: list[str] = []
    deliveries = gone = 0
    for record in event["Records"]:
        try:
            segment = parse_segment(record["body"])
        except InvalidUpdateError as error:
            log.error("a message is no segment of a broadcast", message_id=record["messageId"], reason=str(error))
            failed.append(record["messageId"])
            continue
        pages = read_viewers(settings.connections_table, (segment.number, segment.total))
        delivery = deliver(segment.outgoing, pages, settings, time_left, log)
        if not all(delivery.done):
            failed.append(record["messageId"])
        if delivery.outcome is not None:
            deliveries += delivery.outcome.delivered
            gone += delivery.outcome.gone
    metrics = Metrics("fan_out")
    metrics.count("SegmentsFailed", len(failed))
    metrics.count("Deliveries", deliveries)
    metrics.count("ConnectionsGone", gone)
    metrics.flush()
    log.info("segments done", records=len(event["Records"]), failed=len(failed), delivered=deliveries, gone=gone)
    return {"batchItemFailures": [{"itemIdentifier": each} for each in failed]}
