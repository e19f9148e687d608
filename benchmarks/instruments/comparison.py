"""What counts as a regression: ratios of two runs set against each other. Pure: no I/O, clock or chance of its own.

A machine's figures are its own, so two runs are compared by their ratios to what was measured beside them. A ratio
that is worse than the other run's by more than its tolerance is *suspect*; it is a *regression* only when a second run
of the same code says so too. A ratio that the other run has and this one should have is *missing*, which fails as well:
otherwise a benchmark could escape by not running.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from instruments.results import Group, Ratio, Run

_RESAMPLES = 1_000
_CONFIDENCE = 0.95
WORTH_SAYING = 0.03
"""A smaller difference is called none, however narrow the interval."""


class Finding(StrEnum):
    """What became of one ratio."""

    REGRESSED = "REGRESSED"
    MISSING = "MISSING"
    UNCONFIRMED = "not confirmed"
    """Suspect in the first run, not in the second."""
    SUSPECT = "suspect"
    """Beyond its tolerance, and there was no second run."""
    BETTER = "better"
    SAME = ""
    NEW = "new"

    @property
    def fails(self) -> bool:
        return self in (Finding.REGRESSED, Finding.MISSING)


@dataclass(frozen=True, slots=True)
class Compared:
    """One ratio in both runs. `gain` and `base` say how many times better than what stands beside; None: not there."""

    group: str
    ratio: Ratio
    base: float | None
    gain: float | None
    finding: Finding
    confirming: float | None = None
    """The gain in the second run."""

    @property
    def change(self) -> float | None:
        """1.1 is a tenth better than the base."""
        return None if self.base is None or self.gain is None else self.gain / self.base


def compare(run: Run, base: Run, confirming: Run | None = None) -> list[Compared]:
    """Every ratio of the groups that `run` has: a run of some groups is compared in those."""
    names = [name for name in run.groups if run.groups[name].ratios]
    return [each for name in names for each in _compare_group(name, run, base, confirming)]


def suspects(compared: Iterable[Compared]) -> list[str]:
    """The groups that need a second run, each once."""
    return list(dict.fromkeys(each.group for each in compared if each.finding is Finding.SUSPECT))


def _compare_group(name: str, run: Run, base: Run, confirming: Run | None) -> list[Compared]:
    group, base_group = run.groups[name], base.groups.get(name)
    second = confirming.groups.get(name) if confirming is not None else None
    ours, theirs = _by_key(group), _by_key(base_group)
    found = []
    for key in dict.fromkeys((*ours, *theirs)):
        ratio = ours.get(key) or theirs[key]
        gain, base_gain = _gain(group, ours.get(key)), _gain(base_group, theirs.get(key))
        again = _gain(second, ratio if key in _by_key(second) else None)
        found.append(Compared(name, ratio, base_gain, gain, _judge(ratio, gain, base_gain, again), again))
    return found


def _judge(ratio: Ratio, gain: float | None, base: float | None, again: float | None) -> Finding:
    if base is None:
        return Finding.NEW
    if gain is None:
        return Finding.MISSING
    floor = base * (1 - ratio.tolerance)
    if gain >= floor:
        return Finding.BETTER if gain > base / (1 - ratio.tolerance) else Finding.SAME
    if again is None:
        return Finding.SUSPECT
    return Finding.REGRESSED if again < floor else Finding.UNCONFIRMED


@dataclass(frozen=True, slots=True)
class Quotient:
    """The gain of one code divided by that of another, over interleaved runs on one machine."""

    group: str
    ratio: Ratio
    change: float
    low: float
    high: float
    """With `low` the interval that holds 95 % of the resampled medians."""

    @property
    def verdict(self) -> str:
        """`slower` and `faster` only when the whole interval says so, by more than is worth saying."""
        if self.high < 1 - WORTH_SAYING:
            return "slower"
        if self.low > 1 + WORTH_SAYING:
            return "faster"
        return ""


def quotients(pairs: Sequence[tuple[Run, Run]], rng: random.Random) -> tuple[list[Quotient], list[str]]:
    """Compare (base, working tree) pairs of runs; what only one side has is named in the second list.

    The interval comes from resampling twice: which pairs, and which rounds within each run.
    """
    found: list[Quotient] = []
    alone: list[str] = []
    runs = [run for pair in pairs for run in pair]
    for name in dict.fromkeys(name for run in runs for name in run.groups):
        for key, ratio in {key: ratio for run in runs for key, ratio in _by_key(run.groups.get(name)).items()}.items():
            gains = [(_gains(base, name, key), _gains(head, name, key)) for base, head in pairs]
            complete = [(base, head) for base, head in gains if base and head]
            if complete:
                found.append(_quotient(name, ratio, complete, rng))
            else:
                side = "base" if any(base for base, _ in gains) else "working tree"
                alone.append(f"{name}: {key} (only in the {side})")
    return found, alone


def _quotient(
    name: str, ratio: Ratio, gains: Sequence[tuple[Sequence[float], Sequence[float]]], rng: random.Random
) -> Quotient:
    medians = [statistics.median(head) / statistics.median(base) for base, head in gains]
    resampled = sorted(
        statistics.median(
            _resampled_median(head, rng) / _resampled_median(base, rng)
            for base, head in rng.choices(gains, k=len(gains))
        )
        for _ in range(_RESAMPLES)
    )
    tail = int(_RESAMPLES * (1 - _CONFIDENCE) / 2)
    return Quotient(name, ratio, statistics.median(medians), resampled[tail], resampled[-1 - tail])


def _resampled_median(samples: Sequence[float], rng: random.Random) -> float:
    return statistics.median(rng.choices(samples, k=len(samples)))


def _by_key(group: Group | None) -> Mapping[str, Ratio]:
    return {} if group is None else {ratio.key: ratio for ratio in group.ratios}


def _gain(group: Group | None, ratio: Ratio | None) -> float | None:
    return None if group is None or ratio is None else group.gain(ratio)


def _gains(run: Run, name: str, key: str) -> Sequence[float]:
    group = run.groups.get(name)
    ratio = _by_key(group).get(key)
    return [] if group is None or ratio is None else group.gains(ratio)
