"""Many deadlines of which few are ever reached: the idle and age limits of all connections (L04, L08).

Every message pushes its connection's deadline back, so moving one must cost nothing: the heap keeps the time at which
a connection has to be *looked at*, and a look finds out whether the deadline has moved meanwhile.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator


class Deadlines:
    """Keys with the earliest time at which each must be looked at. Times are seconds on one clock."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, str]] = []

    def watch(self, key: str, at_s: float) -> None:
        """Look at `key` at `at_s`. One watch a key is enough, however often its deadline moves back."""
        heapq.heappush(self._heap, (at_s, key))

    def next_s(self) -> float | None:
        """When to look next, or None when nothing is watched."""
        return self._heap[0][0] if self._heap else None

    def due(self, now_s: float, deadline_of: Callable[[str], float | None]) -> Iterator[str]:
        """The keys whose deadline has passed; each is watched no longer.

        `deadline_of` tells a key's deadline as it is now, or None when the key is gone. One that moved back is
        watched again.
        """
        while self._heap and self._heap[0][0] <= now_s:
            _, key = heapq.heappop(self._heap)
            deadline_s = deadline_of(key)
            if deadline_s is None:
                continue
            if deadline_s > now_s:
                self.watch(key, deadline_s)
            else:
                yield key
