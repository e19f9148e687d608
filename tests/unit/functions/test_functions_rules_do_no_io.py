"""The rules are pure: what they need of time, chance and sockets is passed in."""

import ast
from pathlib import Path

import pytest

import simulator.functions

ROOM = Path(simulator.functions.__file__).parent
RULES = [
    "call",
    "concurrency",
    "dispatch",
    "event_rules",
    "fault_rules",
    "faults",
    "invoke_wire",
    "life",
    "log_frames",
    "log_text",
    "settings",
]
FORBIDDEN = {"asyncio", "logging", "os", "random", "secrets", "selectors", "socket", "ssl", "threading", "time", "uuid"}
CLOCK_READINGS = {"now", "utcnow", "today"}


@pytest.mark.parametrize("name", RULES)
def test_rules_do_no_io_and_read_no_clock(name):
    found: set[str] = set()
    for node in ast.walk(ast.parse((ROOM / f"{name}.py").read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {imported.name.split(".")[0] for imported in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").split(".")[0])
        elif isinstance(node, ast.Attribute):
            found |= {node.attr} & CLOCK_READINGS
    assert found & (FORBIDDEN | CLOCK_READINGS) == set()
