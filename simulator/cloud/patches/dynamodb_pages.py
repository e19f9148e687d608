"""Stock moto sorts and copies a whole table for each page of a Scan or Query: 32 s for 10,000 rows in pages of 100.

It also leaves LastEvaluatedKey out when Limit is exactly the number of rows left, where AWS gives one and then an
empty page (D03), so code that stops at a full last page is never caught; it gives rows in the order of their keys (D09,
see `key_order`); and it takes start keys that are no key of the table (D05) or belong to another segment (D07). Indexes
and legacy filters are left to stock moto.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterable
from typing import Any

from moto.dynamodb.comparisons import get_comparison_func
from moto.dynamodb.exceptions import MockValidationException
from moto.dynamodb.models.dynamo_type import DynamoType, Item
from moto.dynamodb.models.table import RESULT_SIZE_LIMIT, Table

from simulator.cloud.patches.key_order import KeyOrder, place, start_key
from simulator.cloud.patches.patching import Patching

Page = tuple[list[Item], int, dict[str, Any] | None]

_MOST_SEGMENTS = 1_000_000


class _LastPage(threading.local):
    rows: list[Item] | None = None


LAST_PAGE = _LastPage()
"""What the last Scan or Query of this thread evaluated, before its filter; None when stock moto served it (D08)."""


class _Orders:
    """The key orders of the tables that were scanned."""

    def __init__(self) -> None:
        self._by_table: weakref.WeakKeyDictionary[Table, KeyOrder] = weakref.WeakKeyDictionary()

    def known(self, table: Table) -> KeyOrder | None:
        """The order of `table`, if it has been scanned since its rows were last replaced as a whole."""
        order = self._by_table.get(table)
        return order if order is not None and order.rows is table.items else None

    def forget(self, table: Table) -> None:
        """Rows went in a way that the order cannot follow; the next page makes it anew."""
        self._by_table.pop(table, None)

    def of(self, table: Table) -> KeyOrder:
        """The order of `table`, made now if need be."""
        order = self.known(table)
        if order is None:
            order = self._by_table[table] = KeyOrder(table)
        return order


def _has(table: Table, hash_key: DynamoType, range_key: DynamoType | None) -> bool:
    row = table.items.get(hash_key)
    if row is None or range_key is None:
        return row is not None
    return range_key in row


def _page(table: Table, rows: Iterable[Item], limit: int | None) -> Page:
    """Rows up to `limit` or 1 MB, how many that is, and where the next page starts (D01, D03)."""
    results: list[Item] = []
    LAST_PAGE.rows = results
    size = 0
    for item in rows:
        item_size = item.size()
        if results and size + item_size > RESULT_SIZE_LIMIT:
            return results, len(results), table._get_last_evaluated_key(results[-1], None)  # noqa: SLF001
        results.append(item)
        size += item_size
        if len(results) == limit:
            return results, len(results), table._get_last_evaluated_key(item, None)  # noqa: SLF001
    return results, len(results), None


def _shown(page: Page, filter_expression: Any, projection: list[list[str]] | None) -> Page:
    results, evaluated, last_evaluated_key = page
    if filter_expression is not None:
        results = [item for item in results if filter_expression.expr(item)]
    if projection:
        results = [item.project(projection) for item in results]
    return results, evaluated, last_evaluated_key


def apply(patching: Patching) -> None:
    """Serve pages from an order that is kept instead of made for each."""
    orders = _Orders()
    _keep_orders(patching, orders)
    _serve_scan(patching, orders)
    _serve_query(patching, orders)


def _keep_orders(patching: Patching, orders: _Orders) -> None:
    stock_put: Callable[..., Item] = vars(Table)["put_item"]
    stock_delete: Callable[..., Item | None] = vars(Table)["delete_item"]

    def put_item(self: Table, item_attrs: dict[str, Any], *args: Any, **kwargs: Any) -> Item:
        order = orders.known(self)
        before = len(self.items)
        existed = False
        if order is not None and self.range_key_attr is not None and self.table_key_attrs[-1] in item_attrs:
            keys = [DynamoType(item_attrs[name]) for name in self.table_key_attrs if name in item_attrs]
            existed = len(keys) == len(self.table_key_attrs) and _has(self, keys[0], keys[-1])
        item = stock_put(self, item_attrs, *args, **kwargs)
        if order is not None and (len(self.items) > before if self.range_key_attr is None else not existed):
            order.add(item.hash_key, item.range_key)
        return item

    def delete_item(self: Table, hash_key: DynamoType, range_key: DynamoType | None) -> Item | None:
        order = orders.known(self)
        item = stock_delete(self, hash_key, range_key)
        if isinstance(item, Item) and order is not None:
            order.remove(item.hash_key, item.range_key)
        elif item is not None:
            orders.forget(self)
        return item

    patching.replace(Table, "put_item", put_item)
    patching.replace(Table, "delete_item", delete_item)


def _serve_scan(patching: Patching, orders: _Orders) -> None:
    stock: Callable[..., Page] = vars(Table)["scan"]

    def scan(
        self: Table,
        filters: dict[str, Any],
        limit: int | None,
        exclusive_start_key: dict[str, Any] | None,
        filter_expression: Any = None,
        index_name: str | None = None,
        consistent_read: bool = False,
        projection_expression: list[list[str]] | None = None,
        segments: Any = (None, None),
    ) -> Page:
        start = None if index_name else _start(self, exclusive_start_key)
        if start is not None:
            _check_segment(exclusive_start_key, self, segments)
        if segments[1] is not None and segments[1] > _MOST_SEGMENTS:
            raise MockValidationException(
                f"1 validation error detected: Value '{segments[1]}' at 'totalSegments' failed to satisfy constraint: "
                f"Member must have value less than or equal to {_MOST_SEGMENTS}"
            )
        if index_name or filters or (limit is not None and limit < 1):
            return stock(
                self,
                filters,
                limit,
                exclusive_start_key,
                filter_expression,
                index_name,
                consistent_read,
                projection_expression,
                segments,
            )
        segment, total_segments = (0, 1) if segments == (None, None) else segments
        rows = orders.of(self).after(start, segment, total_segments)
        return _shown(_page(self, rows, limit), filter_expression, projection_expression)

    patching.replace(Table, "scan", scan)


def _serve_query(patching: Patching, orders: _Orders) -> None:
    stock: Callable[..., Page] = vars(Table)["query"]

    def query(
        self: Table,
        hash_key: DynamoType | None,
        range_comparison: str | None,
        range_objs: list[DynamoType],
        limit: int | None,
        exclusive_start_key: dict[str, Any] | None,
        scan_index_forward: bool,
        projection_expressions: list[list[str]] | None,
        index_name: str | None = None,
        consistent_read: bool = False,
        filter_expression: Any = None,
        **others: Any,
    ) -> Page:
        legacy = set(others) - {"hash_key_conditions", "range_key_conditions"}
        start = None if index_name else _start(self, exclusive_start_key)
        unproved = (
            hash_key is None
            or (start is not None and start[0] != place(hash_key))
            or (limit is not None and limit < 1)
            or (range_comparison is not None and self.range_key_attr is None)
        )
        if index_name or legacy or unproved or hash_key is None:
            return stock(
                self,
                hash_key,
                range_comparison,
                range_objs,
                limit,
                exclusive_start_key,
                scan_index_forward,
                projection_expressions,
                index_name,
                consistent_read,
                filter_expression,
                **others,
            )
        rows = _partition(self, orders, hash_key, start, forward=scan_index_forward is not False)
        if range_comparison:
            in_range = _range_test(range_comparison, range_objs)
            rows = (item for item in rows if item.range_key and in_range(item.range_key))
        return _shown(_page(self, rows, limit), filter_expression, projection_expressions)

    patching.replace(Table, "query", query)


def _start(table: Table, exclusive_start_key: Any) -> tuple[Any, ...] | None:
    """Where the page begins; None for the beginning. Refuses what is not exactly a key of the table (D05)."""
    if exclusive_start_key is None:
        return None
    start = start_key(table, exclusive_start_key)
    if start is None:
        raise MockValidationException(
            "The provided starting key is invalid: The provided key element does not match the schema"
        )
    return start


def _check_segment(exclusive_start_key: Any, table: Table, segments: Any) -> None:
    """A key from one segment goes on in that segment only (D07)."""
    key = exclusive_start_key[table.hash_key_attr]
    if segments != (None, None) and not Item(DynamoType(key), None, {}).is_within_segment(segments):
        segment, total = segments
        raise MockValidationException(
            "The provided starting key is invalid: Invalid ExclusiveStartKey. Please use ExclusiveStartKey with "
            f"correct Segment. TotalSegments: {total} Segment: {segment}"
        )


def _range_test(comparison: str, operands: list[DynamoType]) -> Callable[[DynamoType], bool]:
    """What `DynamoType.compare` says, without casting the operands for each row."""
    holds: Callable[..., bool] = get_comparison_func(comparison)
    values = [operand.cast_value for operand in operands]
    return lambda key: holds(key.cast_value, *values)


def _partition(
    table: Table, orders: _Orders, hash_key: DynamoType, start: tuple[Any, ...] | None, *, forward: bool
) -> Iterable[Item]:
    """The rows of one hash key in the order asked for, behind `start`."""
    if table.range_key_attr is not None:
        return orders.of(table).within(hash_key, start, forward=forward)
    row: Any = table.items.get(hash_key)
    return [row] if row and start is None else []
