"""The producer's side of the vendors table: a row for each vendor at the start, and its updates as they are made."""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import TypeSerializer

from simulator.errors import EnvironmentFailure
from simulator.vendors.outbox import RetryRules
from simulator.vendors.seeds import seeded
from simulator.vendors.snowflake import snowflake_ms
from simulator.vendors.vendor import Vendor, vendor_row
from tracker import aws

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from simulator.vendors.plan import PlannedUpdate
    from simulator.vendors.producer import RecordUpdate

_BATCH = 25
"""BatchWriteItem takes 25."""


def put_vendor_rows(
    dynamodb_client: Any,
    table_name: str,
    vendors: Iterable[Vendor],
    now_ms: int,
    *,
    wait: Callable[[float], object] = time.sleep,
) -> int:
    """Write a fresh row, without tweets, for each of `vendors` and return how many; replaces rows of the same id.

    What DynamoDB leaves unprocessed is written again after a growing pause. Raises `EnvironmentFailure` when it keeps
    refusing, and passes boto3's errors on.
    """
    serialize = TypeSerializer().serialize
    remaining = iter(vendors)
    written = 0
    while chunk := list(itertools.islice(remaining, _BATCH)):
        rows = [{"PutRequest": {"Item": serialize(vendor_row(vendor, now_ms))["M"]}} for vendor in chunk]
        _write(dynamodb_client, table_name, rows, wait)
        written += len(chunk)
    return written


def _write(dynamodb_client: Any, table_name: str, rows: list[dict[str, Any]], wait: Callable[[float], object]) -> None:
    rules, chance = RetryRules(), seeded(0, "vendor rows")
    for attempt in range(1, rules.attempts + 1):
        answer = dynamodb_client.batch_write_item(RequestItems={table_name: rows})
        rows = answer.get("UnprocessedItems", {}).get(table_name, [])
        if not rows:
            return
        wait(rules.pause_s(attempt, chance))
    raise EnvironmentFailure(
        f"DynamoDB left {len(rows)} vendor rows of table {table_name!r} unwritten {rules.attempts} times; "
        "raise the table's write capacity or start again later."
    )


def record_in_table(table_name: str) -> RecordUpdate:
    """Return the function that writes an update into its vendor's row of `table_name`.

    Region, endpoint and credentials are those of the environment (`tracker.aws`). The row's `updated` is the time the
    update was meant for, so it too is the same in every run.
    """

    def record(planned: PlannedUpdate) -> None:
        vendor = planned.vendor
        aws.dynamodb_record_vendor_update(
            table_name,
            planned.update,
            name=vendor.name,
            image=vendor.image_url,
            description=vendor.description,
            now_ms=snowflake_ms(planned.update["id"]),
        )

    return record
