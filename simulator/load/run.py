"""One run: connect the swarm, play the plan and the faults, wait for what is late, weigh what was seen."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from simulator.clock import Clock, SystemClock
from simulator.errors import InputError
from simulator.load import processes, provenance
from simulator.load.aws_environment import aws_environment
from simulator.load.books import Books
from simulator.load.drain import DrainPolicy, Finish, Observation, decide, drain_policy
from simulator.load.fault_play import FaultPlay, Lever
from simulator.load.ledger import Settled
from simulator.load.part import Load, Part, Work
from simulator.load.part_results import PartResult
from simulator.load.phases import CONNECTING, DRAINING
from simulator.load.post_stories import post_stories, socket_stories
from simulator.load.prepare import Prepared
from simulator.load.progress import Snapshot
from simulator.load.raw_results import ResultsWriter
from simulator.load.rows_and_messages import ContentLever
from simulator.load.series import Seen, Series
from simulator.load.stack_lever import StackLever
from simulator.load.stack_view import QueueSettings, StackUnreachable, StackView, Stats, Target
from simulator.load.verdict import (
    Invocations,
    OwnFigures,
    RunFacts,
    VendorCounts,
    Verdict,
    build_verdict,
)
from simulator.load.viewer_faults import ViewerLever
from simulator.load.wording import counted
from simulator.vendors.plan import Plan
from simulator.vendors.vendors_table import put_vendor_rows

_SHOW_EVERY_S = 0.5
_LOOK_EVERY_S = 0.25
_WATCH_EVERY_S = 1.0
_CLOSE_EVERY_S = 1.0
_WEIGH_EVERY = 5
"""Looks at the stack between two looks at its processes, which cost some milliseconds."""
_PATIENCE = 3
"""Looks at the stack that may fail in a row; a busy machine drops one now and then."""
_PARTIAL_LIMIT_S = 2.0
"""After Ctrl-C: what is on its way arrives, a redelivery is not waited for."""
_RECENT = 20_000
"""Deliveries that the percentile of the progress line is over."""


class ProgressDisplay(Protocol):
    """Where a run tells how far it is; `simulator.load.progress.Progress` does."""

    def say(self, text: str) -> None:
        """What happens now."""

    def note(self, sentence: str) -> None:
        """A sentence that stays."""

    def show(self, snapshot: Snapshot) -> None:
        """Where the run is."""

    def finish(self) -> None:
        """The run is over: what the stack says from now on is not shown."""


async def run_scenario(
    prepared: Prepared,
    target: Target,
    *,
    progress: ProgressDisplay,
    stop: asyncio.Event,
    clock: Clock | None = None,
    levers: Sequence[Lever] = (),
    results: ResultsWriter | None = None,
    load: Callable[[Work, Clock], Load] = Part,
) -> Verdict:
    """Play a scenario on a running stack and return the verdict.

    `levers` bring about faults besides those that the run can bring about itself: on viewers, by what it puts into the
    stack, and inside a local stack. `results`, when given, gets everything that a report may want. `stop` ends the run
    early; the verdict then is partial, as it is when the stack stops answering. `load` makes the load: in this process,
    unless given.

    Raises InputError when the stack cannot be loaded at all (no WebSocket API, no vendors table, not one queue) and
    EnvironmentFailure when it cannot be reached at the start or the descriptors run out.
    """
    if target.websocket_url is None:
        raise InputError("The stack has no WebSocket API, so nobody can subscribe; give a template that has one.")
    if target.http_url is None and any(group.snapshot for group in prepared.audience.groups):
        raise InputError(
            f"{prepared.scenario.file}: subscribers.snapshot asks an HTTP API for the vendors, and the stack has none; "
            f"leave it out, or give a template that has one."
        )
    with aws_environment(target.aws_endpoint_url, target.region):
        view = await asyncio.to_thread(StackView, target)
        run = _Run(prepared, view, target, progress, stop, clock or SystemClock(), levers, results, load)
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
        target: Target,
        progress: ProgressDisplay,
        stop: asyncio.Event,
        clock: Clock,
        levers: Sequence[Lever],
        results: ResultsWriter | None,
        load: Callable[[Work, Clock], Load],
    ) -> None:
        self._prepared = prepared
        self._scenario = prepared.scenario
        self._view = view
        self._target = target
        self._clock = clock
        self._progress = progress
        self._asked_to_stop = stop
        self._levers = levers
        self._results = results
        self._make_load = load
        self._halt = asyncio.Event()
        """Set when the run must end now, for whatever reason."""
        self._interruption: str | None = None
        self._start_s = clock.monotonic_s()
        """The start of publishing, once that is known."""
        self._began_s = self._start_s
        self._stage = CONNECTING
        self._plan: Plan | None = None
        self._drain: dict[str, Any] = {}
        self._latest: Stats | None = None
        self._series = Series()
        self._waiting: list[Settled] = []
        """Settled before the books were open; there is nothing then, but a stopped run may get here."""
        self._books: Books | None = None
        self._recent: list[float] = []
        self._p99_ms: float | None = None
        self._usage: list[processes.Usage] = []
        self._usage_before = 0
        """How many looks there were before the first update."""
        self._load: Load
        self._faults: FaultPlay

    async def play(self) -> Verdict:
        started_at = datetime.fromtimestamp(self._clock.wall_ms() / 1000, UTC).isoformat(timespec="milliseconds")
        for line in (*self._prepared.warnings, *self._prepared.notes):
            self._progress.note(line)
        baseline = await self._look_at_the_stack()
        self._prepare_the_load(baseline)
        beside = (
            self._obey(),
            self._watch(baseline),
            self._show(),
            self._load.tend(),
            self._miss(),
            self._close_seconds(),
        )
        company = [self._beside(each) for each in beside]
        try:
            await self._act(baseline)
            facts = await self._facts(baseline, started_at, self._clock.monotonic_s())
        finally:
            for task in company:
                task.cancel()
            await self._faults.stop()
            await self._load.stop_publishing()
            # What the stack complains about while everybody leaves at once is no trouble of the run's.
            self._progress.finish()
            await self._load.close()
        for outcome in await asyncio.gather(*company, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome
        verdict = build_verdict(facts)
        if self._results is not None:
            await asyncio.to_thread(self._write_results, self._results, facts, verdict)
        return verdict

    def _prepare_the_load(self, baseline: _Baseline) -> None:
        queue, settings = baseline.queue, self._scenario.run
        self._policy: DrainPolicy = drain_policy(
            limit_s=settings.drain_limit_s,
            quiet_s=settings.quiet_s,
            visibility_timeout_s=queue.visibility_timeout_s,
            max_receive_count=queue.max_receive_count,
        )
        work = Work(
            prepared=self._prepared,
            target=self._target,
            queue_url=queue.url,
            vendors_table=baseline.vendors_table,
            sqs=self._view.sqs,
            give_up_s=self._policy.limit_s + settings.quiet_s,
            settle=self._settle,
            series=self._series,
        )
        self._load = self._make_load(work, self._clock)
        levers = [*self._levers, ViewerLever(self._load.viewers), ContentLever(self._view, self._clock)]
        if self._view.is_local:
            levers.append(StackLever(self._target.websocket_url or "", self._load.viewers))
        self._faults = FaultPlay(self._scenario.faults, levers, self._clock, self._scenario.seed)

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
        early = sum(visit.is_waited_for for visit in self._prepared.audience.visits)
        self._progress.say(f"connecting {counted(early, 'subscriber')}")
        await self._load.open(self._halt)
        if self._halt.is_set() or (early and not self._load.latest.opened):
            return
        await self._publish(baseline)
        await self._wait_for_the_rest(baseline.queue)

    async def _publish(self, baseline: _Baseline) -> None:
        now_ms = self._clock.wall_ms()
        # The plan is made for now, and made again for the start once that is known: rows only need the vendors.
        vendors = self._prepared.plan_from(now_ms).vendors
        await asyncio.to_thread(put_vendor_rows, self._view.dynamodb, baseline.vendors_table, vendors, now_ms)
        lead_s = self._load.lead_s
        self._start_s = self._clock.monotonic_s() + lead_s
        self._open_books()
        start_ms = self._clock.wall_ms() + round(lead_s * 1000)
        self._plan = self._prepared.plan_from(start_ms)
        await self._load.start(self._start_s, start_ms)
        self._stage = ""
        self._usage_before = len(self._usage)
        self._faults.start(self._start_s)
        finished = asyncio.create_task(self._load.published())
        halted = asyncio.create_task(self._halt.wait())
        lasted = asyncio.create_task(self._until_the_last_phase_ends())
        await asyncio.wait({finished, halted}, return_when=asyncio.FIRST_COMPLETED)
        # A phase without updates is played to its end: others may come, go, or be hit by faults in it.
        await asyncio.wait({lasted, halted}, return_when=asyncio.FIRST_COMPLETED)
        halted.cancel()
        lasted.cancel()
        await self._load.stop_publishing()
        await finished

    async def _until_the_last_phase_ends(self) -> None:
        await asyncio.sleep(self._start_s + self._prepared.phases.end_s - self._clock.monotonic_s())

    async def _wait_for_the_rest(self, queue: QueueSettings) -> None:
        self._stage = DRAINING
        started_s = self._clock.monotonic_s()
        halted_s: float | None = None
        while True:
            seen = await self._observe(queue)
            decision = decide(seen, started_s=started_s, policy=self._policy)
            waited_s = round(seen.now_s - started_s, 3)
            if isinstance(decision, Finish):
                self._drain = {"outcome": decision.outcome, "reason": decision.reason, "waited_s": waited_s}
                return
            if self._halt.is_set():
                halted_s = seen.now_s if halted_s is None else halted_s
                if seen.outstanding == 0 or seen.now_s - halted_s >= _PARTIAL_LIMIT_S or not self._load.latest.is_alive:
                    self._drain = {"outcome": "stopped", "reason": f"stopped: {decision.reason}", "waited_s": waited_s}
                    return
            await asyncio.sleep(_LOOK_EVERY_S)

    async def _observe(self, queue: QueueSettings) -> Observation:
        # `_watch` decides whether a stack that does not answer is gone for good; here nothing is known of it then.
        messages = await _or_none(asyncio.to_thread(self._view.messages, queue.url))
        stats = await _or_none(asyncio.to_thread(self._view.stats))
        queued, in_flight = (None, None) if messages is None else messages
        look = await self._load.look()
        return Observation(
            now_s=self._clock.monotonic_s(),
            outstanding=look.outstanding,
            queued=queued,
            in_flight=in_flight,
            at_the_function=None if stats is None else stats.at_the_function,
            last_frame_s=look.last_frame_s,
        )

    # -- the books -------------------------------------------------------------------------------------------------

    def _open_books(self) -> None:
        write = (lambda _: None) if self._results is None else (lambda row: self._results.add_updates([row]))  # type: ignore[union-attr]
        labels = [group.label for group in self._prepared.audience.groups]
        self._books = Books(self._prepared.phases, labels, self._start_s, self._series, write)
        for settled in self._waiting:
            self._books.enter(settled)
        self._waiting = []

    def _settle(self, settled: Settled) -> None:
        if self._books is None:
            self._waiting.append(settled)
            return
        self._books.enter(settled)
        for latencies in settled.latencies:
            self._recent.extend(latencies)
        del self._recent[:-_RECENT]

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

    async def _miss(self) -> None:
        """A share of the load that is gone takes its viewers with it: what is seen from then on is not the run's."""
        self._interrupt(await self._load.broken())

    async def _close_seconds(self) -> None:
        """Draw the percentiles of the seconds that can get no more latencies."""
        while True:
            await asyncio.sleep(_CLOSE_EVERY_S)
            self._series.finish_before(self._load.latest.oldest_due_s - self._start_s)

    async def _watch(self, baseline: _Baseline) -> None:
        """Look at the stack once a second, and notice that it is gone: a run must not wait for what cannot come."""
        failed = 0
        for number in itertools.count():
            await asyncio.sleep(_WATCH_EVERY_S)
            try:
                stats = await asyncio.to_thread(self._view.stats)
                messages = await asyncio.to_thread(self._view.messages, baseline.queue.url)
            except StackUnreachable as error:
                failed += 1
                if failed >= _PATIENCE or not self._load.latest.is_alive:
                    elapsed_s = self._clock.monotonic_s() - self._start_s
                    self._interrupt(
                        f"The stack went away {elapsed_s:.0f} s into the run, and its log says why; the figures are "
                        f"what was seen until then. {error}"
                    )
                    return
                continue
            self._latest = stats
            failed = 0
            self._see(stats, messages)
            if number % _WEIGH_EVERY == 0:
                await asyncio.to_thread(self._weigh_processes)

    def _see(self, stats: Stats | None, messages: tuple[int, int]) -> None:
        now_s = self._clock.monotonic_s()
        look = self._load.latest
        functions = None if stats is None else stats.functions.values()
        self._series.see(
            now_s - self._start_s,
            Seen(
                overdue=look.overdue,
                connections=look.open,
                received=look.received,
                duplicated=look.duplicated,
                queued=messages[0],
                in_flight=messages[1],
                invocations=None if functions is None else sum(each.total for each in functions),
                errors=None if functions is None else sum(each.errors for each in functions),
                concurrency=None if stats is None else stats.environments,
            ),
        )

    def _weigh_processes(self) -> None:
        usage = processes.look(self._view.pid, with_children=True)
        if usage is not None:
            self._usage.append(usage)

    async def _show(self) -> None:
        while True:
            elapsed_s = self._clock.monotonic_s() - self._start_s
            look = self._load.latest
            if self._recent:
                self._p99_ms = 1_000 * sorted(self._recent)[len(self._recent) * 99 // 100]
            self._progress.show(
                Snapshot(
                    phase=self._stage or self._prepared.phases.name_at(max(0.0, elapsed_s)),
                    elapsed_s=max(0.0, elapsed_s),
                    planned_s=0.0 if self._plan is None else self._prepared.phases.end_s,
                    subscribers=look.open,
                    published=look.sent,
                    received=look.received,
                    overdue=look.overdue,
                    p99_ms=self._p99_ms,
                    lag_ms=look.lag_ms,
                )
            )
            await asyncio.sleep(_SHOW_EVERY_S)

    def _interrupt(self, why: str) -> None:
        self._interruption = self._interruption or why
        self._halt.set()

    # -- the end ---------------------------------------------------------------------------------------------------

    async def _facts(self, baseline: _Baseline, started_at: str, end_s: float) -> RunFacts:
        stats = await _or_none(asyncio.to_thread(self._view.stats)) or self._latest
        messages = await _or_none(asyncio.to_thread(self._view.messages, baseline.queue.url))
        if messages is not None:
            self._see(stats, messages)
        dead_letters = await self._dead_lettered(baseline)
        if self._books is None:
            self._open_books()
        assert self._books is not None  # noqa: S101  just opened
        found: PartResult = await self._load.result()
        for due_s, count in found.late_copies:
            self._books.add_copies(due_s, count)
        if dead_letters:
            self._books.note_dead_letters(await self._dead_letter_ids(baseline))
        if self._books.losses:
            posts = await _or_none(asyncio.to_thread(self._view.posts))
            self._books.note_posts(
                post_stories(posts or {}, found.peers), socket_stories(posts or {}, found.peers, found.read_bytes)
            )
        prepared = self._prepared
        names = {} if self._plan is None else {each.twitter_id: each.name for each in self._plan.vendors}
        audience = prepared.audience
        return RunFacts(
            scenario=self._scenario,
            groups=[
                (group, sum(visit.group == number for visit in audience.visits))
                for number, group in enumerate(audience.groups)
            ],
            provenance={
                "versions": provenance.versions(),
                "machine": provenance.machine(),
                "commit": await asyncio.to_thread(provenance.commit),
            },
            started_at=started_at,
            books=self._books,
            connections=found.connections(audience.size, rows_without_socket=await self._rows_without_socket()),
            frames=found.frames,
            vendors={
                vendor: VendorCounts(names.get(vendor, ""), each.expected, each.lost, each.duplicated, each.reordered)
                for vendor, each in found.vendors.items()
            },
            start_s=self._start_s,
            positions=found.positions,
            planned=found.planned,
            planned_duration_s=0.0 if self._plan is None else self._plan.duration_s,
            publishing_s=0.0 if found.last_sent_s is None else found.last_sent_s - self._start_s,
            duration_s=end_s - (self._began_s if self._plan is None else self._start_s),
            drain=self._drain,
            invocations=_difference(baseline.stats, stats),
            dead_lettered=dead_letters,
            dead_letter_queue=baseline.queue.dead_letter_queue,
            most_queued=self._series.most_queued,
            most_in_flight=self._series.most_in_flight,
            own=OwnFigures(
                producer_lag=found.producer_lag,
                loop_lag=found.loop_lag,
                cpu_s=found.cpu_s,
                memory_mb=found.memory_mb,
                workers=found.workers,
            ),
            stack=processes.summary(self._usage, since=self._usage_before),
            tells_counts=self._view.is_local,
            interruption=self._interruption,
            troubles=[*self._faults.troubles, *found.troubles],
            notes=prepared.notes,
        )

    async def _dead_lettered(self, baseline: _Baseline) -> int | None:
        if baseline.queue.dead_letter_queue is None:
            return 0
        url = baseline.queue.dead_letter_url
        if url is None:
            return None
        found = await _or_none(asyncio.to_thread(self._view.messages, url))
        return None if found is None else max(0, sum(found) - baseline.dead_letters)

    async def _rows_without_socket(self) -> int | None:
        if not self._view.is_local:
            return None  # a deployed stack may have other viewers
        try:
            rows = await asyncio.to_thread(self._view.connection_rows)
        except (StackUnreachable, InputError):  # a stack may keep its connections elsewhere
            return None
        return max(0, rows - self._load.latest.open)

    async def _dead_letter_ids(self, baseline: _Baseline) -> list[str]:
        """The ids of updates in the dead-letter queue, some hundreds at most."""
        bodies = await _or_none(asyncio.to_thread(self._view.peek, baseline.queue.dead_letter_url or ""))
        found = []
        for body in bodies or ():
            with contextlib.suppress(ValueError, RecursionError):
                document = json.loads(body)
                if isinstance(document, dict) and isinstance(document.get("id"), str):
                    found.append(document["id"])
        return found

    def _write_results(self, results: ResultsWriter, facts: RunFacts, verdict: Verdict) -> None:
        document = verdict.to_json()
        books = facts.books
        results.add_losses(books.loss_rows([visit.group for visit in self._prepared.audience.visits]))
        results.finish(
            {
                "scenario": facts.scenario.to_json(),
                **{key: document[key] for key in ("seed", "versions", "machine", "commit", "started_at", "duration_s")},
                "target": "local" if self._view.is_local else "remote",
                "phases": [
                    {"name": name, "began_s": round(began_s, 3), "ended_s": round(min(ended_s, facts.duration_s), 3)}
                    for number, name in enumerate(books.phases.names)
                    for began_s, ended_s in [books.phases.span(number)]
                ],
                "faults": [each.to_json(self._start_s) for each in self._faults.records],
                "groups": [{"name": group.label, "kind": group.kind, "count": count} for group, count in facts.groups],
                "vendors": [{"id": vendor, "name": counts.name} for vendor, counts in facts.vendors.items()],
                "verdict": document,
            },
            series=self._series.rows(books.phases),
            distributions=books.distributions(),
            tracks=books.tracks({vendor: counts.name for vendor, counts in facts.vendors.items()}),
        )


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
