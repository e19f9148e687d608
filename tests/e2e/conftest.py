"""Real processes: `tracker-sim` as a user starts it, and nothing of it left behind."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

TRACKER_SIM = [sys.executable, "-P", "-m", "simulator"]
ROOT = Path(__file__).parents[2]
READY_TIMEOUT_S = 60
RUN_TIMEOUT_S = 240
GONE_TIMEOUT_S = 20


@pytest.fixture
def environment(tmp_path):
    """The user's environment, but with folders of the test's own."""
    runtime = tmp_path / "runtime"
    runtime.mkdir(mode=0o700)
    return {**os.environ, "XDG_RUNTIME_DIR": str(runtime), "NO_COLOR": "1", "PYTHONUNBUFFERED": "1"}


def _with_results_apart(arguments, folder):
    """A run keeps its raw results in the test's folder, not in the checkout."""
    words = [str(each) for each in arguments]
    apart = words[:1] == ["run"] and not {"--results", "--no-results"} & set(words)
    return [*words, "--results", str(folder / "results")] if apart else words


@pytest.fixture
def sim(environment, tmp_path):
    """Run `tracker-sim` with arguments to its end."""

    def run(*arguments, cwd=ROOT, stdin="", **changes):
        return subprocess.run(
            [*TRACKER_SIM, *_with_results_apart(arguments, tmp_path)],
            cwd=cwd,
            env={**environment, **changes},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=RUN_TIMEOUT_S,
            check=False,
        )

    run.environment = environment
    return run


class Running:
    """A `tracker-sim` that goes on, and every process below it that has been seen."""

    def __init__(self, process):
        self.process = process
        self.seen = {}

    def look(self):
        """Remember the processes below this one."""
        with contextlib.suppress(psutil.NoSuchProcess):
            for child in psutil.Process(self.process.pid).children(recursive=True):
                self.seen[child.pid] = child
        return list(self.seen.values())

    def tell(self, number):
        self.look()
        self.process.send_signal(number)

    def end(self, number=signal.SIGTERM):
        """Stop it; returns what it had still to say on stdout and stderr, and the exit status."""
        self.tell(number)
        out, err = self.process.communicate(timeout=RUN_TIMEOUT_S)
        return out, err, self.process.returncode

    def assert_nothing_is_left(self):
        _, alive = psutil.wait_procs(list(self.seen.values()), timeout=GONE_TIMEOUT_S)
        assert [process.cmdline() for process in alive] == []


@pytest.fixture
def start(environment, tmp_path):
    """Start `tracker-sim` with arguments and leave it running."""
    started = []

    def begin(*arguments, cwd=ROOT, **changes):
        process = subprocess.Popen(
            [*TRACKER_SIM, *_with_results_apart(arguments, tmp_path)],
            cwd=cwd,
            env={**environment, **changes},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        running = Running(process)
        started.append(running)
        return running

    yield begin
    for running in started:
        if running.process.poll() is None:
            running.look()
            running.process.kill()
        running.process.communicate(timeout=RUN_TIMEOUT_S)
        for child in running.seen.values():
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()


@pytest.fixture
def up(start):
    """A stack that is ready, and its endpoints."""

    def begin(*arguments, **options):
        running = start("up", "--json", *arguments, **options)
        line = running.process.stdout.readline()
        if not line:
            pytest.fail(f"up ended: {running.process.stderr.read()}")
        return running, json.loads(line)

    return begin
