"""What faults do to one callback (`simulator.fault_kinds`, the pieces `@connections` and `gateway`).

Pure: which calls are hit is drawn from each fault's own stream. Delays add up; of the rest, the fault that was switched
on first is the one that strikes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

from simulator.active_faults import ActiveFault
from simulator.gateway.ids import IdFactory
from simulator.gateway.management import Answer, failed, gone, throttled

CALLBACK_KINDS = (
    "callback_latency",
    "callback_throttle",
    "callback_error",
    "callback_hang",
    "callback_reset",
    "callback_race",
)
HALF_OPEN = "half_open"

Said = Literal["the truth", "ok", "gone", "throttled", "failed", "nothing"]


@dataclass(frozen=True, slots=True)
class Mishap:
    """What becomes of one POST."""

    delay_s: float = 0.0
    """It is handled this much later."""
    answer_delay_s: float = 0.0
    """And, once handled, answered this much later."""
    delivers: bool = True
    """The viewer gets the message, provided that there is one."""
    says: Said = "the truth"
    """`ok` and `gone` only in place of an honest 200: elsewhere there is no race."""
    status: int = 500
    """Of `failed`."""
    cuts_viewer: bool = False


def callback_mishap(faults: Iterable[ActiveFault], *names: str) -> Mishap | None:
    """Draw what becomes of one POST to the connection of these names (id, peer); None when no fault hits it."""
    delay_s = 0.0
    struck: Mishap | None = None
    for fault in faults:
        if fault.kind == "callback_latency":
            if fault.hits(*names):
                delay_s += fault.delay_s()
        elif struck is None and fault.hits(*names):
            struck = _STRIKES[fault.kind](fault)
    if not delay_s:
        return struck
    return replace(struck or Mishap(), delay_s=delay_s)


def spoiled(mishap: Mishap, honest: Answer, ids: IdFactory, now_ms: int) -> Answer | None:
    """The answer that is given in place of the honest one, actions included; None: no answer at all.

    When nothing is to be delivered, `honest` must be the answer to a GET, which has the same errors and no actions.
    """
    actions = honest.actions if mishap.delivers else ()
    match mishap.says:
        case "nothing":
            return None
        case "throttled":
            lie = throttled(ids, now_ms)
        case "failed":
            lie = failed(ids, now_ms, mishap.status)
        case "gone" if honest.status == _OK:
            lie = gone(ids, now_ms)
        case "ok" if honest.status == _OK:
            lie = replace(honest, body=b"")
        case _:
            return honest
    return replace(lie, actions=actions)


def trouble_of(mishap: Mishap, honest_status: int, status: int | None) -> str | None:
    """What became of a post that a fault has hit, in words; None when the viewer got it.

    `honest_status` is what it deserved, `status` what it was answered; None is no answer at all.
    """
    if mishap.delivers and honest_status == _OK:
        return None
    if status is None:
        return "cut off"
    if mishap.answer_delay_s:
        return f"left hanging for {mishap.answer_delay_s:g} s"
    return "answered 200 and never delivered" if status == _OK else f"answered {status}"


_OK = 200


def _failing(fault: ActiveFault) -> Mishap:
    return Mishap(says="failed", status=int(fault.number("status")), delivers=bool(fault.attributes["delivered"]))


def _hanging(fault: ActiveFault) -> Mishap:
    return replace(_failing(fault), answer_delay_s=fault.number("hang_ms") / 1_000)


def _racing(fault: ActiveFault) -> Mishap:
    delivered = fault.attributes["answer"] == "gone"
    return Mishap(says="gone" if delivered else "ok", delivers=delivered, cuts_viewer=bool(fault.attributes["closes"]))


_STRIKES: Mapping[str, Callable[[ActiveFault], Mishap]] = MappingProxyType(
    {
        "callback_throttle": lambda _: Mishap(says="throttled", delivers=False),
        "callback_error": _failing,
        "callback_hang": _hanging,
        "callback_reset": lambda fault: Mishap(says="nothing", delivers=bool(fault.attributes["delivered"])),
        "callback_race": _racing,
    }
)
