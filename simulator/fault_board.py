"""The switchboard of a running stack: which faults are on, and until when.

A fault ends when it is switched off, at its duration, or with the stack; so one whose controller was killed is not on
for ever.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from simulator.active_faults import ActiveFault, FaultRoom
from simulator.errors import InputError, SimulatorError
from simulator.fault_kinds import CONNECTION, FAULT_KINDS, Attribute, FaultKind

LONGEST_S = 86_400.0
_KEYS = {"kind", "target", "peers", "probability", "duration_s", "seed", "attributes"}
_MOST_PEERS = 100_000
_log = logging.getLogger("simulator.faults")


@dataclass(slots=True)
class _On:
    kind: FaultKind
    fault: ActiveFault
    room: FaultRoom
    timer: asyncio.TimerHandle


class FaultBoard:
    """Switches faults of the rooms that were added. On the loop's thread only."""

    def __init__(self) -> None:
        self._rooms: dict[str, FaultRoom] = {}
        self._names: dict[str, Mapping[str, str]] = {}
        self._on: dict[str, _On] = {}
        self._numbers = itertools.count(1)
        self._ending: set[asyncio.Task[bool]] = set()

    def add(self, room: FaultRoom) -> None:
        """Take a room."""
        self._rooms.update(dict.fromkeys(room.kinds, room))

    def know(self, names: Mapping[str, Mapping[str, str]]) -> None:
        """Learn what faults may be narrowed to: by piece, what people may say to the name that the room knows."""
        self._names.update(names)

    async def begin(self, wish: Any) -> str:
        """Switch on what a JSON document wishes, and return its id.

        `kind` and `duration_s` (seconds, at most a day) are needed; `target`, `probability`, `attributes` and `seed`
        may be left out, and so may `peers`, the socket addresses of the viewers to hit (`peer_name`).
        Raises `InputError`, one sentence, for a wish that cannot be, and what the room raises.
        """
        kind, fault, duration_s = self._understood(wish)
        room = self._rooms[kind.name]
        fault_id = f"f{next(self._numbers)}"
        await room.begin(fault_id, fault)
        self._on[fault_id] = _On(kind, fault, room, self._end_later(fault_id, duration_s))
        _log.warning("fault %s is on: %s%s, for %g s", fault_id, kind.name, _narrowed(fault), duration_s)
        return fault_id

    def prolong(self, fault_id: str, duration_s: Any) -> bool:
        """Let a fault last this many seconds from now; False when it is not on. Raises `InputError` for no duration."""
        seconds = _duration(duration_s)
        on = self._on.get(fault_id)
        if on is None:
            return False
        on.timer.cancel()
        on.timer = self._end_later(fault_id, seconds)
        return True

    async def end(self, fault_id: str) -> bool:
        """Switch a fault off; False when it is not on (any more). Raises what the room raises."""
        on = self._on.pop(fault_id, None)
        if on is None:
            return False
        on.timer.cancel()
        await on.room.end(fault_id)
        _log.warning("fault %s is off: %s%s", fault_id, on.kind.name, _narrowed(on.fault))
        return True

    async def end_all(self) -> None:
        """Switch everything off; for when the stack stops, whatever the rooms say to it."""
        await asyncio.gather(
            *(self.end(fault_id) for fault_id in list(self._on)), *self._ending, return_exceptions=True
        )

    def listing(self) -> list[dict[str, Any]]:
        """What is on, oldest first, ready for JSON."""
        now_s = asyncio.get_running_loop().time()
        return [
            {
                "id": fault_id,
                "kind": on.kind.name,
                "target": on.fault.target,
                "peers": None if on.fault.peers is None else len(on.fault.peers),
                "probability": on.fault.probability,
                "attributes": dict(on.fault.attributes),
                "left_s": round(max(0.0, on.timer.when() - now_s), 3),
            }
            for fault_id, on in self._on.items()
        ]

    # -- inside ----------------------------------------------------------------------------------------------------

    def _end_later(self, fault_id: str, seconds: float) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(seconds, self._time_is_up, fault_id)

    def _time_is_up(self, fault_id: str) -> None:
        task = asyncio.get_running_loop().create_task(self.end(fault_id))
        self._ending.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[bool]) -> None:
        self._ending.discard(task)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, SimulatorError):
            _log.error("a fault could not be ended: %s", error)
        elif error is not None:
            _log.error("a fault could not be ended; please report this", exc_info=error)

    def _understood(self, wish: Any) -> tuple[FaultKind, ActiveFault, float]:
        if not isinstance(wish, dict) or set(wish) - _KEYS:
            raise InputError(f"a fault is an object with the keys {', '.join(sorted(_KEYS))}; leave others out.")
        kind = FAULT_KINDS.get(str(wish.get("kind")))
        if kind is None or kind.name not in self._rooms:
            raise InputError(
                f"{str(wish.get('kind'))[:60]!r} is no fault of this stack; it has {', '.join(self._rooms) or 'none'}."
            )
        probability = wish.get("probability", 1.0)
        if not _is_number(probability) or not 0 <= probability <= 1:
            raise InputError("probability must be a number from 0 to 1.")
        seed = str(wish.get("seed", 0))
        fault = ActiveFault(
            kind=kind.name,
            chance=Random(seed),  # noqa: S311  replayable chance, no secrets
            target=self._target(kind, wish.get("target")),
            probability=float(probability),
            attributes=_attributes(kind, wish.get("attributes") or {}),
            seed=seed,
            peers=_peers(kind, wish.get("peers")),
        )
        return kind, fault, _duration(wish.get("duration_s"))

    def _target(self, kind: FaultKind, given: Any) -> str | None:
        if given is None:
            return None
        if not kind.target:
            raise InputError(f"{kind.name} cannot be narrowed; leave target out.")
        if kind.target == CONNECTION and isinstance(given, str):
            return given  # they come and go: the gateway knows whether there is such a one
        names = self._names.get(kind.piece, {})
        if not isinstance(given, str) or given not in names:
            raise InputError(
                f"{kind.name} can be narrowed to {kind.target}, and {str(given)[:60]!r} is none of this stack; it has "
                f"{', '.join(names) or 'none'}."
            )
        return names[given]


