"""Stock moto's ConsumedCapacity is a constant, and there unasked; AWS's comes from the size of what is stored (D08).

A read unit is 4 KB, half as much when it need not be consistent; a write unit 1 KB of the larger of before and after;
transactions take twice that. A filter or a projection saves nothing. Not counted: what a write does to indexes; and a
page of an index is as large as the items that are returned.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from moto.dynamodb.responses import DynamoHandler

from simulator.cloud.patches.dynamodb_item_limit import stored
from simulator.cloud.patches.dynamodb_pages import LAST_PAGE
from simulator.cloud.patches.item_size import item_bytes
from simulator.cloud.patches.patching import Patching

_READ_BYTES = 4096
_WRITE_BYTES = 1024
_PER_TRANSACTION = 2.0
_UNASKED = ("ConsumedCapacity", "ConsumedCapacityUnits")

Row = tuple[str, Mapping[str, Any]]
"""A table's name and a key in it, or an item with that key."""
Count = Callable[[DynamoHandler, Mapping[str, Any]], dict[str, float]]
"""Units by table, from the request and the answer; called once the answer is there."""


def apply(patching: Patching) -> None:
    """Count where it is asked for, and only there."""
    for name, prepare in _OPERATIONS.items():
        patching.replace(DynamoHandler, name, _counted(vars(DynamoHandler)[name], prepare))


def _counted(
    stock: Callable[[DynamoHandler], Any], prepare: Callable[[DynamoHandler], Count]
) -> Callable[[DynamoHandler], Any]:
    def operation(self: DynamoHandler) -> Any:
        asked = self.body.get("ReturnConsumedCapacity", "NONE")
        count = prepare(self) if asked in ("TOTAL", "INDEXES") else None
        answer = stock(self)
        for name in _UNASKED:
            answer.result.pop(name, None)
        if count is not None:
            shown = [_shown(table, units, asked, self.body) for table, units in count(self, answer.result).items()]
            answer.result["ConsumedCapacity"] = shown if "TableName" not in self.body else shown[0]
        return answer

    return operation


def _shown(table: str, units: float, asked: str, request: Mapping[str, Any]) -> dict[str, Any]:
    """One entry of the answer; an index bears the units of its own pages."""
    shown: dict[str, Any] = {"TableName": table, "CapacityUnits": units}
    if asked == "INDEXES":
        index = request.get("IndexName")
        shown["Table"] = {"CapacityUnits": 0.0 if index else units}
        if index:
            shown["GlobalSecondaryIndexes"] = {index: {"CapacityUnits": units}}
    return shown


# -- sizes -----------------------------------------------------------------------------------------------------------


def _read_units(size: int, *, consistent: bool) -> float:
    return max(1, math.ceil(size / _READ_BYTES)) * (1.0 if consistent else 0.5)


def _write_units(size: int) -> float:
    return float(max(1, math.ceil(size / _WRITE_BYTES)))


def _size(handler: DynamoHandler, row: Row) -> int:
    name, key = row
    table = handler.dynamodb_backend.get_table(name)
    item = stored(table, dict(key))
    return item_bytes(item.attrs) if item is not None else 0


def _sum(units: Iterable[tuple[str, float]]) -> dict[str, float]:
    by_table: dict[str, float] = {}
    for table, each in units:
        by_table[table] = by_table.get(table, 0.0) + each
    return by_table


# -- operations ------------------------------------------------------------------------------------------------------


def _get_item(handler: DynamoHandler) -> Count:
    row = handler.body["TableName"], handler.body["Key"]
    consistent = bool(handler.body.get("ConsistentRead"))
    return lambda handler, _: {row[0]: _read_units(_size(handler, row), consistent=consistent)}


def _page(handler: DynamoHandler) -> Count:
    LAST_PAGE.rows = None
    table = handler.body["TableName"]
    consistent = bool(handler.body.get("ConsistentRead"))

    def count(_: DynamoHandler, answer: Mapping[str, Any]) -> dict[str, float]:
        rows = LAST_PAGE.rows
        attributes = answer.get("Items", []) if rows is None else (item.attrs for item in rows)
        return {table: _read_units(sum(map(item_bytes, attributes)), consistent=consistent)}

    return count


def _writes(rows: list[Row], factor: float = 1.0) -> Callable[[DynamoHandler], Count]:
    def prepare(handler: DynamoHandler) -> Count:
        before = [_size(handler, row) for row in rows]
        return lambda handler, _: _sum(
            (row[0], factor * _write_units(max(size, _size(handler, row))))
            for row, size in zip(rows, before, strict=True)
        )

    return prepare


def _write_item(handler: DynamoHandler) -> Count:
    key = handler.body.get("Item") or handler.body["Key"]
    return _writes([(handler.body["TableName"], key)])(handler)


def _batch_write(handler: DynamoHandler) -> Count:
    return _writes(
        [
            (table, request["PutRequest"]["Item"] if "PutRequest" in request else request["DeleteRequest"]["Key"])
            for table, requests in handler.body["RequestItems"].items()
            for request in requests
        ]
    )(handler)


def _batch_get(handler: DynamoHandler) -> Count:
    wanted = handler.body["RequestItems"]
    return lambda handler, _: _sum(
        (table, _read_units(_size(handler, (table, key)), consistent=bool(request.get("ConsistentRead"))))
        for table, request in wanted.items()
        for key in request["Keys"]
    )


def _transact_write(handler: DynamoHandler) -> Count:
    actions = [next(iter(each.values())) for each in handler.body["TransactItems"]]
    rows = [(action["TableName"], action.get("Item") or action["Key"]) for action in actions]
    return _writes(rows, _PER_TRANSACTION)(handler)


def _transact_get(handler: DynamoHandler) -> Count:
    rows = [(each["Get"]["TableName"], each["Get"]["Key"]) for each in handler.body["TransactItems"]]
    return lambda handler, _: _sum(
        (row[0], _PER_TRANSACTION * _read_units(_size(handler, row), consistent=True)) for row in rows
    )


_OPERATIONS: Mapping[str, Callable[[DynamoHandler], Count]] = {
    "get_item": _get_item,
    "query": _page,
    "scan": _page,
    "put_item": _write_item,
    "delete_item": _write_item,
    "update_item": _write_item,
    "batch_get_item": _batch_get,
    "batch_write_item": _batch_write,
    "transact_get_items": _transact_get,
    "transact_write_items": _transact_write,
}
