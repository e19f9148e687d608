"""How much memory a process has used at most, where the system tells it without further ado."""

from __future__ import annotations

from pathlib import Path

_PEAK = b"VmHWM:"


def peak_mb(pid: int | None) -> int | None:
    """The peak resident set of a living process, in MB rounded up; None when it is gone, and outside Linux."""
    if pid is None:
        return None
    try:
        status = Path(f"/proc/{pid}/status").read_bytes()
    except OSError:
        return None
    found = status.find(_PEAK)
    if found < 0:
        return None
    kilobytes = int(status[found + len(_PEAK) :].split(maxsplit=1)[0])
    return -(-kilobytes // 1024)
