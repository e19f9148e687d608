"""Faults as data: what goes wrong in a run, when, for how long and how likely."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from simulator.errors import InputError
from simulator.fault_kinds import FAULT_KINDS, Attribute, FaultKind
from simulator.load.strict_table import StrictTable

LONGEST_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of a scenario."""

    kind: FaultKind
    target: str | None = None
    """What it is narrowed to, as `kind.target` says; None is everything of the kind's piece."""
    start_s: float = 0.0
    """Seconds from the first moment of publishing."""
    duration_s: float | None = None
    """Seconds; None lasts until the end of the run, and is the value of kinds that are over in a moment."""
    probability: float = 1.0
    """0 to 1: of each thing it may hit (a call, a message, a viewer), independently, how likely it hits."""
    attributes: Mapping[str, bool | float | str] = field(default_factory=dict)
    """Every attribute of the kind, defaults filled in."""

    def to_json(self) -> dict[str, Any]:
        """As in a scenario file, complete."""
        return {
            "kind": self.kind.name,
            "target": self.target,
            "start_s": self.start_s,
            "duration_s": self.duration_s,
            "probability": self.probability,
            "attributes": dict(self.attributes),
        }


def read_faults(tables: list[StrictTable]) -> tuple[Fault, ...]:
    """Read the `[[faults]]` of a scenario; raises InputError naming file, key and remedy."""
    return tuple(_read_fault(table) for table in tables)


def refuse_local(faults: Sequence[Fault], where: str) -> None:
    """Raise InputError, naming them, when some of these faults act inside a local stack; `where` is another one."""
    names = list(dict.fromkeys(fault.kind.name for fault in faults if fault.kind.local))
    if names:
        what, them = ("fault", "it") if len(names) == 1 else ("faults", "them")
        raise InputError(
            f"{where} runs elsewhere, and the {what} {', '.join(names)} can only be brought about in a local stack; "
            f"leave {them} out of the scenario, or --target."
        )


def _read_fault(table: StrictTable) -> Fault:
    if "kind" not in table:
        raise table.refusal("kind", "is missing; write one of those that `tracker-sim faults` lists")
    kind = FAULT_KINDS[table.choice("kind", "", tuple(FAULT_KINDS))]
    target = table.optional_text("target")
    if target is not None and not kind.target:
        raise table.refusal("target", f"has no use with {kind.name}, which cannot be narrowed; leave it out")
    duration_s = table.number("duration_s", None, 0.001, LONGEST_S)
    if duration_s is not None and not kind.timed:
        raise table.refusal("duration_s", f"has no use with {kind.name}, which is over in a moment; leave it out")
    if "probability" in table and not kind.each:
        raise table.refusal("probability", f"has no use with {kind.name}, which leaves nothing to chance; leave it out")
    attributes = table.table("attributes")
    fault = Fault(
        kind=kind,
        target=target,
        start_s=table.number("start_s", 0.0, 0, LONGEST_S) or 0.0,
        duration_s=duration_s,
        probability=_probability(table),
        attributes={each.name: _attribute(attributes, each) for each in kind.attributes},
    )
    attributes.refuse_the_rest()
    table.refuse_the_rest()
    return fault


def _probability(table: StrictTable) -> float:
    value = table.number("probability", 1.0, 0, 1)
    return 1.0 if value is None else value


def _attribute(table: StrictTable, attribute: Attribute) -> bool | float | str:
    default = attribute.default
    value: bool | float | str | None
    if isinstance(default, bool):
        return table.flag(attribute.name, default=default)
    if isinstance(default, str):
        if attribute.choices:
            return table.choice(attribute.name, default, attribute.choices)
        return table.text(attribute.name, default)
    high = LONGEST_NUMBER if math.isinf(attribute.high) else attribute.high
    if isinstance(default, int):
        value = table.whole(attribute.name, default, math.ceil(attribute.low), math.floor(high))
    else:
        value = table.number(attribute.name, default, attribute.low, high)
    return default if value is None else value


LONGEST_NUMBER = 2.0**53
"""Of an attribute without a bound of its own: what a float holds exactly."""
