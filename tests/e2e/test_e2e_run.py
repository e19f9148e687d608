"""`tracker-sim run`: whole scenarios, and what happens when something breaks in the middle of one."""

import json
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from websockets.sync.client import connect

ROOT = Path(__file__).parents[2]

SHORT = """\
name = "short"
question = "Does a short run of the whole path work?"
seed = 7

[stack.parameters]
VendorQueueVisibilityTimeout = 6
SendVendorTimeout = 5

[vendors]
source = "made"
count = 5
ping_interval_s = 0.5

[subscribers]
count = 5

[run]
duration_s = 6

[expect]
run = ["deliveries.lost == 0", "final_positions.wrong == 0"]
"""

SCHEDULE = """\
DayOrder,DayOfWeekStr,PermitLocation,optionaltext,start24,end24,Applicant,Latitude,Longitude
5,Friday,1 FIRST ST,Tacos,10:00,13:00,Taco Wagon,37.7890,-122.4010
5,Friday,9 NINTH ST,Tacos,13:00,14:00,Taco Wagon,37.7760,-122.4140
5,Friday,2 SECOND ST,Noodles,09:00,15:00,Noodle Cart,37.7880,-122.3990
5,Friday,3 THIRD ST,Nothing,11:00,14:00,Lost Truck,0,0
"""


@pytest.fixture
def short(tmp_path):
    file = tmp_path / "short.toml"
    file.write_text(SHORT)
    return file


def verdict_of(result):
    assert result.stdout, result.stderr
    return json.loads(result.stdout)


def test_quickstart_passes_with_nothing_lost(sim):
    result = sim("run", "quickstart", "--json", "-")
    verdict = verdict_of(result)
    assert verdict["failures"] == []
    assert verdict["passed"] is True
    assert result.returncode == 0
    assert verdict["deliveries"]["lost"] == 0
    assert verdict["final_positions"]["wrong"] == 0
    assert verdict["final_positions"]["checked"] == 25 * 50
    assert verdict["deliveries"]["received"] == verdict["updates"]["published"] * 50
    assert verdict["invocations"]["total"] > 0
    assert verdict["connections"]["opened"] == 50
    assert 0 < verdict["latency_ms"]["all"]["p50"] <= verdict["latency_ms"]["last"]["max"]


def test_the_library_is_found_from_any_folder(sim, tmp_path):
    """Also from an installed wheel, which is what tox runs this on."""
    listed = sim("scenarios", "list", "--json", cwd=tmp_path)
    assert {each["name"] for each in json.loads(listed.stdout)} == {
        file.stem for file in (ROOT / "scenarios").glob("*.toml")
    }
    assert "Usage: " in sim("run", "lunch_rush", "--help", cwd=tmp_path).stdout
    run = sim("run", "quickstart", "--duration", "1", "--subscribers", "2", "--json", "-", cwd=tmp_path)
    assert verdict_of(run)["passed"], run.stderr
    (results,) = (tmp_path / "results").iterdir()
    assert sim("report", results, "--html", tmp_path / "report.html", cwd=tmp_path).returncode == 0


def test_schedule_replay_publishes_every_vendor_and_names_the_row_it_cannot_use(sim, tmp_path):
    scenario = tmp_path / "lunch.toml"
    scenario.write_text('[vendors]\nsource = "schedule"\nspeed = 1440\n\n[subscribers]\ncount = 5\n')
    schedule = tmp_path / "schedule.csv"
    schedule.write_text(SCHEDULE, encoding="utf-8-sig")
    result = sim("run", scenario, "--schedule", schedule, "--json", "-")
    verdict = verdict_of(result)
    assert result.returncode == 0, result.stderr
    assert verdict["deliveries"]["lost"] == 0
    assert len(verdict["deliveries"]["per_vendor"]) == 2
    assert verdict["final_positions"]["checked"] == 2 * 5
    assert "1 of 4 rows cannot be used" in result.stderr
    assert "line 5" in result.stderr


def test_killed_worker_in_the_middle_loses_nothing(start, short):
    running = start("run", short, "--json", "-")
    victim = None
    while victim is None:
        assert running.process.poll() is None, running.process.communicate()
        victim = next((child for child in running.look() if _runs(child, "tracker.send_vendor.handler")), None)
    victim.kill()
    out, err = running.process.communicate(timeout=240)
    verdict = json.loads(out)
    assert verdict["deliveries"]["lost"] == 0, err
    assert verdict["final_positions"]["wrong"] == 0
    running.assert_nothing_is_left()


def _runs(process, handler):
    try:
        return handler in " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return False


def test_handler_that_raises_fails_the_run_with_its_story(sim, short, tmp_path):
    project = tmp_path / "project"
    project.mkdir()
    shutil.copy(ROOT / "template.yaml", project)
    shutil.copytree(ROOT / "tracker", project / "tracker")
    handler = project / "tracker" / "send_vendor.py"
    handler.write_text(handler.read_text() + "\n\ndef handler(event, context):\n    raise RuntimeError('edited')\n")
    log = tmp_path / "stack.log"
    result = sim("run", short, "--json", "-", "--log", log, "--duration", "2", cwd=project)
    verdict = verdict_of(result)
    assert result.returncode == 1
    assert verdict["passed"] is False
    assert verdict["updates"]["dead_lettered"] == verdict["updates"]["published"] > 0
    assert verdict["invocations"]["errors"] > 0
    assert any("dead-letter" in failure for failure in verdict["failures"])
    story = log.read_text()
    assert "RuntimeError" in story
    assert "edited" in story
    assert 'send_vendor.py", line' in story


