"""A viewer's WebSocket is gone.

Trigger: route `$disconnect`, best effort and at most once (M19). Event: DISCONNECT (E10, E11).
Result: `statusCode` 200 when the row is gone, whether or not it was there; 500 when the table cannot be written. The
gateway ignores both (M13): a row left behind goes when a broadcast meets 410 (C08), or by its TTL.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from tracker.aws import dynamodb_remove_connection
from tracker.logs import request_log
from tracker.settings import read_settings

if TYPE_CHECKING:
    from tracker.events import Context, ProxyResult, WebSocketEvent


def handler(event: WebSocketEvent, context: Context | None) -> ProxyResult:
    """Delete the row of the connection."""
    connection_id = event["requestContext"]["connectionId"]
    log = request_log(context, connection_id=connection_id)
    try:
        dynamodb_remove_connection(read_settings().connections_table, connection_id)
    except (ClientError, BotoCoreError):
        log.error("the connection's row could not be deleted; a later broadcast or its TTL will")
        return {"statusCode": HTTPStatus.INTERNAL_SERVER_ERROR}
    log.info("disconnected")
    return {"statusCode": HTTPStatus.OK}
