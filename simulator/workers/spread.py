"""The load of a run, spread over a crew: each worker plays its share, and what they see is put together here."""

from __future__ import annotations

import asyncio
import functools
import itertools
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from simulator.clock import Clock
from simulator.errors import EnvironmentFailure, InputError
from simulator.load.books import merged
from simulator.load.ledger import Settled
from simulator.load.part import Work
from simulator.load.part_results import Look, PartResult, merged_looks, merged_results
from simulator.load.portable import pack_scenario
from simulator.load.shard import Shard
from simulator.load.viewer_faults import Viewers
from simulator.workers.clocks import Sample
from simulator.workers.packing import fingerprint, pack_addresses, unpack_look, unpack_result, unpack_settled

if TYPE_CHECKING:
    from simulator.workers.crew import Crew, Member

_LOOK_EVERY_S = 0.5
_STEER_EVERY = 10
"""Looks between two corrections of a clock."""
_PINGS = 10
_CLOSE_TIMEOUT_S = 20.0


class SpreadLoad:
    """See `simulator.load.part.Load`."""

    lead_s = 1.0
    """Every worker must have heard of the start, and made its plan, by then."""

    def __init__(self, crew: Crew, work: Work, clock: Clock) -> None:
        self._crew = crew
        self._work = work
        self._clock = clock
        self._shares = [_Share(member) for member in crew.members]
        self._viewers = _SpreadViewers(self)
        self._parts: dict[str, list[Settled]] = {}
        """What shares have told of updates of which not all shares have told yet."""
        self._numbers = itertools.count(1)
        self._changed = asyncio.Condition()
        self._broken: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._failure: Exception | None = None
        self._began_s = clock.monotonic_s()
        self._listening = [asyncio.create_task(self._listen(share)) for share in self._shares]
        vendors = work.prepared.plan_from(0).vendors
        if len(vendors) < len(self._shares):
            raise InputError(
                f"{len(self._shares)} workers are more than the {len(vendors)} vendors of scenario "
                f"{work.prepared.scenario.name}, and each needs one; start fewer."
            )
        self._vendors = len(vendors)

    # -- what a run asks -----------------------------------------------------------------------------------------------

    @property
    def latest(self) -> Look:
        """See `Load.latest`: of a share that is lost, what it had told."""
        return merged_looks([share.look for share in self._shares])

    @property
    def viewers(self) -> Viewers:
        """See `Load.viewers`."""
        return self._viewers

    async def tend(self) -> None:
        """See `Load.tend`: look often, keep the clocks in step."""
        for number in itertools.count():
            await asyncio.sleep(_LOOK_EVERY_S)
            if self._failure is not None:
                raise self._failure
            await self._look(closely=False, wait=False)
            if number % _STEER_EVERY == 0:
                await self._steer()

    async def broken(self) -> str:
        """See `Load.broken`."""
        return await asyncio.shield(self._broken)

    async def open(self, halt: asyncio.Event) -> None:
        """See `Load.open`."""
        await self._measure_clocks()
        await self._prepare()
        await self._tell_all({"do": "open"})
        halting = asyncio.create_task(halt.wait())
        opened = asyncio.create_task(self._all_said("opened"))
        await asyncio.wait({halting, opened}, return_when=asyncio.FIRST_COMPLETED)
        halting.cancel()
        if halt.is_set():
            await self._tell_all({"do": "halt"})
        await opened

    async def start(self, start_s: float, start_ms: int) -> None:
        """See `Load.start`."""
        self._began_s = start_s
        await self._tell_all({"do": "start", "start_s": start_s, "start_ms": start_ms})

    async def published(self) -> None:
        """See `Load.published`."""
        await self._all_said("published")

    async def stop_publishing(self) -> None:
        """See `Load.stop_publishing`."""
        await self._tell_all({"do": "stop"})

    async def look(self) -> Look:
        """See `Load.look`."""
        await self._look(closely=True, wait=True)
        return self.latest

    async def result(self) -> PartResult:
        """See `Load.result`: of a share that is lost only what it had told of updates is in it."""
        await self._tell_all({"do": "result"})
        await self._all_said("result")
        for parts in self._parts.values():
            self._work.settle(merged(parts))
        self._parts.clear()
        found = merged_results([share.result for share in self._shares if share.result is not None])
        return replace(found, workers=[self._about(share) for share in self._shares])

    async def close(self) -> None:
        """See `Load.close`."""
        for share in self._shares:
            await self._crew.tell(share.member, {"do": "close"})
        try:
            async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                await self._all_said("closed", raises=False)
        except TimeoutError:
            pass  # whoever is left is ended with its process
        for task in self._listening:
            task.cancel()
        await asyncio.gather(*self._listening, return_exceptions=True)

    # -- for faults of viewers -----------------------------------------------------------------------------------------

    def connected(self, group: str | None) -> list[int]:
        """The viewers (of one group) that were connected when their workers were last looked at."""
        audience = self._work.prepared.audience
        return sorted(
            viewer
            for share in self._shares
            for viewer in share.viewers
            if group is None or audience.groups[audience.visits[viewer].group].label == group
        )

    def addresses(self, group: str) -> list[str]:
        """The addresses of those."""
        return [self._shares[self.share_of(viewer)].viewers[viewer] for viewer in self.connected(group)]

    def share_of(self, viewer: int) -> int:
        """Which share has a viewer."""
        return Shard.of_subscriber(viewer, len(self._shares))

    # -- talking -------------------------------------------------------------------------------------------------------

    async def tell_viewers(self, orders: Mapping[int, list[tuple[str, int]]]) -> None:
        """What faults do to viewers, by share."""
        for number, some in orders.items():
            await self._crew.tell(self._shares[number].member, {"do": "viewers", "orders": some})

    async def _tell_all(self, order: Mapping[str, Any]) -> None:
        """Tell all who know what is played; before, there is nothing to tell."""
        for share in self._shares:
            if "prepared" in share.said:
                await self._crew.tell(share.member, order)

    async def _measure_clocks(self) -> None:
        for share in self._shares:
            for number in range(1, _PINGS + 1):
                if share.member.is_local or share.member.lost:
                    break
                await self._crew.tell(share.member, {"do": "ping", "asked_s": self._clock.monotonic_s()})
                await self._until(functools.partial(share.has_answered, number))
        await self._steer()

    async def _steer(self) -> None:
        for share in self._shares:
            best = share.member.offset.best
            if best is not None and not share.member.is_local:
                await self._crew.tell(share.member, {"do": "clock", "offset_s": best.offset_s})

    async def _prepare(self) -> None:
        work, prepared = self._work, self._work.prepared
        packed, blob = await asyncio.to_thread(pack_scenario, prepared.scenario)
        order = {
            "do": "prepare",
            "scenario": packed,
            "fingerprint": await asyncio.to_thread(fingerprint, prepared),
            "target": pack_addresses(work.target),
            "queue_url": work.queue_url,
            "vendors_table": work.vendors_table,
            "give_up_s": work.give_up_s,
            "tells_viewers": bool(prepared.scenario.faults),
            "of": len(self._shares),
        }
        for number, share in enumerate(self._shares):
            await self._crew.tell(share.member, {**order, "shard": number}, blob)
        await self._all_said("prepared")

    async def _look(self, *, closely: bool, wait: bool) -> None:
        number = next(self._numbers)
        order = {"do": "look", "number": number, "closely": closely, "asked_s": self._clock.monotonic_s()}
        await self._tell_all(order)
        if wait:
            await self._until(lambda: all(share.looked >= number or share.member.lost for share in self._shares))

    async def _all_said(self, what: str, *, raises: bool = True) -> None:
        await self._until(lambda: all(what in share.said or share.member.lost for share in self._shares), raises=raises)

    async def _until(self, holds: Any, *, raises: bool = True) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: holds() or (raises and self._failure is not None))
        if raises and self._failure is not None:
            raise self._failure

    # -- listening -----------------------------------------------------------------------------------------------------

    async def _listen(self, share: _Share) -> None:
        while True:
            document, blob = await share.member.inbox.get()
            try:
                await self._hear(share, document, blob)
            except (KeyError, TypeError, ValueError, IndexError) as error:
                self._failure = self._failure or EnvironmentFailure(
                    f"{share.member.name} says what cannot be understood ({error!r}); use one version on all machines."
                )
            async with self._changed:
                self._changed.notify_all()

    async def _hear(self, share: _Share, document: Mapping[str, Any], blob: bytes) -> None:
        if "asked_s" in document:
            asked_s, heard_s, answered_s = (document[name] for name in ("asked_s", "heard_s", "answered_s"))
            share.member.offset.add(Sample(asked_s, heard_s, answered_s, self._clock.monotonic_s()))
        match document["say"]:
            case "settled":
                for settled in unpack_settled(document["updates"], blob):
                    self._settle(settled)
            case "sent":
                await self._pass_on(share, document["updates"])
            case "result":
                share.result = unpack_result(document["result"])
                self._work.series.add_own(document["seconds"])
            case "failed":
                kind = InputError if document["input"] else EnvironmentFailure
                self._failure = self._failure or kind(f"{share.member.name}: {document['sentence']}")
            case "gone":
                self._miss(share)
            case _:
                share.note(document)
        share.said.add(document["say"])

    async def _pass_on(self, share: _Share, updates: list[Any]) -> None:
        """Tell the others what has left there: they do not expect it anywhere before."""
        share.sent += len(updates)
        for other in self._shares:
            if other is not share:
                await self._crew.tell(other.member, {"do": "sent", "updates": updates})

    def _settle(self, settled: Settled) -> None:
        parts = self._parts.setdefault(settled.update_id, [])
        parts.append(settled)
        if len(parts) == len(self._shares):
            del self._parts[settled.update_id]
            self._work.settle(merged(parts))

    def _miss(self, share: _Share) -> None:
        """A worker is gone in the middle of the run: say who, when, and what it carried."""
        if "closed" in share.said or self._broken.done():
            return
        number = self._shares.index(share)
        shard = Shard(number, len(self._shares))
        everybody = self._work.prepared.audience.size
        viewers, vendors = len(shard.subscribers(everybody)), len(range(number, self._vendors, shard.of))
        sent = sum(each.sent for each in self._shares)
        elapsed_s = self._clock.monotonic_s() - self._began_s
        self._broken.set_result(
            f"{share.member.name[0].upper()}{share.member.name[1:]} of {shard.of} was lost {elapsed_s:.1f} s into the "
            f"run ({share.member.lost}), and with it {viewers:,} of {everybody:,} subscribers "
            f"({100 * viewers / everybody:.0f} %) and {vendors:,} of {self._vendors:,} vendors, which had sent "
            f"{share.sent:,} of {sent:,} updates so far; the figures are what the others saw until then."
        )

    def _about(self, share: _Share) -> dict[str, Any]:
        """For the verdict."""
        number = self._shares.index(share)
        shard = Shard(number, len(self._shares))
        best = share.member.offset.best
        uncertainty_s = 0.0 if share.member.is_local else None if best is None else best.uncertainty_s
        return {
            "name": f"worker {number + 1}",
            "host": share.member.host,
            "subscribers": len(shard.subscribers(self._work.prepared.audience.size)),
            "vendors": len(range(number, self._vendors, shard.of)),
            "updates_sent": share.sent,
            "deliveries_received": share.look.received,
            "clock_uncertainty_ms": None if uncertainty_s is None else round(1_000 * uncertainty_s, 3),
            "lost": share.member.lost,
        }


