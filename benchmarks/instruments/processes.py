"""CPU clocks, memory and CPU affinity of this process and others, as finely as the platform has them."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import psutil

_CPUCLOCK_SCHED = 2


def cpu_s(pid: int) -> float:
    """CPU time that a process has used so far, all its threads, ended ones included; children not.

    On Linux to the nanosecond, from the process's own CPU clock (what `clock_getcpuclockid` returns); elsewhere as
    psutil has it, in steps of about 10 ms.
    """
    if sys.platform == "linux":
        return time.clock_gettime((~pid << 3) | _CPUCLOCK_SCHED)
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


def family_cpu_s(pid: int) -> float:
    """The same for a process and all its descendants that live now."""
    total = cpu_s(pid)
    for child in psutil.Process(pid).children(recursive=True):
        with contextlib.suppress(OSError, psutil.Error):
            total += cpu_s(child.pid)
    return total


def own_memory_bytes(pid: int) -> int:
    """Memory that would be free if the process ended (USS); RSS where the platform does not say."""
    process = psutil.Process(pid)
    try:
        return int(process.memory_full_info().uss)
    except (AttributeError, psutil.AccessDenied):
        return int(process.memory_info().rss)


def cpus() -> list[int]:
    """The CPUs that may be used; empty where a process cannot be bound to one."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


@contextlib.contextmanager
def apart(*server_pids: int) -> Iterator[None]:
    """Keep this process on the first CPU and those servers off it, where there are two and binding is possible."""
    usable = cpus()
    if len(usable) < 2:
        yield
        return
    bind(os.getpid(), usable[:1])
    for pid in server_pids:
        bind(pid, usable[1:])
    try:
        yield
    finally:
        for pid in (os.getpid(), *server_pids):
            bind(pid, usable)


def bind(pid: int, to: Iterable[int]) -> None:
    """Bind every thread that a process has now; new ones inherit it from the one that starts them."""
    allowed = set(to)
    tasks = Path(f"/proc/{pid}/task")
    for thread in [int(task.name) for task in tasks.iterdir()] if tasks.is_dir() else [pid]:
        with contextlib.suppress(ProcessLookupError):  # a thread that has just ended
            os.sched_setaffinity(thread, allowed)


@contextlib.contextmanager
def script(name: str, *arguments: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Run a script of the benchmarks in a process of its own: its pid and the JSON object that it prints first.

    It is told to end by the end of its standard input, so that it never outlives us, and must end well.
    """
    command = [sys.executable, "-P", str(Path(__file__).parents[1] / name), *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            process.wait()
            raise RuntimeError(f"{name} ended with status {process.returncode} before it was ready")
        try:
            yield process.pid, json.loads(line)
        finally:
            process.communicate()  # closes its stdin
    assert process.returncode == 0, (name, process.returncode)
