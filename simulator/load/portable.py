"""A scenario for another process: what it plays, with the files it names, as a JSON document and bytes.

Faults and expectations stay behind: those are for whoever leads the run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path, PurePosixPath
from typing import Any

from simulator.errors import InputError
from simulator.load.audience import Group
from simulator.load.language import keys_of
from simulator.load.phases import Phase
from simulator.load.scenario import RunSettings, Scenario
from simulator.load.vendor_tables import SOURCES, source_of

MOST_BYTES = 256 * 1024 * 1024


def pack_scenario(scenario: Scenario) -> tuple[dict[str, Any], bytes]:
    """The scenario, and the content of its files one after the other.

    Raises InputError when a file cannot be read or all of them are too large to be sent.
    """
    found: list[tuple[str, bytes]] = []

    def carried(file: Path) -> str:
        try:
            found.append((f"{len(found)}/{file.name}", file.read_bytes()))
        except OSError as error:
            raise InputError(f"{file} cannot be read ({error.strerror or error}); check the path.") from error
        return found[-1][0]

    vendors = asdict(scenario.vendors)
    for name, _, _, about in keys_of(type(scenario.vendors)):
        if about.kind == "path" and vendors[name] is not None:
            vendors[name] = carried(vendors[name])
        elif about.kind == "paths":
            vendors[name] = [carried(each) for each in vendors[name]]
    blob = b"".join(content for _, content in found)
    if len(blob) > MOST_BYTES:
        raise InputError(
            f"The files of scenario {scenario.name} have {len(blob):,} bytes, and at most {MOST_BYTES:,} are sent to "
            f"workers; give shorter ones."
        )
    document = {
        "name": scenario.name,
        "seed": scenario.seed,
        "source": source_of(scenario.vendors),
        "vendors": vendors,
        "groups": [asdict(group) for group in scenario.groups],
        "phases": [asdict(phase) for phase in scenario.phases],
        "run": asdict(scenario.run),
    }
    return {"scenario": document, "files": [[name, len(content)] for name, content in found]}, blob


def unpack_scenario(packed: Mapping[str, Any], blob: bytes, folder: Path) -> Scenario:
    """The inverse of `pack_scenario`; its files are written into `folder`.

    Raises InputError when a file would be written elsewhere, TypeError and KeyError for what is no scenario: it was
    checked where it was read.
    """
    at = 0
    for name, size in packed["files"]:
        parts = PurePosixPath(name).parts
        if len(parts) != 2 or not parts[0].isdigit() or parts[1] in ("", ".", "..") or "\\" in name:  # noqa: PLR2004
            raise InputError(f"the master sent a file named {name!r}; use the same version on both ends.")
        file = folder / parts[0] / parts[1]
        file.parent.mkdir()
        file.write_bytes(blob[at : at + size])
        at += size
    document = packed["scenario"]
    kind = SOURCES[document["source"]]
    vendors = dict(document["vendors"])
    for name, _, _, about in keys_of(kind):
        if about.kind == "path" and vendors[name] is not None:
            vendors[name] = folder / vendors[name]
        elif about.kind == "paths":
            vendors[name] = tuple(folder / each for each in vendors[name])
    return Scenario(
        name=document["name"],
        seed=document["seed"],
        file=folder / "scenario.toml",
        vendors=kind(**vendors),
        groups=tuple(Group(**group) for group in document["groups"]),
        phases=tuple(Phase(**phase) for phase in document["phases"]),
        run=RunSettings(**document["run"]),
    )
