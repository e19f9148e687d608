"""`tracker-sim run --workers`: the load in several processes, and nothing of it left behind however it ends."""

import importlib.util
import json
import os
import signal
import subprocess
import sys

import pytest

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("locust") is None, reason="needs the extra `distributed`"),
    pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals"),
]

SCENARIO = """\
question = "Do several processes see what one sees?"
seed = 7
[vendors]
source = "made"
count = 6
ping_interval_s = 0.5
[subscribers]
count = 11
[run]
duration_s = {duration_s}
"""
_PATIENCE_S = 120


def written(folder, duration_s):
    file = folder / f"spread_{duration_s}.toml"
    file.write_text(SCENARIO.format(duration_s=duration_s))
    return file


def counts(document):
    deliveries = document["deliveries"]
    return (
        document["failures"],
        document["updates"],
        {name: deliveries[name] for name in ("expected", "received", "lost", "cut_off")},
        {vendor: counts["expected"] for vendor, counts in deliveries["per_vendor"].items()},
        document["final_positions"],
        document["connections"]["opened"],
    )


def test_two_workers_give_the_verdict_of_one_process(sim, tmp_path):
    scenario = written(tmp_path, 3)
    one, two = (json.loads(sim("run", scenario, "--json", "-", *more).stdout) for more in ((), ("--workers", "2")))
    assert counts(two)[1:] == counts(one)[1:]
    assert counts(two)[0] == []
    assert two["deliveries"]["received"] == 11 * two["updates"]["published"] > 0
    assert [each["subscribers"] for each in two["load"]["workers"]] == [6, 5]


@pytest.fixture
def publishing(start, tmp_path):
    """A run with two workers that has begun to publish, its workers, and everything below it."""
    running = start("run", written(tmp_path, 600), "--workers", "2", "--json", tmp_path / "verdict.json")
    for line in running.process.stderr:
        if "steady" in line and " 0 updates" not in line:
            break
    else:
        pytest.fail("it ended before it published")
    running.look()
    workers = [each for each in running.seen.values() if "worker" in each.cmdline() and "simulator" in each.cmdline()]
    assert len(workers) == 2
    return running, workers


def test_a_killed_worker_fails_the_run_by_name(publishing, tmp_path):
    running, workers = publishing
    os.kill(workers[0].pid, signal.SIGKILL)
    out, _ = running.process.communicate(timeout=_PATIENCE_S)
    assert running.process.returncode == 1
    assert f"process {workers[0].pid}) of 2 was lost" in out
    assert json.loads((tmp_path / "verdict.json").read_text())["partial"] is True
    running.assert_nothing_is_left()


def test_ctrl_c_tells_what_was_seen_and_leaves_no_worker(publishing, tmp_path):
    running, _ = publishing
    _, _, status = running.end(signal.SIGINT)
    assert status == 1
    verdict = json.loads((tmp_path / "verdict.json").read_text())
    assert verdict["partial"] is True
    assert verdict["deliveries"]["received"] > 0
    assert [each["lost"] for each in verdict["load"]["workers"]] == [None, None]
    running.assert_nothing_is_left()


def test_a_run_that_is_killed_leaves_no_worker(publishing):
    running, _ = publishing
    running.tell(signal.SIGKILL)
    running.process.communicate(timeout=_PATIENCE_S)
    running.assert_nothing_is_left()


def test_a_worker_joins_with_the_token_that_the_run_tells(start, sim, tmp_path):
    running = start(
        *("run", written(tmp_path, 3), "--workers", "1", "--expect-workers", "1", "--json", tmp_path / "verdict.json")
    )
    line = next(line for line in running.process.stderr if "tracker-sim worker --master" in line)
    words = line.split("TRACKER_SIM_TOKEN=")[1].split()
    joined = sim(*words[2:], TRACKER_SIM_TOKEN=words[0])
    assert joined.returncode == 0, joined.stderr
    assert "playing share" in joined.stderr
    running.process.communicate(timeout=_PATIENCE_S)
    verdict = json.loads((tmp_path / "verdict.json").read_text())
    assert verdict["failures"] == []
    assert len(verdict["load"]["workers"]) == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--listen", "127.0.0.1:0"), "--listen has no use without workers"),
        (("--workers", "2", "--listen", "0.0.0.0:5557"), "they cannot reach a stack on this one; give --target"),
        (("--workers", "2", "--listen", "5557"), "--listen 5557 is not HOST:PORT"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_starts(sim, tmp_path, arguments, words):
    result = sim("run", written(tmp_path, 3), *arguments)
    assert result.returncode == 2
    assert words in result.stderr


def test_a_worker_without_a_token_asks_for_one(sim):
    environment = {name: value for name, value in sim.environment.items() if name != "TRACKER_SIM_TOKEN"}
    result = subprocess.run(
        [sys.executable, "-P", "-m", "simulator", "worker", "--master", "127.0.0.1:1"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=_PATIENCE_S,
        check=False,
    )
    assert result.returncode == 2
    assert "TRACKER_SIM_TOKEN is not set" in result.stderr
