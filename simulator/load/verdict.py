"""The verdict: what was sent, what arrived, how fast, whether anything was lost, and whether that is good enough.

Pure: everything observed comes in as `RunFacts`. Times are milliseconds or seconds as their key says; latencies count
from the time an update was due (open load), so a generator or a stack that falls behind cannot hide it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from simulator.load.audience import Group
from simulator.load.books import OF, Books
from simulator.load.expectations import Expectation, Outcome
from simulator.load.latency import Latencies
from simulator.load.metrics import METRICS
from simulator.load.phases import WHOLE
from simulator.load.scenario import Scenario
from simulator.load.wording import counted

_TOLD = 3
_KEPT_DROPS = 20
_KEPT_LOSSES = 10
_TOO_LATE_MS = 1_000.0
_BLURRED_MS = 100.0
_TELLS_NOTHING = (
    "The stack is a deployed one, which tells the load nothing of its invocations, its concurrency, its memory or its "
    "descriptors: they are unknown here, not zero."
)
_TOLD_BY_THE_STACK = ("invocations.", "stack.", "connections.rows_without_socket")
"""Figures that only the stack itself can tell."""


@dataclass(frozen=True, slots=True)
class Connections:
    """What became of the handshakes."""

    asked: int
    opened: int
    refusals: Mapping[str, int]
    """Answer to count."""
    dropped: int = 0
    drops: Sequence[Mapping[str, Any]] = ()
    """`subscriber`, `code`, `reason` and `at_s` (seconds from the start of the run) of the first sockets that broke."""
    reconnected: int = 0
    peak: int = 0
    rows_without_socket: int | None = None
    """None when the table cannot be counted."""


@dataclass(frozen=True, slots=True)
class Frames:
    """Frames by kind; updates that were altered or never published are among `total`."""

    total: int
    errors: Mapping[str, int] = field(default_factory=dict)
    """Message of the gateway's error frames, to count."""
    strange: int = 0
    strange_examples: Sequence[str] = ()
    altered: int = 0
    unexpected: int = 0
    unexpected_examples: Sequence[str] = ()
    late: int = 0


@dataclass(frozen=True, slots=True)
class Invocations:
    """Invocations and errors of one function during the run."""

    total: int
    errors: int


@dataclass(frozen=True, slots=True)
class VendorCounts:
    """Deliveries of one vendor's updates."""

    name: str
    expected: int
    lost: int
    duplicated: int
    reordered: int


@dataclass(frozen=True, slots=True)
class OwnFigures:
    """What the load can say about itself, and so what the run cannot resolve."""

    producer_lag: Latencies = field(default_factory=Latencies)
    loop_lag: Latencies = field(default_factory=Latencies)
    cpu_s: float = 0.0
    memory_mb: float | None = None
    workers: Sequence[Mapping[str, Any]] = ()
    """Of a load that is spread over several processes; see docs/verdict.md."""


@dataclass(frozen=True, slots=True)
class StackFigures:
    """What was seen of a local stack's processes; None is what could not be."""

    memory_mb: float | None = None
    memory_growth_mb: float | None = None
    descriptors: int | None = None
    descriptors_growth: float | None = None


