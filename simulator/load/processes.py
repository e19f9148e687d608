"""What the processes of a run use: memory and open files, of the load itself and of a local stack.

Everything here blocks for some milliseconds: call it in a thread. What cannot be read (another user's process, a
platform that does not tell) is None.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import psutil

from simulator.load.verdict import StackFigures

_MB = 1024 * 1024
_LEAST_FOR_GROWTH = 8
"""Fewer looks than this say nothing about growth."""


@dataclass(frozen=True, slots=True)
class Usage:
    """One look at a process and everything below it."""

    memory_mb: float
    """Resident, the sum over processes: pages they share are counted in each."""
    descriptors: int | None


def look(pid: int | None, *, with_children: bool) -> Usage | None:
    """What a process uses now; None when it is gone, or is none of ours."""
    if pid is None:
        return None
    try:
        root = psutil.Process(pid)
        processes = [root, *(root.children(recursive=True) if with_children else ())]
    except psutil.Error:
        return None
    memory, descriptors = 0, 0
    for process in processes:
        try:
            memory += process.memory_info().rss
            # Windows counts handles, which are another thing.
            descriptors += process.num_fds() if hasattr(process, "num_fds") else 0
        except psutil.Error:
            continue
    return Usage(memory / _MB, descriptors or None)


def summary(looks: Sequence[Usage], *, since: int = 0) -> StackFigures:
    """The most, and by how much it grew: from the second quarter of the looks to the last one, by their medians.

    Growth is that of the looks from number `since` on: before, viewers were connecting. The first quarter of those is
    for warming up. It is None for a run too short to tell.
    """
    if not looks:
        return StackFigures()
    files = [each.descriptors for each in looks if each.descriptors is not None]
    return StackFigures(
        round(max(each.memory_mb for each in looks), 1),
        _growth([each.memory_mb for each in looks[since:]]),
        max(files, default=None),
        _growth([each.descriptors for each in looks[since:] if each.descriptors is not None]),
    )


def _growth(values: Sequence[float]) -> float | None:
    quarter = len(values) // 4
    if len(values) < _LEAST_FOR_GROWTH:
        return None
    return round(statistics.median(values[-quarter:]) - statistics.median(values[quarter : 2 * quarter]), 1)
