"""The load in shares: nobody is forgotten, nobody is there twice, and together they see what one would have seen."""

from __future__ import annotations

import json
from array import array
from collections import defaultdict
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from simulator.load.books import Books, merged
from simulator.load.latency import Latencies
from simulator.load.ledger import Ledger, Settled
from simulator.load.part_results import Look, PartResult, VendorFigures, merged_looks, merged_results
from simulator.load.phases import Phase, PhaseTimes
from simulator.load.series import Series
from simulator.load.shard import WHOLE_LOAD, Shard
from simulator.load.verdict import Frames

GROUPS = [0] * 11 + [1] * 6
VENDORS = ["100", "200", "300"]


@pytest.mark.parametrize("of", [1, 2, 3, 7])
def test_everybody_is_in_exactly_one_share(of: int) -> None:
    shards = [Shard(number, of) for number in range(of)]
    assert sorted(one for shard in shards for one in shard.subscribers(20)) == list(range(20))
    vendors = [str(number) for number in range(20)]
    assert sorted(one for shard in shards for one in shard.vendors(vendors)) == sorted(vendors)


def test_a_group_is_spread_evenly() -> None:
    shares = [Shard(number, 4).subscribers(1_000) for number in range(4)]
    assert {sum(100 <= one < 300 for one in share) for share in shares} == {50}


@pytest.mark.parametrize(("limit", "shares"), [(10, [3, 3, 2, 2]), (4, [1, 1, 1, 1]), (1, [1, 1, 1, 1])])
def test_a_limit_on_what_all_do_at_once_is_shared_out(limit: int, shares: list[int]) -> None:
    assert [Shard(number, 4).at_once(limit) for number in range(4)] == shares
    assert WHOLE_LOAD.at_once(limit) == limit


def update(number: int, vendor: str, lat: float) -> dict[str, Any]:
    return {
        "id": str(1_000 + number),
        "userId": vendor,
        "text": "here",
        "geo": {"coordinates": {"lat": lat, "long": 2.0}},
    }


Event = tuple[float, str, tuple[Any, ...]]


def a_run(seed: int) -> list[Event]:
    """Viewers come, break, leave and come back; updates are lost, doubled, late, altered and come too early."""
    chance = Random(seed)
    events: list[Event] = [(0.1, "opened", (number,)) for number in range(len(GROUPS))]
    updates = [update(number, VENDORS[number % 3], round(chance.random(), 3)) for number in range(40)]
    for number, each in enumerate(updates):
        due_s = 10.0 + number / 4
        events.append((due_s - 1, "announce", (each, due_s)))
        if chance.random() < 0.95:
            events.append((due_s + 0.01, "sent", (each["id"],)))
        if chance.random() < 0.1:
            continue  # dead-lettered: nobody gets it
        for subscriber in range(len(GROUPS)):
            for _ in range(chance.choice([0] + [1] * 12 + [2])):
                text = {**each, "text": "there"} if chance.random() < 0.02 else each
                at_s = due_s + chance.choice([0.005, 0.05, 0.7]) + chance.random() / 100
                events.append((at_s, "frame", (subscriber, json.dumps(text).encode())))
    events.append((15.0, "frame", (3, json.dumps(update(900, "100", 1.0)).encode())))
    for subscriber in chance.sample(range(len(GROUPS)), 6):
        at_s = 11 + chance.random() * 5
        events.append((at_s, "closed", (subscriber, chance.choice(["left", "broke"]))))
        if chance.random() < 0.5:
            events.append((at_s + 1, "opened", (subscriber,)))
    return sorted(events, key=lambda each: each[0])


def played(events: list[Event], shard: Shard) -> tuple[list[Settled], PartResult]:
    """What one share makes of it; announcements of other shares' vendors come later than some of their frames."""
    settled: list[Settled] = []
    ledger = Ledger(
        GROUPS,
        settle=settled.append,
        comes_back=[False, True],
        counts=[True, True],
        grace_s=0.5,
        others_publish=shard.of > 1,
    )
    own = shard.vendors(VENDORS)
    mine = set(shard.subscribers(len(GROUPS)))
    delayed = [
        (at_s + (1.02 if what == "announce" and arguments[0]["userId"] not in own else 0.0), what, arguments)
        for at_s, what, arguments in events
    ]
    for at_s, what, arguments in sorted(delayed, key=lambda each: each[0]):
        if what == "announce":
            ledger.announce(*arguments)
        elif what == "sent":
            ledger.mark_sent(arguments[0], at_s)
        elif arguments[0] not in mine:
            continue
        elif what == "opened":
            ledger.opened(arguments[0], at_s)
        elif what == "closed":
            ledger.closed(arguments[0], at_s, arguments[1])
        else:
            ledger.frame(arguments[0], arguments[1], at_s)
    for _ in ledger.settle_all():
        pass
    vendors = {
        name: VendorFigures(each.expected, each.lost, each.duplicated, each.reordered)
        for name, each in ledger.vendors.items()
    }
    frames = Frames(
        ledger.frames, {}, 0, [], ledger.altered_count, ledger.unexpected_count, ledger.unexpected, ledger.late_count
    )
    changes = ledger.roll.changes()
    positions = ledger.positions([True, True])
    return settled, PartResult(
        peak=ledger.roll.peak, changes=changes, frames=frames, vendors=vendors, positions=positions
    )


