"""Stock moto has no lock around DynamoDB calls: counters lose updates, and of two conditional puts both can win."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from moto.dynamodb.responses import DynamoHandler

from simulator.cloud.patches.patching import Patching

DYNAMODB_LOCK = threading.RLock()
"""Held while a table is looked at or changed."""


def apply(patching: Patching) -> None:
    """One call at a time. No DynamoDB call waits for anything, so nothing is held up."""
    stock: Callable[[DynamoHandler], Any] = vars(DynamoHandler)["call_action"]

    def call_action(self: DynamoHandler) -> Any:
        with DYNAMODB_LOCK:
            return stock(self)

    patching.replace(DynamoHandler, "call_action", call_action)
