"""Subjects take turns, round by round: whatever disturbs the machine for a few seconds disturbs all of them.

Three clocks for each turn: wall, CPU of this process (all threads), CPU of the processes on the other side. The work
is checked after each turn, outside the clocks.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from instruments.processes import cpu_s
from instruments.results import Group, Role


@dataclass(frozen=True, slots=True)
class Contestant:
    """One subject; `work` is one turn, `check` raises when what it returned is not what the turn was for."""

    name: str
    role: Role
    work: Callable[[], Any]
    check: Callable[[Any], None]
    units: int
    """How many units of work one turn is."""
    server_pids: Sequence[int] = ()
    """The processes on its other side; `hold` has those of everybody."""


def hold(
    group: Group, contestants: Sequence[Contestant], *, unit: str, rounds: int, server_pids: Sequence[int] = ()
) -> int:
    """Give everybody one turn to warm up and then `rounds` that count; returns how many turns each has had.

    Adds `{unit}s_per_s`, `client_cpu_us_per_{unit}` and `server_cpu_us_per_{unit}` to the group. Who begins changes
    from round to round.
    """
    for contestant in contestants:
        contestant.check(contestant.work())
    for number in range(rounds):
        first = number % len(contestants)
        for contestant in (*contestants[first:], *contestants[:first]):
            _turn(group, contestant, unit, (*server_pids, *contestant.server_pids))
    return 1 + rounds


def _turn(group: Group, contestant: Contestant, unit: str, server_pids: Sequence[int]) -> None:
    gc.collect()
    server_before_s = [cpu_s(pid) for pid in server_pids]
    wall, cpu = time.perf_counter(), time.process_time()
    result = contestant.work()
    cpu_taken_s, wall_taken_s = time.process_time() - cpu, time.perf_counter() - wall
    server_s = sum(cpu_s(pid) - before for pid, before in zip(server_pids, server_before_s, strict=True))
    contestant.check(result)
    units = contestant.units
    who = contestant.name, contestant.role
    group.add(*who, f"{unit}s_per_s", units / wall_taken_s, unit=f"{unit}s/s", better="higher")
    per_unit = {"unit": f"µs/{unit}", "better": "lower"}
    group.add(*who, f"client_cpu_us_per_{unit}", cpu_taken_s * 1e6 / units, **per_unit)
    if server_pids:
        group.add(*who, f"server_cpu_us_per_{unit}", server_s * 1e6 / units, **per_unit)
