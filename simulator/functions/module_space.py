"""Modules of a function's own inside one interpreter: what lies in its code folder is imported for it alone."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

_SHARED = frozenset(sys.stdlib_module_names) | {"simulator", "__main__", "awslambdaric", "runtime_client"}


class ModuleSpace:
    """A function's view of `sys.modules` and `sys.path`, put up by `enter` and taken down by `leave`.

    Top-level names that exist in the code folder belong to the function: whatever the interpreter has under them is
    set aside meanwhile, so `handler` of one folder never meets `handler` of another. Not safe for two at once; the
    in-process mode runs one invocation at a time.
    """

    def __init__(self, code_dir: Path) -> None:
        self._code_dir = code_dir
        self._names: frozenset[str] = frozenset()
        self._modules: dict[str, ModuleType] = {}
        self._set_aside: dict[str, ModuleType] = {}

    @property
    def empty(self) -> bool:
        """True when nothing has been imported yet, or everything was dropped."""
        return not self._modules

    def enter(self) -> None:
        """Show the function its own modules."""
        if self.empty:
            self._names = _top_level_names(self._code_dir) - _SHARED
            importlib.invalidate_caches()
        self._set_aside = self._take()
        sys.modules.update(self._modules)
        sys.path.insert(0, str(self._code_dir))

    def leave(self, *, keep: bool) -> None:
        """Show the interpreter its own modules again; without `keep` the function imports afresh next time."""
        taken = self._take()
        self._modules = taken if keep else {}
        sys.modules.update(self._set_aside)
        self._set_aside = {}
        if str(self._code_dir) in sys.path:
            sys.path.remove(str(self._code_dir))

    def _take(self) -> dict[str, ModuleType]:
        mine = {name: module for name, module in list(sys.modules.items()) if name.partition(".")[0] in self._names}
        for name in mine:
            del sys.modules[name]
        return mine


def _top_level_names(code_dir: Path) -> frozenset[str]:
    if not code_dir.is_dir():
        return frozenset()
    return frozenset(
        path.name.partition(".")[0] for path in code_dir.iterdir() if path.is_dir() or path.suffix in {".py", ".so"}
    )
