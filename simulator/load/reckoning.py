"""The balance at the end of a run: every delivery that was expected, against what the ledger saw.

A delivery is one update to one subscriber. It is expected when the update was sent and the subscriber was connected
before the update was due and had not been closed by us. A subscriber whose socket broke goes on being expected: what it
missed is lost.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from simulator.load.latency import Latencies
from simulator.load.ledger import Ledger, UpdateRecord, VendorRecord

_TOLD_LOSSES = 10


@dataclass(frozen=True, slots=True)
class Deliveries:
    """Counts of deliveries: of the run, of one vendor or of one subscriber. `expected` is `received` plus `lost`."""

    expected: int
    received: int
    lost: int
    duplicated: int
    """Copies after the first."""
    reordered: int
    """First copies that came after a newer update of the same vendor."""


@dataclass(frozen=True, slots=True)
class Loss:
    """One delivery that did not happen."""

    update_id: str
    vendor: str
    subscriber: int
    due_s: float
    """On the ledger's scale."""


@dataclass(frozen=True, slots=True)
class Positions:
    """Last positions on all maps: one per subscriber and vendor whose last update the subscriber should have."""

    checked: int
    wrong: int


@dataclass(frozen=True, slots=True)
class Balance:
    """What became of everything."""

    published: int
    broadcast: int
    """Updates that reached at least one subscriber."""
    total: Deliveries
    per_vendor: dict[str, Deliveries]
    per_subscriber: list[Deliveries]
    losses: tuple[Loss, ...]
    """The first few, by the time they were due."""
    positions: Positions
    first_latency: Latencies
    """To the first subscriber of each update."""
    last_latency: Latencies
    """To the last subscriber of each update that it reached; what it did not reach is lost, not slow."""
    first_latency_uncorrected: Latencies
    last_latency_uncorrected: Latencies


def outstanding(ledger: Ledger) -> int:
    """How many expected deliveries have not arrived yet."""
    return sum(missing.bit_count() for _, _, missing in _expectations(ledger))


def draw_balance(ledger: Ledger) -> Balance:
    """Draw the balance of a run; costs about a microsecond per update and per vendor and subscriber."""
    vendors = {vendor: [0, 0] for vendor in ledger.vendors}
    lost_by_subscriber = [0] * len(ledger.subscribers)
    expected_by_subscriber = [0] * len(ledger.subscribers)
    losses: list[Loss] = []
    latencies = {"first": Latencies(), "last": Latencies(), "first_raw": Latencies(), "last_raw": Latencies()}
    wanted: dict[UpdateRecord, int] = {}
    same: tuple[int, int] | None = None
    published = broadcast = 0
    for update, expected, missing in _expectations(ledger):
        published += 1
        wanted[update] = expected
        counts = vendors[update.vendor.vendor]
        counts[0] += expected.bit_count()
        counts[1] += missing.bit_count()
        # Runs of updates are expected by the same subscribers; walking the bits once per run keeps this cheap.
        same = _count_run(same, expected, expected_by_subscriber)
        for subscriber in _members(missing):
            lost_by_subscriber[subscriber] += 1
            if len(losses) < _TOLD_LOSSES:
                losses.append(Loss(update.update_id, update.vendor.vendor, subscriber, update.due_s))
        if update.first_s is not None and update.last_s is not None and update.sent_s is not None:
            broadcast += 1
            latencies["first"].record(update.first_s - update.due_s)
            latencies["last"].record(update.last_s - update.due_s)
            latencies["first_raw"].record(update.first_s - update.sent_s)
            latencies["last_raw"].record(update.last_s - update.sent_s)
    _count_run(same, None, expected_by_subscriber)
    per_vendor = {
        name: _deliveries(expected, lost, record.duplicated, record.reordered)
        for (name, (expected, lost)), record in zip(vendors.items(), ledger.vendors.values(), strict=True)
    }
    per_subscriber = [
        _deliveries(expected, lost, record.duplicated, record.reordered)
        for expected, lost, record in zip(expected_by_subscriber, lost_by_subscriber, ledger.subscribers, strict=True)
    ]
    return Balance(
        published=published,
        broadcast=broadcast,
        total=_deliveries(
            sum(each.expected for each in per_vendor.values()),
            sum(each.lost for each in per_vendor.values()),
            sum(each.duplicated for each in per_vendor.values()),
            sum(each.reordered for each in per_vendor.values()),
        ),
        per_vendor=per_vendor,
        per_subscriber=per_subscriber,
        losses=tuple(losses),
        positions=_positions(ledger, wanted),
        first_latency=latencies["first"],
        last_latency=latencies["last"],
        first_latency_uncorrected=latencies["first_raw"],
        last_latency_uncorrected=latencies["last_raw"],
    )


def _expectations(ledger: Ledger) -> Iterator[tuple[UpdateRecord, int, int]]:
    """Each sent update by due time, with the set of subscribers expected to get it and the set still missing it."""
    changes = sorted(
        [(each.opened_s, 1, number) for number, each in enumerate(ledger.subscribers) if each.opened_s is not None]
        + [(each.closed_s, 0, number) for number, each in enumerate(ledger.subscribers) if each.closed_s is not None],
    )
    reached = 0
    connected = 0
    for update in sorted((each for each in ledger.updates if each.sent_s is not None), key=lambda each: each.due_s):
        while reached < len(changes) and changes[reached][0] <= update.due_s:
            _, is_open, subscriber = changes[reached]
            connected = connected | (1 << subscriber) if is_open else connected & ~(1 << subscriber)
            reached += 1
        yield update, connected, connected & ~int.from_bytes(update.seen, "little")


def _count_run(run: tuple[int, int] | None, expected: int | None, totals: list[int]) -> tuple[int, int] | None:
    """Extend a run `(set, length)` of equal sets, or add a finished one to `totals` and begin the next."""
    if run is not None and run[0] == expected:
        return run[0], run[1] + 1
    if run is not None:
        for subscriber in _members(run[0]):
            totals[subscriber] += run[1]
    return None if expected is None else (expected, 1)


def _members(bits: int) -> Iterator[int]:
    """The subscribers in a set, in order."""
    # Byte by byte: clearing the lowest bit of one long number costs its whole length each time.
    for index, byte in enumerate(bits.to_bytes((bits.bit_length() + 7) // 8, "little")):
        remaining = byte
        while remaining:
            yield index * 8 + (remaining & -remaining).bit_length() - 1
            remaining &= remaining - 1


def _positions(ledger: Ledger, wanted: dict[UpdateRecord, int]) -> Positions:
    checked = wrong = 0
    for vendor in ledger.vendors.values():
        truth = _last_sent(vendor)
        if truth is None:
            continue
        for subscriber in _members(wanted[truth]):
            checked += 1
            newest = vendor.newest[subscriber]
            wrong += newest is None or newest.position != truth.position
    return Positions(checked, wrong)


def _last_sent(vendor: VendorRecord) -> UpdateRecord | None:
    return max((each for each in vendor.updates if each.sent_s is not None), key=lambda each: each.order, default=None)


def _deliveries(expected: int, lost: int, duplicated: int, reordered: int) -> Deliveries:
    return Deliveries(expected, expected - lost, lost, duplicated, reordered)
