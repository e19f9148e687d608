"""What a run decides and reckons is pure: time, chance and what was seen are passed in."""

import ast
from pathlib import Path

import pytest

import simulator.load

ROOM = Path(simulator.load.__file__).parent
RULES = [
    "audience",
    "books",
    "drain",
    "expectations",
    "faults",
    "frames",
    "hostile_text",
    "json_schema",
    "language",
    "latency",
    "ledger",
    "metrics",
    "part_results",
    "phases",
    "post_stories",
    "scale_model",
    "series",
    "shard",
    "subscribers",
    "vendor_tables",
    "verdict",
    "wording",
]
SHELL = [
    "__init__",
    "aws_environment",
    "descriptors",
    "fault_play",
    "language_reference",
    "library",
    "part",
    "prepare",
    "processes",
    "progress",
    "provenance",
    "portable",
    "publishing",
    "raw_results",
    "render",
    "rows_and_messages",
    "run",
    "scenario",
    "snapshot",
    "stack_lever",
    "stack_view",
    "strict_table",
    "swarm",
    "viewer_connection",
    "viewer_faults",
]
FORBIDDEN = {"asyncio", "logging", "os", "random", "secrets", "selectors", "socket", "ssl", "threading", "time"}
ALLOWED = {"audience": {"random"}}
"""It names the type of the chance that it is given."""


def imports_of(tree: ast.Module) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {name.name.split(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").split(".")[0])
    return found


@pytest.mark.parametrize("name", RULES)
def test_rules_import_nothing_that_does_io(name):
    tree = ast.parse((ROOM / f"{name}.py").read_text(encoding="utf-8"))
    assert imports_of(tree) & FORBIDDEN - ALLOWED.get(name, set()) == set()


@pytest.mark.parametrize("name", RULES)
def test_rules_open_no_file_and_ask_for_no_time(name):
    tree = ast.parse((ROOM / f"{name}.py").read_text(encoding="utf-8"))
    called = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    read = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert called & {"open", "print", "input"} == set()
    assert read & {"now", "utcnow", "today", "read_text", "write_text"} == set()


def test_every_module_of_the_room_is_either_a_rule_or_the_shell():
    modules = {file.stem for file in ROOM.glob("*.py")}
    assert modules == {*RULES, *SHELL}
