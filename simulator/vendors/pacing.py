"""What is due now: the open model, in which the plan alone says when an update leaves.

A late update is due like any other; nothing here waits for an answer (Open and closed models: B. Schroeder,
A. Wierman, M. Harchol-Balter, Open versus closed: a cautionary tale, NSDI 2006).
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from simulator.vendors.plan import PlannedUpdate


class Pacing:
    """Hands out planned updates as their time comes."""

    def __init__(self, plan: Iterable[PlannedUpdate]) -> None:
        self._source = iter(plan)
        self._ahead: deque[PlannedUpdate] = deque()
        self._drawn_to_the_end = False

    def draw_ahead(self, limit: int) -> bool:
        """Make one update before its time; return False when `limit` are waiting or there is no more.

        Whoever has nothing to do should call it: in a burst there is no time left for making updates.
        """
        if self._drawn_to_the_end or len(self._ahead) >= limit:
            return False
        planned = next(self._source, None)
        if planned is None:
            self._drawn_to_the_end = True
            return False
        self._ahead.append(planned)
        return True

    def due(self, now_s: float) -> list[PlannedUpdate]:
        """Return, in order, what is due at `now_s` seconds from the start and was not handed out before."""
        due = []
        while (next_s := self.next_due_s()) is not None and next_s <= now_s:
            due.append(self._ahead.popleft())
        return due

    def next_due_s(self) -> float | None:
        """Return when the next update is due, in seconds from the start; None when there is none left."""
        self.draw_ahead(1)
        return self._ahead[0].due_s if self._ahead else None
