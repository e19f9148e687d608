"""The verdict: what was sent, what arrived, how fast, whether anything was lost, and whether that is good enough.

Pure: everything observed comes in as `RunFacts`. Times are milliseconds or seconds as their key says; latencies count
from the time an update was due (open load), so a generator or a stack that falls behind cannot hide it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from simulator.load.latency import Latencies
from simulator.load.reckoning import Balance, Deliveries
from simulator.load.scenario import Scenario
from simulator.load.wording import counted

_TOLD = 3
_KEPT_DROPS = 20


@dataclass(frozen=True, slots=True)
class Connections:
    """What became of the handshakes."""

    asked: int
    opened: int
    refusals: Mapping[str, int]
    """Answer to count."""
    drops: Sequence[Mapping[str, Any]] = ()
    """`subscriber`, `code`, `reason` and `at_s` (seconds from the start of the run) of each socket that broke."""


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


@dataclass(frozen=True, slots=True)
class Invocations:
    """Invocations and errors of one function during the run."""

    total: int
    errors: int


@dataclass(frozen=True, slots=True)
class RunFacts:
    """Everything a verdict is made of."""

    scenario: Scenario
    provenance: Mapping[str, Any]
    """`versions`, `machine` and `commit`, copied as they are."""
    started_at: str
    """ISO 8601."""
    balance: Balance
    all_latency: Latencies
    all_latency_uncorrected: Latencies
    connections: Connections
    frames: Frames
    vendor_names: Mapping[str, str]
    start_s: float
    """The time on the ledger's scale from which `due_s` of the losses is told."""
    planned: int | None
    """Updates that were to be published; None when the run ended before the last one was planned."""
    planned_duration_s: float
    publishing_s: float
    """From the start of the run to the last update that left."""
    duration_s: float
    drain: Mapping[str, Any]
    """`outcome`, `reason` and `waited_s`; empty when the run never came to it."""
    invocations: Mapping[str, Invocations] | None = None
    """By function; None when the stack does not tell."""
    dead_lettered: int | None = 0
    """None when it could not be counted."""
    dead_letter_queue: str | None = None
    interruption: str | None = None
    """Why the run ended before its time, as a sentence; None when it did not."""
    troubles: Sequence[str] = ()
    """What went wrong in the run itself, a sentence each."""
    notes: Sequence[str] = ()
    """What the reader should know and does not fail the run, a sentence each."""


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
    balance, connections = facts.balance, facts.connections
    found = _found(facts)
    failures = [*_broken(facts), *_unmet(facts, found)]
    limits = asdict(facts.scenario.expect)
    document: dict[str, Any] = {
        "scenario": facts.scenario.name,
        "description": facts.scenario.description,
        "seed": facts.scenario.seed,
        **facts.provenance,
        "started_at": facts.started_at,
        "duration_s": round(facts.duration_s, 3),
        "partial": facts.interruption is not None,
        "passed": not failures,
        "failures": failures,
        "updates": {
            "planned": facts.planned,
            "published": balance.published,
            "broadcast": balance.broadcast,
            "dead_lettered": facts.dead_lettered,
        },
        "deliveries": {
            **asdict(balance.total),
            "altered": facts.frames.altered,
            "unexpected": facts.frames.unexpected,
            "per_vendor": {
                vendor: {"name": facts.vendor_names.get(vendor, ""), **asdict(deliveries)}
                for vendor, deliveries in balance.per_vendor.items()
            },
            "per_subscriber": [asdict(deliveries) for deliveries in balance.per_subscriber],
            "first_losses": [
                {
                    "update": loss.update_id,
                    "vendor": loss.vendor,
                    "subscriber": loss.subscriber,
                    "due_s": round(loss.due_s - facts.start_s, 3),
                }
                for loss in balance.losses
            ],
        },
        "latency_ms": {
            "all": facts.all_latency.summary_ms(),
            "first": balance.first_latency.summary_ms(),
            "last": balance.last_latency.summary_ms(),
            "uncorrected": {
                "all": facts.all_latency_uncorrected.summary_ms(),
                "first": balance.first_latency_uncorrected.summary_ms(),
                "last": balance.last_latency_uncorrected.summary_ms(),
            },
        },
        "final_positions": asdict(balance.positions),
        "invocations": _invocations(facts.invocations),
        "connections": {
            "asked": connections.asked,
            "opened": connections.opened,
            "refused": sum(connections.refusals.values()),
            "dropped": len(connections.drops),
            "refusals": dict(connections.refusals),
            "first_drops": [dict(drop) for drop in connections.drops[:_KEPT_DROPS]],
        },
        "frames": {
            "total": facts.frames.total,
            "errors": sum(facts.frames.errors.values()),
            "error_messages": dict(facts.frames.errors),
            "strange": facts.frames.strange,
            "strange_examples": list(facts.frames.strange_examples),
        },
        "rates": {
            "load": "open",
            "asked_updates_per_s": _rate(facts.planned, facts.planned_duration_s),
            "achieved_updates_per_s": _rate(balance.published, max(facts.publishing_s, facts.planned_duration_s)),
            "deliveries_per_s": _rate(balance.total.received, facts.duration_s),
        },
        "drain": dict(facts.drain),
        "expectations": {
            name: {"limit": limits[name], "found": found[name], "held": _held(limits[name], found[name])}
            for name in found
            if limits[name] is not None
        },
        "notes": list(facts.notes),
    }
    return Verdict(document)


