"""Every call to AWS that the handlers make, one function per call, under the reference system's names.

Clients are botocore's, made when first needed and kept: the same ones that boto3 hands out, without boto3's resources
and S3 transfers, which nothing here uses and a cold start would pay for. `AWS_ENDPOINT_URL` is botocore's own business.
Its errors (`botocore.exceptions.ClientError`, `BotoCoreError`) pass through: the handler that called knows what they
mean there.

Here as in all of `tracker`, small facts are `NamedTuple`s: a frozen dataclass takes 0.8 ms to define, which is nothing
except in a cold start.
"""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import botocore.session
from botocore.config import Config
from botocore.exceptions import ClientError

from tracker.attribute_values import row_from_wire, row_to_wire, to_wire
from tracker.errors import ConfigurationError, ContestedRowError, QueueRefusedError
from tracker.settings import read_settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tracker.fanout.outcome import BroadcastOutcome
    from tracker.wire import VendorUpdate

CLIENT_CONFIG = Config(
    # A function has seconds to live: a hung call must fail while there is still time to try again (C20, D11).
    connect_timeout=2,
    read_timeout=8,
    retries={"mode": "standard", "total_max_attempts": 3},
)
TWEETS_MAX = 10
"""A vendor row never holds more tweets: ten of 16 KB each stay below the 400 KB of an item (D10), and each update
costs a write of the whole row."""
TWEETS_AFTER_TRIM = 5
"""A full list is cut to this many (the newest), so that five of six writes are a plain append."""
RECORD_ATTEMPTS = 5
MAX_BATCH_WRITE = 25
"""Rows that one BatchWriteItem takes (D10)."""
MAX_BATCH_SEND = 10
"""Messages that one SendMessageBatch takes."""

_clients: dict[tuple[str, str, str | None], Any] = {}
_session: Any = None
_lock = threading.RLock()


class Page(NamedTuple):
    """One page of a scan, as plain values."""

    items: list[dict[str, Any]]
    """May be empty although more pages follow (D02)."""
    last_evaluated_key: dict[str, Any] | None
    """Where the next page starts; None, and only None, says that this page was the last."""


class Credentials(NamedTuple):
    """One frozen set of AWS credentials."""

    access_key: str
    secret_key: str
    token: str | None = None


def client(service: str) -> Any:
    """Return the client of `service` for the region and endpoint that the environment names now."""
    key = (service, read_settings().region, os.environ.get("AWS_ENDPOINT_URL"))
    found = _clients.get(key)
    if found is None:
        with _lock:  # a session is not safe to make clients from in two threads at once
            found = _clients.get(key)
            if found is None:
                found = _get_session().create_client(service, region_name=key[1], config=CLIENT_CONFIG)
                _clients[key] = found
    return found


