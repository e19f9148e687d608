"""What a run found, as data: groups of subjects, each with samples of metrics, and the ratios that are to be read.

A *subject* is one way of doing the work of a group: ours, a reference that others use, the floor below which nobody
gets, a ceiling that a library cannot pass. A *ratio* sets one metric of one subject against another subject of the
same group and run. It says how many times better, whatever way the metric points: 2 is twice as good, 0.5 half.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Better = Literal["lower", "higher"]
Role = Literal["ours", "reference", "floor", "ceiling"]

VERSION = 1
CPU_TOLERANCE = 0.15
"""CPU time hardly depends on what else runs, but caches, clock speed and the kernel's accounting do."""
WALL_TOLERANCE = 0.35
"""Wall time on a shared machine, even interleaved and as a median."""


@dataclass(slots=True)
class Metric:
    """Samples of one quantity, in the order they were taken."""

    unit: str
    better: Better
    samples: list[float] = field(default_factory=list)
    reach: float | None = None
    """What is aimed at, in the metric's unit; a machine of its own is meant, not this one."""

    @property
    def median(self) -> float:
        return statistics.median(self.samples)


@dataclass(slots=True)
class Subject:
    """One way to do the work."""

    role: Role
    metrics: dict[str, Metric] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ratio:
    """`of` against `against`, by `metric`."""

    metric: str
    of: str
    against: str
    paired: bool = True
    """Samples of one index were taken right after each other, so that noise moved both."""
    reach: float | None = None
    """What is aimed at."""
    tolerance: float = CPU_TOLERANCE
    """How much worse, as a share, is still called noise."""

    @property
    def key(self) -> str:
        return f"{self.of} × {self.against}: {self.metric}"


@dataclass(slots=True)
class Group:
    """Subjects that did the same work in the same run."""

    title: str
    subjects: dict[str, Subject] = field(default_factory=dict)
    ratios: list[Ratio] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    """What has no reference: fitted exponents, sizes, settings that were lifted."""
    test: str = ""
    """The pytest node that measures it."""

    def add(
        self,
        subject: str,
        role: Role,
        metric: str,
        value: float,
        *,
        unit: str,
        better: Better,
        reach: float | None = None,
    ) -> None:
        """Add one sample."""
        metrics = self.subjects.setdefault(subject, Subject(role)).metrics
        metrics.setdefault(metric, Metric(unit, better, reach=reach)).samples.append(value)

    def set_against(
        self,
        metric: str,
        of: str,
        against: str,
        *,
        paired: bool = True,
        reach: float | None = None,
        tolerance: float = CPU_TOLERANCE,
    ) -> None:
        """Say that this ratio is to be read and tracked."""
        self.ratios.append(Ratio(metric, of, against, paired, reach, tolerance))

    def gains(self, ratio: Ratio) -> list[float]:
        """How many times better, once per pair of samples; once for the medians when they are not paired."""
        ours = self.subjects[ratio.of].metrics[ratio.metric]
        theirs = self.subjects[ratio.against].metrics[ratio.metric]
        if ratio.paired and len(ours.samples) == len(theirs.samples):
            pairs: Sequence[tuple[float, float]] = list(zip(ours.samples, theirs.samples, strict=True))
        else:
            pairs = [(ours.median, theirs.median)]
        return [theirs / ours if self.is_lower_better(ratio) else ours / theirs for ours, theirs in pairs]

    def gain(self, ratio: Ratio) -> float:
        """The median of `gains`."""
        return statistics.median(self.gains(ratio))

    def is_lower_better(self, ratio: Ratio) -> bool:
        return self.subjects[ratio.of].metrics[ratio.metric].better == "lower"


@dataclass(slots=True)
class Run:
    """Everything one run found, and what it ran on."""

    groups: dict[str, Group] = field(default_factory=dict)
    surroundings: dict[str, Any] = field(default_factory=dict)

    def group(self, name: str, title: str, test: str = "") -> Group:
        """The group of this name, made when it is new."""
        return self.groups.setdefault(name, Group(title, test=test))

    def to_json(self) -> dict[str, Any]:
        groups = {name: asdict(group) for name, group in self.groups.items() if group.subjects}
        return {"version": VERSION, **self.surroundings, "groups": groups}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Run:
        """The reverse of `to_json`; raises ValueError for a document that is none."""
        if document.get("version") != VERSION:
            raise ValueError(f"not a benchmark result of version {VERSION}")
        groups = {
            name: Group(
                title=group["title"],
                subjects={
                    subject: Subject(
                        each["role"], {metric: Metric(**values) for metric, values in each["metrics"].items()}
                    )
                    for subject, each in group["subjects"].items()
                },
                ratios=[Ratio(**ratio) for ratio in group["ratios"]],
                facts=group["facts"],
                test=group["test"],
            )
            for name, group in document["groups"].items()
        }
        surroundings = {name: value for name, value in document.items() if name not in ("version", "groups")}
        return cls(groups, surroundings)
