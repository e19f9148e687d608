"""The rules are pure: what they need of time and chance is passed in."""

import ast
from pathlib import Path

import pytest

import simulator.triggers

ROOM = Path(simulator.triggers.__file__).parent
RULES = ["batching", "checks", "decision", "disorder", "event_shape", "filters", "scaling", "settings", "visibility"]
FORBIDDEN = {"asyncio", "logging", "os", "random", "secrets", "selectors", "socket", "ssl", "threading", "time"}


@pytest.mark.parametrize("name", RULES)
def test_rules_import_nothing_that_does_io(name):
    found: set[str] = set()
    for node in ast.walk(ast.parse((ROOM / f"{name}.py").read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {each.name.split(".")[0] for each in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").split(".")[0])
    assert found & FORBIDDEN == set()


def test_every_module_of_the_room_is_either_a_rule_or_the_shell():
    shell = {"__init__", "backoff", "fault_room", "poller", "queue_calls"}
    assert {file.stem for file in ROOM.glob("*.py")} == {*RULES, *shell}
