"""Eventually consistent scans that miss new rows (D06), where moto's are always consistent.

moto's table is wrapped when the first such fault begins and stays so; a row counts as new from when it was put for the
first time while one was on.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any

from moto.dynamodb.models.table import Table

from simulator.active_faults import ActiveFault

_Page = tuple[list[Any], int, Any]


class StaleScans:
    """The faults that are on, and the rows that are new."""

    def __init__(self) -> None:
        self._faults: tuple[ActiveFault, ...] = ()
        self._new: dict[tuple[str, Any, Any], float] = {}
        """When each row was put; those that are no longer new go at the next scan."""
        self._lock = threading.Lock()
        self._wrapped = False

    def set_faults(self, faults: Sequence[ActiveFault]) -> None:
        """These are on from now on."""
        if faults and not self._wrapped:
            self._wrapped = True
            _wrap(self)
        with self._lock:
            self._faults = tuple(faults)
            if not faults:
                self._new.clear()

    @property
    def on(self) -> bool:
        """Whether any is on."""
        return bool(self._faults)

    def put(self, table: str, item: Any) -> None:
        """A row was put that had not been there."""
        with self._lock:
            self._new[table, item.hash_key, item.range_key] = time.monotonic()

    def seen(self, table: str, page: _Page) -> _Page:
        """What an eventually consistent scan sees of a page."""
        now_s = time.monotonic()
        with self._lock:
            longest_s = max((fault.number("lag_ms") for fault in self._faults), default=0.0) / 1_000
            self._new = {key: at_s for key, at_s in self._new.items() if now_s - at_s < longest_s}
            if not self._new:
                return page
            rows, evaluated, last_key = page
            seen = [row for row in rows if not self._misses(table, row, now_s)]
        return seen, evaluated - (len(rows) - len(seen)), last_key

    def _misses(self, table: str, row: Any, now_s: float) -> bool:
        put_s = self._new.get((table, row.hash_key, row.range_key))
        return put_s is not None and any(
            now_s - put_s < fault.number("lag_ms") / 1_000 and fault.hits(table) for fault in self._faults
        )


STALE_SCANS = StaleScans()
"""One for moto's one set of tables."""


def _wrap(scans: StaleScans) -> None:
    put_item_before, scan_before = Table.put_item, Table.scan

    def put_item(self: Table, item_attrs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        before = _rows(self) if scans.on else 0
        item = put_item_before(self, item_attrs, *args, **kwargs)
        if scans.on and _rows(self) > before:
            scans.put(str(self.name), item)
        return item

    def scan(
        self: Table,
        filters: Any,
        limit: Any,
        exclusive_start_key: Any,
        filter_expression: Any = None,
        index_name: str | None = None,
        consistent_read: bool = False,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        page = scan_before(
            self, filters, limit, exclusive_start_key, filter_expression, index_name, consistent_read, *args, **kwargs
        )
        return scans.seen(str(self.name), page) if scans.on and not consistent_read else page

    Table.put_item = put_item  # type: ignore[method-assign]
    Table.scan = scan  # type: ignore[method-assign]


def _rows(table: Table) -> int:
    if table.range_key_attr is None:
        return len(table.items)
    return sum(len(rows) for rows in table.items.values())
