"""`tracker-sim up` in a process of its own, as anybody would start it, without the throttles that AWS has."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

LIFTED = (
    "gateway.account_rate_per_s=1000000",
    "gateway.account_burst=1000000",
    "gateway.connects_per_s=1000000",
    "gateway.connects_burst=1000000",
)
"""What `--set` lifts: AWS's 10,000 requests and 500 connects per second would be what is measured."""
LIFTED_FACT = "AWS's throttles: 1,000,000 requests and connects per second, --set gateway.account_rate_per_s …"
ECHO_APP = Path(__file__).parents[1] / "apps" / "echo" / "template.yaml"


@dataclass(frozen=True, slots=True)
class Stack:
    """A running stack; `endpoints` as `tracker-sim up --json` prints them."""

    pid: int
    endpoints: dict[str, Any]
    log: Path

    @property
    def websocket_url(self) -> str:
        url: str = self.endpoints["websocket_url"]
        return url

    @property
    def port(self) -> int:
        port = urlsplit(self.websocket_url).port
        assert port is not None
        return port


@contextlib.contextmanager
def stack(folder: Path, *arguments: str) -> Iterator[Stack]:
    """Start a stack, the tracker's own without `--template`; it is gone when the block ends, or when we end."""
    runtime = folder / "runtime"
    runtime.mkdir(parents=True, mode=0o700)
    log = folder / "stack.log"
    settings = [argument for setting in LIFTED for argument in ("--set", setting)]
    command = [
        sys.executable,
        "-P",
        "-m",
        "simulator",
        "up",
        "--json",
        "--quiet",
        "--until-stdin-closes",
        "--seed",
        "1",
    ]
    with (
        log.open("w", encoding="utf-8") as errors,
        subprocess.Popen(
            [*command, *settings, *arguments],
            env={**os.environ, "XDG_RUNTIME_DIR": str(runtime), "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as process,
    ):
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            process.wait()
            raise RuntimeError(f"the stack did not start:\n{log.read_text(encoding='utf-8')}")
        try:
            yield Stack(process.pid, json.loads(line), log)
        finally:
            process.terminate()
            process.communicate()
