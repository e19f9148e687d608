"""Who was connected when: sets of subscribers as they change over time.

Pure. A set is a whole number with one bit per subscriber, the lowest for subscriber 0: ten thousand subscribers are
1.25 KB, and all updates that were due while nobody came or went share one number.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Literal

Ending = Literal["left", "broke"]


class Subscriber:
    """One subscriber."""

    __slots__ = ("altered", "duplicated", "error_frames", "expected", "group", "lost", "reordered", "spells", "strange")

    def __init__(self, group: int) -> None:
        self.group = group
        self.spells: list[tuple[float, float | None, Ending | None]] = []
        """Each time it was connected: since when, until when, and how it ended; the last may go on."""
        self.expected = 0
        self.lost = 0
        self.duplicated = 0
        self.reordered = 0
        self.altered = 0
        self.error_frames = 0
        self.strange = 0

    @property
    def is_open(self) -> bool:
        """Whether it is connected now."""
        return bool(self.spells) and self.spells[-1][1] is None

    def spell_at(self, at_s: float) -> tuple[float, float | None, Ending | None] | None:
        """The time of being connected, or of having been, that a moment belongs to: the last one begun before it."""
        return next((each for each in reversed(self.spells) if each[0] <= at_s), None)


class Roll:
    """The roll call: every subscriber, and the set of those who should be getting updates, over time."""

    def __init__(self, groups: Sequence[int], comes_back: Sequence[bool], counts: Sequence[bool]) -> None:
        """Give each subscriber's group.

        For each group, `comes_back` says whether a broken connection is to come back, and `counts` whether anything is
        expected to reach it at all.
        """
        self.subscribers = [Subscriber(group) for group in groups]
        self.open = 0
        """How many are connected now."""
        self.peak = 0
        """The most that were connected at once."""
        self._comes_back = comes_back
        self._counts = counts
        self._times_s: list[float] = [float("-inf")]
        self._sets: list[int] = [0]

    def opened(self, subscriber: int, at_s: float) -> None:
        """A handshake succeeded: what is due from now on is expected to arrive."""
        self.subscribers[subscriber].spells.append((at_s, None, None))
        self.open += 1
        self.peak = max(self.peak, self.open)
        if self._counts[self.subscribers[subscriber].group]:
            self._note(at_s, self._sets[-1] | (1 << subscriber))

    def closed(self, subscriber: int, at_s: float, ending: Ending) -> None:
        """A connection ended. One that broke and does not come back goes on being expected to receive."""
        about = self.subscribers[subscriber]
        if not about.is_open:
            return
        about.spells[-1] = (about.spells[-1][0], at_s, ending)
        self.open -= 1
        if ending == "left" or self._comes_back[about.group]:
            self._note(at_s, self._sets[-1] & ~(1 << subscriber))

    def expected_at(self, at_s: float) -> int:
        """The set of those who are expected to get what is due at a moment."""
        return self._sets[bisect_right(self._times_s, at_s) - 1]

    def forget_before(self, at_s: float) -> None:
        """Nobody will ask for a moment before this one."""
        keep = bisect_right(self._times_s, at_s) - 1
        if keep > 0:
            del self._times_s[:keep], self._sets[:keep]

    def changes(self) -> list[tuple[float, int]]:
        """Each time a connection opened (1) or ended (-1), in order."""
        spells = [spell for each in self.subscribers for spell in each.spells]
        opened = [(began_s, 1) for began_s, _, _ in spells]
        return sorted(opened + [(ended_s, -1) for _, ended_s, _ in spells if ended_s is not None])

    def of_group(self, group: int) -> int:
        """The set of everybody in a group."""
        return as_set(number for number, each in enumerate(self.subscribers) if each.group == group)

    def _note(self, at_s: float, members: int) -> None:
        self._times_s.append(at_s)
        self._sets.append(members)


def as_set(members: Iterator[int]) -> int:
    """The set of these numbers."""
    found = bytearray()
    for member in members:
        byte = member >> 3
        if byte >= len(found):
            found.extend(bytes(byte + 1 - len(found)))
        found[byte] |= 1 << (member & 7)
    return int.from_bytes(found, "little")


def members_of(members: int) -> Iterator[int]:
    """The numbers in a set, in order."""
    # Byte by byte: clearing the lowest bit of one long number costs its whole length each time.
    for index, byte in enumerate(members.to_bytes((members.bit_length() + 7) // 8, "little")):
        remaining = byte
        while remaining:
            yield index * 8 + (remaining & -remaining).bit_length() - 1
            remaining &= remaining - 1
