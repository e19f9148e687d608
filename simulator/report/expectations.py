"""Expectations of a verdict as rows of a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

WHOLE_RUN = "run"


@dataclass(frozen=True, slots=True)
class ExpectationRow:
    """One expectation and what became of it."""

    text: str
    """As in `deliveries.lost == 0`."""
    phase: str
    """The phase it holds for; `run` is the whole."""
    found: tuple[tuple[str, float | None], ...]
    """Each figure that it names, with its value; None is what could not be found out."""
    held: bool | None
    """None when a figure is not known."""

    @property
    def key(self) -> str:
        """Tells it from the others of its run, and is the same in every run of the scenario."""
        return self.text if self.phase == WHOLE_RUN else f"{self.phase}: {self.text}"


def expectation_rows(expectations: Sequence[Mapping[str, Any]]) -> tuple[ExpectationRow, ...]:
    """The rows of `verdict.expectations`, in their order."""
    return tuple(
        ExpectationRow(str(each["that"]), str(each["phase"]), tuple(each["found"].items()), each["held"])
        for each in expectations
    )
