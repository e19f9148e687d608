"""What the probe's handlers saw: the table in which they keep it, and waiting for it."""

import json
import time
import uuid
from collections.abc import Callable
from typing import Any

from harness.target import Target

_LOOK_AGAIN_S = 0.02


class Records:
    """The records table of a target."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._dynamodb = target.client("dynamodb")

    def of(self, subject: str) -> list[dict[str, Any]]:
        """Everything kept under a subject so far, oldest first."""
        pages = self._dynamodb.get_paginator("query").paginate(
            TableName=self._target.records_table,
            ConsistentRead=True,
            KeyConditionExpression="subject = :s",
            ExpressionAttributeValues={":s": {"S": subject}},
        )
        return [json.loads(item["facts"]["S"]) for page in pages for item in page["Items"]]

    def events(self, subject: str, at_least: int = 1, *, where: Callable[[Any], bool] = bool) -> list[dict[str, Any]]:
        """The events of a subject for which `where` holds, once there are so many; fails when that takes too long."""
        return [record["event"] for record in self.wait(subject, "event", at_least, lambda r: where(r["event"]))]

    def event(self, subject: str, *, where: Callable[[Any], bool] = bool) -> dict[str, Any]:
        """The first such event."""
        return self.events(subject, where=where)[0]

    def connect_event(self, subject: str) -> dict[str, Any]:
        """The CONNECT event of a connection or of a run."""
        return self.event(subject, where=_is("CONNECT"))

    def message_events(self, connection_id: str, at_least: int = 1) -> list[dict[str, Any]]:
        """The MESSAGE events of a connection, once there are so many."""
        return self.events(connection_id, at_least, where=_is("MESSAGE"))

    def disconnect_event(self, connection_id: str) -> dict[str, Any]:
        """The DISCONNECT event of a connection."""
        return self.event(connection_id, where=_is("DISCONNECT"))

    def wait(
        self, subject: str, kind: str = "event", at_least: int = 1, where: Callable[[Any], bool] = bool
    ) -> list[dict[str, Any]]:
        """Whole records of one kind (`event`, `posted`, or what a program's `keep` said)."""
        deadline_s = time.monotonic() + self._target.patience_s
        while True:
            found = [each for each in self.of(subject) if each.get("kind") == kind and where(each)]
            if len(found) >= at_least:
                return found
            if time.monotonic() > deadline_s:
                everything = [_short(each) for each in self.of(subject)]
                raise AssertionError(f"{len(found)} of {at_least} records of kind {kind} on {subject}: {everything}")
            time.sleep(_LOOK_AGAIN_S)

    def put(self, subject: str, **facts: Any) -> None:
        """Keep something ourselves: what a handler in `wait_for` is waiting for."""
        item = {
            "subject": {"S": subject},
            "at": {"S": f"{time.time_ns():020d}-test-{uuid.uuid4().hex}"},
            "facts": {"S": json.dumps({"kind": "told", **facts})},
        }
        self._dynamodb.put_item(TableName=self._target.records_table, Item=item)


def _is(event_type: str) -> Callable[[Any], bool]:
    return lambda event: event.get("requestContext", {}).get("eventType") == event_type


def _short(record: dict[str, Any]) -> Any:
    """Enough of a record to see which it is."""
    context = record.get("event", {}).get("requestContext", {})
    return {"kind": record.get("kind"), "eventType": context.get("eventType"), "routeKey": context.get("routeKey")}
