"""Faults of a whole stack, as a scenario plays them; and a stack that is whole again whatever becomes of the run."""

import json
import shutil
import urllib.request
from itertools import islice
from pathlib import Path
from urllib.parse import urlsplit

import pytest

ROOT = Path(__file__).parents[2]

SCENARIO = """\
question = "Does what goes wrong happen, and does everybody get everything nevertheless?"
seed = 7

[stack.parameters]
VendorQueueVisibilityTimeout = 6
SendVendorTimeout = 5

[vendors]
count = 5

[[subscribers]]
name = "some"
count = 10

[[subscribers]]
name = "others"
count = 10

[[phases]]
name = "all"
duration_s = 6
rate_per_s = 5

[[faults]]
kind = "stale_rows"
attributes = { share = 0.5 }

[[faults]]
kind = "callback_throttle"
target = "some"
start_s = 1
duration_s = 4
probability = 0.3

[[faults]]
kind = "function_cold_start"
target = "SendVendorFunction"
start_s = 2
duration_s = 1

[[faults]]
kind = "dynamodb_throttle"
start_s = 3
duration_s = 2
probability = 0.2
attributes = { operation = "Scan" }

[expect]
run = ["deliveries.lost == 0", "connections.rows_without_socket == 0"]
"""

LOSING = """\
question = "What is a loss due to?"
seed = 7
[vendors]
count = 5
[subscribers]
count = 10
[[phases]]
name = "all"
duration_s = 4
rate_per_s = 5
[[faults]]
kind = "callback_race"
probability = 0.2
attributes = { closes = false }
[expect]
run = ["deliveries.lost == 0", "final_positions.wrong >= 0"]
"""

STALE = """\
question = "Does a viewer who comes later get what is sent next?"
seed = 7
[vendors]
count = 5
[[subscribers]]
name = "early"
count = 5
[[subscribers]]
name = "late"
count = 2
at_s = 2
[[phases]]
name = "all"
duration_s = 4
rate_per_s = 5
[[faults]]
kind = "dynamodb_stale_scan"
target = "ConnectionsTable"
attributes = { lag_ms = 1500 }
"""

ENDLESS = """\
question = "Is the stack whole again when the run is killed?"
[vendors]
count = 1
[subscribers]
count = 2
[[phases]]
name = "all"
duration_s = 600
rate_per_s = 1
[[faults]]
kind = "callback_hang"
duration_s = 600
attributes = { hang_ms = 500 }
[[faults]]
kind = "trigger_off"
"""


@pytest.fixture
def scenario(tmp_path):
    def write(text):
        file = tmp_path / "faulty.toml"
        file.write_text(text)
        return file

    return write


def test_a_run_plays_its_faults_and_its_results_say_when(sim, scenario, tmp_path):
    result = sim("run", scenario(SCENARIO), "--json", "-", "--results", tmp_path / "results")
    verdict = json.loads(result.stdout)
    assert verdict["failures"] == []
    (run,) = (tmp_path / "results").glob("*/run.json")
    faults = json.loads(run.read_text())["faults"]
    assert [(each["kind"], each["trouble"]) for each in faults] == [
        ("stale_rows", None),
        ("callback_throttle", None),
        ("function_cold_start", None),
        ("dynamodb_throttle", None),
    ]
    assert all(each["start_s"] <= each["began_s"] <= each["ended_s"] for each in faults)
    assert all(each["ended_s"] - each["began_s"] >= each["duration_s"] for each in faults[1:])


def test_a_loss_has_the_story_of_its_post(sim, scenario):
    result = sim("run", scenario(LOSING), "--json", "-")
    assert result.returncode == 1
    verdict = json.loads(result.stdout)
    deliveries = verdict["deliveries"]
    assert deliveries["stories"] == {"post answered 200 and never delivered": deliveries["lost"]}
    (failure,) = verdict["failures"]
    assert failure.count("(post answered 200 and never delivered)") == 3


def test_a_scan_that_missed_a_viewer_is_the_story_of_what_was_not_posted_to_it(sim, scenario, tmp_path):
    shutil.copy(ROOT / "template.yaml", tmp_path)
    shutil.copytree(ROOT / "tracker", tmp_path / "tracker")
    viewers = tmp_path / "tracker" / "viewers.py"
    viewers.write_text(viewers.read_text().replace("consistent=True", "consistent=False"))
    result = sim("run", scenario(STALE), "--json", "-", "--template", tmp_path / "template.yaml")
    verdict = json.loads(result.stdout)
    assert verdict["deliveries"]["lost"] > 0
    assert verdict["deliveries"]["stories"] == {"not posted": verdict["deliveries"]["lost"]}


def on(endpoints):
    """What is wrong with a stack now."""
    port = urlsplit(endpoints["websocket_url"]).port
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/.tracker-sim/faults", timeout=10) as answer:
        return [each["kind"] for each in json.load(answer)["faults"]]


def test_the_faults_of_a_run_that_is_killed_are_over_soon_in_a_stack_that_stays_up(up, start, scenario, tmp_path):
    stack, endpoints = up()
    file = tmp_path / "up.json"
    file.write_text(json.dumps(endpoints))
    run = start("run", scenario(ENDLESS), "--target", file)
    told = iter(stack.process.stderr.readline, "")
    assert len(list(islice((line for line in told if " is on: " in line), 2))) == 2
    assert sorted(on(endpoints)) == ["callback_hang", "trigger_off"]
    run.process.kill()
    run.process.communicate()
    assert len(list(islice((line for line in told if " is off: " in line), 2))) == 2
    assert on(endpoints) == []


def test_faults_are_switched_by_hand(up, sim):
    up()
    said = [
        sim("faults", *words.split())
        for words in (
            "begin callback_hang hang_ms=5000 --probability 0.1",
            "begin function_kill --target SendVendorFunction --for 90",
            "on",
            "end f1",
            "on --json",
            "end",
            "on",
            "end f1",
            "begin callback_hang hang_ms=soon",
            "begin callback_hang speed=1",
            "begin viewer_reset",
            "begin function_kill --target Nobody",
        )
    ]
    assert [each.returncode for each in said] == [0] * 7 + [2] * 5, [each.stderr for each in said]
    assert (said[0].stdout, said[1].stdout) == ("f1\n", "f2\n")
    hang, kill = said[2].stdout.splitlines()
    assert hang.startswith("f1  callback_hang hang_ms=5000 status=500 delivered=false, probability 0.1, 5")
    assert kill.startswith("f2  function_kill of local-send-vendor after_ms=50.0, 8")
    assert [each["id"] for each in json.loads(said[4].stdout)] == ["f2"]
    assert said[6].stdout == ""
    words = ["no fault f1 is on", "must be a number", "hang_ms=10000", "it has half_open", "SendVendor"]
    for each, word in zip(said[7:], words, strict=True):
        assert word in each.stderr
        assert len(each.stderr.strip().splitlines()) == 1
