"""A viewer opens a WebSocket.

Trigger: route `$connect`, while the upgrade is pending (H02). Event: CONNECT (E07).
Result: `statusCode` 200 once the row is written, and the handshake completes (H03); 500 when it cannot be written, and
the handshake is refused with that status (H04): a viewer without a row would stay connected and see nothing.
"""

from __future__ import annotations

import time
from http import HTTPStatus
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from tracker.aws import dynamodb_add_connection
from tracker.logs import request_log
from tracker.settings import read_settings

if TYPE_CHECKING:
    from tracker.events import Context, ProxyResult, WebSocketEvent

MAX_CONNECTION_AGE_S = 2 * 60 * 60
"""API Gateway closes every WebSocket after two hours (L08)."""
EXPIRY_MARGIN_S = 10 * 60
"""Above it, so that TTL never takes the row of a connection that is still open."""


def handler(event: WebSocketEvent, context: Context | None) -> ProxyResult:
    """Write the row of the new connection."""
    request = event["requestContext"]
    connection_id = request["connectionId"]
    log = request_log(context, connection_id=connection_id)
    connected_at_ms = request.get("connectedAt") or time.time_ns() // 1_000_000
    try:
        dynamodb_add_connection(
            read_settings().connections_table,
            connection_id,
            connected_at_ms=connected_at_ms,
            expires_at_s=connected_at_ms // 1_000 + MAX_CONNECTION_AGE_S + EXPIRY_MARGIN_S,
        )
    except (ClientError, BotoCoreError):
        log.error("the connection could not be stored; the handshake is refused")
        return {"statusCode": HTTPStatus.INTERNAL_SERVER_ERROR}
    log.info("connected")
    return {"statusCode": HTTPStatus.OK}