def current_credentials() -> Credentials:
    """Return credentials valid now, renewed by botocore when they are about to end.

    Raises `ConfigurationError` when there are none.
    """
    with _lock:
        held = _get_session().get_credentials()
    if held is None:
        raise ConfigurationError("no AWS credentials were found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
    frozen = held.get_frozen_credentials()
    return Credentials(frozen.access_key, frozen.secret_key, frozen.token)


def forget_clients() -> None:
    """Drop the kept clients, their sockets and credentials; the next call makes new ones."""
    global _session  # noqa: PLW0603  one session per process is the point
    with _lock:
        for kept in _clients.values():
            kept.close()
        _clients.clear()
        _session = None


def dynamodb_describe_table(table_name: str) -> dict[str, Any]:
    """Return DynamoDB's description of the table. Not for the message path: DescribeTable is throttled hard."""
    description: dict[str, Any] = client("dynamodb").describe_table(TableName=table_name)["Table"]
    return description


def dynamodb_scan_table(
    table_name: str,
    *,
    limit: int | None = None,
    start_key: dict[str, Any] | None = None,
    projection: Sequence[str] = (),
    consistent: bool = False,
    segment: tuple[int, int] | None = None,
) -> Iterator[Page]:
    """Yield the table page by page until DynamoDB says there is no more, empty pages included (D02, D03).

    Pages are as large as DynamoDB makes them (1 MB, D01) unless `limit` (rows evaluated per page) is given.
    `start_key` is the key *after* which to begin; `projection` names the attributes to return (none: all);
    `consistent` reads what was written just before, at twice the price (D06). `segment` is (number, total) of a
    parallel scan: this much of the table only (D07).
    """
    request: dict[str, Any] = {"TableName": table_name}
    if segment is not None:
        request["Segment"], request["TotalSegments"] = segment
    if limit is not None:
        request["Limit"] = limit
    if consistent:
        request["ConsistentRead"] = True
    if projection:
        # Aliases, because any of DynamoDB's 573 reserved words may be an attribute name.
        names = {f"#p{number}": name for number, name in enumerate(projection)}
        request["ProjectionExpression"] = ", ".join(names)
        request["ExpressionAttributeNames"] = names
    if start_key is not None:
        request["ExclusiveStartKey"] = row_to_wire(start_key)
    dynamodb = client("dynamodb")
    while True:
        answer = dynamodb.scan(**request)
        last_key = answer.get("LastEvaluatedKey")
        yield Page([row_from_wire(item) for item in answer["Items"]], row_from_wire(last_key) if last_key else None)
        if not last_key:
            return
        request["ExclusiveStartKey"] = last_key


def get_all_scan_results(
    table_name: str, *, limit: int | None = None, projection: Sequence[str] = (), consistent: bool = False
) -> list[dict[str, Any]]:
    """Return every row of the table; the arguments are those of `dynamodb_scan_table`."""
    pages = dynamodb_scan_table(table_name, limit=limit, projection=projection, consistent=consistent)
    return [item for page in pages for item in page.items]


def dynamodb_add_connection(table_name: str, connection_id: str, *, connected_at_ms: int, expires_at_s: int) -> None:
    """Write the row of an open connection; `expires_at_s` (epoch seconds) is the table's TTL attribute (D12)."""
    row = {"connectionId": connection_id, "connectedAt": connected_at_ms, "expiresAt": expires_at_s}
    client("dynamodb").put_item(TableName=table_name, Item=row_to_wire(row))


def dynamodb_remove_connection(table_name: str, connection_id: str) -> None:
    """Delete the row of a connection; a row that is not there is no error (D15)."""
    client("dynamodb").delete_item(TableName=table_name, Key={"connectionId": {"S": connection_id}})


def dynamodb_remove_connections(table_name: str, connection_ids: Sequence[str]) -> list[str]:
    """Delete the rows of up to 25 connections with one call (D10); returns those that have to be tried again."""
    deletes = [{"DeleteRequest": {"Key": {"connectionId": {"S": each}}}} for each in dict.fromkeys(connection_ids)]
    answer = client("dynamodb").batch_write_item(RequestItems={table_name: deletes})
    left = answer.get("UnprocessedItems", {}).get(table_name, [])
    return [each["DeleteRequest"]["Key"]["connectionId"]["S"] for each in left]


def dynamodb_record_vendor_update(
    table_name: str, update: VendorUpdate, *, name: str, image: str, description: str, now_ms: int
) -> None:
    """Write a vendor's newest update into its row, made when it is not there.

    `tweets` is oldest first and holds at most `TWEETS_MAX`; a full list is first cut to its newest ones.
    `created` (epoch ms) is set once, `updated` every time. Safe against other writers of the same row; raises
    `ContestedRowError` when they win again and again.
    """
    key = {"twitterId": {"S": update["userId"]}}
    names = {f"#{field}": field for field in ("tweets", "name", "image", "description", "created", "updated")}
    always = (
        "#name = :name, #image = :image, #description = :description, "
        "#created = if_not_exists(#created, :now), #updated = :now"
    )
    values = {
        ":name": to_wire(name),
        ":image": to_wire(image),
        ":description": to_wire(description),
        ":now": to_wire(now_ms),
    }
    newest = to_wire(update)
    append = {
        "UpdateExpression": f"SET #tweets = list_append(if_not_exists(#tweets, :none), :new), {always}",
        "ConditionExpression": "attribute_not_exists(#tweets) OR size(#tweets) < :full",
        "ExpressionAttributeValues": {
            **values,
            ":new": {"L": [newest]},
            ":none": {"L": []},
            ":full": to_wire(TWEETS_MAX),
        },
    }
    request = append
    for _ in range(RECORD_ATTEMPTS):
        row = _update_or_old_row(table_name, key, names, request)
        if row is None:
            return
        # The condition failed. One expression may not both cut and append (the paths would overlap), so the cut list
        # is written whole, provided that nobody else wrote in between.
        tweets = row.get("tweets", {}).get("L", [])
        request = append
        if len(tweets) >= TWEETS_MAX:
            request = {
                "UpdateExpression": f"SET #tweets = :tweets, {always}",
                "ConditionExpression": f"size(#tweets) = :size AND #tweets[{len(tweets) - 1}] = :last",
                "ExpressionAttributeValues": {
                    **values,
                    ":tweets": {"L": [*tweets[1 - TWEETS_AFTER_TRIM :], newest]},
                    ":size": to_wire(len(tweets)),
                    ":last": tweets[-1],
                },
            }
    raise ContestedRowError(table_name, update["userId"], RECORD_ATTEMPTS)


def ssm_get_secret(name: str) -> str:
    """Return the value of a SecureString of Systems Manager's Parameter Store, decrypted."""
    value: str = client("ssm").get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"]
    return value


def sqs_send_message(queue_url: str, body: str) -> None:
    """Put one message on a queue; when this returns, SQS has it."""
    client("sqs").send_message(QueueUrl=queue_url, MessageBody=body)


def sqs_send_messages(queue_url: str, bodies: Sequence[str]) -> None:
    """Put several messages on a queue, ten with each call; together ten must stay below 1 MiB (Q22).

    Raises `QueueRefusedError` when SQS does not take one of them; those before it are on the queue.
    """
    for start in range(0, len(bodies), MAX_BATCH_SEND):
        entries = [
            {"Id": str(number), "MessageBody": body}
            for number, body in enumerate(bodies[start : start + MAX_BATCH_SEND])
        ]
        answer = client("sqs").send_message_batch(QueueUrl=queue_url, Entries=entries)
        for refused in answer.get("Failed", []):
            raise QueueRefusedError(queue_url, refused.get("Code", ""), refused.get("Message", ""))


def websocket_disconnect(endpoint_url: str, connection_id: str) -> None:
    """Close one WebSocket from this side (C05). A client is made for each call: it is rare."""
    management = _get_session().create_client(
        "apigatewaymanagementapi", endpoint_url=endpoint_url, region_name=read_settings().region, config=CLIENT_CONFIG
    )
    try:
        management.delete_connection(ConnectionId=connection_id)
    finally:
        management.close()


def sqs_delete_message(queue_url: str, receipt_handle: str) -> None:
    """Delete one message from a queue.

    `send_vendor` does not use it: a handler that deletes before the work is done turns at-least-once into at-most-once
    (Q21); the event source mapping deletes what the handler does not report as failed. It is for scripts that read
    the queue or its dead letters by hand.
    """
    client("sqs").delete_message(QueueUrl=queue_url, ReceiptHandle=receipt_handle)


def broadcast_message_websocket(
    websocket_url: str, connection_ids: Sequence[str], message: str, *, time_left_s: float
) -> BroadcastOutcome:
    """Post one text frame to many connections, within `time_left_s`; rows are the caller's business.

    Raises `ConfigurationError` for a `websocket_url` that is not `wss://host/stage`, without credentials, and as
    `PostForbiddenError` when @connections answers 403.
    """
    # Connect and disconnect use this module too, and pay nothing for asyncio.
    from tracker.fanout.broadcast import broadcast  # noqa: PLC0415
    from tracker.fanout.endpoint import CallbackEndpoint  # noqa: PLC0415
    from tracker.fanout.plan import Message, Recipient  # noqa: PLC0415

    settings = read_settings()
    return broadcast(
        CallbackEndpoint.from_websocket_url(websocket_url),
        messages=[Message(order_key="", body=message.encode())],
        recipients=[Recipient(connection_id) for connection_id in connection_ids],
        credentials=current_credentials,
        region=settings.region,
        concurrency=settings.fanout_connections,
        deadline_s=time.monotonic() + time_left_s,
    )


def _update_or_old_row(
    table_name: str, key: dict[str, Any], names: dict[str, str], request: dict[str, Any]
) -> dict[str, Any] | None:
    """Update the item; None when it was done, the row as it is when the condition failed."""
    expressions = request["UpdateExpression"] + request["ConditionExpression"]
    try:
        client("dynamodb").update_item(
            TableName=table_name,
            Key=key,
            ExpressionAttributeNames={alias: name for alias, name in names.items() if alias in expressions},
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
            **request,
        )
    except ClientError as error:
        if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
            raise
        row: dict[str, Any] = error.response.get("Item", {})
        return row
    return None


def _get_session() -> Any:
    global _session  # noqa: PLW0603  see forget_clients
    with _lock:
        if _session is None:
            _session = botocore.session.get_session()
        return _session
