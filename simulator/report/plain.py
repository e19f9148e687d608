"""Several runs side by side in a terminal. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from simulator.load.hostile_text import printable
from simulator.report.comparison import differences, letter
from simulator.report.figures import sections, shown, shown_difference
from simulator.report.run_report import RunReport
from simulator.report.tables import expectation_lines, found_words, held_words

_NAME = 28
_CELL = 16
_CHANGE = 22


def plain_comparison(runs: Sequence[RunReport]) -> str:
    """A table with a column for each run, and one for the difference of each further run to the first."""
    return "\n".join(line.rstrip() for line in _lines(runs))


def _lines(runs: Sequence[RunReport]) -> Iterator[str]:
    for number, run in enumerate(runs):
        yield printable(f"{letter(number)}  {run.scenario} · seed {run.seed} · {run.outcome} · {run.folder}", 500)
    yield from (f"note: {printable(each, 1_000)}" for each in differences(runs))
    letters = [letter(number) for number in range(len(runs))]
    yield ""
    heads = "".join(f"{each:>{_CELL}}" for each in letters)
    changes = "".join(f"{f'{each} to A':>{_CHANGE}}" for each in letters[1:])
    yield f"{'':<{_NAME}}{heads}{changes}"
    for section in sections(runs):
        yield section.name
        for row in section.figures:
            values = "".join(f"{shown(value, row.unit):>{_CELL}}" for value in row.values)
            changed = "".join(f"{shown_difference(row, number):>{_CHANGE}}" for number in range(1, len(runs)))
            yield f"  {row.name:<{_NAME - 2}}{values}{changed}"
    yield "Expectations"
    for line in expectation_lines(runs):
        cells = ["not asked" if each is None else f"{held_words(each)}, {found_words(each)}" for each in line.cells]
        text = line.text if line.phase == "run" else f"{line.phase}: {line.text}"
        yield f"  {printable(text, 300):<{_NAME - 2}}{''.join(f'{cell:>{_CELL}}' for cell in cells)}"
