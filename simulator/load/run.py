"""One run: connect the swarm, play the plan, wait for what is late, weigh what was seen."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from simulator.clock import Clock, SystemClock
from simulator.errors import InputError
from simulator.load import provenance
from simulator.load.aws_environment import aws_environment
from simulator.load.drain import Finish, Observation, decide, drain_policy
from simulator.load.fault_play import FaultPlay, Lever
from simulator.load.ledger import Ledger
from simulator.load.prepare import Prepared
from simulator.load.progress import Snapshot
from simulator.load.publishing import Publishing
from simulator.load.raw_results import ResultsWriter
from simulator.load.reckoning import draw_balance, outstanding
from simulator.load.recording import Sampler, write_results
from simulator.load.stack_view import QueueSettings, StackUnreachable, StackView, Stats, Target
from simulator.load.swarm import Swarm
from simulator.load.verdict import Connections, Frames, Invocations, RunFacts, Verdict, build_verdict
from simulator.load.viewer_faults import ViewerLever
from simulator.load.wording import counted
from simulator.vendors.plan import Plan
from simulator.vendors.vendors_table import put_vendor_rows, record_in_table

_START_IN_S = 0.2
"""From the last handshake to the first update: the pacer's threads must be up by then."""
_SHOW_EVERY_S = 0.5
_SHOWS_PER_P99 = 4
"""A percentile costs the loop some milliseconds, which would show in the latencies if it were taken each time."""
_LOOK_EVERY_S = 0.25
_WATCH_EVERY_S = 1.0
_PATIENCE = 3
"""Looks at the stack that may fail in a row; a busy machine drops one now and then."""
_PARTIAL_LIMIT_S = 2.0
"""After Ctrl-C: what is on its way arrives, a redelivery is not waited for."""


class ProgressDisplay(Protocol):
    """Where a run tells how far it is; `simulator.load.progress.Progress` does."""

    def say(self, text: str) -> None:
        """What happens now."""

    def note(self, sentence: str) -> None:
        """A sentence that stays."""

    def show(self, snapshot: Snapshot) -> None:
        """Where the run is."""


async def run_scenario(
    prepared: Prepared,
    target: Target,
    *,
    progress: ProgressDisplay,
    stop: asyncio.Event,
    clock: Clock | None = None,
    levers: Sequence[Lever] = (),
    results: ResultsWriter | None = None,
) -> Verdict:
    """Play a scenario on a running stack and return the verdict.

    `levers` bring about the faults that act inside the stack; those of the viewers are the swarm's own. `results`, when
    given, gets everything that a report may want.

    `stop` ends the run early; the verdict then is partial, as it is when the stack stops answering. Raises InputError
    when the stack cannot be loaded at all (no WebSocket API, no vendors table, not one queue) and EnvironmentFailure
    when it cannot be reached at the start or the descriptors run out.
    """
    if target.websocket_url is None:
        raise InputError("The stack has no WebSocket API, so nobody can subscribe; give a template that has one.")
    with aws_environment(target.aws_endpoint_url, target.region):
        view = await asyncio.to_thread(StackView, target)
        run = _Run(prepared, view, target.websocket_url, progress, stop, clock or SystemClock(), levers, results)
        return await run.play()


@dataclass(frozen=True, slots=True)
class _Baseline:
    """The stack before the run: what it had counted already is not the run's."""

    queue: QueueSettings
    vendors_table: str
    stats: Stats | None
    dead_letters: int


