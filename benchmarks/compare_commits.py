"""Measure a base commit and the working tree on the same machine, in turns, and say which is faster and how surely.

    python benchmarks/compare_commits.py BASE [--pairs N] [PYTEST ARGUMENTS…]

BASE is checked out into a temporary folder with an environment of its own. The working tree's benchmarks measure both:
what differs is the tracker and the simulator that they import. The order changes from pair to pair. Printed is, for
each ratio to the in-run reference, the working tree's divided by the base's, with an interval over the rounds of all
pairs. Exit status: 0 nothing is slower, 1 something is, 2 a commit or environment that cannot be made.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import subprocess
import sys
import tempfile
import tomllib
import venv
from collections.abc import Iterator
from pathlib import Path

from compare import FOLDER, measure, read_run  # this folder is the script's own, and first on the path
from instruments.comparison import quotients
from instruments.results import Run
from instruments.table import aligned, markdown, quotients_as_rows

ROOT = FOLDER.parent
PAIRS = 3
_SEED = 1


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("base", help="commit, branch or tag to compare with")
    parser.add_argument("--pairs", type=int, default=PAIRS, help="runs of each (default: %(default)s)")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="also add the table to this file, for CI")
    parser.add_argument("--long", action="store_true", help="also the benchmarks that take minutes")
    options, tests = parser.parse_known_args()
    if not any(each.startswith("benchmarks") for each in tests):
        tests = ["benchmarks", *tests]
    pairs: list[tuple[Run, Run]] = []
    with tempfile.TemporaryDirectory(prefix="bench-compare-") as name, _environment(options.base, Path(name)) as python:
        for number in range(options.pairs):
            sides = {"base": python, "working tree": sys.executable}
            runs: dict[str, Run] = {}
            for side in list(sides)[:: 1 if number % 2 == 0 else -1]:
                print(f"pair {number + 1} of {options.pairs}: {side}", file=sys.stderr)
                save = Path(name) / f"{number}-{side}.json"
                measure(sides[side], tests, save, long=options.long)
                runs[side] = read_run(save)
            pairs.append((runs["base"], runs["working tree"]))
    found, alone = quotients(pairs, random.Random(_SEED))
    rows = quotients_as_rows(found)
    slower = [each for each in found if each.verdict == "slower"]
    verdict = (
        f"{len(slower)} of {len(found)} ratios are slower than {options.base}." if slower else "Nothing is slower."
    )
    print("\n".join((aligned(rows), *alone, verdict)))
    if options.markdown is not None:
        with options.markdown.open("a", encoding="utf-8") as file:
            file.write(f"### Benchmarks against `{options.base}`\n\n{verdict}\n\n{markdown(rows)}\n")
    return 1 if slower else 0


@contextlib.contextmanager
def _environment(base: str, folder: Path) -> Iterator[str]:
    """The interpreter of an environment that runs BASE's code; gone, with its worktree, at the end."""
    tree = folder / "base"
    _run("git", "-C", str(ROOT), "worktree", "add", "--detach", "--quiet", str(tree), base)
    try:
        venv.create(folder / "venv", with_pip=True)
        python = next(
            path for path in (folder / "venv/bin/python", folder / "venv/Scripts/python.exe") if path.exists()
        )
        _run(str(python), "-m", "pip", "install", "--quiet", "-e", f"{tree}[simulator]", *_requirements("bench"))
        yield str(python)
    finally:
        _run("git", "-C", str(ROOT), "worktree", "remove", "--force", str(tree))


def _requirements(group: str) -> list[str]:
    """What a dependency group of the working tree's pyproject.toml asks for."""
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["dependency-groups"]
    found: list[str] = []
    for each in groups[group]:
        found += [each] if isinstance(each, str) else _requirements(each["include-group"])
    return found


def _run(*command: str) -> None:
    try:
        subprocess.run(command, check=True, stdout=sys.stderr)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"Error: {error}", file=sys.stderr)
        raise SystemExit(2) from None


if __name__ == "__main__":
    sys.exit(main())
