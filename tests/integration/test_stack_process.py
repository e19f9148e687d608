"""`StackProcess` around children that start, fail and end in all the ways a stack can."""

import asyncio
import contextlib
import os
import sys
from pathlib import Path

import psutil
import pytest

from simulator import child
from simulator.child import StackProcess
from simulator.errors import EnvironmentFailure, InputError

GOOD = """
import json, os, sys
print(json.dumps({"websocket_url": None, "http_url": None, "management_url": None, "apis": {}, "aws_endpoint_url": "u",
                  "lambda_url": "l", "region": "r", "queue_urls": {}, "tables": [], "functions": [],
                  "pid": os.getpid(), "ca_bundle": None}), flush=True)
"""
UNTIL_STDIN_CLOSES = "sys.stdin.read()\n"


@pytest.fixture
def make(tmp_path, monkeypatch):
    """A stack whose process runs the given code in place of `tracker-sim up`."""
    monkeypatch.setenv("PYTHONPATH", "")

    def make(code, *, log=None):
        package = tmp_path / "packages" / "simulator"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text("")
        (package / "__main__.py").write_text(code)
        monkeypatch.setattr(child, "_PACKAGES", str(package.parent))
        problems = []
        process = StackProcess(["--x"], log=log or tmp_path / "log", on_problem=problems.append)
        process.problems = problems
        return process

    return make


async def test_it_gives_the_endpoints_copies_the_log_and_is_gone_afterwards(make, tmp_path):
    said = (
        r"import sys; sys.stderr.write('12:00:00.000 INFO a: x\n12:00:00.001 WARNING b: y\n\xff\n'); sys.stderr.flush()"
        "\n"
    )
    async with make(said + GOOD + UNTIL_STDIN_CLOSES) as stack:
        pid = stack.endpoints.pid
        assert psutil.pid_exists(pid)
        assert stack.endpoints.region == "r"
    assert not psutil.pid_exists(pid)
    assert (tmp_path / "log").read_text().splitlines()[:2] == ["12:00:00.000 INFO a: x", "12:00:00.001 WARNING b: y"]
    assert stack.problems == ["12:00:00.001 WARNING b: y"]


@pytest.mark.parametrize(
    ("code", "kind", "sentence"),
    [
        pytest.param(
            "raise SystemExit('Error: no such file.')", EnvironmentFailure, "no such file.", id="its sentence"
        ),
        pytest.param(
            "import sys; print('Error: bad option.', file=sys.stderr); sys.exit(2)",
            InputError,
            "bad option.",
            id="input error stays one",
        ),
        pytest.param("raise SystemExit(7)", EnvironmentFailure, "ended with status 7 before it was ready", id="silent"),
    ],
)
async def test_a_stack_that_does_not_come_up_says_why(make, code, kind, sentence):
    with pytest.raises(kind, match=sentence):
        async with make(code):
            pytest.fail("it came up")


async def test_a_log_that_cannot_be_written_is_refused_before_anything_starts(make, tmp_path):
    with pytest.raises(InputError, match="give another --log"):
        async with make(GOOD, log=tmp_path / "absent" / "log"):
            pytest.fail("it came up")


async def test_a_process_that_cannot_be_started_leaves_no_open_log(make, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(FileNotFoundError):  # and no ResourceWarning, which would fail the test
        async with make(GOOD):
            pytest.fail("it came up")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this machine has no /dev/full")
async def test_a_full_disk_ends_the_log_and_not_the_stack(make):
    # More than a pipe holds: unless it is read to its end, the stack never gets as far as its endpoints.
    talks = "import sys\nfor i in range(5000): print('x' * 100, file=sys.stderr)\n"
    async with make(talks + GOOD + UNTIL_STDIN_CLOSES, log=Path("/dev/full")) as stack:
        pass
    assert stack.problems == ["the stack's log ends here: No space left on device"]
    assert stack._process.returncode == -15


async def test_giving_up_while_it_starts_ends_it(make, tmp_path):
    ready = tmp_path / "ready"
    os.mkfifo(ready)
    process = make(f"open({str(ready)!r}, 'w').close()\nimport sys\nsys.stdin.read()")
    starting = asyncio.create_task(process.__aenter__())
    await asyncio.to_thread(ready.read_bytes)
    [running] = [each for each in psutil.Process().children() if "--until-stdin-closes" in each.cmdline()]
    starting.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await starting
    assert not running.is_running()


async def test_what_a_handler_left_behind_does_not_hold_up_the_end(make, monkeypatch):
    """Its child has the log open, in a session of its own, and stays."""
    monkeypatch.setattr(child, "_LOG_END_TIMEOUT_S", 0.05)
    leaves = "import subprocess\nleft = subprocess.Popen(['sleep', '60'], start_new_session=True)\n"
    leaves += "print(left.pid, file=sys.stderr, flush=True)\n"
    async with make("import sys\n" + leaves + GOOD + UNTIL_STDIN_CLOSES) as stack:
        pass
    left = psutil.Process(int(stack._last_lines[0]))
    assert left.is_running()
    left.kill()
    for pipe in (stack._process.stdout, stack._process.stderr):
        await pipe.read()  # to its end, so that nothing stays open
