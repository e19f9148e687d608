"""Finding a stack that runs: `up` leaves a note where `send`, `connect` and `token` look for it.

The notes live in a private folder of the user (`$XDG_RUNTIME_DIR`, else the temporary folder) and go when the stack
does. Whoever left a note holds a lock on it, which the system lets go when the process ends, however it ends: a note
that nobody holds is of a stack that was killed, and is removed.
"""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import stat
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO
from urllib.parse import urlsplit

from simulator.endpoints import Endpoints
from simulator.errors import EnvironmentFailure, InputError

if sys.platform != "win32":
    import fcntl


_EXTRA = "vendor_token_secret"
"""The key of a note that `Endpoints` does not know."""


@dataclass(frozen=True, slots=True)
class Note:
    """What is known of a running stack."""

    endpoints: Endpoints
    vendor_token_secret: str | None = field(default=None, repr=False)
    """What its authorizer accepts tokens of; None when nothing in it checks any. Only ever in the note."""


@contextlib.contextmanager
def announced(endpoints: Endpoints, vendor_token_secret: str | None = None) -> Iterator[None]:
    """Leave a note about a running stack for as long as the context lasts."""
    note = _folder() / f"{endpoints.pid}.json"
    partial = note.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    with open(partial, "x", encoding="utf-8", opener=_for_the_user_only) as file:
        try:
            file.write(json.dumps({**endpoints.to_json(), _EXTRA: vendor_token_secret}))
            file.flush()
            _hold(file)
            partial.replace(note)
            yield
        finally:
            partial.unlink(missing_ok=True)
            note.unlink(missing_ok=True)


def find(port: int | None = None) -> Endpoints:
    """The stack that runs, or the one of several whose main port is `port`; InputError when there is no such one."""
    return find_note(port).endpoints


def find_note(port: int | None = None) -> Note:
    """As `find`, with everything that is known of the stack."""
    notes = list(_alive())
    if port is not None:
        notes = [note for note in notes if port in _ports(note.endpoints)]
        if not notes:
            raise InputError(f"no stack runs on port {port}; `tracker-sim up --port {port}` starts one.")
    if not notes:
        raise InputError("no stack is running here; start one with `tracker-sim up` in another terminal.")
    if len(notes) > 1:
        urls = ", ".join(str(note.endpoints.websocket_url or note.endpoints.http_url) for note in notes)
        raise InputError(f"{len(notes)} stacks are running ({urls}); say which with --port.")
    return notes[0]


def _alive() -> Iterator[Note]:
    for note in sorted(_folder().glob("*.json")):
        try:
            with note.open(encoding="utf-8") as file:
                if not _is_held(file):
                    note.unlink(missing_ok=True)
                    continue
                document = json.load(file)
            found = Note(Endpoints.from_json(document), document.get(_EXTRA))
        except (OSError, ValueError, KeyError, TypeError):
            continue
        yield found


def _ports(endpoints: Endpoints) -> set[int | None]:
    return {urlsplit(url).port for url in (endpoints.websocket_url, endpoints.http_url) if url is not None}


def _for_the_user_only(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


if sys.platform == "win32":

    def _hold(_note: TextIO) -> None: ...

    def _is_held(_note: TextIO) -> bool:
        return True  # an open file cannot be looked into there: the note is believed

    def _is_private(_folder: Path) -> bool:
        return True  # the temporary folder is the user's own

    def _user() -> str:
        return getpass.getuser()

else:

    def _hold(note: TextIO) -> None:
        fcntl.flock(note, fcntl.LOCK_EX)

    def _is_held(note: TextIO) -> bool:
        try:
            fcntl.flock(note, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False

    def _is_private(folder: Path) -> bool:
        found = folder.lstat()  # a link would be somebody's way to point us at a folder that he can write to
        return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o022

    def _user() -> str:
        return str(os.getuid())  # a container's user may have no name


def _folder() -> Path:
    """The private folder; one that others can write to is refused, since its notes would be believed."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    # `su` leaves the variable at the folder of the user before.
    usable = runtime and Path(runtime).is_dir() and os.access(runtime, os.W_OK | os.X_OK)
    folder = Path(runtime if runtime and usable else tempfile.gettempdir()) / f"tracker-sim-{_user()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise EnvironmentFailure(
            f"{folder} cannot be made ({error.strerror}); set XDG_RUNTIME_DIR to a folder of your own."
        ) from error
    if not _is_private(folder):
        raise EnvironmentFailure(
            f"others can write to {folder}; remove it, or set XDG_RUNTIME_DIR to a folder of your own."
        )
    return folder
