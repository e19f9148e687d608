"""Clocks of several machines: how far a worker's is from the master's, and a clock that is kept in step.

A sample is one question and its answer: when it was asked and answered, by both clocks. The offset lies between what it
would be if the way there had taken all the time and if the way back had; the middle is taken, and half of the round
trip is how wrong that may be (D. L. Mills, RFC 5905). The quickest round trip of the last while is the best one.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from simulator.clock import Clock

_KEPT_S = 60.0
_SLEW = 0.0005
"""A second of a steered clock is at most so much longer or shorter; crystals are off by a tenth of that."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One question of the master's, in seconds on the two monotonic clocks."""

    asked_s: float
    """Master's clock."""
    heard_s: float
    """Worker's."""
    answered_s: float
    """Worker's."""
    answer_came_s: float
    """Master's."""

    @property
    def offset_s(self) -> float:
        """What to add to the worker's clock to get the master's."""
        return (self.asked_s - self.heard_s + self.answer_came_s - self.answered_s) / 2

    @property
    def uncertainty_s(self) -> float:
        """How far off `offset_s` may be, either way."""
        return max(0.0, (self.answer_came_s - self.asked_s - (self.answered_s - self.heard_s)) / 2)


class Offset:
    """What is known of one worker's clock."""

    def __init__(self) -> None:
        self._samples: deque[Sample] = deque()

    def add(self, sample: Sample) -> None:
        """Take a sample into account, and forget those that are too old: clocks drift apart."""
        self._samples.append(sample)
        while self._samples[0].asked_s < sample.asked_s - _KEPT_S:
            self._samples.popleft()

    @property
    def best(self) -> Sample | None:
        """The one to believe."""
        return min(self._samples, key=lambda each: each.uncertainty_s, default=None)


class SteeredClock:
    """A machine's own clock, moved onto the master's scale and kept there; it never goes back."""

    def __init__(self, own: Clock) -> None:
        self._own = own
        self._steps: tuple[float, float, float] | None = None
        """Since when (own clock), offset then, offset to go to."""

    def monotonic_s(self) -> float:
        """See `Clock.monotonic_s`: seconds on the master's scale."""
        now_s = self._own.monotonic_s()
        return now_s + self._offset_s(now_s)

    def wall_ms(self) -> int:
        """See `Clock.wall_ms`: the machine's own."""
        return self._own.wall_ms()

    def steer(self, offset_s: float) -> None:
        """What to add from now on: at once the first time, and bit by bit afterwards."""
        now_s = self._own.monotonic_s()
        self._steps = (now_s, offset_s if self._steps is None else self._offset_s(now_s), offset_s)

    def _offset_s(self, now_s: float) -> float:
        if self._steps is None:
            return 0.0
        since_s, before_s, goal_s = self._steps
        most_s = _SLEW * (now_s - since_s)
        return before_s + min(max(goal_s - before_s, -most_s), most_s)
