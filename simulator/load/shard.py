"""Which of the subscribers and vendors a share of the load has, when the load is split over several processes.

Pure, and by rule: the same scenario and seed have the same people and the same vendors whatever the number of shares,
every one of them in exactly one share. A vendor stays in one share, so its updates leave in order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Shard:
    """One of `of` shares, `number` from 0. The whole load is the only share of one."""

    number: int = 0
    of: int = 1

    def subscribers(self, count: int) -> range:
        """The subscribers of this share, of `count` in all: every `of`-th, so that each group is spread evenly."""
        return range(self.number, count, self.of)

    @staticmethod
    def of_subscriber(subscriber: int, of: int) -> int:
        """The number of the share that has a subscriber."""
        return subscriber % of

    def vendors(self, ids: Sequence[str]) -> frozenset[str]:
        """The vendors of this share, of all vendors of the plan in their order."""
        return frozenset(ids[self.number :: self.of])

    def at_once(self, limit: int) -> int:
        """This share of a limit on what all do at once; at least one, or nothing would ever be done."""
        return max(1, (limit + self.of - 1 - self.number) // self.of)


WHOLE_LOAD = Shard()
