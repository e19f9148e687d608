"""What a cold start costs before any work: importing a handler module in a fresh interpreter; starting the stack."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import tracker
from instruments.contest import rounds_of
from instruments.processes import family_cpu_s, script
from instruments.results import WALL_TOLERANCE, Group
from instruments.stacks import stack
from simulator.resources import bundled

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
NO_MORE_THAN = 1 / 1.25
"""Time and memory of a bare `import boto3`, divided by ours."""
ROUNDS = 7
STACK_ROUNDS = 3


def test_import(group, tmp_path):
    """Each in an interpreter that has imported nothing; one after the other, round by round.

    Everybody's bytecode is there from the first round on, however this environment was installed.
    """
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(tmp_path)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
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