@dataclass(frozen=True, slots=True)
class RunFacts:
    """Everything a verdict is made of."""

    scenario: Scenario
    groups: Sequence[tuple[Group, int]]
    """Each group, and how many of it there were to be."""
    provenance: Mapping[str, Any]
    """`versions`, `machine` and `commit`, copied as they are."""
    started_at: str
    """ISO 8601."""
    books: Books
    connections: Connections
    frames: Frames
    vendors: Mapping[str, VendorCounts]
    """By id."""
    start_s: float
    """The start of publishing on the ledger's scale."""
    positions: tuple[int, int] = (0, 0)
    """Checked and wrong."""
    planned: int | None = None
    """Updates that were to be published; None when the run ended before the last one was planned."""
    planned_duration_s: float = 0.0
    publishing_s: float = 0.0
    """From the start of the run to the last update that left."""
    duration_s: float = 0.0
    drain: Mapping[str, Any] = field(default_factory=dict)
    """`outcome`, `reason` and `waited_s`; empty when the run never came to it."""
    invocations: Mapping[str, Invocations] | None = None
    """By function; None when the stack does not tell."""
    tells_counts: bool = True
    """Whether the stack tells its own counts and uses at all; a deployed one does not."""
    dead_lettered: int | None = 0
    """None when it could not be counted."""
    dead_letter_queue: str | None = None
    most_queued: int | None = None
    most_in_flight: int | None = None
    own: OwnFigures = field(default_factory=OwnFigures)
    stack: StackFigures = field(default_factory=StackFigures)
    interruption: str | None = None
    """Why the run ended before its time, as a sentence; None when it did not."""
    troubles: Sequence[str] = ()
    """What went wrong in the run itself, a sentence each."""
    notes: Sequence[str] = ()
    """What the reader should know and does not fail the run, a sentence each."""

    @property
    def published(self) -> int:
        """Updates that the queue took."""
        return sum(each.published for each in self.books.updates)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The verdict of one run. `document` has all of it and is ready for JSON."""

    document: Mapping[str, Any]

    @property
    def passed(self) -> bool:
        """True when the run was complete and every expectation held."""
        return bool(self.document["passed"])

    @property
    def partial(self) -> bool:
        """True when the run was stopped before its end."""
        return bool(self.document["partial"])

    @property
    def failures(self) -> list[str]:
        """A sentence for each reason why it did not pass."""
        return list(self.document["failures"])

    def to_json(self) -> dict[str, Any]:
        """The whole verdict as JSON-serialisable values."""
        return dict(self.document)


def build_verdict(facts: RunFacts) -> Verdict:
    """Weigh a run against its scenario's expectations."""
    document = _figures(facts)
    weighed = [
        (each, each.weigh(document if each.phase == WHOLE else document["phases"].get(each.phase, {})))
        for each in facts.scenario.expect
    ]
    failures = [*_broken(facts), *_unmet(facts, weighed)]
    head = {
        "scenario": facts.scenario.name,
        "question": facts.scenario.question,
        "seed": facts.scenario.seed,
        **facts.provenance,
        "started_at": facts.started_at,
        "duration_s": round(facts.duration_s, 3),
        "partial": facts.interruption is not None,
        "passed": not failures,
        "failures": failures,
    }
    tail = {
        "expectations": [
            {"that": each.text, "phase": each.phase, "held": _held(facts, outcome), "found": dict(outcome.found)}
            for each, outcome in weighed
        ],
        "notes": [*facts.notes, *_own_notes(facts), *_untold(facts, weighed)],
    }
    return Verdict({**head, **document, **tail})


# -- figures -----------------------------------------------------------------------------------------------------------


def _figures(facts: RunFacts) -> dict[str, Any]:
    books, connections, frames = facts.books, facts.connections, facts.frames
    checked, wrong = facts.positions
    return {
        "updates": {
            "planned": facts.planned,
            "published": facts.published,
            "broadcast": sum(each.broadcast for each in books.updates),
            "dead_lettered": facts.dead_lettered,
        },
        "deliveries": {
            **books.tally().to_json(),
            "altered": frames.altered,
            "unexpected": frames.unexpected,
            "late": frames.late,
            "stories": {story: count for story, count in books.stories.most_common() if count},
            "first_losses": [
                {
                    "update": settled.update_id,
                    "vendor": settled.vendor,
                    "subscriber": each.subscriber,
                    "due_s": round(settled.due_s - facts.start_s, 3),
                    "story": each.story,
                }
                for settled, each in books.losses[:_KEPT_LOSSES]
            ],
            "per_vendor": {
                vendor: {
                    "name": counts.name,
                    "expected": counts.expected,
                    "received": counts.expected - counts.lost,
                    "lost": counts.lost,
                    "duplicated": counts.duplicated,
                    "reordered": counts.reordered,
                }
                for vendor, counts in facts.vendors.items()
            },
        },
        "latency_ms": _latencies(books),
        "final_positions": {"checked": checked, "wrong": wrong},
        "invocations": _invocations(facts.invocations),
        "connections": {
            "asked": connections.asked,
            "opened": connections.opened,
            "refused": sum(connections.refusals.values()),
            "dropped": connections.dropped,
            "reconnected": connections.reconnected,
            "peak": connections.peak,
            "rows_without_socket": connections.rows_without_socket,
            "refusals": dict(connections.refusals),
            "first_drops": [dict(drop) for drop in connections.drops[:_KEPT_DROPS]],
        },
        "frames": {
            "total": frames.total,
            "errors": sum(frames.errors.values()),
            "error_messages": dict(frames.errors),
            "strange": frames.strange,
            "strange_examples": list(frames.strange_examples),
        },
        "rates": {
            "load": "open",
            "asked_updates_per_s": _rate(facts.planned, facts.planned_duration_s),
            "achieved_updates_per_s": _rate(facts.published, max(facts.publishing_s, facts.planned_duration_s)),
            "deliveries_per_s": _rate(books.tally().received, facts.duration_s),
        },
        "queue": {"most_queued": facts.most_queued, "most_in_flight": facts.most_in_flight},
        "load": _load(facts),
        "stack": {
            "memory_mb": {"max": facts.stack.memory_mb, "growth": facts.stack.memory_growth_mb},
            "descriptors": {"max": facts.stack.descriptors, "growth": facts.stack.descriptors_growth},
        },
        "drain": dict(facts.drain),
        "phases": {name: _phase(facts, number) for number, name in enumerate(books.phases.names)},
        "groups": _groups(facts, None),
    }


