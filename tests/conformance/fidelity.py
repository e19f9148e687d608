"""Makes docs/fidelity.md: every row of the contract, and what the suite's own result says of it.

    python tests/conformance/fidelity.py workers.json in-process.json [--update]

The two files are what `pytest tests/conformance --results FILE` wrote in either mode. Without `--update` the committed
page is compared with the one that they make, and the exit status is 1 when they differ.

A row is called *same* only when it has a test that passed. What is not the same is said by hand in fidelity.toml, and
why. A row that has neither, a row that has both and a row that failed are errors.
"""

import argparse
import difflib
import json
import re
import sys
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulator.settings import all_settings

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CONTRACT = ROOT / "docs" / "aws-contract.md"
PAGE = ROOT / "docs" / "fidelity.md"
WORDS = HERE / "fidelity.toml"

_ROW = re.compile(r"\| ([A-Z][0-9]{2}) \| (.+) \| (.+) \| ([DOI][^|]*) \|")
_SECTION = re.compile(r"## ([1-8]\. .+)")
_GROUPS = ("simplified", "absent", "untested")
_SHORT_CHARS = 120
_SENTENCE_END = re.compile(r"; |\. (?=[A-Z])")


class FidelityError(Exception):
    """The page cannot be made; each argument is one reason."""


@dataclass(frozen=True)
class Row:
    """One row of the contract."""

    id: str
    text: str
    mark: str
    """D documented, O observed, I inferred; several where parts of the row differ."""
    section: str

    @property
    def short(self) -> str:
        """Its beginning: a sentence, or what fits."""
        ends = [match.start() for match in _SENTENCE_END.finditer(self.text)]
        whole = (self.text[:end] for end in ends if self.text.count("`", 0, end) % 2 == 0)
        sentence = next(whole, self.text.rstrip("."))
        if len(sentence) <= _SHORT_CHARS:
            return sentence
        cut = sentence[: sentence.rindex(" ", 0, _SHORT_CHARS)]
        # A cut inside code or bold text would turn the rest of the table into it.
        for sign in ("`", "**"):
            if cut.count(sign) % 2:
                cut = cut[: cut.rindex(sign)].rstrip()
        return f"{cut} …"


@dataclass(frozen=True)
class Entry:
    """What the page says of a row."""

    row: Row
    verdict: str
    """`same`, `assumed`, `simplified`, `absent` or `untested`."""
    why: str
    tests: tuple[str, ...]
    """`file::name` of those that passed with worker processes."""
    in_process: tuple[str, ...]
    """Why tests that passed with worker processes are not run in process."""
    settings: tuple[str, ...]


def read_contract(text: str) -> list[Row]:
    """The rows of sections 1 to 8, in order."""
    rows: list[Row] = []
    section = ""
    for line in text.splitlines():
        if line.startswith("## "):
            heading = _SECTION.fullmatch(line)
            section = heading.group(1) if heading else ""
        elif section and (match := _ROW.fullmatch(line)):
            rows.append(Row(match.group(1), match.group(2).strip(), match.group(4).strip(), section))
    return rows


def judge(
    rows: Iterable[Row],
    workers: Mapping[str, Any],
    in_process: Mapping[str, Any],
    words: Mapping[str, Mapping[str, str]],
    settings: Mapping[str, tuple[str, ...]],
) -> list[Entry]:
    """One entry for each row; raises `FidelityError` with everything that does not fit together."""
    rows = list(rows)
    problems = [*_misread(rows, workers, in_process, words)]
    entries: list[Entry] = []
    for row in rows:
        said = [group for group in _GROUPS if row.id in words.get(group, {})]
        passed = tuple(name for name, test in workers["tests"].items() if row.id in test["rows"] and _passed(test))
        if len(said) > 1:
            problems.append(f"{row.id} is both {' and '.join(said)} in {WORDS.name}; leave one.")
        if said and said[0] in ("absent", "untested") and passed:
            problems.append(f"{row.id} is {said[0]} in {WORDS.name}, but {passed[0]} passes; take it out there.")
        if not said and not passed:
            problems.append(f"{row.id} has no test that passes and no entry in {WORDS.name}; give it one of both.")
        reasons = dict.fromkeys(in_process["tests"].get(name, {}).get("reason", "") for name in passed)
        entries.append(
            Entry(
                row,
                said[0] if said else "assumed" if row.mark == "I" else "same",
                words[said[0]][row.id] if said else words.get("notes", {}).get(row.id, ""),
                passed,
                tuple(filter(None, reasons)),
                settings.get(row.id, ()),
            )
        )
    if problems:
        raise FidelityError(*problems)
    return entries


def _misread(
    rows: Iterable[Row],
    workers: Mapping[str, Any],
    in_process: Mapping[str, Any],
    words: Mapping[str, Mapping[str, str]],
) -> Iterable[str]:
    """What makes the results unusable whatever they say of a single row."""
    known = {row.id for row in rows}
    for wanted, results in (("workers", workers), ("in process", in_process)):
        if results["mode"] != wanted:
            yield f"a result of the mode '{wanted}' is needed, and the one given is of '{results['mode']}'."
        for name, test in results["tests"].items():
            if test["outcomes"].get("failed"):
                yield f"{name} failed ({results['mode']})."
            for row in set(test["rows"]) - known:
                yield f"{name} names the row {row}, which the contract does not have."
    for name in workers["tests"].keys() - in_process["tests"].keys():
        yield f"{name} is missing in the result of the in-process mode; run the whole suite in both."
    for group, entries in words.items():
        if group not in (*_GROUPS, "notes"):
            yield f"{WORDS.name} has a table '{group}', which is none of {', '.join((*_GROUPS, 'notes'))}."
        for row in entries.keys() - known:
            yield f"{WORDS.name} names the row {row}, which the contract does not have."


