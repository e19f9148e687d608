"""Keeps translated templates between runs: the translator takes over a second to import, a cached result nothing.

Entries are JSON, named by a hash of all that went into them. Nothing about the cache can fail a run: an entry that
cannot be read is ignored, a folder that cannot be written is left alone.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from simulator.stack.arns import Scope
from simulator.stack.sam import PlainTemplate

_SCHEMA = 1
"""Raise when `PlainTemplate` or what makes it changes."""
_FOLDER = "tracker-sim"
_KEPT_ENTRIES = 64


def user_cache_dir(platform: str, environment: Mapping[str, str], home: Path) -> Path:
    """Where this user's caches belong on `platform` (a `sys.platform`), below it our own folder."""
    if platform == "win32":
        base = Path(environment.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif platform == "darwin":
        base = home / "Library" / "Caches"
    else:
        given = environment.get("XDG_CACHE_HOME", "")
        base = Path(given) if Path(given).is_absolute() else home / ".cache"
    return base / _FOLDER / "templates"


def default_cache_dir() -> Path | None:
    """This user's folder; None when there is no home to put it in."""
    try:
        return user_cache_dir(sys.platform, os.environ, Path.home())
    except RuntimeError:
        return None


def cache_key(source: bytes, parameters: Mapping[str, str], scope: Scope) -> str:
    """A name for the translation of exactly this input by exactly this translator."""
    translator = _translator_version()
    inputs = [_SCHEMA, translator, sorted(parameters.items()), scope.region, scope.account_id, scope.stack_name]
    return hashlib.sha256(json.dumps(inputs).encode() + b"\0" + source).hexdigest()


def _translator_version() -> str:
    """The translator's `__init__.py`, which is its version number and nothing else, read without importing it."""
    spec = importlib.util.find_spec("samtranslator")
    if spec is None or spec.origin is None:
        return "none"
    with contextlib.suppress(OSError):
        return Path(spec.origin).read_text(encoding="utf-8", errors="replace")
    return "unknown"


class TranslationCache:
    """Translated templates in one folder; without a folder, nothing is kept."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def read(self, key: str) -> PlainTemplate | None:
        """The entry called `key`, or None if there is none that can be used."""
        if self._folder is None:
            return None
        try:
            entry = json.loads((self._folder / f"{key}.json").read_bytes())
        except (OSError, ValueError, RecursionError):
            return None
        return _from_json(entry)

    def write(self, key: str, plain: PlainTemplate) -> None:
        """Keep an entry. It appears whole or not at all; the oldest beyond a few dozen make room."""
        if self._folder is None:
            return
        with contextlib.suppress(OSError, TypeError, ValueError):
            content = json.dumps({"template": plain.template, "code": plain.code, "warnings": plain.warnings})
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            part = self._folder / f"{key}.{os.getpid()}.part"
            try:
                part.write_text(content, encoding="utf-8")
                part.replace(self._folder / f"{key}.json")
            finally:
                part.unlink(missing_ok=True)
            self._make_room(self._folder)

    def _make_room(self, folder: Path) -> None:
        entries = sorted(folder.glob("*.json"), key=lambda entry: entry.stat().st_mtime, reverse=True)
        for entry in entries[_KEPT_ENTRIES:]:
            entry.unlink(missing_ok=True)


def _from_json(entry: Any) -> PlainTemplate | None:
    if not isinstance(entry, dict):
        return None
    template, code, warnings = entry.get("template"), entry.get("code"), entry.get("warnings")
    if not isinstance(template, dict) or not isinstance(code, dict) or not isinstance(warnings, list):
        return None
    return PlainTemplate(template, code, tuple(str(warning) for warning in warnings))
