"""A vendor says where it is, through its own WebSocket.

Trigger: route `sendvendor` of the WebSocket API. Event: MESSAGE (E09); the body is a vendor's message
(`tracker.vendor_message`). Who sends it is what `tracker.authorize` found at the handshake: `vendorId` in
`requestContext.authorizer` (A05), which no client can write. Routes are not authorised again (A07): it is looked at
here, on every message.
Result: the update is put on the vendor queue, and from there goes the way of every other. The route has a route
response, so `body` goes back to the sender as one frame (M12): `"status": "accepted"` with the `id` of the update, or
`"status": "refused"` with a `message` that says why. Accepted means that SQS has it.
Failures: raises when SQS does not take it, and the gateway sends its own error frame (M07).

It may put messages on that one queue and nothing else: no table, no @connections. So it does not write the vendors
table either, which is kept by the producer: whoever is connected sees what is published here, `GET /vendors` does not.

How often a vendor may speak is not counted here: the throttle of the stage is the only bound, and all share it.
"""

from __future__ import annotations

import json
import time
from http import HTTPStatus
from typing import TYPE_CHECKING

from tracker.aws import sqs_send_message
from tracker.errors import InvalidEventError, InvalidUpdateError
from tracker.logs import request_log
from tracker.settings import read_settings
from tracker.updates import encode_update
from tracker.vendor_message import ACTION, to_update

if TYPE_CHECKING:
    from tracker.events import Context, ProxyResult, WebSocketEvent

_NOT_A_VENDOR = (
    "This connection may only watch: connect with a vendor's token to send that vendor's position "
    "(?token=TOKEN in the URL, or the header Authorization: Bearer TOKEN)."
)


def handler(event: WebSocketEvent, context: Context | None) -> ProxyResult:
    """Put the update on the queue, or say why not."""
    request = event["requestContext"]
    if request["eventType"] != "MESSAGE":
        raise InvalidEventError("publish_vendor takes a WebSocket MESSAGE event; this is another")
    log = request_log(context, connection_id=request["connectionId"])
    vendor_id = (request.get("authorizer") or {}).get("vendorId")
    if not vendor_id:
        log.info("refused a viewer's update")
        return _answer(event, status="refused", message=_NOT_A_VENDOR)
    log = log.bind(vendor_id=vendor_id)
    try:
        update = to_update(
            event.get("body") or "",
            vendor_id=vendor_id,
            message_id=request.get("messageId", ""),
            received_ms=request.get("requestTimeEpoch") or time.time_ns() // 1_000_000,
        )
    except InvalidUpdateError as error:
        log.info("refused a vendor's update", reason=str(error))
        return _answer(event, status="refused", message=f"The update is not valid: {error}.")
    sqs_send_message(read_settings().require_sqs_url(), encode_update(update))
    log.info("put an update on the queue", update_id=update["id"])
    return _answer(event, status="accepted", id=update["id"])


def _answer(event: WebSocketEvent, **said: str) -> ProxyResult:
    request = event["requestContext"]
    ids = {"connectionId": request["connectionId"], "requestId": request.get("requestId", "")}
    return {"statusCode": HTTPStatus.OK, "body": json.dumps({"action": ACTION, **said, **ids})}
