"""Imports run one way: scenarios are data, the simulator drives the tracker, and the tracker knows nothing of it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import simulator
import tracker

TRACKER = Path(tracker.__file__).parent
SIMULATOR = Path(simulator.__file__).parent

LEAVES = {"errors", "clock", "invocation", "http11", "endpoints", "loopback", "resources", "setting", "trust"}
LEAVES |= {"fault_kinds", "active_faults", "fault_board", "fault_client", "stack_outputs"}
"""Single modules that any room may use; they import no room."""

MAY_IMPORT = {
    "stack": set(),
    "cloud": {"stack"},
    "gateway": {"stack"},
    "functions": {"stack"},
    "triggers": {"stack", "functions"},
    "vendors": set(),
    "load": {"vendors"},
    "report": {"load"},
    "workers": {"load", "vendors"},
}


def imported_by(folder: Path) -> Iterator[tuple[Path, str]]:
    for file in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from ((file, name.name) for name in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{file} imports relatively; write the whole name"
                yield file, node.module or ""
                if node.module == "simulator":
                    yield from ((file, f"simulator.{name.name}") for name in node.names)


def test_tracker_never_imports_simulator():
    wrong = [(file.name, name) for file, name in imported_by(TRACKER) if name.split(".")[0] == "simulator"]
    assert wrong == []


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_room_imports_only_rooms_below_it(room):
    allowed = MAY_IMPORT[room] | LEAVES | {room}
    wrong = [
        (str(file.relative_to(SIMULATOR)), name)
        for file, name in imported_by(SIMULATOR / room)
        if name.startswith("simulator.") and name.split(".")[1] not in allowed
    ]
    assert wrong == []


def test_every_room_has_its_rule():
    rooms = {path.name for path in SIMULATOR.iterdir() if (path / "__init__.py").exists()}
    assert rooms == {*MAY_IMPORT, "cli"}


def test_nothing_imports_the_command_line_that_drives_it_all():
    by = {file.relative_to(SIMULATOR).parts[0] for file, name in imported_by(SIMULATOR) if name == "simulator.cli"}
    by |= {file.relative_to(SIMULATOR).parts[0] for file, name in imported_by(SIMULATOR) if "simulator.cli." in name}
    assert by == {"cli", "__main__.py"}


def test_the_simulator_knows_the_tracker_only_by_its_wire_its_table_writer_and_its_tokens():
    """The handlers themselves are only ever reached as functions of the stack."""
    allowed = {"tracker", "tracker.wire", "tracker.updates", "tracker.aws", "tracker.errors", "tracker.settings"}
    allowed |= {"tracker.vendor_token"}
    used = {name for _, name in imported_by(SIMULATOR) if name.split(".")[0] == "tracker"}
    assert used <= allowed
