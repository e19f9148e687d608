"""Everything a report says about one run, ready to be laid out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from simulator.load.raw_results import Distribution, LossRow, Second, UpdateRow, VendorTrack
from simulator.report.expectations import ExpectationRow


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of the run that has a name: a phase or a fault. Seconds from the start of publishing."""

    name: str
    began_s: float
    ended_s: float | None
    """None is to the end of the run."""
    trouble: str | None = None
    """Of a fault: why it did not do what it was to do."""
    details: str = ""
    """Of a fault: its attributes; of a phase: how long it was to last."""


@dataclass(frozen=True, slots=True)
class VendorRow:
    """One vendor's deliveries."""

    vendor: str
    name: str
    updates: int
    expected: int
    lost: int
    duplicated: int
    reordered: int
    slowest_ms: float | None
    """The longest that one of its updates took to the last viewer."""


@dataclass(frozen=True, slots=True)
class GroupRow:
    """One group of subscribers. A count is None where the run did not keep it for groups."""

    name: str
    kind: str
    count: int
    expected: int | None
    received: int | None
    lost: int | None
    cut_off: int | None


@dataclass(frozen=True, slots=True)
class Losses:
    """What never arrived."""

    total: int
    told: tuple[LossRow, ...]
    """The first thousand at most."""
    by_story: tuple[tuple[str, int], ...]
    """Counts of those that are told, the most frequent first."""
    by_second: Mapping[int, int]
    """Lost deliveries by the second in which their update was due."""


@dataclass(frozen=True, slots=True)
class RunReport:
    """One run."""

    folder: str
    """Name of its folder of results."""
    scenario: str
    question: str
    seed: int
    started_at: str
    duration_s: float
    target: str
    passed: bool
    partial: bool
    failures: tuple[str, ...]
    notes: tuple[str, ...]
    expectations: tuple[ExpectationRow, ...]
    verdict: Mapping[str, Any]
    settings: Mapping[str, Any]
    """The scenario as it was run, every key."""
    versions: Mapping[str, Any]
    machine: Mapping[str, Any]
    commit: Mapping[str, Any] | None
    phases: tuple[Span, ...]
    faults: tuple[Span, ...]
    groups: tuple[GroupRow, ...]
    vendors: tuple[VendorRow, ...]
    """Those with the most losses first."""
    series: tuple[Second, ...]
    distributions: tuple[Distribution, ...]
    losses: Losses
    slowest: tuple[UpdateRow, ...]
    """The updates that took longest to the last viewer."""
    tracks: tuple[VendorTrack, ...]

    @property
    def outcome(self) -> str:
        """One word: `passed`, `failed` or `partial`."""
        return "partial" if self.partial else "passed" if self.passed else "failed"

    def distribution(
        self, of: str, *, corrected: bool = True, phase: str | None = None, group: str | None = None
    ) -> Distribution | None:
        """The one histogram of that kind; None when the run has none, or it is empty."""
        return next(
            (
                each
                for each in self.distributions
                if (each.of, each.corrected, each.phase, each.group) == (of, corrected, phase, group)
                and each.latencies.count
            ),
            None,
        )
