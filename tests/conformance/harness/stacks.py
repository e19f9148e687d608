"""Starting the probe with `tracker-sim up`, as anybody would, and keeping it for as long as it is of use."""

import contextlib
import json
import os
import subprocess
import sys
from collections import OrderedDict
from pathlib import Path

from harness.target import Target, from_endpoints

TEMPLATE = Path(__file__).parents[1] / "probe" / "template.yaml"
_STOP_TIMEOUT_S = 30
_KEPT_WITH_SETTINGS = 2
"""Stacks that are kept at a time beside the main one: each is some processes."""


class Stack:
    """One `tracker-sim up` of the probe; gone when closed, and by itself when this process ends."""

    def __init__(self, folder: Path, *, in_process: bool, settings: tuple[str, ...] = ()) -> None:
        folder.mkdir(parents=True)
        runtime = folder / "runtime"
        runtime.mkdir(mode=0o700)
        self.log = folder / "stack.log"
        arguments = ["--template", str(TEMPLATE), "--seed", "1", *(["--in-process"] if in_process else [])]
        for setting in settings:
            arguments += ["--set", setting]
        with self.log.open("w", encoding="utf-8") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "simulator", "up", "--json", "--until-stdin-closes", *arguments],
                env={**os.environ, "XDG_RUNTIME_DIR": str(runtime), "PYTHONUNBUFFERED": "1"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self.target: Target | None = None
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self.close()
            raise RuntimeError(f"tracker-sim up ended with status {self._process.returncode}:\n{self.log.read_text()}")
        self.target = from_endpoints(json.loads(line), in_process=in_process)

    def close(self) -> None:
        """End it and wait until it has."""
        if self.target is not None:
            self.target.close()
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        try:
            self._process.communicate(timeout=_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()


class Stacks:
    """The main stack and, on demand, others with settings of their own: the latest few stay for whoever asks next."""

    def __init__(self, folder: Path, *, in_process: bool) -> None:
        self._folder = folder
        self._in_process = in_process
        self._count = 0
        self._running: OrderedDict[tuple[str, ...], Stack] = OrderedDict()

    def get(self, *settings: str) -> Stack:
        """The stack with these `ROOM.NAME=VALUE` settings."""
        if settings not in self._running:
            special = [each for each in self._running if each]
            if settings and len(special) >= _KEPT_WITH_SETTINGS:
                self._running.pop(special[0]).close()
            self._count += 1
            folder = self._folder / f"stack-{self._count}"
            self._running[settings] = Stack(folder, in_process=self._in_process, settings=settings)
        self._running.move_to_end(settings)
        return self._running[settings]

    def logs(self) -> dict[str, Path]:
        """The logs of the stacks that run, by their settings."""
        return {" ".join(settings) or "stack": stack.log for settings, stack in self._running.items()}

    def close(self) -> None:
        """End them all."""
        while self._running:
            self._running.popitem()[1].close()
