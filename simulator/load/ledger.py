"""The ledger: what was sent, what arrived, to whom and when.

Pure: times are seconds on one monotonic scale and are passed in. Subscribers are numbered from 0. One update costs one
bit per subscriber and one subscriber one reference per vendor, so ten thousand subscribers and thousands of updates
fit. `simulator.load.reckoning` draws the balance at the end.

An update is *announced* before it leaves, so that no frame can come before the ledger knows it, and *sent* once the
queue has accepted it; only sent updates are expected anywhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
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
from simulator.load.latency import Latencies

_REMEMBERED_TEXTS = 8_192
"""Frames of one update come close together, so a small memory parses each once; forgetting costs a second parse."""
_KEPT_STRANGE_FRAMES = 5
_OVERDUE_AFTER_S = 1.0


class UpdateRecord:
    """One published update and its deliveries."""

    __slots__ = (
        "digest",
        "due_s",
        "first_s",
        "last_s",
        "live_expected",
        "order",
        "position",
        "received",
        "seen",
        "sent_s",
        "update_id",
        "vendor",
        "waiting",
    )

    def __init__(self, update_id: str, vendor: VendorRecord, position: Position, digest: bytes, due_s: float) -> None:
        self.update_id = update_id
        self.order = update_order(update_id)
        self.vendor = vendor
        self.position = position
        self.digest = digest
        self.due_s = due_s
        self.sent_s: float | None = None
        self.seen = bytearray()
        """One bit per subscriber, the lowest bit of the first byte for subscriber 0; allotted at the first frame."""
        self.received = 0
        self.first_s: float | None = None
        self.last_s: float | None = None
        """Arrival of the first and of the last subscriber's first copy."""
        self.live_expected = 0
        """Subscribers that were open when it was sent: near enough for a progress line."""
        self.waiting: list[float] = []
        """Arrivals before `sent` was called; their uncorrected latency is recorded then."""


class Sighting:
    """What one frame text means: an update, with the position it claims. One per text, however many received it."""

    __slots__ = ("intact", "order", "position", "update")

    def __init__(self, update: UpdateRecord | None, position: Position, order: int, *, intact: bool) -> None:
        self.update = update
        """None when no such update was published."""
        self.position = position
        self.order = order
        self.intact = intact


class VendorRecord:
    """One vendor, with the newest sighting on every subscriber's map."""

    __slots__ = ("duplicated", "newest", "reordered", "updates", "vendor")

    def __init__(self, vendor: str, subscribers: int) -> None:
        self.vendor = vendor
        self.newest: list[Sighting | None] = [None] * subscribers
        self.updates: list[UpdateRecord] = []
        self.duplicated = 0
        self.reordered = 0


class SubscriberRecord:
    """One subscriber."""

    __slots__ = ("altered", "closed_s", "duplicated", "error_frames", "opened_s", "received", "reordered", "strange")

    def __init__(self) -> None:
        self.opened_s: float | None = None
        self.closed_s: float | None = None
        """When we closed it ourselves; a socket that broke stays None and goes on being expected to receive."""
        self.received = 0
        self.duplicated = 0
        self.reordered = 0
        self.altered = 0
        self.error_frames = 0
        self.strange = 0