def _load(facts: RunFacts) -> dict[str, Any]:
    received = facts.books.tally().received
    return {
        "producer_lag_ms": _lag(facts.own.producer_lag),
        "loop_lag_ms": _lag(facts.own.loop_lag),
        "cpu_us_per_delivery": round(1e6 * facts.own.cpu_s / received, 1) if received else None,
        "memory_mb": {"max": facts.own.memory_mb},
        "workers": [dict(each) for each in facts.own.workers],
    }


def _own_notes(facts: RunFacts) -> list[str]:
    """What the reader must know of the load itself before believing the figures."""
    notes = []
    sent_late_ms, noted_late_ms = (each.percentile_ms(99.0) for each in (facts.own.producer_lag, facts.own.loop_lag))
    if sent_late_ms is not None and sent_late_ms > _TOO_LATE_MS:
        asked = _rate(facts.planned, facts.planned_duration_s)
        achieved = _rate(facts.published, max(facts.publishing_s, facts.planned_duration_s))
        # How many were asked is not known of a run that was stopped before all of them were made.
        of_asked = "" if asked is None else f" of the {asked:,.1f} that were asked"
        notes.append(
            f"Updates left up to {sent_late_ms / 1_000:,.1f} s late (p99): the vendors table and the queue took "
            f"{achieved or 0:,.1f} updates a second{of_asked}, so that is the rate that was put to the test."
        )
    if noted_late_ms is not None and noted_late_ms > _BLURRED_MS:
        notes.append(
            f"Arrivals were noted up to {noted_late_ms:,.0f} ms late (p99), because the load had too little of the "
            f"processor: latencies are no finer than that."
        )
    uncertain_ms = [each["clock_uncertainty_ms"] for each in facts.own.workers]
    if None in uncertain_ms:
        notes.append("The clock of a worker on another machine could not be compared: latencies mean nothing.")
    elif any(uncertain_ms):
        notes.append(
            f"The clocks of the workers agree to within {max(uncertain_ms):,.1f} ms: latencies are no finer than that."
        )
    return notes


def _untold(facts: RunFacts, weighed: Sequence[tuple[Expectation, Outcome]]) -> list[str]:
    """What the reader must know of a stack that tells nothing of itself."""
    if facts.tells_counts:
        return []
    notes = [_TELLS_NOTHING]
    notes += [
        f"`{each.text}` was not weighed: a deployed stack does not tell it."
        for each, outcome in weighed
        if _held(facts, outcome) is None
    ]
    return notes


def _held(facts: RunFacts, outcome: Outcome) -> bool | None:
    """None is neither kept nor broken: it is about what a deployed stack does not tell."""
    unknown = [name for name, value in outcome.found.items() if value is None]
    if not facts.tells_counts and unknown and all(name.startswith(_TOLD_BY_THE_STACK) for name in unknown):
        return None
    return bool(outcome.held)


def _lag(latencies: Latencies) -> dict[str, float | None]:
    summary = latencies.summary_ms()
    return {"p50": summary["p50"], "p99": summary["p99"], "max": summary["max"]}


