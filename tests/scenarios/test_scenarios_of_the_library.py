"""Every scenario of the library passes in its short version, as a user would play it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from simulator.load import library_scenarios, read_named
from simulator.load.vendor_tables import ScheduledVendors

ROOT = Path(__file__).parents[2]
TIMEOUT_S = 600
NEEDS_A_FILE = [name for name in library_scenarios() if isinstance(read_named(name).vendors, ScheduledVendors)]


@pytest.mark.parametrize("name", sorted(set(library_scenarios()) - set(NEEDS_A_FILE)))
def test_the_short_version_passes(name, tmp_path):
    command = [sys.executable, "-P", "-m", "simulator", "run", name, "--short", "--json", "-"]
    result = subprocess.run(
        [*command, "--results", str(tmp_path / "results"), "--log", str(tmp_path / "stack.log")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert result.stdout, result.stderr
    assert json.loads(result.stdout)["failures"] == []
    assert result.returncode == 0
