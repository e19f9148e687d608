"""Finding a stack that runs: `up` leaves a note where `send` and `connect` look for it.

The notes live in a private folder of the user (`$XDG_RUNTIME_DIR`, else the temporary folder) and go when the stack
does; the note of a stack that was killed is recognised by its process and removed.
"""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from simulator.endpoints import Endpoints
from simulator.errors import InputError


@contextlib.contextmanager
def announced(endpoints: Endpoints) -> Iterator[None]:
    """Leave a note about a running stack for as long as the context lasts."""
    note = _folder() / f"{endpoints.pid}.json"
    partial = note.with_suffix(".partial")
    partial.write_text(json.dumps(endpoints.to_json()), encoding="utf-8")
    partial.replace(note)
    try:
        yield
    finally:
        note.unlink(missing_ok=True)


def find(port: int | None = None) -> Endpoints:
    """The stack that runs, or the one of several whose main port is `port`; InputError when there is no such one."""
    stacks = list(_alive())
    if port is not None:
        stacks = [stack for stack in stacks if f":{port}" in f"{stack.websocket_url}/ {stack.http_url}/"]
        if not stacks:
            raise InputError(f"no stack runs on port {port}; `tracker-sim up --port {port}` starts one.")
    if not stacks:
        raise InputError("no stack is running here; start one with `tracker-sim up` in another terminal.")
    if len(stacks) > 1:
        urls = ", ".join(str(stack.websocket_url or stack.http_url) for stack in stacks)
        raise InputError(f"{len(stacks)} stacks are running ({urls}); say which with --port.")
    return stacks[0]


def _alive() -> Iterator[Endpoints]:
    for note in sorted(_folder().glob("*.json")):
        try:
            endpoints = Endpoints.from_json(json.loads(note.read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if _process_exists(endpoints.pid):
            yield endpoints
        else:
            note.unlink(missing_ok=True)


def _process_exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _folder() -> Path:
    """The private folder; another user's folder of that name is refused, since its notes would be believed."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    base = Path(runtime) if runtime and Path(runtime).is_dir() else Path(tempfile.gettempdir())
    folder = base / f"tracker-sim-{getpass.getuser()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if hasattr(os, "getuid") and folder.stat().st_uid != os.getuid():
        raise InputError(f"{folder} belongs to another user; set XDG_RUNTIME_DIR to a folder of your own.")
    return folder
