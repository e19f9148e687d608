"""The books: figures of a run, added up from what became of each update.

Pure but for the rows, which are handed on as they are made. Updates are entered once each, in any order; those of
several machines are merged before (`merged`). Everything kept here is bounded: by phases, groups, vendors and seconds
of the run.
"""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from simulator.load.latency import Latencies
from simulator.load.ledger import JUST_CONNECTED, Missing, Settled
from simulator.load.phases import PhaseTimes
from simulator.load.raw_results import Distribution, LossRow, UpdateRow, VendorTrack
from simulator.load.series import Series

OF = ("all", "first", "last")
_MOST_LOSSES = 1_000
_MOST_POINTS = 2_000
_MOST_UNTOLD = 100_000
DEAD_LETTERED = "dead-lettered"
NEVER_BROADCAST = "never broadcast"
UNKNOWN = "unknown"
_UNCERTAIN = (UNKNOWN, JUST_CONNECTED)


@dataclass(slots=True)
class Tally:
    """Counts of a run, a phase, a group, or a group in a phase. `expected` is `received` plus `lost`."""

    expected: int = 0
    lost: int = 0
    cut_off: int = 0
    duplicated: int = 0
    reordered: int = 0

    @property
    def received(self) -> int:
        """What was expected and came."""
        return self.expected - self.lost

    def to_json(self) -> dict[str, int]:
        """Under the names of the verdict."""
        return {
            "expected": self.expected,
            "received": self.received,
            "lost": self.lost,
            "cut_off": self.cut_off,
            "duplicated": self.duplicated,
            "reordered": self.reordered,
        }


@dataclass(slots=True)
class Updates:
    """Counts of updates, of a run or a phase."""

    published: int = 0
    broadcast: int = 0
    """Seen by at least one subscriber."""
    planned: int = 0


