"""What a run of the suite found, row by row: the document that `fidelity.py` makes its table from."""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

_ROWS_OF_NAME = re.compile(r"test_((?:[A-Z][0-9]{2}_)+)")


def rows_of(item: pytest.Item) -> tuple[str, ...]:
    """The contract rows that a test proves: from its name (`test_H03_H04_…`) and from `@pytest.mark.row`."""
    named = _ROWS_OF_NAME.match(item.name)
    rows = named.group(1).rstrip("_").split("_") if named else []
    for mark in item.iter_markers("row"):
        rows += mark.args
    return tuple(dict.fromkeys(rows))


@dataclass
class Results:
    """Outcome of every test that proves a row."""

    mode: str
    """`workers`, `in process` or `target file`."""
    _tests: dict[str, dict[str, Any]] = field(default_factory=dict)

    def note(self, item: pytest.Item, report: pytest.TestReport) -> None:
        """Take in one phase of one test; the worst phase counts."""
        if report.when == "call" or report.outcome != "passed":
            name = f"{Path(str(item.fspath)).name}::{item.name.partition('[')[0]}"
            test = self._tests.setdefault(name, {"rows": rows_of(item), "outcomes": {}, "reason": ""})
            outcome = report.outcome
            if outcome == "skipped" and isinstance(report.longrepr, tuple):
                test["reason"] = report.longrepr[2].removeprefix("Skipped: ")
            test["outcomes"][outcome] = test["outcomes"].get(outcome, 0) + 1

    def write(self, file: Path) -> None:
        """As JSON: `{"mode": …, "tests": {"file::name": {"rows": […], "outcomes": {"passed": 2}, "reason": ""}}}`."""
        file.parent.mkdir(parents=True, exist_ok=True)
        document = {"mode": self.mode, "tests": dict(sorted(self._tests.items()))}
        file.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
