"""A viewer sends a message that no route is made for.

Trigger: route `$default` (M04). Event: MESSAGE (E09).
Result: one frame to the sender that says what may be sent; nothing of the message comes back in it. Without this route
the sender would only see the gateway's `Forbidden` (M05).
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from tracker.logs import request_log
from tracker.reply import reply_to_sender

if TYPE_CHECKING:
    from tracker.events import Context, ProxyResult, WebSocketEvent

ACTIONS = ("sendvendor",)
"""Custom routes of the WebSocket API in `template.yaml`; a test holds the two together."""


def handler(event: WebSocketEvent, context: Context | None) -> ProxyResult:
    """Tell the sender which actions exist."""
    request = event["requestContext"]
    log = request_log(context, connection_id=request["connectionId"])
    reached = reply_to_sender(
        event,
        context,
        {
            "message": 'Unknown action: send a JSON object whose "action" is one of those in "actions". '
            "Vendor updates arrive by themselves.",
            "actions": list(ACTIONS),
            "connectionId": request["connectionId"],
            "requestId": request.get("requestId", ""),
        },
    )
    log.info("answered a message without a route", reached=reached)
    return {"statusCode": HTTPStatus.OK}
