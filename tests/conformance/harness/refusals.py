"""What the simulator says to a template that AWS would refuse."""

import shutil
import subprocess
import sys
from pathlib import Path

from harness.stacks import TEMPLATE


def refusal_of(folder: Path, old: str, new: str) -> str:
    """What `tracker-sim up` says to the probe's template with one thing changed in it."""
    shutil.copytree(TEMPLATE.parent, folder / "probe")
    template = folder / "probe" / TEMPLATE.name
    text = template.read_text(encoding="utf-8")
    assert text.count(old) == 1
    template.write_text(text.replace(old, new), encoding="utf-8")
    command = [sys.executable, "-P", "-m", "simulator", "up", "--json", "--template", str(template)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 2, ended.stderr
    return ended.stderr
