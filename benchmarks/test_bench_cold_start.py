"""What a cold start costs: importing a handler module in a fresh interpreter, the first update; starting the stack."""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import tracker
from instruments.contest import rounds_of
from instruments.processes import family_cpu_s, script
from instruments.results import WALL_TOLERANCE, Group, Role
from instruments.stacks import stack
from instruments.viewers import Tally, close_viewers, open_viewers
from simulator.resources import bundled
from test_bench_fanout import UPDATE

HANDLERS = sorted(
    f"tracker.{path.stem}"
    for path in Path(tracker.__file__).parent.glob("*.py")
    if "\ndef handler(" in path.read_text(encoding="utf-8")
)
IMPORT = """
import json, sys, time
wall, cpu = time.perf_counter(), time.process_time()
import {module}
taken = [(time.process_time() - cpu) * 1e3, (time.perf_counter() - wall) * 1e3]
if sys.platform == "linux":  # what getrusage says begins with the memory of whoever started us
    [line] = [line for line in open("/proc/self/status") if line.startswith("VmHWM")]
    peak_kib = int(line.split()[1])
else:
    import resource
    peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps([*taken, peak_kib / 1024]))
"""
FIRST_UPDATE = """
import json, sys, time
cpu = time.process_time()
import {module}
imported = time.process_time()
result = {module}.{handler}(json.load(sys.stdin), None)
print(json.dumps([(imported - cpu) * 1e3, (time.process_time() - cpu) * 1e3, result]))
"""
NO_MORE_THAN = 1 / 1.25
"""Time and memory of a bare `import boto3`, divided by ours."""
ROUNDS = 7
VIEWERS = 10
PATIENCE_S = 20.0
REFERENCE_APP = Path(__file__).parent / "apps" / "reference" / "template.yaml"
STACK_ROUNDS = 3


def with_bytecode(folder: Path, **variables: str) -> dict[str, str]:
    """Variables for an interpreter that finds all bytecode from its second start on, however it was installed."""
    environment = {**os.environ, **variables, "PYTHONPYCACHEPREFIX": str(folder)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    return environment


def test_import(group, tmp_path):
    """Each in an interpreter that has imported nothing; one after the other, round by round."""
    environment = with_bytecode(tmp_path)
    found: Group = group("cold-start-import", "a handler module in a fresh interpreter, beside `import boto3`")
    assert "tracker.send_vendor" in HANDLERS
    for number, module in rounds_of(["boto3", *HANDLERS], ROUNDS):
        command = [sys.executable, "-P", "-c", IMPORT.format(module=module)]
        cpu_ms, wall_ms, peak_mib = json.loads(
            subprocess.run(command, check=True, capture_output=True, env=environment).stdout
        )
        if number:
            who = (module, "reference" if module == "boto3" else "ours")
            found.add(*who, "cpu_ms", cpu_ms, unit="ms", better="lower")
            found.add(*who, "wall_ms", wall_ms, unit="ms", better="lower")
            found.add(*who, "peak_memory_mib", peak_mib, unit="MiB", better="lower")
    for module in HANDLERS:
        reach = NO_MORE_THAN if module == "tracker.send_vendor" else None
        found.set_against("cpu_ms", module, "boto3", reach=reach)
        found.set_against("peak_memory_mib", module, "boto3", reach=reach, tolerance=0.05)


def test_first_update(group, tmp_path):
    """Import and the first invocation together: what is imported late, and clients that are made, are in it.

    The function's whole life is timed, in an interpreter of its own beside the stack: one update to ten viewers.
    """
    found: Group = group("cold-start-first-update", f"from a fresh interpreter to one update at {VIEWERS} viewers")
    event = {"Records": [{"messageId": "m", "body": UPDATE, "attributes": {}}]}
    with asyncio.Runner() as runner, contextlib.ExitStack() as exits:
        apps: list[tuple[str, Role, Path, str, str]] = [
            ("ours", "ours", bundled("template.yaml"), "tracker.send_vendor", "handler"),
            ("boto3_app", "reference", REFERENCE_APP, "reference", "send"),
        ]
        sides: list[tuple[str, Role, list[str], dict[str, str], Tally]] = []
        for name, role, template, module, handler in apps:
            running = exits.enter_context(stack(tmp_path / name, "--template", str(template)))
            tally = Tally(UPDATE.encode())
            viewers = runner.run(open_viewers(running.websocket_url, VIEWERS, tally))
            exits.callback(lambda viewers=viewers: runner.run(close_viewers(viewers)))
            address = running.websocket_url.removeprefix("ws://")
            environment = with_bytecode(
                tmp_path / "bytecode",
                AWS_ENDPOINT_URL=running.endpoints["aws_endpoint_url"],
                AWS_CA_BUNDLE=running.endpoints["ca_bundle"],
                AWS_WEBSOCKET_URL=f"wss://{address}",
                MANAGEMENT_URL=f"https://{address}",
                CONNECTIONS_TABLE="reference-connections",
            )
            path = f"import sys; sys.path.insert(0, {str(REFERENCE_APP.parent / 'src')!r})\n"
            code = path + FIRST_UPDATE.format(module=module, handler=handler)
            sides.append((name, role, [sys.executable, "-P", "-c", code], environment, tally))
        for number, (name, role, command, environment, tally) in rounds_of(sides, ROUNDS):
            tally.expect(VIEWERS)
            answer = subprocess.run(
                command, check=True, stdout=subprocess.PIPE, env=environment, input=json.dumps(event).encode()
            )
            import_ms, all_ms, result = json.loads(answer.stdout.splitlines()[-1])
            assert result in (None, {"batchItemFailures": []})
            runner.run(tally.wait(PATIENCE_S))
            assert not tally.unexpected
            if number:
                found.add(name, role, "import_cpu_ms", import_ms, unit="ms", better="lower")
                found.add(name, role, "cpu_ms", all_ms, unit="ms", better="lower")
    found.set_against("cpu_ms", "ours", "boto3_app")


def test_stack_ready(group, tmp_path):
    """From nothing to a stack that answers, beside stock moto's own server that has answered once for each service."""
    found: Group = group("cold-start-stack", "from the command to a stack that is ready, beside stock moto alone")
    for number, name in rounds_of(["ours", "stock_moto_alone"], STACK_ROUNDS):
        began_s = time.perf_counter()
        if name == "ours":
            with stack(tmp_path / str(number), "--template", str(bundled("template.yaml"))) as running:
                ready_s, cpu_s = time.perf_counter() - began_s, family_cpu_s(running.pid)
                assert running.endpoints["functions"]
        else:
            with script("references/moto_alone.py") as (pid, _):
                ready_s, cpu_s = time.perf_counter() - began_s, family_cpu_s(pid)
        if number:
            role = "ours" if name == "ours" else "reference"
            found.add(name, role, "ready_s", ready_s, unit="s", better="lower")
            found.add(name, role, "cpu_s", cpu_s, unit="s", better="lower")
    found.set_against("cpu_s", "ours", "stock_moto_alone")
    found.set_against("ready_s", "ours", "stock_moto_alone", tolerance=WALL_TOLERANCE)