def _phase(facts: RunFacts, number: int) -> dict[str, Any]:
    books = facts.books
    counts = books.updates[number]
    began_s, ended_s = books.phases.span(number)
    return {
        "began_s": round(began_s, 3),
        "ended_s": round(ended_s, 3),
        "updates": {"planned": counts.planned, "published": counts.published, "broadcast": counts.broadcast},
        "deliveries": books.tally(phase=number).to_json(),
        "latency_ms": _latencies(books, phase=number),
        "rates": {
            "asked_updates_per_s": _rate(counts.planned, ended_s - began_s),
            "achieved_updates_per_s": _rate(counts.published, ended_s - began_s),
        },
        "groups": _groups(facts, number),
    }


def _groups(facts: RunFacts, phase: int | None) -> dict[str, Any]:
    found = {}
    for number, (group, count) in enumerate(facts.groups):
        tally = facts.books.tally(phase=phase, group=number).to_json()
        # Copies are counted by vendor and by phase, not by group.
        deliveries = {name: tally[name] for name in ("expected", "received", "lost", "cut_off")}
        found[group.label] = {
            "kind": group.kind,
            "count": count,
            "deliveries": deliveries,
            "latency_ms": _latencies(facts.books, phase=phase, group=number),
        }
    return found


def _latencies(books: Books, *, phase: int | None = None, group: int | None = None) -> dict[str, Any]:
    def summaries(*, corrected: bool) -> dict[str, Any]:
        return {of: books.latencies(of, corrected=corrected, phase=phase, group=group).summary_ms() for of in OF}

    return {**summaries(corrected=True), "uncorrected": summaries(corrected=False)}


def _rate(count: int | None, seconds: float) -> float | None:
    return None if count is None or seconds <= 0 else round(count / seconds, 3)


def _invocations(by_function: Mapping[str, Invocations] | None) -> dict[str, Any]:
    if by_function is None:
        return {"total": None, "errors": None, "by_function": {}}
    return {
        "total": sum(each.total for each in by_function.values()),
        "errors": sum(each.errors for each in by_function.values()),
        "by_function": {name: asdict(each) for name, each in by_function.items()},
    }


# -- reasons to fail ---------------------------------------------------------------------------------------------------


def _broken(facts: RunFacts) -> list[str]:
    """Reasons to fail that no scenario needs to ask for: the run did not do what it was made to do."""
    failures = list(facts.troubles)
    if facts.interruption is not None:
        failures.append(facts.interruption)
        return failures
    if not facts.connections.opened:
        failures.append("No subscriber could connect, so nothing was put to the test.")
    elif not facts.published:
        failures.append("No update was published, so nothing was put to the test.")
    if facts.planned is not None and facts.published < facts.planned and not facts.troubles:
        missing = facts.planned - facts.published
        failures.append(f"{counted(missing, 'update')} of {facts.planned:,} could not be published.")
    if facts.drain.get("outcome") == "limit":
        failures.append(f"The run did not come to an end: {facts.drain['reason']}.")
    return failures


def _unmet(facts: RunFacts, weighed: Sequence[tuple[Expectation, Outcome]]) -> list[str]:
    failures = []
    for each, outcome in weighed:
        if outcome.held or _held(facts, outcome) is None:
            continue
        where = "" if each.phase == WHOLE else f" in the phase {each.phase}"
        if outcome.held is None:
            # A run that was stopped, or put nothing to the test, has said so already.
            if not facts.interruption and facts.published:
                unknown = [name for name, value in outcome.found.items() if value is None] or [each.text]
                failures.append(f"{unknown[0]}{where} could not be found out, and `{each.text}` was expected.")
            continue
        failures.append(f"{_story(facts, each, outcome)}{where} (`{each.text}` was expected).")
    return failures


def _story(facts: RunFacts, expectation: Expectation, outcome: Outcome) -> str:
    """What happened: the beginning of the sentence that says an expectation was not met."""
    if len(expectation.metrics) == 1 and expectation.phase == WHOLE:
        told = _stories(facts).get(expectation.metrics[0])
        if told is not None:
            return told
    return ", ".join(f"{name} is {_value(name, value)}" for name, value in outcome.found.items())


def _value(name: str, value: float | None) -> str:
    if value is None:
        return "not known"
    metric = METRICS.get(name.split(".", 2)[2] if name.startswith("groups.") else name)
    unit = " ms" if metric is not None and metric.unit == "milliseconds" else ""
    return f"{value:,}{unit}" if isinstance(value, int) else f"{value:,.1f}{unit}"


