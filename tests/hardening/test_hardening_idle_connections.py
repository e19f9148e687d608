"""Ten thousand silent viewers on one process: what each costs, and that the others are served meanwhile."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from simulator.errors import EnvironmentFailure
from simulator.load.descriptors import ensure_descriptors

MEASURE = Path(__file__).with_name("idle.py")
MOST_BYTES_EACH = 10 * 1024


@pytest.mark.parametrize("kind", ["plain", "deflate"])
@pytest.mark.parametrize("count", [1_000, 10_000])
def test_idle_connections_are_cheap_and_hold_nobody_up(capsys, count, kind):
    try:
        ensure_descriptors(count)
    except EnvironmentFailure as failure:
        pytest.skip(str(failure))
    # In a process of its own: memory that an earlier run gave back to the allocator would hide what this one takes.
    command = [sys.executable, str(MEASURE), str(count), kind]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert ran.returncode == 0, ran.stderr
    measured = json.loads(ran.stdout)
    with capsys.disabled():
        sys.stdout.write(
            f"\n{count:,} idle connections, {kind}: {measured['bytes_each']:,} bytes of resident memory each, "
            f"{measured['connects_per_s']:,} connects/s (clients on the same machine)\n"
        )
    assert measured["open"] == count
    assert measured["meanwhile"] == ["an answer", 200, "a callback"]
    assert measured["descriptors_and_tasks_left"] == [0, 0]
    assert measured["bytes_each"] < MOST_BYTES_EACH
