"""Stock moto takes BatchWriteItem of any number and size; AWS takes all of it or nothing (D10).

Nothing means more than 25 items, or one above 400 KB; 25 of those stay below the other limit, 16 MB together.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from moto.dynamodb.exceptions import ItemSizeTooLarge, MockValidationException
from moto.dynamodb.responses import DynamoHandler

from simulator.cloud.patches.dynamodb_item_limit import MAX_ITEM_BYTES
from simulator.cloud.patches.item_size import item_bytes
from simulator.cloud.patches.patching import Patching

_MAX_ITEMS = 25


def apply(patching: Patching) -> None:
    """Refuse what AWS refuses."""
    stock: Callable[[DynamoHandler], Any] = vars(DynamoHandler)["batch_write_item"]

    def batch_write_item(self: DynamoHandler) -> Any:
        requests = self.body.get("RequestItems") or {}
        if sum(len(items) for items in requests.values()) > _MAX_ITEMS:
            raise MockValidationException("Too many items requested for the BatchWriteItem call")
        puts = (
            request["PutRequest"]["Item"] for items in requests.values() for request in items if "PutRequest" in request
        )
        if any(item_bytes(item) > MAX_ITEM_BYTES for item in puts):
            raise ItemSizeTooLarge
        return stock(self)

    patching.replace(DynamoHandler, "batch_write_item", batch_write_item)