def _stories(facts: RunFacts) -> dict[str, str]:
    """For the figures that most scenarios ask for, what happened in the whole run."""
    frames, connections = facts.frames, facts.connections
    total = facts.books.tally()
    checked, wrong = facts.positions
    return {
        "deliveries.lost": f"{total.lost:,} of {counted(total.expected, 'delivery')} "
        f"{'was' if total.lost == 1 else 'were'} lost{_told_losses(facts, total.lost)}",
        "final_positions.wrong": f"{wrong:,} of {counted(checked, 'last position')} on "
        f"the subscribers' maps {'is' if wrong == 1 else 'are'} wrong",
        "deliveries.altered": f"{counted(frames.altered, 'frame')} had another content than the update that was "
        "published",
        "deliveries.unexpected": f"{counted(frames.unexpected, 'frame')} carried an update that was never published"
        f"{_examples(frames.unexpected_examples)}",
        "deliveries.duplicated": f"{counted(total.duplicated, 'delivery')} came more than once",
        "deliveries.reordered": f"{counted(total.reordered, 'delivery')} came after a newer update of the same vendor"
        f"{_worst_vendor(facts)}",
        "updates.dead_lettered": _dead_letter_story(facts),
        "connections.refused": f"{counted(sum(connections.refusals.values()), 'handshake')} of "
        f"{connections.asked:,} failed"
        f"{_examples([f'{count:,} × {answer}' for answer, count in connections.refusals.items()])}",
        "connections.dropped": f"{counted(connections.dropped, 'subscriber')} lost the connection"
        f"{_examples([_drop_story(drop) for drop in connections.drops], connections.dropped)}",
        "connections.rows_without_socket": f"{counted(connections.rows_without_socket or 0, 'row')} of the connections "
        "table had no socket when the run ended, and each broadcast posts to all of them",
        "invocations.errors": f"Functions ended in an error{_examples(_error_counts(facts))}",
    }


def _told_losses(facts: RunFacts, total: int) -> str:
    return _examples(
        [
            f"update {settled.update_id} of {_name(facts, settled.vendor)}, due at "
            f"{settled.due_s - facts.start_s:.1f} s, never reached subscriber {each.subscriber} ({each.story})"
            for settled, each in facts.books.losses[:_TOLD]
        ],
        total,
    )


def _name(facts: RunFacts, vendor: str) -> str:
    counts = facts.vendors.get(vendor)
    return counts.name if counts is not None and counts.name else vendor


def _dead_letter_story(facts: RunFacts) -> str:
    count = facts.dead_lettered or 0
    if not count:
        return f"No message is in the dead-letter queue {facts.dead_letter_queue}"
    story = (
        f"{counted(count, 'update')} {'is' if count == 1 else 'are'} in the dead-letter queue "
        f"{facts.dead_letter_queue}: each was given to the function as often as the queue allows and failed every time"
    )
    errors = _error_counts(facts)
    return f"{story}{_examples(errors)}; the stack's log says why" if errors else f"{story}; the stack's log says why"


def _error_counts(facts: RunFacts) -> list[str]:
    return [
        f"{name}: {counted(each.errors, 'error')} in {counted(each.total, 'invocation')}"
        for name, each in (facts.invocations or {}).items()
        if each.errors
    ]


def _drop_story(drop: Mapping[str, Any]) -> str:
    return f"subscriber {drop['subscriber']} at {drop['at_s']} s, code {drop['code']}, {drop['reason']}"


def _worst_vendor(facts: RunFacts) -> str:
    worst = max(facts.vendors, key=lambda vendor: facts.vendors[vendor].reordered, default=None)
    if worst is None or not facts.vendors[worst].reordered:
        return ""
    return f": {facts.vendors[worst].reordered:,} of them from {_name(facts, worst)}"


def _examples(stories: Sequence[str], total: int | None = None) -> str:
    """`: a; b; c; and 7 more`, or nothing; `total` when there are more than the stories that are known."""
    if not stories:
        return ""
    hidden = (len(stories) if total is None else total) - min(len(stories), _TOLD)
    return f": {'; '.join(stories[:_TOLD])}{f'; and {hidden:,} more' if hidden > 0 else ''}"