class Books:
    """The figures of one run.

    `start_s` is the start of publishing on the ledger's scale. `add_update` gets each row as it is entered.
    """

    def __init__(
        self,
        phases: PhaseTimes,
        groups: Sequence[str],
        start_s: float,
        series: Series,
        add_update: Callable[[UpdateRow], None] = lambda _: None,
    ) -> None:
        self.phases = phases
        self.groups = tuple(groups)
        self.updates = [Updates() for _ in phases.names]
        """By phase."""
        self.losses: list[tuple[Settled, Missing]] = []
        """The first thousand."""
        self.stories: Counter[str] = Counter()
        """Of all lost deliveries: their story, and how many have it."""
        self._untold: dict[str, tuple[str, int]] = {}
        """Updates that were lost to somebody for no reason that is known: the story so far, and how many have it."""
        self._start_s = start_s
        self._series = series
        self._add_update = add_update
        self._tallies = {(phase, group): Tally() for phase in range(len(phases.names)) for group in range(len(groups))}
        self._copies = [Tally() for _ in phases.names]
        """Duplicates and reorderings are known by phase, not by group."""
        self._latencies: dict[tuple[str, bool, int, int | None], Latencies] = {}
        """By what it is of, whether it is corrected, phase and group; None is all groups."""
        self._tracks: dict[str, _Track] = {}

    def enter(self, settled: Settled) -> None:
        """Enter one update."""
        due_s = settled.due_s - self._start_s
        phase = self.phases.index_at(due_s)
        counts = self.updates[phase]
        counts.planned += 1
        self._copies[phase].duplicated += settled.duplicated
        self._copies[phase].reordered += settled.reordered
        for group in range(len(self.groups)):
            tally = self._tallies[phase, group]
            tally.expected += settled.expected[group]
            tally.lost += settled.lost[group]
            tally.cut_off += settled.cut_off[group]
        everyone = sorted(each for latencies in settled.latencies for each in latencies)
        if settled.sent_s is not None:
            counts.published += 1
            counts.broadcast += 1 if everyone else 0
            self._tracks.setdefault(settled.vendor, _Track()).add(due_s, *settled.position)
            self._enter_latencies(settled, phase, everyone, settled.sent_s - settled.due_s)
            self._series.settled(due_s, everyone)
        self.stories.update(settled.stories)
        for story in (NEVER_BROADCAST, UNKNOWN):
            if (count := settled.stories.get(story, 0)) and len(self._untold) < _MOST_UNTOLD:
                self._untold[settled.update_id] = (story, count)
        self.losses += [(settled, each) for each in settled.missing[: _MOST_LOSSES - len(self.losses)]]
        self._add_update(self._row(settled, phase, everyone))

    def note_dead_letters(self, update_ids: Iterable[str]) -> None:
        """These updates are in the dead-letter queue: that is the story of those whom they did not reach."""
        told = {update_id: self._untold.pop(update_id) for update_id in set(update_ids) & self._untold.keys()}
        for story, count in told.values():
            self.stories[story] -= count
            self.stories[DEAD_LETTERED] += count
        self.losses = [
            (settled, Missing(each.subscriber, DEAD_LETTERED))
            if settled.update_id in told and each.story == told[settled.update_id][0]
            else (settled, each)
            for settled, each in self.losses
        ]
        self.stories += Counter()

    def note_posts(self, of_posts: Mapping[tuple[str, int], str], of_sockets: Mapping[int, str]) -> None:
        """Stories by update and subscriber, and by subscriber: they are those of losses of which nothing is certain.

        Only of those that are told one by one; dead letters say both what they are and what became of their post.
        """
        for number, (settled, each) in enumerate(self.losses):
            what = of_posts.get((settled.update_id, each.subscriber))
            if each.story == DEAD_LETTERED:
                story = each.story if what is None else f"{DEAD_LETTERED}, {what}"
            elif each.story == NEVER_BROADCAST:
                story = what or each.story  # to nobody at all: more than the socket of one can tell
            elif each.story in _UNCERTAIN:
                story = what or of_sockets.get(each.subscriber, each.story)
            else:
                continue
            self.stories[each.story] -= 1
            self.stories[story] += 1
            self.losses[number] = (settled, Missing(each.subscriber, story))
        self.stories += Counter()

    def add_copies(self, due_s: float, count: int) -> None:
        """So many more second copies came, of updates that were due at `due_s` (on the ledger's scale)."""
        self._copies[self.phases.index_at(due_s - self._start_s)].duplicated += count

    def tally(self, *, phase: int | None = None, group: int | None = None) -> Tally:
        """The counts of a phase or group; None is all of them. Of a group, copies are not known."""
        total = Tally()
        for (of_phase, of_group), each in self._tallies.items():
            if phase in (None, of_phase) and group in (None, of_group):
                total.expected += each.expected
                total.lost += each.lost
                total.cut_off += each.cut_off
        for of_phase, each in enumerate(self._copies):
            if group is None and phase in (None, of_phase):
                total.duplicated += each.duplicated
                total.reordered += each.reordered
        return total

    def latencies(self, of: str, *, corrected: bool, phase: int | None = None, group: int | None = None) -> Latencies:
        """A distribution: of `all` deliveries, or to the `first` or the `last` subscriber of each update."""
        total = Latencies()
        for (each_of, is_corrected, of_phase, of_group), each in self._latencies.items():
            if each_of == of and is_corrected == corrected and phase in (None, of_phase):
                # Of `all`, the groups together are everybody; `first` and `last` over all groups are kept apart.
                wanted = of_group is not None if of == "all" and group is None else of_group == group
                if wanted:
                    total.add(each)
        return total

    def distributions(self) -> Iterable[Distribution]:
        """Every histogram worth keeping."""
        phases: list[int | None] = [None, *(range(len(self.phases.names)) if len(self.phases.names) > 1 else ())]
        groups: list[int | None] = [None, *(range(len(self.groups)) if len(self.groups) > 1 else ())]
        for of in OF:
            for corrected in (True, False):
                for phase in phases:
                    for group in groups:
                        yield Distribution(
                            of,
                            corrected,
                            None if phase is None else self.phases.names[phase],
                            None if group is None else self.groups[group],
                            self.latencies(of, corrected=corrected, phase=phase, group=group),
                        )

    def tracks(self, names: dict[str, str]) -> list[VendorTrack]:
        """Where the vendors went."""
        return [VendorTrack(vendor, names.get(vendor, ""), track.points()) for vendor, track in self._tracks.items()]

    def loss_rows(self, group_of: Sequence[int]) -> list[LossRow]:
        """The losses that are told one by one; `group_of` is each subscriber's group."""
        return [
            LossRow(
                settled.update_id,
                settled.vendor,
                each.subscriber,
                self.groups[group_of[each.subscriber]],
                settled.due_s - self._start_s,
                each.story,
            )
            for settled, each in self.losses
        ]

    def _enter_latencies(self, settled: Settled, phase: int, everyone: list[float], late_s: float) -> None:
        """`late_s` is how much later than due the update left, which the uncorrected figures leave out."""
        if not everyone:
            return
        self._put("first", phase, None, [everyone[0]], late_s)
        self._put("last", phase, None, [everyone[-1]], late_s)
        for group, latencies in enumerate(settled.latencies):
            if latencies:
                self._put("all", phase, group, latencies, late_s)
                if len(self.groups) > 1:
                    self._put("first", phase, group, [min(latencies)], late_s)
                    self._put("last", phase, group, [max(latencies)], late_s)
        if len(self.groups) == 1:
            for of in ("first", "last"):
                for corrected in (True, False):
                    key = (of, corrected, phase, 0)
                    self._latencies.setdefault(key, self._latencies[of, corrected, phase, None])

    def _put(self, of: str, phase: int, group: int | None, latencies: Iterable[float], late_s: float) -> None:
        for corrected, shift_s in ((True, 0.0), (False, late_s)):
            key = (of, corrected, phase, group)
            found = self._latencies.get(key)
            if found is None:
                found = self._latencies[key] = Latencies()
            found.record_all(latencies, shift_s)

    def _row(self, settled: Settled, phase: int, everyone: list[float]) -> UpdateRow:
        return UpdateRow(
            update=settled.update_id,
            vendor=settled.vendor,
            phase=self.phases.names[phase],
            due_s=settled.due_s - self._start_s,
            sent_s=None if settled.sent_s is None else settled.sent_s - self._start_s,
            lat=settled.position[0],
            long=settled.position[1],
            expected=sum(settled.expected),
            received=sum(settled.expected) - sum(settled.lost),
            lost=sum(settled.lost),
            duplicated=settled.duplicated,
            reordered=settled.reordered,
            first_ms=1_000 * everyone[0] if everyone else None,
            p50_ms=_quantile_ms(everyone, 0.5),
            p99_ms=_quantile_ms(everyone, 0.99),
            last_ms=1_000 * everyone[-1] if everyone else None,
        )


