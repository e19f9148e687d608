"""Pace: at which moment the n-th update of a run is due, when the rate changes over time.

Pure. Rates are piecewise linear; what has been asked for by a moment is their integral, and `Pace.at` is its inverse.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of time in which the rate goes evenly from one value to another."""

    duration_s: float
    from_per_s: float
    to_per_s: float

    @property
    def updates(self) -> float:
        """How many are due in it."""
        return self.duration_s * (self.from_per_s + self.to_per_s) / 2


class Pace:
    """When updates are due.

    >>> pace = Pace([Stretch(10, 2, 2), Stretch(5, 0, 0), Stretch(10, 0, 4)])
    >>> pace.updates, pace.at(6), pace.at(20), round(pace.at(25), 3)
    (40.0, 3.0, 15.0, 20.0)
    """

    def __init__(self, stretches: Sequence[Stretch]) -> None:
        self._stretches = [each for each in stretches if each.updates > 0]
        self._starts_s: list[float] = []
        self._before: list[float] = []
        self.duration_s = 0.0
        self.updates = 0.0
        """How many are due in all."""
        for each in stretches:
            if each.updates > 0:
                self._starts_s.append(self.duration_s)
                self._before.append(self.updates)
            self.duration_s += each.duration_s
            self.updates += each.updates

    def at(self, number: float) -> float:
        """Seconds from the start until `number` updates have been asked for; the end when there are not so many."""
        if number >= self.updates:
            last = self._stretches[-1] if self._stretches else None
            # Exactly at the end of what is asked for, and not of a silence that may follow it.
            return self._starts_s[-1] + last.duration_s if last and number == self.updates else self.duration_s
        index = max(0, bisect_right(self._before, number) - 1)
        each, number = self._stretches[index], max(0.0, number - self._before[index])
        slope = (each.to_per_s - each.from_per_s) / each.duration_s
        if abs(slope) * each.duration_s < 1e-9 * (each.from_per_s + each.to_per_s):
            return self._starts_s[index] + number / each.from_per_s
        # number = from·t + slope·t²/2, solved in the form that does not cancel.
        root = math.sqrt(max(0.0, each.from_per_s**2 + 2 * slope * number))
        total = each.from_per_s + root
        return self._starts_s[index] + (2 * number / total if total > 0 else 0.0)


def steady(rate_per_s: float, duration_s: float) -> Pace:
    """The same rate all the time."""
    return Pace([Stretch(duration_s, rate_per_s, rate_per_s)])