def _passed(test: Mapping[str, Any]) -> bool:
    return bool(test["outcomes"].get("passed")) and not test["outcomes"].get("failed")


_OPENING = """\
# Fidelity

Every row of [the contract](aws-contract.md) and how the simulator fares, from the result of
[the conformance suite](../tests/conformance/README.md). Made by `tox -e conformance -- --update`: do not edit.

- **same**: documented or observed on AWS (D, O), and proved by the tests named, on a running stack and from outside.
- **assumed**: nobody has seen what AWS does (I). The tests hold the simulator to the contract's guess; where another
  guess is conceivable, the setting named changes it (`tracker-sim settings`).
- **simplified**, **absent**: not as on AWS, and why.
- **untested**: nothing is claimed.

The last column says which tests do not hold with `--in-process`, and why.

"""
_VERDICTS = ("same", "assumed", "simplified", "absent", "untested")
_TABLE_HEAD = ["| row | what | mark | here | tests | in process |", "|---|---|---|---|---|---|"]


def render(entries: Iterable[Entry]) -> str:
    """The page."""
    by_section: dict[str, list[Entry]] = {}
    for entry in entries:
        by_section.setdefault(entry.row.section, []).append(entry)
    lines = [f"| section | {' | '.join(_VERDICTS)} |", f"|---|{'---:|' * len(_VERDICTS)}"]
    counts = {section: _counts(members) for section, members in by_section.items()}
    lines += [f"| {section} | {' | '.join(map(str, numbers))} |" for section, numbers in counts.items()]
    totals = [sum(numbers) for numbers in zip(*counts.values(), strict=True)]
    lines.append(f"| **all** | {' | '.join(f'**{total}**' for total in totals)} |")
    for section, members in by_section.items():
        lines += ["", f"## {section}", "", *_TABLE_HEAD, *map(_line, members)]
    return _OPENING + "\n".join(lines) + "\n"


def _counts(entries: Sequence[Entry]) -> list[int]:
    return [sum(entry.verdict == verdict for entry in entries) for verdict in _VERDICTS]


def _line(entry: Entry) -> str:
    here = f"**{entry.verdict}**"
    if entry.why:
        here += f": {entry.why}"
    if entry.settings:
        here += f" ({', '.join(f'`{name}`' for name in entry.settings)})"
    tests = "<br>".join(_link(name) for name in entry.tests) or "–"
    in_process = "; ".join(entry.in_process) or ("as well" if entry.tests else "–")
    cells = (entry.row.id, entry.row.short, entry.row.mark, here, tests, in_process)
    return f"| {' | '.join(cells)} |"


def _link(name: str) -> str:
    file, _, test = name.partition("::")
    return f"[{test.removeprefix('test_').replace('_', ' ')}](../tests/conformance/{file})"


def settings_of_rows() -> dict[str, tuple[str, ...]]:
    """Row to the settings that stand for it."""
    found: dict[str, tuple[str, ...]] = {}
    for each in all_settings():
        for row in re.findall(r"[A-Z][0-9]{2}", each.about.row):
            found[row] = (*found.get(row, ()), each.name)
    return found


def make_page(workers: Path, in_process: Path) -> str:
    """The page as these results make it."""
    return render(
        judge(
            read_contract(CONTRACT.read_text(encoding="utf-8")),
            json.loads(workers.read_text(encoding="utf-8")),
            json.loads(in_process.read_text(encoding="utf-8")),
            tomllib.loads(WORDS.read_text(encoding="utf-8")),
            settings_of_rows(),
        )
    )


def main() -> int:
    """0: the committed page is what these results make (or has been rewritten); 1: it is not; 2: it cannot be made."""
    parser = argparse.ArgumentParser(description="Check docs/fidelity.md against the suite's result, or rewrite it.")
    parser.add_argument("workers", type=Path, help="result of the worker mode")
    parser.add_argument("in_process", type=Path, help="result of the in-process mode")
    parser.add_argument("--update", action="store_true", help="rewrite the page; without it, compare")
    arguments = parser.parse_args()
    try:
        page = make_page(arguments.workers, arguments.in_process)
    except FidelityError as error:
        sys.stderr.writelines(f"{reason}\n" for reason in error.args)
        return 2
    if arguments.update:
        PAGE.write_text(page, encoding="utf-8")
        return 0
    committed = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    if committed == page:
        return 0
    sys.stderr.writelines(
        difflib.unified_diff(
            committed.splitlines(keepends=True), page.splitlines(keepends=True), "committed", "from this result"
        )
    )
    sys.stderr.write("docs/fidelity.md is out of date; `tox -e conformance -- --update` rewrites it.\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
