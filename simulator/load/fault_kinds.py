"""Every kind of fault there is: what it acts on, which attributes it takes, and who can bring it about.

The one registry. The scenario reader checks `[[faults]]` against it, `tracker-sim faults` lists it, and whoever
performs a kind (a `Lever`, see `simulator.load.fault_play`) finds every attribute filled in.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Direction = Literal["to viewers", "from viewers", "both", "none"]


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute of a kind. Its type is that of its default: flag, whole number, number or text."""

    name: str
    """With the unit at its end, as everywhere: `delay_ms`."""
    unit: str
    default: bool | float | str
    help: str
    low: float = 0.0
    high: float = math.inf
    choices: tuple[str, ...] = ()
    """For text: the words allowed; empty allows any."""


@dataclass(frozen=True, slots=True)
class FaultKind:
    """What a fault of this kind does."""

    name: str
    piece: str
    """The part of the system that it acts on: `viewers`, `gateway`, `@connections`, `dynamodb`, `sqs`, `function` …"""
    target: str
    """What the key `target` may name to narrow it (`a group of subscribers`); empty when there is nothing to narrow."""
    help: str
    """One line, half a sentence."""
    direction: Direction = "none"
    attributes: tuple[Attribute, ...] = ()
    local: bool = False
    """Needs a lever inside a local stack; a deployed one cannot be made to do it."""
    timed: bool = True
    """Lasts for a while. A kind that is over in a moment (a reset) takes no duration."""

    def attribute(self, name: str) -> Attribute | None:
        """The attribute of that name, if it has one."""
        return next((each for each in self.attributes if each.name == name), None)


_ALL = (
    FaultKind(
        "viewer_reset",
        piece="viewers",
        target="a group of subscribers",
        help="connections of viewers are cut without a close frame; `probability` is the share of viewers it hits",
        direction="both",
        timed=False,
    ),
    FaultKind(
        "viewer_freeze",
        piece="viewers",
        target="a group of subscribers",
        help="viewers stop reading and read on when it is over; `probability` is the share of viewers it hits",
        direction="to viewers",
    ),
)

FAULT_KINDS: Mapping[str, FaultKind] = MappingProxyType({kind.name: kind for kind in _ALL})
"""By name, in the order in which they are listed."""
