"""From what a run has seen to its raw results."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from simulator.load.fault_play import FaultRecord
from simulator.load.ledger import Ledger, UpdateRecord
from simulator.load.raw_results import Distribution, LossRow, ResultsWriter, Second, UpdateRow, VendorTrack
from simulator.load.scenario import scenario_to_json
from simulator.load.stack_view import Stats
from simulator.load.verdict import RunFacts, Verdict

_WHOLE_RUN = "run"
"""Name of the one phase there is for now."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Counts so far, at one moment on the ledger's scale."""

    at_s: float
    phase: str
    received: int
    sent: int
    overdue: int
    invocations: int | None
    errors: int | None
    environments: int | None
    queued: int
    in_flight: int
    connections: int


class Sampler:
    """Takes samples; about one a second is wanted."""

    def __init__(self) -> None:
        self.samples: list[Sample] = []

    def take(self, ledger: Ledger, now_s: float, phase: str, stats: Stats | None, messages: tuple[int, int]) -> None:
        """Take one."""
        self.samples.append(
            Sample(
                at_s=now_s,
                phase=phase,
                received=ledger.received,
                sent=ledger.sent,
                overdue=ledger.overdue(now_s),
                invocations=None if stats is None else sum(each.total for each in stats.functions.values()),
                errors=None if stats is None else sum(each.errors for each in stats.functions.values()),
                environments=None if stats is None else stats.environments,
                queued=messages[0],
                in_flight=messages[1],
                connections=ledger.open_subscribers,
            )
        )


def write_results(
    results: ResultsWriter,
    ledger: Ledger,
    facts: RunFacts,
    verdict: Verdict,
    *,
    samples: Sequence[Sample],
    faults: Sequence[FaultRecord],
    is_local: bool,
) -> None:
    """Write everything there is."""
    results.add_updates(_update_row(each, facts) for each in ledger.updates)
    results.add_losses(
        LossRow(loss.update_id, loss.vendor, loss.subscriber, "viewers", loss.due_s - facts.start_s, "unknown")
        for loss in facts.balance.losses
    )
    document = verdict.to_json()
    results.finish(
        {
            "scenario": scenario_to_json(facts.scenario),
            **{key: document[key] for key in ("seed", "versions", "machine", "commit", "started_at", "duration_s")},
            "target": "local" if is_local else "remote",
            "phases": [
                {
                    "name": _WHOLE_RUN,
                    "planned_s": facts.planned_duration_s,
                    "began_s": 0.0,
                    "ended_s": round(facts.publishing_s, 3),
                }
            ],
            "faults": [each.to_json(facts.start_s) for each in faults],
            "groups": [{"name": "viewers", "kind": "normal", "count": facts.connections.asked}],
            "vendors": [{"id": each, "name": name} for each, name in facts.vendor_names.items()],
            "verdict": document,
        },
        series=_series(samples, facts.start_s),
        distributions=_distributions(facts),
        tracks=[
            VendorTrack(
                vendor.vendor,
                facts.vendor_names.get(vendor.vendor, ""),
                [(each.due_s - facts.start_s, *each.position) for each in vendor.updates if each.sent_s is not None],
            )
            for vendor in ledger.vendors.values()
        ],
    )


def _update_row(update: UpdateRecord, facts: RunFacts) -> UpdateRow:
    return UpdateRow(
        update=update.update_id,
        vendor=update.vendor.vendor,
        phase=_WHOLE_RUN,
        due_s=update.due_s - facts.start_s,
        sent_s=None if update.sent_s is None else update.sent_s - facts.start_s,
        lat=update.position[0],
        long=update.position[1],
        expected=update.live_expected,
        received=update.received,
        lost=max(0, update.live_expected - update.received),
        duplicated=0,
        reordered=0,
        first_ms=_ms(update.first_s, update.due_s),
        last_ms=_ms(update.last_s, update.due_s),
    )


def _ms(at_s: float | None, since_s: float) -> float | None:
    return None if at_s is None else 1000 * (at_s - since_s)


def _distributions(facts: RunFacts) -> Iterator[Distribution]:
    balance = facts.balance
    for of, corrected, latencies in (
        ("all", True, facts.all_latency),
        ("all", False, facts.all_latency_uncorrected),
        ("first", True, balance.first_latency),
        ("first", False, balance.first_latency_uncorrected),
        ("last", True, balance.last_latency),
        ("last", False, balance.last_latency_uncorrected),
    ):
        yield Distribution(of, corrected, None, None, latencies)


def _series(samples: Sequence[Sample], start_s: float) -> Iterable[Second]:
    for before, now in itertools.pairwise(samples):
        yield Second(
            t_s=round(now.at_s - start_s - 1),
            phase=now.phase,
            sent_updates=now.sent - before.sent,
            deliveries=now.received - before.received,
            overdue=now.overdue,
            queued=now.queued,
            in_flight=now.in_flight,
            invocations=_difference(before.invocations, now.invocations),
            invocation_errors=_difference(before.errors, now.errors),
            concurrency=now.environments,
            connections=now.connections,
        )


def _difference(before: int | None, now: int | None) -> int | None:
    return None if before is None or now is None else now - before
