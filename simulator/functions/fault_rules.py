"""What faults do to one invocation, and to the environments that wait for one. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from simulator.active_faults import ActiveFault

THROTTLE = "function_throttle"
COLD_START = "function_cold_start"
KILL = "function_kill"
TIMEOUT = "function_timeout"
ENVIRONMENT_KINDS = (COLD_START, KILL, TIMEOUT)
"""Those that need a process to do it to."""


@dataclass(frozen=True, slots=True)
class Mishap:
    """What befalls one invocation."""

    cold: bool = False
    """Environments that are idle when it comes are thrown away."""
    strikes_after_s: float | None = None
    """So long after its environment got it, that is killed or stops getting on; None: never."""
    kills: bool = False
    """Killed, and not stopped."""


def invocation_mishap(faults: Iterable[ActiveFault], function: str) -> Mishap | None:
    """Draw what befalls one invocation; of several strikes it is that of the fault that was switched on first."""
    cold = False
    struck_by: ActiveFault | None = None
    for fault in faults:
        if fault.kind == COLD_START:
            cold = fault.hits(function) or cold
        elif struck_by is None and fault.hits(function):
            struck_by = fault
    if struck_by is not None:
        return Mishap(cold, struck_by.number("after_ms") / 1_000, struck_by.kind == KILL)
    return Mishap(cold) if cold else None
