"""A frame back to the one who sent a message.

A route's result does not reach the client (M12), so an answer goes the same way as a broadcast: through @connections.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from tracker.aws import current_credentials
from tracker.errors import PostFailedError
from tracker.events import time_left_s
from tracker.fanout.broadcast import broadcast
from tracker.fanout.endpoint import CallbackEndpoint
from tracker.fanout.plan import Message, Recipient
from tracker.settings import read_settings

if TYPE_CHECKING:
    from tracker.events import Context, WebSocketEvent

MAX_REPLY_S = 5.0
"""A client that cannot be reached within this has given up on the answer."""
RESERVED_S = 0.5


def reply_to_sender(event: WebSocketEvent, context: Context | None, frame: dict[str, Any]) -> bool:
    """Post `frame` as JSON text to the connection that the event came from; False when it has gone meanwhile.

    The endpoint is `AWS_WEBSOCKET_URL`, or else what the event says (E13). Raises `PostFailedError`, upon which the
    gateway sends its own error frame (M07), and `ConfigurationError`.
    """
    settings = read_settings()
    request = event["requestContext"]
    endpoint = (
        CallbackEndpoint.from_websocket_url(settings.websocket_url)
        if settings.websocket_url
        else CallbackEndpoint.from_event(request["domainName"], request["stage"])
    )
    outcome = broadcast(
        endpoint,
        messages=[Message(order_key="", body=json.dumps(frame).encode())],
        recipients=[Recipient(request["connectionId"])],
        credentials=current_credentials,
        region=settings.region,
        concurrency=1,
        deadline_s=time.monotonic() + min(MAX_REPLY_S, time_left_s(context) - RESERVED_S),
    )
    for failure in outcome.messages[0].failures:
        raise PostFailedError(failure.connection_id, failure.reason)
    return outcome.delivered > 0