def figures(settled: list[Settled]) -> dict[str, Any]:
    phases = PhaseTimes.of([Phase("calm", 5.0), Phase("rush", 5.0)], 10.0)
    books = Books(phases, ["viewer", "reconnecting"], 10.0, Series())
    for each in settled:
        books.enter(each)
    return {
        "tally": [books.tally(phase=phase, group=group) for phase in (None, 0, 1) for group in (None, 0, 1)],
        "updates": books.updates,
        "latencies": [each.latencies.encoded() for each in books.distributions()],
    }


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("of", [2, 3, 5])
def test_shares_together_see_what_one_would_have_seen(seed: int, of: int) -> None:
    events = a_run(seed)
    alone, result = played(events, WHOLE_LOAD)
    shares = [played(events, Shard(number, of)) for number in range(of)]
    parts: dict[str, list[Settled]] = defaultdict(list)
    for settled, _ in shares:
        for each in settled:
            parts[each.update_id].append(each)
    together = merged_results([found for _, found in shares])
    assert figures([merged(each) for each in parts.values()]) == figures(alone)
    assert (together.peak, together.frames, dict(together.vendors), together.positions) == (
        result.peak,
        result.frames,
        dict(result.vendors),
        result.positions,
    )
    assert result.positions[0] > 0
    assert result.frames.altered > 0
    assert result.frames.unexpected == 1


def test_frames_that_came_before_their_update_was_announced_count_from_when_they_came() -> None:
    settled: list[Settled] = []
    ledger = Ledger([0, 0], settle=settled.append, others_publish=True)
    each = update(1, "100", 1.0)
    for subscriber in (0, 1):
        ledger.opened(subscriber, 1.0)
        ledger.frame(subscriber, json.dumps(each).encode(), 10.0 + subscriber)
    assert (ledger.received, ledger.unexpected_count, ledger.frames) == (0, 0, 2)
    ledger.announce(each, 9.5)
    ledger.mark_sent(each["id"], 9.5)
    assert ledger.outstanding() == 0
    for _ in ledger.settle_all():
        pass
    assert (ledger.received, ledger.unexpected_count, ledger.frames) == (2, 0, 2)
    assert settled[0].latencies == (array("d", [0.5, 1.5]),)


def test_what_nobody_announces_is_unexpected_in_the_end() -> None:
    ledger = Ledger([0], settle=lambda _: None, others_publish=True)
    ledger.frame(0, json.dumps(update(1, "100", 1.0)).encode(), 10.0)
    for _ in ledger.settle_all():
        pass
    assert (ledger.unexpected_count, ledger.unexpected) == (1, ["1001"])


def test_looks_add_up() -> None:
    one = Look(2, 3, 4, 5, 6, 7, 8, 9.0, 10.0, 1.5, is_alive=False)
    other = replace(one, last_frame_s=None, oldest_due_s=4.0, lag_ms=2.5, is_alive=True)
    assert merged_looks([one, other]) == Look(4, 6, 8, 10, 12, 14, 16, 9.0, 4.0, 2.5, is_alive=True)
    assert merged_looks([]) == Look()


def test_results_add_up() -> None:
    late = Latencies()
    late.record(0.25)
    one = PartResult(
        opened=2,
        dropped=1,
        peak=2,
        changes=[(1.0, 1), (2.0, 1), (3.0, -1)],
        refusals={"HTTP 403": 1},
        drops=[{"subscriber": 0, "at_s": 3.0}],
        planned=7,
        last_sent_s=5.0,
        producer_lag=late,
        cpu_s=1.0,
        memory_mb=50.0,
        troubles=["It broke."],
    )
    other = replace(one, changes=[(2.5, 1), (4.0, -1)], drops=[{"subscriber": 1, "at_s": 1.0}], last_sent_s=6.0)
    found = merged_results([one, other])
    assert (found.opened, found.dropped, found.peak, found.refusals) == (4, 2, 3, {"HTTP 403": 2})
    assert [drop["subscriber"] for drop in found.drops] == [1, 0]
    assert (found.planned, found.last_sent_s, found.cpu_s, found.memory_mb) == (7, 6.0, 2.0, 100.0)
    assert found.producer_lag.count == 2
    assert found.troubles == ["It broke."]
