"""Stock moto takes any number of items in BatchWriteItem; AWS refuses more than 25 (D10)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from moto.dynamodb.exceptions import MockValidationException
from moto.dynamodb.responses import DynamoHandler

from simulator.cloud.patches.patching import Patching

_MAX_ITEMS = 25


def apply(patching: Patching) -> None:
    """Refuse what AWS refuses."""
    stock: Callable[[DynamoHandler], Any] = vars(DynamoHandler)["batch_write_item"]

    def batch_write_item(self: DynamoHandler) -> Any:
        requests = self.body.get("RequestItems") or {}
        if sum(len(items) for items in requests.values()) > _MAX_ITEMS:
            raise MockValidationException("Too many items requested for the BatchWriteItem call")
        return stock(self)

    patching.replace(DynamoHandler, "batch_write_item", batch_write_item)
