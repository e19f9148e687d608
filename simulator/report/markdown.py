"""The report as Markdown, short enough for the summary of a CI job. Pure.

Texts of a run are hostile: what Markdown or HTML could read is written as a character reference, which never begins
a link, a table cell, a mention or a tag.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from simulator.load.hostile_text import printable
from simulator.report.comparison import differences, letter
from simulator.report.figures import Figure, moment, sections, shown, shown_difference
from simulator.report.limits import limits
from simulator.report.run_report import RunReport
from simulator.report.tables import expectation_lines, found_words, held_words

_MOST_SENTENCES = 20
_MARKS = {"held": "✅", "failed": "❌", "not known": "❔"}
_OUTCOMES = {"passed": "✅ passed", "failed": "❌ failed", "partial": "⚠️ partial"}
_MEANING = frozenset("\\`*_[]<>#!|~@&$:")
_WWW = re.compile(r"(www)\.", re.IGNORECASE)
"""The one address that needs none of those to become a link."""


def markdown(runs: Sequence[RunReport]) -> str:
    """One run, or several side by side."""
    return "\n".join([*(_comparison(runs) if len(runs) > 1 else _one(runs[0])), ""])


def escaped(text: str) -> str:
    """Text that stays text, in the middle of a line. Letters, digits, spaces and harmless marks are left readable."""
    return _WWW.sub(r"\1&#46;", "".join(f"&#{ord(c)};" if c in _MEANING else c for c in printable(text)))


def _one(run: RunReport) -> Iterator[str]:
    yield f"## {_OUTCOMES[run.outcome]}: {escaped(run.question or run.scenario)}"
    yield ""
    yield f"{escaped(run.scenario)}, seed {run.seed}, {escaped(moment(run.started_at))}, {shown(run.duration_s, 's')}"
    yield from _failures(run, "")
    yield from _expectations([run])
    yield from _figures([run])
    yield from _sentences("What this run cannot tell", limits(run))
    yield from _sentences("Notes", run.notes)


def _comparison(runs: Sequence[RunReport]) -> Iterator[str]:
    yield f"## Comparison: {escaped(runs[0].question or runs[0].scenario)}"
    yield ""
    for number, run in enumerate(runs):
        yield (
            f"- **{letter(number)}** {_OUTCOMES[run.outcome]}: {escaped(run.scenario)}, seed {run.seed}, "
            f"{escaped(moment(run.started_at))} ({escaped(run.folder)})"
        )
    yield ""
    warnings = differences(runs)
    yield from (f"> ⚠️ {escaped(each)}\n>" for each in warnings)
    for number, run in enumerate(runs):
        yield from _failures(run, f"{letter(number)}: ")
    yield from _expectations(runs)
    yield from _figures(runs)
    yield ""
    yield "Better and worse tell the direction only: one run against another says nothing about chance."


def _failures(run: RunReport, before: str) -> Iterator[str]:
    yield ""
    yield from (f"- {before}{escaped(each)}" for each in run.failures[:_MOST_SENTENCES])
    if len(run.failures) > _MOST_SENTENCES:
        yield f"- {before}and {len(run.failures) - _MOST_SENTENCES} more"


def _expectations(runs: Sequence[RunReport]) -> Iterator[str]:
    lines = expectation_lines(runs)
    if not lines:
        return
    heads = [f"found {letter(number)}" if len(runs) > 1 else "found" for number in range(len(runs))]
    yield ""
    yield f"| | expectation | phase | {' | '.join(heads)} |"
    yield f"|---|---|---|{'---:|' * len(runs)}"
    for line in lines:
        marks = " ".join("–" if cell is None else _MARKS[held_words(cell)] for cell in line.cells)
        found = " | ".join("–" if cell is None else escaped(found_words(cell)) for cell in line.cells)
        yield f"| {marks} | {escaped(line.text)} | {escaped(line.phase)} | {found} |"


def _figures(runs: Sequence[RunReport]) -> Iterator[str]:
    several = len(runs) > 1
    columns = [letter(number) if several else "value" for number in range(len(runs))]
    changes = [f"{letter(number)} to A" for number in range(1, len(runs))]
    yield ""
    yield f"| figure | {' | '.join([*columns, *changes])} |"
    yield f"|---|{'---:|' * (len(columns) + len(changes))}"
    for section in sections(runs):
        for row in section.figures:
            values = [shown(value, row.unit) for value in row.values]
            yield f"| {section.name}: {row.name} | {' | '.join([*values, *_changes(row)])} |"


def _changes(row: Figure) -> Iterator[str]:
    for number, difference in enumerate(row.differences, start=1):
        judged = row.judged(difference)
        yield f"{shown_difference(row, number)}{f' {judged}' if judged else ''}"


def _sentences(title: str, sentences: Sequence[str]) -> Iterator[str]:
    if not sentences:
        return
    yield ""
    yield f"<details><summary>{title}</summary>"
    yield ""
    yield from (f"- {escaped(each)}" for each in sentences[:_MOST_SENTENCES])
    yield ""
    yield "</details>"