class _Share:
    """What is known of one worker's share."""

    def __init__(self, member: Member) -> None:
        self.member = member
        self.look = Look()
        self.looked = 0
        """Number of the last look that was answered."""
        self.pongs = 0
        self.sent = 0
        self.said: set[str] = set()
        self.viewers: dict[int, str] = {}
        """Who is connected there, and from which address."""
        self.result: PartResult | None = None

    def note(self, document: Mapping[str, Any]) -> None:
        """Take note of an answer."""
        if document.get("look") is not None:
            self.look = unpack_look(document["look"])
        if "viewers" in document:
            self.viewers = {int(viewer): address for viewer, address in document["viewers"].items()}
        self.looked = max(self.looked, document.get("number", 0))
        self.pongs += document["say"] == "pong"

    def has_answered(self, pings: int) -> bool:
        """Whether so many were answered, or will never be."""
        return self.pongs >= pings or self.member.lost is not None


class _SpreadViewers:
    """See `simulator.load.viewer_faults.Viewers`; what is done to many at once leaves in one message per worker."""

    def __init__(self, load: SpreadLoad) -> None:
        self._load = load
        self._orders: dict[int, list[tuple[str, int]]] = {}
        self._telling: set[asyncio.Task[None]] = set()

    def connected(self, group: str | None) -> list[int]:
        """See `Viewers.connected`: as of the last look."""
        return self._load.connected(group)

    def addresses(self, group: str) -> list[str]:
        """See `Viewers.addresses`."""
        return self._load.addresses(group)

    def cut(self, viewer: int) -> None:
        """See `Viewers.cut`."""
        self._order("cut", viewer)

    def hold(self, viewer: int) -> None:
        """See `Viewers.hold`."""
        self._order("hold", viewer)

    def release(self, viewer: int) -> None:
        """See `Viewers.release`."""
        self._order("release", viewer)

    def _order(self, name: str, viewer: int) -> None:
        if not self._orders:
            task = asyncio.create_task(self._tell())
            self._telling.add(task)
            task.add_done_callback(self._telling.discard)
        self._orders.setdefault(self._load.share_of(viewer), []).append((name, viewer))

    async def _tell(self) -> None:
        orders, self._orders = self._orders, {}
        await self._load.tell_viewers(orders)
