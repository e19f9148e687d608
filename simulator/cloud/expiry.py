"""Removes items whose time to live is over, now and then, as AWS does; until then they are there to be read (D12).

AWS takes its time, days if need be, and so this is off unless `cloud.ttl_sweep_s` says how often. Whatever is written
there, code that reads such a table has to look at the time itself.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable
from typing import Any

_log = logging.getLogger(__name__)

_TOO_OLD_S = 5 * 365 * 24 * 3600
"""AWS leaves items alone that expired five years ago or more: rather a mistake in the unit than an age."""


def has_expired(value: Any, now_s: float) -> bool:
    """Whether a TTL attribute, as on the wire (`{"N": "1700000000"}`, epoch seconds), lies in the past."""
    text = value.get("N") if isinstance(value, dict) else None
    try:
        expires_s = float(text) if text is not None else None
    except ValueError:
        return False
    return expires_s is not None and now_s - _TOO_OLD_S < expires_s < now_s


def sweep(tables: Iterable[Any], now_s: float) -> int:
    """Delete what has expired from moto's tables; how many items that were."""
    removed = 0
    for table in tables:
        attribute = table.ttl.get("AttributeName")
        if table.ttl.get("TimeToLiveStatus") != "ENABLED" or not attribute:
            continue
        for item in list(table.all_items()):
            value = item.attrs.get(attribute)
            if value is not None and has_expired({value.type: value.value}, now_s):
                table.delete_item(item.hash_key, item.range_key)
                removed += 1
    return removed


def sweep_for_ever(every_s: float) -> None:
    """Sweep all tables of this process every `every_s` seconds, from a thread of its own."""
    from moto.dynamodb.models import dynamodb_backends  # noqa: PLC0415  loaded by now

    from simulator.cloud.patches.dynamodb_lock import DYNAMODB_LOCK  # noqa: PLC0415

    def run() -> None:
        while True:
            time.sleep(every_s)
            with DYNAMODB_LOCK:
                backends = [region for account in dynamodb_backends.values() for region in account.values()]
                removed = sweep([table for backend in backends for table in backend.tables.values()], time.time())
            if removed:
                _log.info("%d expired items are gone", removed)

    threading.Thread(target=run, name="ttl", daemon=True).start()
