"""Stock moto keeps every message, every item and every copy of one for ever, to list them on its dashboard.

A run of some hours fills the memory, and each collection of garbage looks through all of it. With this patch the
dashboard lists tables and queues, and not what is in them.
"""

from __future__ import annotations

from typing import Any

from moto.dynamodb.models.dynamo_type import Item
from moto.sqs.models import Message

from simulator.cloud.patches.patching import Patching


def apply(patching: Patching) -> None:
    """Make them as any object is made."""

    def new(cls: type[Any], *_args: Any, **_kwargs: Any) -> Any:
        return object.__new__(cls)

    for model in (Item, Message):
        patching.replace(model, "__new__", staticmethod(new))