def test_raising_handler_shows_the_contracts_frame_and_logs_route_and_connection(up, tmp_path):
    project = tmp_path / "project"
    project.mkdir()
    shutil.copy(ROOT / "template.yaml", project)
    shutil.copytree(ROOT / "tracker", project / "tracker")
    handler = project / "tracker" / "default.py"
    handler.write_text(handler.read_text() + "\n\ndef handler(event, context):\n    raise RuntimeError('edited')\n")
    running, endpoints = up(cwd=project)
    with connect(endpoints["websocket_url"]) as viewer:
        viewer.send('{"action": "nothing"}')
        text = viewer.recv(timeout=30)
    frame = json.loads(text)
    connection_id, request_id = frame["connectionId"], frame["requestId"]
    assert text == (
        f'{{"message": "Internal server error", "connectionId":"{connection_id}", "requestId":"{request_id}"}}'
    )
    _, err, _ = running.end()
    assert f"route=$default connectionId={connection_id}" in err
    assert "RuntimeError" in err
    assert "default.py" in err


def test_interrupt_gives_the_verdict_so_far_and_leaves_nothing(start, short):
    running = start("run", short, "--json", "-", "--duration", "600")
    while not any(_runs(child, "tracker.send_vendor.handler") for child in running.look()):
        assert running.process.poll() is None, running.process.communicate()
    out, err, status = running.end(signal.SIGINT)
    verdict = json.loads(out)
    assert verdict["partial"] is True
    assert status == 1
    assert "Traceback" not in err
    running.assert_nothing_is_left()


def test_interrupt_while_the_stack_starts_leaves_nothing(start, short):
    running = start("run", short)
    while not running.look():
        assert running.process.poll() is None, running.process.communicate()
    _, err, status = running.end(signal.SIGINT)
    assert status != 0
    assert "Traceback" not in err
    running.assert_nothing_is_left()


def test_killed_run_leaves_nothing(start, short):
    running = start("run", short)
    while not any(_runs(child, "tracker.connect.handler") for child in running.look()):
        assert running.process.poll() is None, running.process.communicate()
    running.end(signal.SIGKILL)
    running.assert_nothing_is_left()


BAD = {
    "missing scenario": (["run", "no_such_thing"], 2, "no_such_thing"),
    "missing schedule file": (["run", "sf_food_trucks", "--schedule", "nowhere.csv"], 2, "nowhere.csv"),
    "schedule not given": (["run", "sf_food_trucks"], 2, "--schedule"),
    "missing template": (["up", "--template", "nowhere.yaml"], 2, "nowhere.yaml"),
    "missing template of a run": (["run", "quickstart", "--template", "nowhere.yaml"], 2, "nowhere.yaml"),
    "unknown parameter": (["run", "quickstart", "--parameter", "Nonsense=1"], 2, "Nonsense"),
    "parameter without value": (["up", "--parameter", "Nonsense"], 2, "NAME=VALUE"),
    "port out of range": (["up", "--port", "70000"], 2, "70000"),
    "missing update file": (["send", "--file", "nowhere.ndjson"], 2, "nowhere.ndjson"),
    "nothing to send": (["send"], 2, "--file"),
    "latitude out of range": (["send", "--vendor", "1", "--lat", "91", "--long", "0"], 2, "91"),
    "no stack to send to": (["send", "--vendor", "1", "--lat", "9", "--long", "0"], 2, "tracker-sim up"),
    "no stack to connect to": (["connect"], 2, "tracker-sim up"),
    "nobody listens": (["connect", "ws://127.0.0.1:1/primary"], 1, "ws://127.0.0.1:1/primary"),
    "not a websocket url": (["connect", "http://127.0.0.1:1/"], 2, "ws://"),
    "unknown option": (["run", "quickstart", "--nonsense"], 2, "--nonsense"),
    "unknown command": (["nonsense"], 2, "nonsense"),
}


@pytest.mark.parametrize(("arguments", "status", "named"), BAD.values(), ids=BAD)
def test_bad_input_is_one_sentence_naming_it(sim, arguments, status, named):
    result = sim(*arguments)
    assert result.returncode == status, result.stderr
    assert result.stdout == ""
    assert named in result.stderr.splitlines()[-1]
    assert result.stderr.splitlines()[-1].startswith("Error: ")
    assert "Traceback" not in result.stderr


def test_debug_shows_the_traceback(sim):
    result = sim("run", "no_such_thing", "--debug")
    assert result.returncode == 2
    assert "Traceback" in result.stderr


def test_too_few_descriptors_is_one_sentence(environment, short):
    command = f"ulimit -n 40; exec {_quoted('run', short, '--subscribers', '200')}"
    result = subprocess.run(
        ["bash", "-c", command], env=environment, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert result.returncode in (1, 2)
    assert "ulimit -n" in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.stderr


def _quoted(*arguments):
    return shlex.join([sys.executable, "-P", "-m", "simulator", *map(str, arguments)])
