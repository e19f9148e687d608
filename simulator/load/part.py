"""The load, or one share of it, in this process: subscribers, the producer of some vendors, and a ledger of its own.

A run plays through the protocol `Load`. A `Part` is the whole load when there is one process; `simulator.workers` has
the one that is spread over several, each of which has a `Part`.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

from simulator.clock import Clock
from simulator.load import processes
from simulator.load.latency import Latencies
from simulator.load.ledger import Ledger, Settled
from simulator.load.part_results import Look, PartResult, VendorFigures
from simulator.load.prepare import Prepared
from simulator.load.publishing import Publishing
from simulator.load.series import Series
from simulator.load.shard import WHOLE_LOAD, Shard
from simulator.load.stack_view import Target
from simulator.load.swarm import Swarm
from simulator.load.verdict import Frames
from simulator.load.viewer_faults import Viewers
from simulator.vendors.vendors_table import record_in_table

_TICK_S = 0.05
_TICKS_PER_SWEEP = 5
_TICKS_PER_WEIGHING = 100
"""Looking at one's own memory costs some milliseconds."""
_KEPT_DROPS = 20


@dataclass(frozen=True, slots=True)
class Work:
    """What is to be played, on what."""

    prepared: Prepared
    target: Target
    queue_url: str
    vendors_table: str
    sqs: Any
    """A boto3 client."""
    give_up_s: float
    """See `Ledger`."""
    settle: Callable[[Settled], None]
    """Given what became of each update, once."""
    series: Series
    """Gets what was due and what left when, and how late the load itself was."""


class Load(Protocol):
    """The whole load, as a run plays it. Times are seconds on the run's monotonic scale."""

    @property
    def lead_s(self) -> float:
        """How long before the first update is due it must be told so."""

    @property
    def latest(self) -> Look:
        """Where it was a moment ago."""

    @property
    def viewers(self) -> Viewers:
        """For the faults of viewers."""

    async def tend(self) -> None:
        """Run beside everything else until cancelled; raises what breaks the load."""

    async def broken(self) -> str:
        """Wait until a share of it is gone for good; a sentence about what is missing since."""

    async def open(self, halt: asyncio.Event) -> None:
        """Let everyone come whom the first update waits for; `halt` ends it early."""

    async def start(self, start_s: float, start_ms: int) -> None:
        """Begin to publish; the first update is due at `start_s`, which is the epoch millisecond `start_ms`."""

    async def published(self) -> None:
        """Wait until every update has left or was given up."""

    async def stop_publishing(self) -> None:
        """End it now, if it has not ended."""

    async def look(self) -> Look:
        """Where it is, now; every update that has left is known to all of it."""

    async def result(self) -> PartResult:
        """The end: settle everything that is left, and tell."""

    async def close(self) -> None:
        """Everybody leaves. May be called at any time, once."""


