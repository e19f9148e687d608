"""The keys of a moto table in order, kept up to date as rows come and go.

moto keeps rows in a dict (of dicts, when the table has a range key) and sorts all of them by key for each page. AWS
goes by a hash of the hash key, and within one hash key by the range key (D09): here too, so that no test passes because
a scan came in the order of keys or of insertion. The hash is our own; it is the same in every run.
"""

from __future__ import annotations

import bisect
import hashlib
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from moto.dynamodb.models.dynamo_type import DynamoType, Item
from moto.dynamodb.models.table import Table

SortKey = tuple[Any, ...]


def place(hash_key: DynamoType) -> Any:
    """Where the rows of one hash key stand among those of the others; the same for equal keys (`1` and `1.0`)."""
    value = hash_key.cast_value
    text = str(value.normalize() + 0) if isinstance(value, Decimal) else str(value)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def segment_number(hash_key: DynamoType) -> int:
    """What modulo the number of segments is the segment of all rows with this hash key; as in moto."""
    value = hash_key.value
    return hashlib.md5(value if isinstance(value, bytes) else value.encode(), usedforsecurity=False).digest()[0]


def sort_key(hash_key: DynamoType, range_key: DynamoType | None) -> SortKey:
    """What two rows of one table are compared by."""
    return (place(hash_key),) if range_key is None else (place(hash_key), range_key.cast_value)


def start_key(table: Table, exclusive_start_key: Any) -> SortKey | None:
    """ExclusiveStartKey as a sort key, or None if it is not exactly a key of this table."""
    types = {table.hash_key_attr: table.hash_key_type, table.range_key_attr: table.range_key_type}
    types.pop(None, None)
    if not isinstance(exclusive_start_key, dict) or set(exclusive_start_key) != set(types):
        return None
    keys = []
    for name in table.table_key_attrs:
        value = exclusive_start_key[name]
        typed = value if isinstance(value, DynamoType) else DynamoType(value)
        if typed.type != types[name] or not isinstance(typed.value, str | bytes):
            return None
        keys.append(typed)
    return sort_key(keys[0], keys[1] if len(keys) > 1 else None)


class KeyOrder:
    """The rows of one table by key. Ordered when first asked for; after that every insertion finds its place."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self.rows = table.items
        """The very dict it was made for; a table restored from a backup gets another one."""
        items = [(sort_key(item.hash_key, item.range_key), item) for item in self._all()]
        items.sort(key=lambda entry: entry[0])
        self._order = [key for key, _ in items]
        self._keys = [(item.hash_key, item.range_key, segment_number(item.hash_key)) for _, item in items]

    def _all(self) -> Iterator[Item]:
        row: Any
        for row in self.rows.values():
            if self._table.range_key_attr:
                yield from row.values()
            else:
                yield row

    def add(self, hash_key: DynamoType, range_key: DynamoType | None) -> None:
        """A row that was not there before."""
        key = sort_key(hash_key, range_key)
        index = bisect.bisect_left(self._order, key)
        self._order.insert(index, key)
        self._keys.insert(index, (hash_key, range_key, segment_number(hash_key)))

    def remove(self, hash_key: DynamoType, range_key: DynamoType | None) -> None:
        """A row that is gone."""
        index = bisect.bisect_left(self._order, sort_key(hash_key, range_key))
        del self._order[index]
        del self._keys[index]

    def after(self, key: SortKey | None, segment: int = 0, total_segments: int = 1) -> Iterator[Item]:
        """The rows of a segment behind `key` (all of them for None), which need not exist any more."""
        start = 0 if key is None else bisect.bisect_right(self._order, key)
        for index in range(start, len(self._keys)):
            hash_key, range_key, number = self._keys[index]
            if number % total_segments == segment:
                row: Any = self.rows[hash_key]
                yield row if range_key is None else row[range_key]

    def within(self, hash_key: DynamoType, key: SortKey | None, *, forward: bool) -> Iterator[Item]:
        """The rows of one hash key (of a table with a range key) behind `key`, in either direction."""
        rows: Any = self.rows.get(hash_key) or {}
        first = bisect.bisect_left(self._order, (place(hash_key),))
        last = first + len(rows)
        if forward:
            places = range(first if key is None else bisect.bisect_right(self._order, key), last)
        else:
            places = range((last if key is None else bisect.bisect_left(self._order, key)) - 1, first - 1, -1)
        for index in places:
            yield rows[self._keys[index][1]]
