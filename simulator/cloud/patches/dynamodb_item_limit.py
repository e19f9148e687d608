"""Stock moto limits items to 405,000 bytes, counts binaries as base64, and leaves a refused update half done (D10).

AWS's limit is 400 KB, names included. An update that would exceed it changes nothing.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from moto.dynamodb.exceptions import ItemSizeTooLarge, ItemSizeToUpdateTooLarge
from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models.dynamo_type import DynamoType, Item, LimitedSizeDict
from moto.dynamodb.models.table import Table

from simulator.cloud.patches.item_size import item_bytes
from simulator.cloud.patches.patching import Patching

MAX_ITEM_BYTES = 400 * 1024


def apply(patching: Patching) -> None:
    """Look at an item once, as a whole."""
    # moto adds up all attributes for each one that is set, which takes the square of their number.
    patching.replace(LimitedSizeDict, "__setitem__", dict.__setitem__)
    _limit_puts(patching)
    _limit_updates(patching)


def _limit_puts(patching: Patching) -> None:
    stock: Callable[..., Item] = vars(Table)["put_item"]

    def put_item(self: Table, item_attrs: dict[str, Any], *args: Any, **kwargs: Any) -> Item:
        if item_bytes(item_attrs) > MAX_ITEM_BYTES:
            raise ItemSizeTooLarge
        return stock(self, item_attrs, *args, **kwargs)

    patching.replace(Table, "put_item", put_item)


def _limit_updates(patching: Patching) -> None:
    stock: Callable[..., Item] = vars(DynamoDBBackend)["update_item"]

    def update_item(self: DynamoDBBackend, table_name: str, key: dict[str, Any], *args: Any, **kwargs: Any) -> Item:
        table: Any = self.get_table(table_name)
        item = stored(table, key)
        values = kwargs.get("expression_attribute_values") or {}
        updates = kwargs.get("attribute_updates") or {}
        added = item_bytes(values) + item_bytes({n: u["Value"] for n, u in updates.items() if "Value" in u})
        clauses = str(kwargs.get("update_expression")).count(",") + 1
        most = (1 + clauses) * (item_bytes(item.attrs) if item is not None else 0) + added
        if most <= MAX_ITEM_BYTES:
            return stock(self, table_name, key, *args, **kwargs)  # not even if each clause copied the whole item
        before = copy.deepcopy(item.attrs) if item is not None else None
        updated = stock(self, table_name, key, *args, **kwargs)
        if item_bytes(updated.attrs) <= MAX_ITEM_BYTES:
            return updated
        if before is None:
            table.delete_item(updated.hash_key, updated.range_key)
        else:
            updated.attrs = before
        raise ItemSizeToUpdateTooLarge

    patching.replace(DynamoDBBackend, "update_item", update_item)


def stored(table: Any, key: dict[str, Any]) -> Item | None:
    """The item that `key`, or an item with that key, names; None also for what is no key of the table."""
    names = [name for name in (table.hash_key_attr, table.range_key_attr) if name]
    if not all(name in key for name in names):
        return None
    found: Item | None = table.get_item(*(DynamoType(key[name]) for name in names))
    return found
