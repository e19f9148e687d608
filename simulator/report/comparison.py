"""Whether two runs may be compared, and what is different about them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from simulator.report.run_report import RunReport

_TOLD = 6
_NOT_OF_THE_LOAD = frozenset({"file", "description", "question", "name"})
"""Keys of a scenario that change nothing about what is played."""


def differences(runs: Sequence[RunReport]) -> tuple[str, ...]:
    """A sentence for each reason why the later runs cannot be set against the first; empty when they can."""
    return tuple(
        sentence for number, run in enumerate(runs[1:], start=1) for sentence in _between(runs[0], run, number)
    )


def letter(number: int) -> str:
    """What a comparison calls its runs: A, B, C and so on."""
    return chr(ord("A") + number)


def _between(base: RunReport, run: RunReport, number: int) -> Iterator[str]:
    a, b = letter(0), letter(number)
    if run.scenario != base.scenario:
        yield f"{a} and {b} are not comparable: {a} played {base.scenario}, {b} {run.scenario}."
    elif changed := sorted(set(_changed(base.settings, run.settings))):
        more = f" and {len(changed) - _TOLD} more" if len(changed) > _TOLD else ""
        yield (
            f"{a} and {b} are not comparable: the scenario was played with other values of "
            f"{', '.join(changed[:_TOLD])}{more}."
        )
    if run.seed != base.seed:
        yield f"{a} and {b} are not comparable: {a} has seed {base.seed}, {b} {run.seed}, so vendors moved otherwise."
    if run.target != base.target:
        yield f"{a} and {b} are not comparable: {a} drove a {base.target} stack, {b} a {run.target} one."
    machines = [
        {name: each.machine.get(name) for name in ("platform", "cpus", "processor", "memory_mb")}
        for each in (base, run)
    ]
    if machines[0] != machines[1]:
        yield (
            f"{a} and {b} are not comparable in time: {a} ran on {_machine(base.machine)}, {b} on "
            f"{_machine(run.machine)}."
        )
    for name, each in ((a, base), (b, run)):
        if each.partial:
            yield f"{a} and {b} are not comparable: {name} was stopped before its end."


def _changed(one: Any, other: Any, path: str = "") -> Iterator[str]:
    """Paths at which two scenarios differ."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for key in {**one, **other}:
            if path or key not in _NOT_OF_THE_LOAD | {"seed"}:
                yield from _changed(one.get(key), other.get(key), f"{path}.{key}" if path else str(key))
    elif one != other:
        yield path


def _machine(machine: Mapping[str, Any]) -> str:
    return f"{machine.get('platform')} with {machine.get('cpus')} processors"
