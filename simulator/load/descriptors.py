"""File descriptors: every subscriber needs one, and a shell often allows fewer than a swarm asks for."""

from __future__ import annotations

import contextlib
import sys

from simulator.errors import EnvironmentFailure

SPARE = 128
"""For the interpreter, the cloud clients, the logs and the event loop."""


def ensure_descriptors(subscribers: int) -> None:
    """Make room for `subscribers` sockets, raising this process's soft limit as far as the hard one allows.

    Raises EnvironmentFailure when the hard limit is too low. Windows has no such limit to raise; nothing happens there.
    """
    if sys.platform == "win32":
        return
    import resource  # noqa: PLC0415 - does not exist on Windows

    needed = subscribers + SPARE
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    wanted = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    with contextlib.suppress(ValueError, OSError):  # macOS refuses values above a limit that it does not report
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    if soft < needed:
        raise out_of_descriptors(subscribers, soft)


def out_of_descriptors(subscribers: int, allowed: int | None = None) -> EnvironmentFailure:
    """The error for a swarm that is larger than the process may have files open."""
    allows = "fewer are free" if allowed is None else f"this shell allows {allowed:,}"
    return EnvironmentFailure(
        f"{subscribers:,} subscribers need about {subscribers + SPARE:,} open files and {allows}; raise the limit with "
        f"`ulimit -n {subscribers + SPARE}` before running, or ask for fewer with --subscribers."
    )
