"""Stock moto has no lock around queues: two receivers can be given the same message.

Waiting for a message and adding one use the same lock, so that no message comes between a look and the wait.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any

from moto.sqs.models import Queue, SQSBackend

from simulator.cloud.patches.patching import Patching

SQS_LOCK = threading.RLock()
"""Held while a queue is looked at or changed; never while a long poll waits (see `sqs_receive`)."""

_METHODS = (
    "change_message_visibility",
    "change_message_visibility_batch",
    "create_queue",
    "delete_message",
    "delete_message_batch",
    "delete_queue",
    "get_queue_attributes",
    "purge_queue",
    "send_message",
    "send_message_batch",
    "set_queue_attributes",
)


def apply(patching: Patching) -> None:
    """One of these at a time."""
    for name in _METHODS:
        patching.replace(SQSBackend, name, _locked(vars(SQSBackend)[name]))
    stock: Callable[..., None] = vars(Queue)["__init__"]

    def init(self: Queue, *args: Any, **kwargs: Any) -> None:
        stock(self, *args, **kwargs)
        self._messages_lock = threading.Condition(SQS_LOCK)

    patching.replace(Queue, "__init__", init)


def _locked(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def locked(*args: Any, **kwargs: Any) -> Any:
        with SQS_LOCK:
            return method(*args, **kwargs)

    return locked
