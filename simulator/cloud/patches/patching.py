"""Replaces attributes of other people's classes, and can put them back."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

from simulator.cloud.settings import CloudSettings

ABSENT = object()
"""What stood where nothing stood."""


class Patching:
    """The replacements made so far. As a context manager it undoes them at the end."""

    def __init__(self, settings: CloudSettings | None = None) -> None:
        self.settings = settings or CloudSettings()
        """What the patches may be told."""
        self._undo: list[tuple[Any, str, Any]] = []

    def replace(self, owner: Any, name: str, value: Any) -> Any:
        """Set `owner.name` and return what stood there before (the plain function of a class, not a bound method)."""
        before = vars(owner).get(name, ABSENT)
        self._undo.append((owner, name, before))
        setattr(owner, name, value)
        return None if before is ABSENT else before

    def undo(self) -> None:
        """Put everything back, last change first."""
        while self._undo:
            owner, name, before = self._undo.pop()
            if before is ABSENT:
                delattr(owner, name)
            else:
                setattr(owner, name, before)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.undo()
