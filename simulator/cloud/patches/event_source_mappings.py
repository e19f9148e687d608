"""Stock moto invokes functions from inside SendMessage once a mapping exists: it receives, fails, and gives back.

Our own poller then sees a receive count of 2 at the first delivery, or nothing at all (F-rows, Q04). With this patch a
mapping is an entry in a list that can be created, read and deleted, and nothing more.
"""

from __future__ import annotations

from typing import Any

from moto.dynamodb.models.table import Table
from moto.sqs.models import Queue

from simulator.cloud.patches.patching import Patching

_NAME = "lambda_event_source_mappings"


def apply(patching: Patching) -> None:
    """Let queues and tables forget each mapping they are told of."""

    def forget(_self: Any, _mappings: Any) -> None:
        """Writing is allowed, and keeps nothing."""

    nothing = property(lambda _self: {}, forget)
    patching.replace(Queue, _NAME, nothing)
    patching.replace(Table, _NAME, nothing)
