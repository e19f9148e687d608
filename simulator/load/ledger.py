"""The ledger: what was sent, what arrived, to whom and when.

Pure: times are seconds on one monotonic scale and are passed in; subscribers are numbered from 0. An update is
*announced* before it leaves, so that no frame can come before the ledger knows it, and *sent* once the queue has
accepted it; only sent updates are expected anywhere. Once an update has reached everybody, or has been given up, it is
*settled*: what became of it goes to the books (`simulator.load.books`) and is forgotten here, so a run may last for
days.
"""

from __future__ import annotations

import json
from array import array
from bisect import bisect_left, insort
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from simulator.load.frames import (
    ErrorFrame,
    NoiseFrame,
    Position,
    UpdateFrame,
    content_digest,
    read_frame,
    update_order,
)
from simulator.load.subscribers import Ending, Roll, members_of

_REMEMBERED_TEXTS = 8_192
"""Frames of one update come close together, so a small memory parses each once; forgetting costs a second parse."""
_KEPT_STRANGE_FRAMES = 5
_MOST_EARLY = 100_000
"""Frames that may wait for the announcement of their update."""
_OVERDUE_AFTER_S = 1.0
_TOLD_OF_ONE = 20
LINGER_S = 5.0
"""An update that has reached everybody waits this long for second copies before it is settled."""
JUST_CONNECTED = "just connected"
JUST_CONNECTED_S = 1.0
"""A subscriber who connected so shortly before an update was due may not have been in the table yet (D06)."""


class UpdateRecord:
    """One published update and its deliveries, until it is settled."""

    __slots__ = (
        "arrivals",
        "digest",
        "due_s",
        "duplicated",
        "expected",
        "first_s",
        "is_settled",
        "last_s",
        "missing",
        "order",
        "position",
        "reordered",
        "seen",
        "sent_s",
        "turn",
        "update_id",
        "vendor",
    )

    def __init__(
        self, update_id: str, vendor: VendorRecord, position: Position, digest: bytes, due_s: float, turn: int
    ) -> None:
        self.update_id = update_id
        self.order = update_order(update_id)
        self.vendor = vendor
        self.position = position
        self.digest = digest
        self.due_s = due_s
        self.turn = turn
        """Counts updates as they were announced: in which order they were to leave."""
        self.sent_s: float | None = None
        self.seen = bytearray()
        """One bit per subscriber, the lowest bit of the first byte for subscriber 0; allotted at the first frame."""
        self.arrivals: list[array[float]] = []
        """Per group, the latencies of the first copies, in seconds from the due time."""
        self.expected = 0
        """Who should get it: known once it was sent."""
        self.missing = -1
        """How many of those have not got it, as far as counting goes; -1 before it was sent."""
        self.duplicated = 0
        self.reordered = 0
        self.first_s: float | None = None
        self.last_s: float | None = None
        """Arrival of the first and of the last subscriber's first copy."""
        self.is_settled = False


class Sighting:
    """What one frame text means: an update, with the position it claims. One per text, however many received it."""

    __slots__ = ("intact", "order", "position", "update")

    def __init__(self, update: UpdateRecord, position: Position, *, intact: bool) -> None:
        self.update = update
        self.position = position
        self.order = update.order
        self.intact = intact


class VendorRecord:
    """One vendor, with the newest sighting on every subscriber's map."""

    __slots__ = ("duplicated", "expected", "lost", "newest", "reordered", "truth", "vendor")

    def __init__(self, vendor: str, subscribers: int) -> None:
        self.vendor = vendor
        self.newest: list[Sighting | None] = [None] * subscribers
        self.truth: UpdateRecord | None = None
        """The newest update that was sent: where the vendor is."""
        self.expected = 0
        self.lost = 0
        self.duplicated = 0
        self.reordered = 0