def _found(facts: RunFacts) -> dict[str, float | None]:
    """What was found for each field of `Expectations`; None is what could not be found out."""
    total = facts.balance.total
    invocations = facts.invocations
    return {
        "lost": total.lost,
        "wrong_positions": facts.balance.positions.wrong,
        "altered": facts.frames.altered,
        "unexpected": facts.frames.unexpected,
        "duplicated": total.duplicated,
        "reordered": total.reordered,
        "dead_lettered": facts.dead_lettered,
        "refused": sum(facts.connections.refusals.values()),
        "dropped": len(facts.connections.drops),
        "invocation_errors": None if invocations is None else sum(each.errors for each in invocations.values()),
        "p99_ms": facts.all_latency.percentile_ms(99.0),
        "last_p99_ms": facts.balance.last_latency.percentile_ms(99.0),
    }


def _held(limit: float, found: float | None) -> bool:
    return found is not None and found <= limit


def _broken(facts: RunFacts) -> list[str]:
    """Reasons to fail that no scenario needs to ask for: the run did not do what it was made to do."""
    failures = list(facts.troubles)
    if facts.interruption is not None:
        failures.append(facts.interruption)
        return failures
    if not facts.connections.opened:
        failures.append("No subscriber could connect, so nothing was put to the test.")
    elif not facts.balance.published:
        failures.append("No update was published, so nothing was put to the test.")
    if facts.planned is not None and facts.balance.published < facts.planned and not facts.troubles:
        missing = facts.planned - facts.balance.published
        failures.append(f"{counted(missing, 'update')} of {facts.planned:,} could not be published.")
    if facts.drain.get("outcome") == "limit":
        failures.append(f"The run did not come to an end: {facts.drain['reason']}.")
    return failures


def _unmet(facts: RunFacts, found: Mapping[str, float | None]) -> list[str]:
    stories = _stories(facts)
    failures = []
    for name, limit in asdict(facts.scenario.expect).items():
        if limit is None or _held(limit, found[name]):
            continue
        value = found[name]
        if value is None:
            if not facts.interruption and facts.balance.published:
                failures.append(f"{name} could not be found out, and at most {limit:,} was expected.")
            continue
        failures.append(f"{stories[name]} (at most {limit:,} expected).")
    return failures


def _stories(facts: RunFacts) -> dict[str, str]:
    """For each expectation, what happened: the beginning of the sentence that says it was not met."""
    balance, frames, connections = facts.balance, facts.frames, facts.connections
    total = balance.total
    p99 = facts.all_latency.percentile_ms(99.0) or 0.0
    last_p99 = balance.last_latency.percentile_ms(99.0) or 0.0
    return {
        "lost": f"{total.lost:,} of {counted(total.expected, 'delivery')} "
        f"{'was' if total.lost == 1 else 'were'} lost{_told_losses(facts)}",
        "wrong_positions": f"{balance.positions.wrong:,} of {counted(balance.positions.checked, 'last position')} on "
        f"the subscribers' maps {'is' if balance.positions.wrong == 1 else 'are'} wrong",
        "altered": f"{counted(frames.altered, 'frame')} had another content than the update that was published",
        "unexpected": f"{counted(frames.unexpected, 'frame')} carried an update that was never published"
        f"{_examples(frames.unexpected_examples)}",
        "duplicated": f"{counted(total.duplicated, 'delivery')} came more than once",
        "reordered": f"{counted(total.reordered, 'delivery')} came after a newer update of the same vendor"
        f"{_worst_vendor(facts)}",
        "dead_lettered": _dead_letter_story(facts),
        "refused": f"{counted(sum(connections.refusals.values()), 'handshake')} of {connections.asked:,} failed"
        f"{_examples([f'{count:,} × {answer}' for answer, count in connections.refusals.items()])}",
        "dropped": f"{counted(len(connections.drops), 'subscriber')} lost the connection"
        f"{_examples([_drop_story(drop) for drop in connections.drops])}",
        "invocation_errors": f"Functions ended in an error{_examples(_error_counts(facts))}",
        "p99_ms": f"The 99th percentile of latency is {p99:,.1f} ms over all deliveries",
        "last_p99_ms": f"The 99th percentile of latency to the last subscriber is {last_p99:,.1f} ms",
    }


def _told_losses(facts: RunFacts) -> str:
    return _examples(
        [
            f"update {loss.update_id} of {facts.vendor_names.get(loss.vendor) or loss.vendor}, due at "
            f"{loss.due_s - facts.start_s:.1f} s, never reached subscriber {loss.subscriber}"
            for loss in facts.balance.losses
        ],
        facts.balance.total.lost,
    )


def _dead_letter_story(facts: RunFacts) -> str:
    count = facts.dead_lettered or 0
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
    by_vendor: dict[str, Deliveries] = facts.balance.per_vendor
    worst = max(by_vendor, key=lambda vendor: by_vendor[vendor].reordered, default=None)
    if worst is None or not by_vendor[worst].reordered:
        return ""
    return f": {by_vendor[worst].reordered:,} of them from {facts.vendor_names.get(worst) or worst}"


def _examples(stories: Sequence[str], total: int | None = None) -> str:
    """`: a; b; c; and 7 more`, or nothing; `total` when there are more than the stories that are known."""
    if not stories:
        return ""
    hidden = (len(stories) if total is None else total) - min(len(stories), _TOLD)
    return f": {'; '.join(stories[:_TOLD])}{f'; and {hidden:,} more' if hidden > 0 else ''}"


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
