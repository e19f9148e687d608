"""What a verdict was made with: the tool, its packages, the interpreter, the machine and the commit."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

_PACKAGES = ("boto3", "botocore", "moto", "websockets", "uvloop", "httptools", "awslambdaric", "hdrhistogram", "faker")
_GIT_TIMEOUT_S = 2.0


def versions() -> dict[str, Any]:
    """`tool`, `python` and `packages` (name to version, or null where it is not installed)."""
    return {
        "tool": _version("vendor-tracker"),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in _PACKAGES},
    }


def machine() -> dict[str, Any]:
    """`platform`, `cpus` and `load_average` of the last minute (null where there is none)."""
    return {
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "load_average": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
    }


_OWN_CHECKOUT = Path(__file__).resolve().parents[2]


def commit(root: Path = _OWN_CHECKOUT) -> dict[str, Any] | None:
    """`id` and `dirty` of a checkout, by default that the tool runs from; None for an installed one, or without git."""
    git = shutil.which("git")
    if git is None or not (root / ".git").exists():
        return None
    commit_id = _git(git, root, "rev-parse", "HEAD")
    changes = _git(git, root, "status", "--porcelain", "--untracked-files=no")
    return None if commit_id is None or changes is None else {"id": commit_id, "dirty": bool(changes)}


def _git(git: str, root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(  # noqa: S603 - a fixed command, found on the user's own path
            [git, "-C", str(root), *arguments],
            capture_output=True,
            check=True,
            encoding="utf-8",
            timeout=_GIT_TIMEOUT_S,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
        )
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None
    return done.stdout.strip()


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