class _Run:
    def __init__(
        self,
        prepared: Prepared,
        view: StackView,
        websocket_url: str,
        progress: ProgressDisplay,
        stop: asyncio.Event,
        clock: Clock,
        levers: Sequence[Lever],
        results: ResultsWriter | None,
    ) -> None:
        self._prepared = prepared
        self._scenario = prepared.scenario
        self._clock = clock
        self._progress = progress
        self._asked_to_stop = stop
        self._halt = asyncio.Event()
        """Set when the run must end now, for whatever reason."""
        self._interruption: str | None = None
        self._ledger = Ledger(self._scenario.subscribers.count)
        self._swarm = Swarm(
            websocket_url, self._scenario.subscribers, clock, on_opened=self._ledger.opened, on_frame=self._ledger.frame
        )
        self._faults = FaultPlay(self._scenario.faults, [*levers, ViewerLever(self._swarm)], clock, self._scenario.seed)
        self._results = results
        self._sampler = Sampler()
        self._view = view
        self._start_s = clock.monotonic_s()
        self._began_s = self._start_s
        self._phase = "connecting"
        self._planned_s = 0.0
        self._plan: Plan | None = None
        self._publishing: Publishing | None = None
        self._drain: dict[str, Any] = {}
        self._latest: Stats | None = None

    async def play(self) -> Verdict:
        started_at = datetime.fromtimestamp(self._clock.wall_ms() / 1000, UTC).isoformat(timespec="milliseconds")
        for warning in self._prepared.warnings:
            self._progress.note(warning)
        for note in self._prepared.notes:
            self._progress.note(note)
        baseline = await self._look_at_the_stack()
        company = [self._beside(each) for each in (self._obey(), self._watch(baseline), self._show())]
        try:
            await self._act(baseline)
            facts = await self._facts(baseline, started_at, self._clock.monotonic_s())
        finally:
            for task in company:
                task.cancel()
            await self._faults.stop()
            if self._publishing is not None:
                await self._publishing.stop()
            await self._swarm.close()
        for outcome in await asyncio.gather(*company, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome
        verdict = build_verdict(facts)
        if self._results is not None:
            write_results(
                self._results,
                self._ledger,
                facts,
                verdict,
                samples=self._sampler.samples,
                faults=self._faults.records,
                is_local=self._view.is_local,
            )
        return verdict

    # -- the acts --------------------------------------------------------------------------------------------------

    async def _look_at_the_stack(self) -> _Baseline:
        def look() -> _Baseline:
            queue = self._view.vendor_queue()
            dead = queue.dead_letter_url
            return _Baseline(
                queue, self._view.vendors_table(), self._view.stats(), sum(self._view.messages(dead)) if dead else 0
            )

        return await asyncio.to_thread(look)

    async def _act(self, baseline: _Baseline) -> None:
        self._progress.say(f"connecting {counted(self._scenario.subscribers.count, 'subscriber')}")
        await self._swarm.open(self._halt)
        if self._halt.is_set() or not self._swarm.opened:
            return
        await self._publish(baseline)
        await self._wait_for_the_rest(baseline.queue)

    async def _publish(self, baseline: _Baseline) -> None:
        now_ms = self._clock.wall_ms()
        # The plan is made for now, and made again for the start once that is known: rows only need the vendors.
        vendors = self._prepared.plan_from(now_ms).vendors
        await asyncio.to_thread(put_vendor_rows, self._view.dynamodb, baseline.vendors_table, vendors, now_ms)
        self._start_s = self._clock.monotonic_s() + _START_IN_S
        self._plan = self._prepared.plan_from(self._clock.wall_ms() + round(_START_IN_S * 1000))
        self._planned_s = self._plan.duration_s
        self._phase = "publishing"
        self._publishing = Publishing(
            self._plan,
            self._ledger,
            self._clock,
            sqs_client=self._view.sqs,
            queue_url=baseline.queue.url,
            record=record_in_table(baseline.vendors_table),
            start_s=self._start_s,
            seed=self._scenario.seed,
        )
        self._publishing.start()
        self._faults.start(self._start_s)
        finished = asyncio.create_task(self._publishing.finished())
        halted = asyncio.create_task(self._halt.wait())
        await asyncio.wait({finished, halted}, return_when=asyncio.FIRST_COMPLETED)
        halted.cancel()
        await self._publishing.stop()
        await finished

    async def _wait_for_the_rest(self, queue: QueueSettings) -> None:
        self._phase = "draining"
        settings = self._scenario.run
        policy = drain_policy(
            limit_s=settings.drain_limit_s,
            quiet_s=settings.quiet_s,
            visibility_timeout_s=queue.visibility_timeout_s,
            max_receive_count=queue.max_receive_count,
        )
        started_s = self._clock.monotonic_s()
        halted_s: float | None = None
        while True:
            seen = await self._observe(queue)
            decision = decide(seen, started_s=started_s, policy=policy)
            waited_s = round(seen.now_s - started_s, 3)
            if isinstance(decision, Finish):
                self._drain = {"outcome": decision.outcome, "reason": decision.reason, "waited_s": waited_s}
                return
            if self._halt.is_set():
                halted_s = seen.now_s if halted_s is None else halted_s
                if seen.outstanding == 0 or seen.now_s - halted_s >= _PARTIAL_LIMIT_S or not self._swarm_is_alive():
                    self._drain = {"outcome": "stopped", "reason": f"stopped: {decision.reason}", "waited_s": waited_s}
                    return
            await asyncio.sleep(_LOOK_EVERY_S)

    async def _observe(self, queue: QueueSettings) -> Observation:
        # `_watch` decides whether a stack that does not answer is gone for good; here nothing is known of it then.
        messages = await _or_none(asyncio.to_thread(self._view.messages, queue.url))
        stats = await _or_none(asyncio.to_thread(self._view.stats))
        queued, in_flight = (None, None) if messages is None else messages
        return Observation(
            now_s=self._clock.monotonic_s(),
            outstanding=outstanding(self._ledger),
            queued=queued,
            in_flight=in_flight,
            at_the_function=None if stats is None else stats.at_the_function,
            last_frame_s=self._ledger.last_frame_s,
        )

    # -- beside the acts -------------------------------------------------------------------------------------------

    def _beside(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Do something beside the acts; when it breaks, the run ends at once and raises what broke it."""

        def look(done: asyncio.Task[None]) -> None:
            if not done.cancelled() and done.exception() is not None:
                self._halt.set()

        task = asyncio.create_task(work)
        task.add_done_callback(look)
        return task

    async def _obey(self) -> None:
        await self._asked_to_stop.wait()
        self._interrupt("The run was stopped before its end; the figures are what was seen until then.")

    async def _watch(self, baseline: _Baseline) -> None:
        """Notice that the stack is gone, so that a run does not wait for what cannot come."""
        failed = 0
        while True:
            await asyncio.sleep(_WATCH_EVERY_S)
            try:
                stats = await asyncio.to_thread(self._view.stats)
                messages = await asyncio.to_thread(self._view.messages, baseline.queue.url)
                self._latest = stats
                failed = 0
                self._sampler.take(self._ledger, self._clock.monotonic_s(), self._phase, stats, messages)
            except StackUnreachable as error:
                failed += 1
                if failed >= _PATIENCE or not self._swarm_is_alive():
                    elapsed_s = self._clock.monotonic_s() - self._start_s
                    self._interrupt(
                        f"The stack went away {elapsed_s:.0f} s into the run, and its log says why; the figures are "
                        f"what was seen until then. {error}"
                    )
                    return

    async def _show(self) -> None:
        p99_ms = None
        for number in itertools.count():
            now_s = self._clock.monotonic_s()
            if number % _SHOWS_PER_P99 == 0:
                p99_ms = self._ledger.all_latency.percentile_ms(99.0)
            self._progress.show(
                Snapshot(
                    phase=self._phase,
                    elapsed_s=max(0.0, now_s - self._start_s),
                    planned_s=self._planned_s,
                    subscribers=self._ledger.open_subscribers,
                    published=self._ledger.sent,
                    received=self._ledger.received,
                    overdue=self._ledger.overdue(now_s),
                    p99_ms=p99_ms,
                )
            )
            await asyncio.sleep(_SHOW_EVERY_S)

    def _interrupt(self, why: str) -> None:
        self._interruption = self._interruption or why
        self._halt.set()

    def _swarm_is_alive(self) -> bool:
        return len(self._swarm.drops) < self._swarm.opened

    # -- the end ---------------------------------------------------------------------------------------------------

    async def _facts(self, baseline: _Baseline, started_at: str, end_s: float) -> RunFacts:
        stats = await _or_none(asyncio.to_thread(self._view.stats)) or self._latest
        dead_letters = await self._dead_lettered(baseline)
        publishing = self._publishing
        ledger = self._ledger
        return RunFacts(
            scenario=self._scenario,
            provenance={
                "versions": provenance.versions(),
                "machine": provenance.machine(),
                "commit": await asyncio.to_thread(provenance.commit),
            },
            started_at=started_at,
            balance=draw_balance(ledger),
            all_latency=ledger.all_latency,
            all_latency_uncorrected=ledger.all_latency_uncorrected,
            connections=Connections(
                asked=self._scenario.subscribers.count,
                opened=self._swarm.opened,
                refusals=self._swarm.refusals,
                drops=[
                    {
                        "subscriber": drop.subscriber,
                        "code": drop.code,
                        "reason": drop.reason,
                        "at_s": round(drop.at_s - self._start_s, 3),
                    }
                    for drop in self._swarm.drops
                ],
            ),
            frames=Frames(
                total=ledger.frames,
                errors=ledger.error_frames,
                strange=ledger.strange_count,
                strange_examples=ledger.strange_frames,
                altered=ledger.altered_count,
                unexpected=ledger.unexpected_count,
                unexpected_examples=ledger.unexpected,
            ),
            vendor_names={} if self._plan is None else {each.twitter_id: each.name for each in self._plan.vendors},
            start_s=self._start_s,
            planned=None if publishing is None else publishing.planned,
            planned_duration_s=self._planned_s,
            publishing_s=0.0
            if publishing is None or publishing.last_sent_s is None
            else publishing.last_sent_s - self._start_s,
            duration_s=end_s - self._start_s if publishing is not None else end_s - self._began_s,
            drain=self._drain,
            invocations=_difference(baseline.stats, stats),
            dead_lettered=dead_letters,
            dead_letter_queue=baseline.queue.dead_letter_queue,
            interruption=self._interruption,
            troubles=[*self._faults.troubles, *([] if publishing is None else publishing.troubles())],
            notes=self._prepared.notes,
        )

    async def _dead_lettered(self, baseline: _Baseline) -> int | None:
        url = baseline.queue.dead_letter_url
        if url is None:
            return 0
        found = await _or_none(asyncio.to_thread(self._view.messages, url))
        return None if found is None else max(0, sum(found) - baseline.dead_letters)


async def _or_none(looking: Any) -> Any:
    with contextlib.suppress(StackUnreachable):
        return await looking
    return None


def _difference(before: Stats | None, after: Stats | None) -> Mapping[str, Invocations] | None:
    if before is None or after is None:
        return None
    found = {}
    for name, now in after.functions.items():
        then = before.functions.get(name, Invocations(0, 0))
        found[name] = Invocations(now.total - then.total, now.errors - then.errors)
    return found