def merged(parts: Sequence[Settled]) -> Settled:
    """What became of one update, from what several swarms with subscribers of their own saw of it.

    Subscribers and groups are numbered alike in all of them; `sent_s` is the same in all that know it.
    """
    first = parts[0]
    stories: Counter[str] = Counter()
    for part in parts:
        stories.update(part.stories)
    seen_by_anybody = any(latencies for part in parts for latencies in part.latencies)
    if seen_by_anybody and (count := stories.pop(NEVER_BROADCAST, 0)):
        stories[UNKNOWN] += count
    return Settled(
        first.update_id,
        first.vendor,
        first.due_s,
        next((part.sent_s for part in parts if part.sent_s is not None), None),
        first.position,
        _added([part.expected for part in parts]),
        _added([part.lost for part in parts]),
        _added([part.cut_off for part in parts]),
        sum(part.duplicated for part in parts),
        sum(part.reordered for part in parts),
        tuple(
            array("d", (each for part in parts for each in part.latencies[group]))
            for group in range(len(first.latencies))
        ),
        stories,
        tuple(
            Missing(each.subscriber, UNKNOWN if seen_by_anybody and each.story == NEVER_BROADCAST else each.story)
            for each in sorted((each for part in parts for each in part.missing), key=lambda each: each.subscriber)
        ),
    )


def _added(parts: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    return tuple(sum(column) for column in zip(*parts, strict=True))


def _quantile_ms(values: Sequence[float], level: float) -> float | None:
    """The smallest value that `level` of all values do not exceed."""
    return 1_000 * values[max(0, math.ceil(level * len(values)) - 1)] if values else None


@dataclass(slots=True)
class _Track:
    """Points of one vendor; when there are too many, every second one goes and from then on only so many come."""

    _points: list[tuple[float, float, float]] = field(default_factory=list)
    _every: int = 1
    _seen: int = 0

    def add(self, at_s: float, lat: float, long: float) -> None:
        if self._seen % self._every == 0:
            self._points.append((at_s, lat, long))
            if len(self._points) > _MOST_POINTS:
                del self._points[1::2]
                self._every *= 2
        self._seen += 1

    def points(self) -> list[tuple[float, float, float]]:
        return sorted(self._points)
