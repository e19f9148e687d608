"""What workers say, and how their clocks are compared, is pure; Locust is imported in one file."""

import ast
from pathlib import Path

import pytest

import simulator.workers

ROOM = Path(simulator.workers.__file__).parent
RULES = ["clocks", "packing", "sealed"]
SHELL = ["__init__", "crew", "engine", "locust_process", "spread", "worker"]
FORBIDDEN = {"asyncio", "logging", "os", "random", "secrets", "selectors", "socket", "ssl", "threading", "time"}


def imports_of(name):
    tree = ast.parse((ROOM / f"{name}.py").read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (each.name.split(".")[0] for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").split(".")[0]


@pytest.mark.parametrize("name", RULES)
def test_rules_import_nothing_that_does_io(name):
    assert FORBIDDEN.isdisjoint(imports_of(name))


def test_locust_which_patches_its_interpreter_is_imported_where_nothing_else_is():
    assert [name for name in (*RULES, *SHELL) if {"locust", "gevent"} & set(imports_of(name))] == ["locust_process"]
    assert "simulator" not in set(imports_of("locust_process"))
    assert "simulator" not in set(imports_of("__init__"))


def test_every_module_of_the_room_is_either_a_rule_or_the_shell():
    assert {file.stem for file in ROOM.glob("*.py")} == {*RULES, *SHELL}