class Ledger:
    """Records a run as it happens; every method is cheap enough to be called from the receiving loop."""

    def __init__(self, subscribers: int) -> None:
        self.subscribers = [SubscriberRecord() for _ in range(subscribers)]
        self.updates: list[UpdateRecord] = []
        """In the order they were announced; not all of them were necessarily sent."""
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
        self.frames = 0
        """All frames, of any kind."""
        self.received = 0
        """First copies."""
        self.sent = 0
        self.all_latency = Latencies()
        """From the time an update was due to each subscriber's first copy of it."""
        self.all_latency_uncorrected = Latencies()
        """The same from the time it really left: what a generator that cannot keep up would like to report."""
        self.last_frame_s: float | None = None
        self._by_id: dict[str, UpdateRecord] = {}
        self._meanings: dict[str | bytes, Sighting | ErrorFrame | NoiseFrame] = {}
        self._unfinished: dict[UpdateRecord, None] = {}
        self._open = 0
        self._seen_bytes = (subscribers + 7) // 8

    # -- subscribers -----------------------------------------------------------------------------------------------

    def opened(self, subscriber: int, at_s: float) -> None:
        """The subscriber's handshake succeeded; updates due from now on are expected to reach it."""
        self.subscribers[subscriber].opened_s = at_s
        self._open += 1

    def closed(self, subscriber: int, at_s: float) -> None:
        """We closed this subscriber on purpose; updates due from now on are not expected to reach it."""
        self.subscribers[subscriber].closed_s = at_s
        self._open -= 1

    # -- updates ---------------------------------------------------------------------------------------------------

    def announce(self, update: Mapping[str, Any], due_s: float) -> None:
        """An update (in wire spelling) is about to be published; it is due, or was, at `due_s`.

        Raises ValueError for a second update with the same id: the balance could not be drawn.
        """
        read = read_frame_of(update)
        if read.update_id in self._by_id:
            raise ValueError(f"two updates have the id {read.update_id}")
        vendor = self.vendors.get(read.vendor)
        if vendor is None:
            vendor = self.vendors[read.vendor] = VendorRecord(read.vendor, len(self.subscribers))
        record = UpdateRecord(read.update_id, vendor, read.position, read.digest, due_s)
        self._by_id[read.update_id] = record
        self.updates.append(record)
        vendor.updates.append(record)

    def mark_sent(self, update_id: str, at_s: float) -> None:
        """The queue accepted the update; it left at `at_s`. A second call for one update changes nothing."""
        record = self._by_id[update_id]
        if record.sent_s is not None:
            return
        record.sent_s = at_s
        record.live_expected = self._open
        self.sent += 1
        for arrived_s in record.waiting:
            self.all_latency_uncorrected.record(arrived_s - at_s)
        record.waiting = []
        if record.received < record.live_expected:
            self._unfinished[record] = None

    # -- frames ----------------------------------------------------------------------------------------------------

    def frame(self, subscriber: int, payload: str | bytes, at_s: float) -> None:
        """A frame arrived; it may hold anything."""
        self.frames += 1
        self.last_frame_s = at_s
        meaning = self._meanings.get(payload)
        if meaning is None:
            meaning = self._learn(payload)
        if not isinstance(meaning, Sighting):
            self._record_other(subscriber, meaning)
            return
        update = meaning.update
        if update is None:
            self.unexpected_count += 1
            return
        viewer = self.subscribers[subscriber]
        if not meaning.intact:
            self.altered_count += 1
            viewer.altered += 1
        byte, bit = subscriber >> 3, 1 << (subscriber & 7)
        if not update.seen:
            update.seen = bytearray(self._seen_bytes)
            update.first_s = at_s
        vendor = update.vendor
        newest = vendor.newest[subscriber]
        is_newest = newest is None or update.order >= newest.order
        if update.seen[byte] & bit:
            vendor.duplicated += 1
            viewer.duplicated += 1
        else:
            update.seen[byte] |= bit
            self._record_first_copy(update, at_s)
            viewer.received += 1
            if not is_newest:
                vendor.reordered += 1
                viewer.reordered += 1
        if is_newest:
            vendor.newest[subscriber] = meaning

    def _record_first_copy(self, update: UpdateRecord, at_s: float) -> None:
        update.received += 1
        update.last_s = at_s
        self.received += 1
        self.all_latency.record(at_s - update.due_s)
        if update.sent_s is None:
            update.waiting.append(at_s)
            return
        self.all_latency_uncorrected.record(at_s - update.sent_s)
        if update.received >= update.live_expected:
            self._unfinished.pop(update, None)

    def _record_other(self, subscriber: int, meaning: ErrorFrame | NoiseFrame) -> None:
        viewer = self.subscribers[subscriber]
        if isinstance(meaning, ErrorFrame):
            self.error_frames[meaning.message] += 1
            viewer.error_frames += 1
            return
        self.strange_count += 1
        viewer.strange += 1
        if len(self.strange_frames) < _KEPT_STRANGE_FRAMES:
            self.strange_frames.append(meaning.reason)

    def _learn(self, payload: str | bytes) -> Sighting | ErrorFrame | NoiseFrame:
        if len(self._meanings) >= _REMEMBERED_TEXTS:
            self._meanings.clear()
        read = read_frame(payload)
        meaning = self._sighting(read) if isinstance(read, UpdateFrame) else read
        self._meanings[payload] = meaning
        return meaning

    def _sighting(self, read: UpdateFrame) -> Sighting:
        record = self._by_id.get(read.update_id)
        if record is None:
            if len(self.unexpected) < _KEPT_STRANGE_FRAMES:
                self.unexpected.append(read.update_id)
            return Sighting(None, read.position, update_order(read.update_id), intact=False)
        return Sighting(record, read.position, record.order, intact=read.digest == record.digest)

    # -- while it runs ---------------------------------------------------------------------------------------------

    @property
    def open_subscribers(self) -> int:
        """Subscribers opened and not closed by us."""
        return self._open

    def overdue(self, now_s: float) -> int:
        """Deliveries that were due more than a second ago and have not arrived: the progress line's "missing"."""
        limit_s = now_s - _OVERDUE_AFTER_S
        return sum(u.live_expected - u.received for u in self._unfinished if u.due_s < limit_s)


def read_frame_of(update: Mapping[str, Any]) -> UpdateFrame:
    """The same reading of an update that is about to be published as `read_frame` gives of one that arrived.

    Raises KeyError when it is not in wire spelling: our own producer made it.
    """
    coordinates = update["geo"]["coordinates"]
    return UpdateFrame(
        update["id"], update["userId"], (coordinates["lat"], coordinates["long"]), content_digest(update)
    )
