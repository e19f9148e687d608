"""Stock moto remembers the receipt handle of every message that was ever deleted: 300 MB for a million messages.

A message may be deleted again without an error (Q20). Here that holds for the last 100,000 handles of a queue.
"""

from __future__ import annotations

from collections.abc import Iterable

from moto.sqs.models import Queue

from simulator.cloud.patches.patching import Patching

_KEPT = 100_000


class RecentHandles:
    """As much of a set as moto uses, with the oldest given up for the newest."""

    def __init__(self, kept: int = _KEPT) -> None:
        self._kept = kept
        self._handles: dict[str, None] = {}

    def __contains__(self, handle: object) -> bool:
        return handle in self._handles

    def update(self, handles: Iterable[str]) -> None:
        """Remember these."""
        self._handles.update(dict.fromkeys(handles))
        while len(self._handles) > self._kept:
            del self._handles[next(iter(self._handles))]


def apply(patching: Patching) -> None:
    """Each queue gets its own when one is first deleted from."""
    name = "_recent_handles"

    def replaced(_queue: Queue, _handles: set[str]) -> None:
        """Stock moto sets it once, to an empty set."""

    handles = property(lambda queue: vars(queue).setdefault(name, RecentHandles()), replaced)
    patching.replace(Queue, "deleted_messages", handles)
