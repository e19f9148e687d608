"""A city's published schedule: who may stand where and when, and which rows of the file say no such thing."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulator.vendors.week import MINUTES_OF_DAY

if TYPE_CHECKING:
    from pathlib import Path

    from simulator.vendors.geodesy import LatLong

_LINES_SHOWN = 5


@dataclass(frozen=True, slots=True)
class ScheduleRow:
    """One span of one vendor at one spot."""

    line: int
    """Line of the file, counted from 1."""
    applicant: str
    """The vendor's name."""
    day: int
    """0 is Sunday."""
    start_min: int
    """Minutes after the midnight that begins `day`, 0…1439."""
    end_min: int
    """Greater than `start_min`; above 1440 when the span runs past midnight."""
    point: LatLong
    address: str
    description: str
    """Where exactly, in words; may be empty."""
    text: str
    """What is sold; may be empty."""

    @property
    def overnight(self) -> bool:
        """Whether the span ends on the following day."""
        return self.end_min > MINUTES_OF_DAY

    @property
    def spot_name(self) -> str:
        """The best name there is for the spot."""
        return self.address or self.description or f"{self.point.lat:.5f}, {self.point.long:.5f}"


@dataclass(frozen=True, slots=True)
class RowProblem:
    """A row that cannot be used, and why."""

    line: int
    """Line of the file on which the row begins."""
    reason: str
    """The kind of problem: the same words for every row that has it."""
    detail: str = ""
    """What this row has."""

    def __str__(self) -> str:
        """Return the problem as `line 12: zero-length span (08:00 to 08:00)`."""
        return f"line {self.line}: {self.reason}" + (f" ({self.detail})" if self.detail else "")


@dataclass(frozen=True, slots=True)
class Schedule:
    """What a schedule file says. Every row of the file is either in `rows` or in `problems`."""

    path: Path
    rows: tuple[ScheduleRow, ...]
    problems: tuple[RowProblem, ...]


def problem_summary(schedule: Schedule) -> str:
    """Return what is wrong with the rows that were left out, for stderr: a count per reason, and the first lines.

    Empty when every row is used. Example::

        schedule.csv: 3 of 2809 rows cannot be used
          2 × zero-length span: line 812 (08:00 to 08:00), line 1290 (08:00 to 08:00)
          1 × repeats another row: line 77 (line 76)
    """
    if not schedule.problems:
        return ""
    total = len(schedule.rows) + len(schedule.problems)
    lines = [f"{schedule.path}: {len(schedule.problems)} of {total} rows cannot be used"]
    for reason, count in Counter(problem.reason for problem in schedule.problems).most_common():
        having = [problem for problem in schedule.problems if problem.reason == reason]
        shown = [
            f"line {problem.line}" + (f" ({problem.detail})" if problem.detail else "")
            for problem in having[:_LINES_SHOWN]
        ]
        more = f" and {count - _LINES_SHOWN} more" if count > _LINES_SHOWN else ""
        lines.append(f"  {count} × {reason}: {', '.join(shown)}{more}")
    return "\n".join(lines)
