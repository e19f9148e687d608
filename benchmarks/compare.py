"""Set a run against the committed baseline, by ratio; exit 1 when something has become worse twice.

    python benchmarks/compare.py [RESULTS] [--baseline FILE] [--again FILE] [--markdown FILE] [--accept]

RESULTS is what `pytest benchmarks` saved; by default the newest in benchmarks/results. What looks regressed is measured
a second time, by this interpreter, before it is called a regression; or `--again` is that second run. Exit status: 0
nothing regressed, 1 something did (or is missing), 2 a file that cannot be used.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from instruments.comparison import Compared, compare, suspects
from instruments.results import Run
from instruments.table import aligned, compared_as_rows, markdown

FOLDER = Path(__file__).resolve().parent


def main(arguments: list[str] | None = None) -> int:
    options = _options().parse_args(arguments)
    path = options.results or _newest()
    run = read_run(path)
    if options.accept:
        text = json.dumps(run.to_json(), indent=1) + "\n"
        options.baseline.write_text(text, encoding="utf-8")
        print(f"{options.baseline} is now {path}")
        return 0
    base = read_run(options.baseline)
    compared = compare(run, base)
    doubtful = suspects(compared)
    if options.again is not None:
        compared = compare(run, base, read_run(options.again))
    elif doubtful:
        print(f"measuring again: {', '.join(doubtful)}", file=sys.stderr)
        compared = compare(run, base, _second_run(run, doubtful))
    failed = [each for each in compared if each.finding.fails]
    rows = compared_as_rows(compared)
    print(aligned(rows))
    print(_verdict(compared))
    if options.markdown is not None:
        with options.markdown.open("a", encoding="utf-8") as file:
            file.write(f"### Benchmarks against the baseline\n\n{_verdict(compared)}\n\n{markdown(rows)}\n")
    return 1 if failed else 0


def read_run(path: Path) -> Run:
    """The results in a file; says what is wrong with it and exits with 2."""
    try:
        return Run.from_json(json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        sentence = f"{path} cannot be read ({error.strerror})"
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        sentence = f"{path} holds no benchmark results ({type(error).__name__}: {error})"
    print(f"Error: {sentence}; `tox -e bench -- --save FILE` makes one.", file=sys.stderr)
    raise SystemExit(2)


def measure(python: str, tests: list[str], save: Path, *, long: bool) -> int:
    """Run benchmarks with an interpreter, and whatever tracker and simulator it has; the exit status of pytest."""
    command = [
        python,
        "-P",
        "-m",
        "pytest",
        "-q",
        "--no-header",
        "--save",
        str(save),
        *(["--long"] if long else []),
        *tests,
    ]
    return subprocess.run(command, cwd=FOLDER.parent, stdout=sys.stderr, check=False).returncode


def _second_run(run: Run, names: list[str]) -> Run:
    tests = list(dict.fromkeys(run.groups[name].test for name in names))
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        save = Path(folder) / "again.json"
        if measure(sys.executable, tests, save, long=True):
            print("the second run failed; its own figures count for what did run", file=sys.stderr)
        return read_run(save)


def _verdict(compared: list[Compared]) -> str:
    bad = [each for each in compared if each.finding.fails]
    if bad:
        return f"{len(bad)} of {len(compared)} ratios are worse than the baseline or missing."
    return f"None of {len(compared)} ratios has regressed."


def _newest() -> Path:
    found = sorted((FOLDER / "results").glob("*.json"), key=lambda path: path.stat().st_mtime)
    if not found:
        print("Error: there are no results; run `tox -e bench` first.", file=sys.stderr)
        raise SystemExit(2)
    return found[-1]


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("results", nargs="?", type=Path, help="default: the newest in benchmarks/results")
    parser.add_argument("--baseline", type=Path, default=FOLDER / "baseline.json", help="default: %(default)s")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="also add the table to this file, for CI")
    parser.add_argument("--again", type=Path, metavar="FILE", help="a second run; default: measure the suspects now")
    parser.add_argument("--accept", action="store_true", help="make RESULTS the baseline, and compare nothing")
    return parser


if __name__ == "__main__":
    sys.exit(main())
