"""How many posts may be under way at once: grows while that helps, halves when the other side says no. Pure.

The window is looked at once per *epoch*, a window-full of answers. It doubles until the first trouble and grows by one
a time after it, as long as answers do not take much longer than at their best (more posts under way would then only
wait in a queue somewhere). When a fair share of an epoch's answers were refusals (429, 5xx, no answer) it halves; a
single connection that refuses says nothing about the rest, and does not count.

Source: additive increase, multiplicative decrease (Chiu and Jain, 1989), as TCP has it.
"""

from __future__ import annotations

START = 8
TROUBLE_SHARE = 0.1
"""Share of refusals in an epoch that halves the window."""
LATENCY_FACTOR = 2.0
"""Growing stops while an epoch's mean latency is this many times the best one."""
LATENCY_SLACK_S = 0.005
"""And this much longer: below it, differences are the machine's own."""


class Window:
    """See the module's first lines."""

    __slots__ = ("_answers", "_best_s", "_ceiling", "_latency_s", "_slow_start", "_trouble", "size")

    def __init__(self, ceiling: int) -> None:
        self._ceiling = ceiling
        self.size = min(START, ceiling)
        """Posts that may be under way now."""
        self._slow_start = True
        self._best_s: float | None = None
        self._answers = 0
        self._trouble = 0
        self._latency_s = 0.0

    def answered(self, latency_s: float, *, refused: bool) -> None:
        """Take one answer, or the lack of one, and how long it took."""
        self._answers += 1
        self._latency_s += latency_s
        self._trouble += refused
        if self._answers >= self.size:
            self._end_epoch()

    def _end_epoch(self) -> None:
        mean_s = self._latency_s / self._answers
        trouble = self._trouble / self._answers
        self._answers = self._trouble = 0
        self._latency_s = 0.0
        if trouble > TROUBLE_SHARE:
            self.size = max(1, self.size // 2)
            self._slow_start = False
            return
        if self._best_s is None or mean_s < self._best_s:
            self._best_s = mean_s
        if mean_s > self._best_s * LATENCY_FACTOR + LATENCY_SLACK_S:
            self._slow_start = False
        else:
            self.size = min(self._ceiling, self.size * 2 if self._slow_start else self.size + 1)
