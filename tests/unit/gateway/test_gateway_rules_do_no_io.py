"""The rules are pure: what they need of time, chance and sockets is passed in."""

import ast
from pathlib import Path

import pytest

import simulator.gateway

ROOM = Path(simulator.gateway.__file__).parent
RULES = [
    "actions",
    "authorizer_cache",
    "authorizers",
    "compression",
    "core",
    "cors",
    "deadlines",
    "fault_rules",
    "frame_stream",
    "frames",
    "hosts",
    "http_answers",
    "http_api",
    "http_events",
    "http_routes",
    "ids",
    "life",
    "management",
    "moment",
    "newcomers",
    "post_troubles",
    "proxy_result",
    "request_models",
    "route_selection",
    "settings",
    "signatures",
    "throttling",
    "websocket_events",
]
FORBIDDEN = {"asyncio", "logging", "os", "random", "secrets", "selectors", "socket", "ssl", "threading", "time"}
CLOCK_READINGS = {"now", "utcnow", "today"}


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
    assert imports_of(tree) & FORBIDDEN == set()


@pytest.mark.parametrize("name", RULES)
def test_rules_never_ask_what_time_it_is(name):
    tree = ast.parse((ROOM / f"{name}.py").read_text(encoding="utf-8"))
    read = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)} & CLOCK_READINGS
    assert read == set()


def test_every_module_of_the_room_is_either_a_rule_or_the_shell():
    shell = {
        "__init__",
        "channel",
        "connection",
        "control",
        "endpoint",
        "fault_room",
        "listener",
        "server",
        "short_way",
        "tls",
    }
    assert {file.stem for file in ROOM.glob("*.py")} == {*RULES, *shell}