@dataclass(frozen=True, slots=True)
class Missing:
    """A delivery that did not happen."""

    subscriber: int
    story: str


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of one update. The latencies are those of first copies, in seconds from the due time, unsorted."""

    update_id: str
    vendor: str
    due_s: float
    sent_s: float | None
    position: Position
    expected: tuple[int, ...]
    """How many should have got it, per group."""
    lost: tuple[int, ...]
    cut_off: tuple[int, ...]
    """Neither received nor lost: their subscribers left, or were to come back, just after it was due."""
    duplicated: int
    reordered: int
    latencies: tuple[array[float], ...]
    """Per group."""
    stories: Mapping[str, int]
    """Of the lost ones, how many have which story."""
    missing: tuple[Missing, ...]
    """The first few who lost it."""


class Ledger:
    """Records a run as it happens; every method is cheap enough to be called from the receiving loop.

    `groups` is each subscriber's group; `comes_back` and `counts` say for each group what `Roll` wants to know, and
    `asks` whether it asks for all vendors when it connects (`pictured`).
    `settle` is given what became of each update. `give_up_s` is how long an update may take from the
    moment it left, redeliveries included;
    `grace_s` is how long before leaving a subscriber may miss one (`run.leave_grace_s`). With `others_publish`, what
    happens to an update that is not announced yet is kept until it is: another process may be ahead of this one.
    """

    def __init__(
        self,
        groups: Sequence[int],
        *,
        settle: Callable[[Settled], None],
        comes_back: Sequence[bool] = (False,),
        counts: Sequence[bool] = (True,),
        asks: Sequence[bool] = (),
        give_up_s: float = 3_600.0,
        grace_s: float = 5.0,
        others_publish: bool = False,
    ) -> None:
        self.roll = Roll(groups, comes_back, counts)
        self.vendors: dict[str, VendorRecord] = {}
        self.error_frames: Counter[str] = Counter()
        """Message to count, of the gateway's error frames."""
        self.strange_frames: list[str] = []
        """The first few frames that were neither updates nor error frames, described."""
        self.unexpected: list[str] = []
        """The first few ids of updates that arrived and were never published."""
        self.unexpected_count = 0
        self.strange_count = 0
        self.altered_count = 0
        self.late_count = 0
        """First copies that came after the update had been given up."""
        self.late_copies: Counter[float] = Counter()
        """Second copies that came after their update was settled, by the tenth of a second in which it was due."""
        self.frames = 0
        """All frames, of any kind."""
        self.received = 0
        """First copies."""
        self.duplicated = 0
        self.announced = 0
        self.sent = 0
        self.lost = 0
        """Of the updates that are settled."""
        self.last_frame_s: float | None = None
        self._settle = settle
        self._comes_back = comes_back
        self._pictures: dict[str, Sighting] = {}
        """What rows of vendors say, by the update's id."""
        self._give_up_s = give_up_s
        self._grace_s = grace_s
        self._others_publish = others_publish
        self._early: dict[str, list[tuple[int, bytes, float]]] = {}
        """Frames of updates that are not announced yet: subscriber, text, time."""
        self._early_count = 0
        self._early_sent: dict[str, float] = {}
        """Updates that left elsewhere and are not announced yet here, and when they left."""
        self._by_id: dict[str, UpdateRecord] = {}
        self._meanings: dict[bytes, Sighting | ErrorFrame | NoiseFrame | str] = {}
        self._open: dict[UpdateRecord, None] = {}
        """Announced and not settled, in order."""
        self._complete: deque[tuple[float, UpdateRecord]] = deque()
        """When each has reached everybody."""
        self._settled_orders: array[int] = array("q")
        self._seen_bytes = (len(groups) + 7) // 8
        self._group_of = list(groups)
        self._group_count = max(groups, default=0) + 1
        self._askers = [number for number, group in enumerate(groups) if group < len(asks) and asks[group]]
        self._group_sets = [self.roll.of_group(group) for group in range(self._group_count)]

    # -- subscribers -----------------------------------------------------------------------------------------------

    def opened(self, subscriber: int, at_s: float) -> None:
        """The subscriber's handshake succeeded; updates due from now on are expected to reach it."""
        self.roll.opened(subscriber, at_s)

    def closed(self, subscriber: int, at_s: float, ending: Ending = "left") -> None:
        """The subscriber's connection ended; see `Roll.closed`."""
        self.roll.closed(subscriber, at_s, ending)

    # -- updates ---------------------------------------------------------------------------------------------------

    def announce(self, update: Mapping[str, Any], due_s: float) -> None:
        """An update (in wire spelling) is about to be published; it is due, or was, at `due_s`.

        Raises ValueError for a second update with the same id: the balance could not be drawn.
        """
        read = read_frame_of(update)
        if read.update_id in self._by_id or self._was_settled(update_order(read.update_id)):
            raise ValueError(f"two updates have the id {read.update_id}")
        vendor = self.vendors.get(read.vendor)
        if vendor is None:
            vendor = self.vendors[read.vendor] = VendorRecord(read.vendor, len(self._group_of))
        record = UpdateRecord(read.update_id, vendor, read.position, read.digest, due_s, self.announced)
        self.announced += 1
        self._by_id[read.update_id] = record
        self._open[record] = None
        for subscriber, payload, at_s in self._early.pop(read.update_id, ()):
            self._early_count -= 1
            self._meanings.pop(payload, None)
            self._take(subscriber, payload, at_s)
        if (sent_s := self._early_sent.pop(read.update_id, None)) is not None:
            self.mark_sent(read.update_id, sent_s)

    def mark_sent(self, update_id: str, at_s: float) -> None:
        """The queue accepted the update; it left at `at_s`. A second call for one update changes nothing."""
        record = self._by_id.get(update_id)
        if record is None and self._others_publish and not self._was_settled(update_order(update_id)):
            self._early_sent[update_id] = at_s
        if record is None or record.sent_s is not None:
            return
        record.sent_s = at_s
        self.sent += 1
        record.expected = self.roll.expected_at(record.due_s)
        record.missing = record.expected.bit_count() - self._received_of(record)
        vendor = record.vendor
        if vendor.truth is None or record.order >= vendor.truth.order:
            vendor.truth = record
        self._check_complete(record, at_s)

    # -- frames ----------------------------------------------------------------------------------------------------

    def binary(self, subscriber: int, size: int, at_s: float) -> None:
        """A binary frame of `size` bytes arrived; API Gateway sends none (M17)."""
        self.frames += 1
        self.last_frame_s = at_s
        self._record_other(subscriber, NoiseFrame(f"a binary frame of {size:,} bytes"), b"", at_s)

    def frame(self, subscriber: int, payload: bytes, at_s: float) -> None:
        """A text frame arrived; it may hold anything."""
        self.frames += 1
        self.last_frame_s = at_s
        self._take(subscriber, payload, at_s)

    def pictured(self, subscriber: int, rows: Sequence[Mapping[str, Any]]) -> None:
        """A subscriber has asked for all vendors, and this is what it got. That is no delivery of any update.

        The newest update of each row is where the vendor is, unless a frame has said better.
        """
        for row in rows:
            tweets = row.get("tweets")
            sightings = [self._picture(each) for each in tweets] if isinstance(tweets, list) else []
            for sighting in sightings:
                if sighting is None:
                    continue
                newest = sighting.update.vendor.newest
                if (before := newest[subscriber]) is None or sighting.order > before.order:
                    newest[subscriber] = sighting

    def _picture(self, tweet: Any) -> Sighting | None:
        """What one update of a row says; None for what is no update, or of nobody who publishes in this run."""
        update_id = tweet.get("id") if isinstance(tweet, dict) else None
        if not isinstance(update_id, str):
            return None
        if (known := self._pictures.get(update_id)) is not None:
            return known
        try:
            read = read_frame(json.dumps(tweet).encode())
        except (RecursionError, ValueError):
            return None
        if not isinstance(read, UpdateFrame):
            return None
        vendor = self.vendors.get(read.vendor)
        if vendor is None:
            if not self._others_publish:
                return None
            vendor = self.vendors[read.vendor] = VendorRecord(read.vendor, len(self._group_of))
        if len(self._pictures) >= _REMEMBERED_TEXTS:
            self._pictures.clear()
        # A record of its own, before all turns: what comes by a frame later has not been overtaken by it.
        record = UpdateRecord(read.update_id, vendor, read.position, read.digest, 0.0, -1)
        found = self._pictures[read.update_id] = Sighting(record, read.position, intact=True)
        return found

    def _take(self, subscriber: int, payload: bytes, at_s: float) -> None:
        meaning = self._meanings.get(payload) or self._learn(payload)
        if type(meaning) is not Sighting:
            self._record_other(subscriber, meaning, payload, at_s)  # type: ignore[arg-type]  # `type(…) is` narrows nothing
            return
        update = meaning.update
        vendor = update.vendor
        if not meaning.intact:
            self.altered_count += 1
            self.roll.subscribers[subscriber].altered += 1
        newest = vendor.newest[subscriber]
        is_newest = newest is None or update.order >= newest.order
        if is_newest:
            vendor.newest[subscriber] = meaning
        if update.is_settled:
            self._record_late(subscriber, update)
            return
        byte, bit = subscriber >> 3, 1 << (subscriber & 7)
        if not update.seen:
            update.seen = bytearray(self._seen_bytes)
            update.arrivals = [array("d") for _ in range(self._group_count)]
            update.first_s = at_s
        if update.seen[byte] & bit:
            self._record_duplicate(subscriber, update)
            return
        update.seen[byte] |= bit
        update.last_s = at_s
        update.arrivals[self._group_of[subscriber]].append(at_s - update.due_s)
        self.received += 1
        if not is_newest and newest is not None and newest.update.turn > update.turn:
            update.reordered += 1
            vendor.reordered += 1
            self.roll.subscribers[subscriber].reordered += 1
        if update.missing >= 0:
            update.missing -= 1
            if update.missing <= 0:
                self._check_complete(update, at_s)

    def _record_duplicate(self, subscriber: int, update: UpdateRecord) -> None:
        self.duplicated += 1
        update.duplicated += 1
        update.vendor.duplicated += 1
        self.roll.subscribers[subscriber].duplicated += 1

    def _record_late(self, subscriber: int, update: UpdateRecord) -> None:
        """A copy of an update that is settled: of one who lost it a late one, else a second one."""
        seen = update.seen
        if not seen or not seen[subscriber >> 3] & (1 << (subscriber & 7)):
            self.late_count += 1
            return
        self.late_copies[round(update.due_s, 1)] += 1
        self._record_duplicate(subscriber, update)

    def _record_other(
        self, subscriber: int, meaning: ErrorFrame | NoiseFrame | str, payload: bytes, at_s: float
    ) -> None:
        viewer = self.roll.subscribers[subscriber]
        if isinstance(meaning, ErrorFrame):
            self.error_frames[meaning.message] += 1
            viewer.error_frames += 1
        elif isinstance(meaning, NoiseFrame):
            self.strange_count += 1
            viewer.strange += 1
            if len(self.strange_frames) < _KEPT_STRANGE_FRAMES:
                self.strange_frames.append(meaning.reason)
        elif self._was_settled(update_order(meaning)):
            # So long ago that even who got it has been forgotten: a copy more, most likely a second one.
            self.duplicated += 1
            viewer.duplicated += 1
        elif self._others_publish and self._early_count < _MOST_EARLY:
            self._early.setdefault(meaning, []).append((subscriber, payload, at_s))
            self._early_count += 1
        else:
            self.unexpected_count += 1
            if len(self.unexpected) < _KEPT_STRANGE_FRAMES and meaning not in self.unexpected:
                self.unexpected.append(meaning)

    def _learn(self, payload: bytes) -> Sighting | ErrorFrame | NoiseFrame | str:
        """What a text says: a sighting, or the id of an update that is not known (any more)."""
        if len(self._meanings) >= _REMEMBERED_TEXTS:
            self._meanings.clear()
        read = read_frame(payload)
        meaning: Sighting | ErrorFrame | NoiseFrame | str
        if isinstance(read, UpdateFrame):
            record = self._by_id.get(read.update_id)
            if record is None:
                meaning = read.update_id
            else:
                meaning = Sighting(record, read.position, intact=read.digest == record.digest)
        else:
            meaning = read
        self._meanings[payload] = meaning
        return meaning

    # -- settling --------------------------------------------------------------------------------------------------

    def sweep(self, now_s: float, *, at_most: int = 50) -> int:
        """Settle what has reached everybody a while ago and what has been given up; return how many that were.

        `at_most` bounds the time it takes: about half a microsecond per delivery.
        """
        count = 0
        while self._complete and count < at_most and self._complete[0][0] <= now_s - LINGER_S:
            _, record = self._complete.popleft()
            if not record.is_settled:
                self._settle_one(record)
                count += 1
        # From when it left, not from when it was due: a producer that lags behind gives up nothing.
        limit_s = now_s - self._give_up_s
        given_up = [each for each in self._open if each.sent_s is not None and each.sent_s < limit_s]
        for record in given_up[: at_most - count]:
            self._settle_one(record)
            count += 1
        self.roll.forget_before(self.oldest_due_s(now_s) - self._grace_s)
        return count

    def settle_all(self) -> Iterator[None]:
        """Settle everything that is left, one at each step: the run is over."""
        # What has not been announced by now was published by nobody.
        self._others_publish = False
        for early in list(self._early.values()):
            for subscriber, payload, at_s in early:
                self._take(subscriber, payload, at_s)
        self._early.clear()
        for record in list(self._open):
            if not record.is_settled:  # by a sweep between two steps
                self._settle_one(record)
            yield

    def _check_complete(self, record: UpdateRecord, at_s: float) -> None:
        """Counting says that everybody has it; some may have got it who were not expected to."""
        if record.missing > 0:
            return
        still = record.expected & ~int.from_bytes(record.seen, "little")
        if still:
            record.missing = still.bit_count()
        else:
            record.missing = 0
            self._complete.append((at_s, record))

    def _settle_one(self, record: UpdateRecord) -> None:
        record.is_settled = True
        del self._open[record]
        self._by_id.pop(record.update_id, None)
        insort(self._settled_orders, record.order)
        if record.sent_s is None:
            self._settle(self._never_sent(record))
            return
        seen = int.from_bytes(record.seen, "little")
        lost, cut_off = self._missed(record, record.expected & ~seen)
        expected = record.expected & ~cut_off
        missing: list[Missing] = []
        stories: Counter[str] = Counter()
        for number in members_of(lost):
            story = self._story(record, number, anybody=bool(seen))
            stories[story] += 1
            self.roll.subscribers[number].lost += 1
            if len(missing) < _TOLD_OF_ONE:
                missing.append(Missing(number, story))
        vendor = record.vendor
        vendor.expected += expected.bit_count()
        vendor.lost += lost.bit_count()
        self.lost += lost.bit_count()
        record.expected = expected
        self._settle(
            Settled(
                record.update_id,
                vendor.vendor,
                record.due_s,
                record.sent_s,
                record.position,
                self._per_group(expected),
                self._per_group(lost),
                self._per_group(cut_off),
                record.duplicated,
                record.reordered,
                tuple(record.arrivals) or tuple(array("d") for _ in range(self._group_count)),
                stories,
                tuple(missing),
            )
        )
        record.arrivals = []

    def _never_sent(self, record: UpdateRecord) -> Settled:
        nobody = (0,) * self._group_count
        nothing = tuple(array("d") for _ in range(self._group_count))
        return Settled(
            record.update_id,
            record.vendor.vendor,
            record.due_s,
            None,
            record.position,
            nobody,
            nobody,
            nobody,
            record.duplicated,
            record.reordered,
            tuple(record.arrivals) or nothing,
            {},
            (),
        )

    def _missed(self, record: UpdateRecord, missed: int) -> tuple[int, int]:
        """Of those who have not got it: the set that lost it, and the set that was cut off."""
        cut_off = 0
        for number in members_of(missed):
            about = self.roll.subscribers[number]
            spell = about.spell_at(record.due_s)
            if spell is None or spell[1] is None or spell[1] < record.due_s:
                continue
            went = spell[2] == "left" or self._comes_back[about.group]
            if went and spell[1] - record.due_s <= self._grace_s:
                cut_off |= 1 << number
        return missed & ~cut_off, cut_off

    def _story(self, record: UpdateRecord, subscriber: int, *, anybody: bool) -> str:
        spell = self.roll.subscribers[subscriber].spell_at(record.due_s)
        if spell is not None and spell[1] is not None:
            return "socket closed before" if spell[1] <= record.due_s else "socket closed after"
        if not anybody:
            return "never broadcast"
        if spell is not None and record.due_s - spell[0] <= JUST_CONNECTED_S:
            return JUST_CONNECTED
        return "unknown"

    def _received_of(self, record: UpdateRecord) -> int:
        return (record.expected & int.from_bytes(record.seen, "little")).bit_count()

    def _per_group(self, members: int) -> tuple[int, ...]:
        if self._group_count == 1:
            return (members.bit_count(),)
        return tuple((members & group).bit_count() for group in self._group_sets)

    def _was_settled(self, order: int) -> bool:
        index = bisect_left(self._settled_orders, order)
        return order >= 0 and index < len(self._settled_orders) and self._settled_orders[index] == order

    # -- while it runs, and at the end -------------------------------------------------------------------------------

    @property
    def open_updates(self) -> int:
        """Updates that are not settled."""
        return len(self._open)

    def oldest_due_s(self, now_s: float) -> float:
        """No update that was due before this moment will be settled any more."""
        return min(now_s, next((each.due_s for each in self._open), now_s))

    def outstanding(self) -> int:
        """How many expected deliveries have not arrived yet, those that are lost for good apart."""
        total = 0
        for record in self._open:
            if record.missing > 0:
                still = record.expected & ~int.from_bytes(record.seen, "little")
                lost, _ = self._missed(record, still)
                total += lost.bit_count()
        return total

    def overdue(self, now_s: float) -> int:
        """Deliveries that were due more than a second ago and have not arrived: the progress line's "missing"."""
        limit_s = now_s - _OVERDUE_AFTER_S
        return self.lost + sum(each.missing for each in self._open if each.missing > 0 and each.due_s < limit_s)

    def positions(self, whole: Sequence[bool]) -> tuple[int, int]:
        """Last positions on the maps, checked and wrong; `whole` says for each group whether its maps must be right.

        A map must have a vendor where it is if its subscriber was to get the vendor's last update and has not left, or
        is there and has asked for all vendors when it came.
        Call it when everything is settled.
        """
        checked = wrong = 0
        subscribers = self.roll.subscribers
        present = [number for number in self._askers if subscribers[number].is_open]
        for vendor in self.vendors.values():
            if vendor.truth is None:
                continue
            for number in {*members_of(vendor.truth.expected), *present}:
                about = subscribers[number]
                if not whole[about.group] or about.spells[-1][2] == "left":
                    continue
                checked += 1
                newest = vendor.newest[number]
                wrong += newest is None or newest.position != vendor.truth.position
        return checked, wrong


def read_frame_of(update: Mapping[str, Any]) -> UpdateFrame:
    """The same reading of an update that is about to be published as `read_frame` gives of one that arrived.

    Raises KeyError when it is not in wire spelling: our own producer made it.
    """
    coordinates = update["geo"]["coordinates"]
    return UpdateFrame(
        update["id"], update["userId"], (coordinates["lat"], coordinates["long"]), content_digest(update)
    )
