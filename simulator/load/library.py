"""The scenario library: a scenario is named by its path, or by its bare name when it is one of the library's."""

from __future__ import annotations

import contextlib
import difflib
from pathlib import Path

from simulator.errors import EnvironmentFailure, InputError
from simulator.load.hostile_text import printable
from simulator.load.scenario import Scenario, read_scenario
from simulator.load.strict_table import is_file
from simulator.resources import bundled


def read_named(name_or_path: str) -> Scenario:
    """Find a scenario and read it; what it extends may be named in the same way."""
    return read_scenario(find_scenario(name_or_path), library=library_scenarios())


def find_scenario(name_or_path: str) -> Path:
    """The file of a scenario: a path, or a name (`quickstart`) looked up in `./scenarios`, then among the tool's own.

    Raises InputError when there is none, with the nearest name in the library.
    """
    path = Path(name_or_path)
    if is_file(path):
        return path
    library = library_scenarios()
    if path.name == name_or_path and name_or_path in library:
        return library[name_or_path]
    with contextlib.suppress(OSError, ValueError):
        if path.exists():
            what = "a folder" if path.is_dir() else "not an ordinary file"
            raise InputError(f"{name_or_path} is {what}; give the path of a scenario's .toml file.")
    near = difflib.get_close_matches(path.stem, library, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else f"the library has {', '.join(sorted(library)) or 'none'}."
    kind = "file" if len(path.parts) > 1 or path.suffix else "called"
    raise InputError(f"There is no scenario {kind} {printable(name_or_path)}; {hint}")


def library_scenarios() -> dict[str, Path]:
    """Name to file of every scenario that can be named without a path; `./scenarios` wins over the tool's own."""
    folders = [Path("scenarios")]
    with contextlib.suppress(EnvironmentFailure):  # a path still works, and a name lookup then says what there is
        folders.insert(0, bundled("scenarios"))
    return {file.stem: file for folder in folders for file in sorted(folder.glob("*.toml"))}
