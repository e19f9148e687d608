"""Each fault scenario fails, on the right expectation, when the protection it tests is taken away.

The scenario is played against a copy of the tracker in which one thing is changed; the table in `docs/faults.md` tells
what the report said.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TIMEOUT_S = 600
DEAD_LETTERS = """is of no use to anyone.
      MessageRetentionPeriod: 86400
      SqsManagedSseEnabled: true
      RedrivePolicy:
        deadLetterTargetArn: !GetAtt VendorDeadLetterQueue.Arn
        maxReceiveCount: """
"""As it stands of the vendor queue, and of no other."""


@dataclass(frozen=True)
class Protection:
    """One thing that is taken away."""

    scenario: str
    file: str
    line: str
    """What stands there, once."""
    instead: str
    broken: frozenset[str]
    """Expectations that must be broken, among others perhaps."""


PROTECTIONS = {
    "the row of a gone connection is deleted": Protection(
        "stale_connections",
        "tracker/viewers.py",
        "left = dynamodb_remove_connections(self._table, left)",
        "left = []",
        frozenset({"connections.rows_without_socket == 0"}),
    ),
    "a refused post is tried again": Protection(
        "throttled",
        "tracker/fanout/retry.py",
        "max_attempts: int = 10",
        "max_attempts: int = 1",
        frozenset({"deliveries.duplicated == 0"}),
    ),
    "only a few may be disconnected for not reading": Protection(
        "throttled",
        "tracker/settings.py",
        "DEFAULT_SLOW_SHARE = 0.01",
        "DEFAULT_SLOW_SHARE = 1.0",
        frozenset({"connections.dropped == 0"}),
    ),
    "a post that hangs is given up": Protection(
        "flaky_network",
        "tracker/fanout/engine.py",
        "ANSWER_TIMEOUT_S = 3.0",
        "ANSWER_TIMEOUT_S = 60.0",
        frozenset({"deliveries.duplicated == 0"}),
    ),
    "the table is read consistently": Protection(
        "flaky_network",
        "tracker/viewers.py",
        'projection=("connectionId", "connectedAt"), consistent=True,',
        'projection=("connectionId", "connectedAt"), consistent=False,',
        frozenset({"deliveries.lost == 0"}),
    ),
    "a few who do not read hold up nobody": Protection(
        "flaky_network",
        "tracker/settings.py",
        "DEFAULT_SLOW_SHARE = 0.01",
        "DEFAULT_SLOW_SHARE = 0.0",
        frozenset({"deliveries.duplicated == 0"}),
    ),
    "a batch reports which of its items failed": Protection(
        "poison_messages",
        "template.yaml",
        "BatchSize: 10\n            FunctionResponseTypes: [ReportBatchItemFailures]\n",
        "BatchSize: 10\n",
        frozenset({"updates.dead_lettered == 40"}),
    ),
    "a bad message fails alone": Protection(
        "poison_messages",
        "tracker/send_vendor.py",
        "            failed.append(record)\n        else:",
        "            raise\n        else:",
        frozenset({"deliveries.lost == 0", "updates.dead_lettered == 40", "invocations.errors == 0"}),
    ),
    "what is received is not lost at the first failure (crash)": Protection(
        "worker_crash",
        "template.yaml",
        DEAD_LETTERS + "!Ref VendorQueueMaxReceiveCount",
        DEAD_LETTERS + "1",
        frozenset({"deliveries.lost == 0", "updates.dead_lettered == 0"}),
    ),
    "what is received is not lost at the first failure (outage)": Protection(
        "burst_after_outage",
        "template.yaml",
        DEAD_LETTERS + "!Ref VendorQueueMaxReceiveCount",
        DEAD_LETTERS + "1",
        frozenset({"deliveries.lost == 0", "updates.dead_lettered == 0"}),
    ),
}


@pytest.fixture
def tracker_without(tmp_path):
    """Makes a copy of the tracker without a protection, and returns its template."""

    def make(protection):
        copy = tmp_path / "tracker"
        copy.mkdir()
        shutil.copy(ROOT / "template.yaml", copy)
        shutil.copytree(ROOT / "tracker", copy / "tracker", ignore=shutil.ignore_patterns("__pycache__"))
        changed = copy / protection.file
        text = changed.read_text(encoding="utf-8")
        assert text.count(protection.line) == 1, f"{protection.file} no longer says {protection.line!r} once"
        changed.write_text(text.replace(protection.line, protection.instead), encoding="utf-8")
        return copy / "template.yaml"

    return make


@pytest.mark.parametrize("name", PROTECTIONS)
def test_a_scenario_fails_without_what_it_tests(name, tracker_without, tmp_path):
    protection = PROTECTIONS[name]
    template = tracker_without(protection)
    command = [sys.executable, "-P", "-m", "simulator", "run", protection.scenario, "--short", "--json", "-"]
    result = subprocess.run(
        [*command, "--no-results", "--template", str(template), "--log", str(tmp_path / "stack.log")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert result.stdout, result.stderr
    verdict = json.loads(result.stdout)
    broken = {each["that"] for each in verdict["expectations"] if not each["held"]}
    assert broken >= protection.broken, verdict["failures"]
    assert result.returncode == 1