def _narrowed(fault: ActiveFault) -> str:
    if fault.peers is not None:
        return f" of {len(fault.peers):,} viewers"
    return "" if fault.target is None else f" of {fault.target}"


def _peers(kind: FaultKind, given: Any) -> frozenset[str] | None:
    if given is None:
        return None
    if kind.target != CONNECTION:
        raise InputError(f"{kind.name} does not hit single viewers; leave peers out.")
    if not isinstance(given, list) or len(given) > _MOST_PEERS or not all(isinstance(each, str) for each in given):
        raise InputError("peers must be a list of socket addresses, each as a text.")
    return frozenset(given)


def _duration(given: Any) -> float:
    if not _is_number(given) or not 0 < given <= LONGEST_S:
        raise InputError(f"duration_s must be a number of seconds, more than 0 and at most {LONGEST_S:g}.")
    return float(given)


def _is_number(given: Any) -> bool:
    return isinstance(given, int | float) and not isinstance(given, bool) and math.isfinite(given)


def _attributes(kind: FaultKind, given: Any) -> dict[str, bool | float | str]:
    if not isinstance(given, dict):
        raise InputError(f"the attributes of {kind.name} must be an object.")
    known = {each.name: each for each in kind.attributes}
    for name in given:
        if name not in known:
            raise InputError(f"{kind.name} has no attribute {name[:60]!r}; it has {', '.join(known) or 'none'}.")
    return {name: _attribute(kind, each, given.get(name, each.default)) for name, each in known.items()}


def _attribute(kind: FaultKind, about: Attribute, value: Any) -> bool | float | str:
    if isinstance(about.default, bool):
        fits = isinstance(value, bool)
    elif isinstance(about.default, str):
        fits = isinstance(value, str) and (not about.choices or value in about.choices)
    else:
        fits = _is_number(value) and about.low <= value <= about.high
        fits = fits and (not isinstance(about.default, int) or value == int(value))
    if not fits:
        wanted = about.choices or (
            ("a flag",) if isinstance(about.default, bool) else (f"in {about.unit}, {about.low:g} to {about.high:g}",)
        )
        raise InputError(f"{kind.name}.{about.name} must be {' or '.join(wanted)}, not {str(value)[:60]!r}.")
    found: bool | float | str = value
    return found
