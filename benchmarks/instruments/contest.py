"""Subjects take turns, round by round: whatever disturbs the machine for a few seconds disturbs all of them.

Three clocks for each turn: wall, CPU of this process (all threads), CPU of the processes on the other side. The work
is checked after each turn, outside the clocks.
"""

from __future__ import annotations

import contextlib
import gc
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from instruments.processes import cpu_s, family_cpu_s
from instruments.results import Group, Role

T = TypeVar("T")


@dataclass(slots=True)
class Taken:
    """What one turn took, in seconds; filled in when it is over."""

    wall_s: float = 0.0
    client_cpu_s: float = 0.0
    server_cpu_s: float = 0.0


@contextlib.contextmanager
def clocks(server_pids: Sequence[int] = (), *, families: bool = False) -> Iterator[Taken]:
    """Time the block. `families` counts the servers' children that live at both its ends, too."""
    taken = Taken()
    of_server = family_cpu_s if families else cpu_s
    gc.collect()
    server_before_s = [of_server(pid) for pid in server_pids]
    wall, cpu = time.perf_counter(), time.process_time()
    yield taken
    taken.client_cpu_s = time.process_time() - cpu
    taken.wall_s = time.perf_counter() - wall
    taken.server_cpu_s = sum(of_server(pid) - before for pid, before in zip(server_pids, server_before_s, strict=True))


def rounds_of(sides: Sequence[T], rounds: int) -> Iterator[tuple[int, T]]:
    """Every side once to warm up (round 0), then `rounds` times; who begins changes from round to round."""
    for number in range(1 + rounds):
        first = number % len(sides)
        for side in (*sides[first:], *sides[:first]):
            yield number, side


def record(group: Group, subject: str, role: Role, taken: Taken, *, unit: str, units: int, server: bool = True) -> None:
    """Add `{unit}s_per_s`, `client_cpu_us_per_{unit}` and, with `server`, `server_cpu_us_per_{unit}` of one turn."""
    group.add(subject, role, f"{unit}s_per_s", units / taken.wall_s, unit=f"{unit}s/s", better="higher")
    per_unit = {"unit": f"µs/{unit}", "better": "lower"}
    group.add(subject, role, f"client_cpu_us_per_{unit}", taken.client_cpu_s * 1e6 / units, **per_unit)
    if server:
        group.add(subject, role, f"server_cpu_us_per_{unit}", taken.server_cpu_s * 1e6 / units, **per_unit)


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
    """Give everybody one turn to warm up and then `rounds` that count; returns how many turns each has had."""
    for number, contestant in rounds_of(contestants, rounds):
        pids = (*server_pids, *contestant.server_pids)
        with clocks(pids) as taken:
            result = contestant.work()
        contestant.check(result)
        if number:
            record(group, contestant.name, contestant.role, taken, unit=unit, units=contestant.units, server=bool(pids))
    return 1 + rounds
