"""What a track file holds before anything is made of it: a name, and positions with times as they were written."""

from __future__ import annotations

from dataclasses import dataclass, field

NONE_USABLE = "has no track with a position that can be used; export it again, with positions"
RawPoint = tuple[object, object, object]
"""Time, latitude and longitude as the file has them."""


@dataclass(slots=True)
class RawWay:
    """One way somebody went."""

    name: str = ""
    points: list[RawPoint] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class RawFile:
    """The ways of one file, and what its reader had to decide."""

    ways: list[RawWay]
    notes: tuple[str, ...] = ()
    """Ends of sentences that begin with the file's name, such as `ends in the middle of line 9; …`."""
    why_none: str = NONE_USABLE
    """What to say of the file when none of its positions can be used."""