class Part:
    """The subscribers and vendors of one share, in this process; see `Load`.

    `on_sent` is told of each update that left here. Of those that leave elsewhere, `sent_elsewhere` must be told.
    """

    lead_s = 0.2
    """The pacer's threads must be up by then."""

    def __init__(
        self,
        work: Work,
        clock: Clock,
        shard: Shard = WHOLE_LOAD,
        on_sent: Callable[[str, float], None] = lambda _update_id, _at_s: None,
    ) -> None:
        self._work = work
        self._clock = clock
        self._shard = shard
        self._on_sent = on_sent
        self._start_s = clock.monotonic_s()
        self._cpu_s = time.process_time()
        self._loop_lag = Latencies()
        self._memory_mb: float | None = None
        self._publishing: Publishing | None = None
        prepared = work.prepared
        audience = prepared.audience
        self._ledger = Ledger(
            [visit.group for visit in audience.visits],
            settle=work.settle,
            comes_back=[group.kind == "reconnecting" for group in audience.groups],
            counts=[group.is_whole for group in audience.groups],
            asks=[group.snapshot for group in audience.groups],
            give_up_s=work.give_up_s,
            grace_s=prepared.scenario.run.leave_grace_s,
            others_publish=shard.of > 1,
        )
        self._swarm = Swarm(
            work.target.websocket_url or "",
            audience,
            clock,
            self._ledger,
            seed=prepared.scenario.seed,
            shard=shard,
            ca_bundle=work.target.ca_bundle,
            http_url=work.target.http_url,
        )

    @property
    def latest(self) -> Look:
        """See `Load.latest`."""
        now_s = self._clock.monotonic_s()
        ledger, publishing = self._ledger, self._publishing
        return Look(
            open=ledger.roll.open,
            opened=self._swarm.opened,
            sent=0 if publishing is None else publishing.sent,
            received=ledger.received,
            duplicated=ledger.duplicated,
            overdue=ledger.overdue(now_s),
            last_frame_s=ledger.last_frame_s,
            oldest_due_s=ledger.oldest_due_s(now_s),
            lag_ms=None if publishing is None else publishing.latest_lag_ms,
            is_alive=self._swarm.is_alive,
        )

    @property
    def viewers(self) -> Viewers:
        """See `Load.viewers`."""
        return self._swarm

    async def tend(self) -> None:
        """Settle what is over, a little at a time, and notice how late this loop itself is; see `Load.tend`."""
        for number in itertools.count():
            due_s = self._clock.monotonic_s() + _TICK_S
            await asyncio.sleep(_TICK_S)
            now_s = self._clock.monotonic_s()
            if self._swarm.failure is not None:
                raise self._swarm.failure
            late_s = max(0.0, now_s - due_s)
            self._loop_lag.record(late_s)
            self._work.series.loop_was_late(now_s - self._start_s, late_s)
            if number % _TICKS_PER_SWEEP == 0:
                self._ledger.sweep(now_s)
            if number % _TICKS_PER_WEIGHING == 0:
                await asyncio.to_thread(self._weigh)

    async def broken(self) -> str:
        """Never: what breaks this process ends the run anyway."""
        await asyncio.Event().wait()
        return ""

    async def open(self, halt: asyncio.Event) -> None:
        """See `Load.open`."""
        await self._swarm.open(halt)

    async def start(self, start_s: float, start_ms: int) -> None:
        """See `Load.start`."""
        work = self._work
        self._start_s = start_s
        plan = work.prepared.plan_from(start_ms)
        self._publishing = Publishing(
            plan,
            self._ledger,
            self._clock,
            work.series,
            sqs_client=work.sqs,
            queue_url=work.queue_url,
            record=record_in_table(work.vendors_table),
            start_s=start_s,
            seed=work.prepared.scenario.seed,
            own=None if self._shard.of == 1 else self._shard.vendors([each.twitter_id for each in plan.vendors]),
            on_sent=self._on_sent,
        )
        self._publishing.start()
        self._swarm.start(start_s)

    def viewers_by_address(self) -> dict[int, str]:
        """The connected ones, each with the address of its socket."""
        return self._swarm.by_address()

    def sent_elsewhere(self, update_id: str, at_s: float) -> None:
        """An update has left in another share."""
        self._ledger.mark_sent(update_id, at_s)

    async def published(self) -> None:
        """See `Load.published`."""
        if self._publishing is not None:
            await self._publishing.finished()

    async def stop_publishing(self) -> None:
        """See `Load.stop_publishing`."""
        if self._publishing is not None:
            await self._publishing.stop()

    async def look(self) -> Look:
        """See `Load.look`."""
        return replace(self.latest, outstanding=self._ledger.outstanding())

    async def result(self) -> PartResult:
        """See `Load.result`."""
        await self._swarm.pictured()
        for _ in self._ledger.settle_all():
            await asyncio.sleep(0)
        await asyncio.to_thread(self._weigh)
        publishing, swarm, ledger = self._publishing, self._swarm, self._ledger
        return PartResult(
            opened=swarm.opened,
            reconnected=swarm.reconnected,
            dropped=swarm.dropped,
            peak=ledger.roll.peak,
            changes=ledger.roll.changes(),
            refusals=dict(swarm.refusals),
            drops=[
                {
                    "subscriber": drop.subscriber,
                    "code": drop.code,
                    "reason": drop.reason,
                    "at_s": round(drop.at_s - self._start_s, 3),
                }
                for drop in swarm.drops[:_KEPT_DROPS]
            ],
            frames=Frames(
                total=ledger.frames,
                errors=dict(ledger.error_frames),
                strange=ledger.strange_count,
                strange_examples=ledger.strange_frames,
                altered=ledger.altered_count,
                unexpected=ledger.unexpected_count,
                unexpected_examples=ledger.unexpected,
                late=ledger.late_count,
            ),
            vendors={
                vendor: VendorFigures(each.expected, each.lost, each.duplicated, each.reordered)
                for vendor, each in ledger.vendors.items()
            },
            late_copies=list(ledger.late_copies.items()),
            peers=swarm.peers,
            read_bytes=swarm.read_bytes(),
            positions=ledger.positions([group.is_whole for group in self._work.prepared.audience.groups]),
            planned=None if publishing is None else publishing.planned,
            last_sent_s=None if publishing is None else publishing.last_sent_s,
            producer_lag=Latencies() if publishing is None else publishing.lag,
            loop_lag=self._loop_lag,
            cpu_s=time.process_time() - self._cpu_s,
            memory_mb=self._memory_mb,
            troubles=[] if publishing is None else publishing.troubles(),
        )

    async def close(self) -> None:
        """See `Load.close`."""
        await self.stop_publishing()
        await self._swarm.close()

    def _weigh(self) -> None:
        own = processes.look(os.getpid(), with_children=False)
        if own is not None:
            self._memory_mb = round(max(own.memory_mb, self._memory_mb or 0.0), 1)
