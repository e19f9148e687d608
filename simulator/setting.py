"""Settings: named values of a room that differ from AWS's only when somebody wants them to.

A room declares a frozen dataclass whose fields are made with `setting`; `tracker-sim settings` lists them all, and
`--set ROOM.NAME=VALUE` changes one. A setting that stands for a row of the contract nobody has seen on AWS (mark I)
names that row and has the contract's value as its default.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from simulator.errors import InputError

S = TypeVar("S")

_YES, _NO = ("yes", "true", "on", "1"), ("no", "false", "off", "0")


@dataclass(frozen=True, slots=True)
class About:
    """What is known of one setting besides its value."""

    help: str
    """What it does, with its unit, as half a sentence."""
    row: str
    """The contract's row that it is about, or empty."""
    low: float
    high: float
    choices: tuple[str, ...]


def setting(
    default: Any,
    help: str,  # noqa: A002  what it is called everywhere else on a command line
    *,
    row: str = "",
    low: float = 0,
    high: float = math.inf,
    choices: Sequence[str] = (),
) -> Any:
    """A field of a settings dataclass: bool, int, float or str by its default, within `low`…`high` or `choices`."""
    return dataclasses.field(
        default=default, metadata={"about": About(help, row, low, high, tuple(choices)), "kind": type(default)}
    )


@dataclass(frozen=True, slots=True)
class Listed:
    """One setting, for a list of all."""

    name: str
    default: bool | float | str
    about: About


def listed(rooms: Mapping[str, type]) -> list[Listed]:
    """Every setting of `rooms` (room name to its dataclass) under the name that `--set` takes."""
    return [
        Listed(f"{room}.{field.name}", cast("bool | float | str", field.default), field.metadata["about"])
        for room, kind in rooms.items()
        for field in dataclasses.fields(kind)
    ]


def with_values(rooms: Mapping[str, S], pairs: Iterable[str]) -> dict[str, S]:
    """`rooms` (room name to its settings) with `ROOM.NAME=VALUE` pairs applied, the last of one name winning.

    Raises `InputError`, one sentence naming the pair and what would do.
    """
    changed: dict[str, dict[str, Any]] = {room: {} for room in rooms}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        room, _, key = name.strip().partition(".")
        if not equals or room not in rooms or not key:
            raise InputError(
                f"--set {pair!r} is not ROOM.NAME=VALUE with one of the rooms {', '.join(rooms)}; "
                "`tracker-sim settings` lists them all."
            )
        fields = {field.name: field for field in dataclasses.fields(rooms[room])}  # type: ignore[arg-type]
        if key not in fields:
            raise InputError(
                f"--set {pair!r}: there is no setting {room}.{key}; `tracker-sim settings` lists them all."
            )
        changed[room][key] = _parse(f"{room}.{key}", text.strip(), fields[key].metadata)
    return {room: dataclasses.replace(values, **changed[room]) for room, values in rooms.items()}  # type: ignore[type-var]


def _parse(name: str, text: str, metadata: Mapping[str, Any]) -> bool | float | str:
    about: About = metadata["about"]
    kind = metadata["kind"]
    if kind is bool:
        if text.lower() not in _YES + _NO:
            raise InputError(f"--set {name}={text}: write yes or no.")
        return text.lower() in _YES
    if kind is str:
        if about.choices and text not in about.choices:
            raise InputError(f"--set {name}={text}: write one of {', '.join(about.choices)}.")
        return text
    try:
        number: float = kind(text)
    except ValueError:
        what = "a whole number" if kind is int else "a number"
        raise InputError(f"--set {name}={text}: write {what}.") from None
    if not about.low <= number <= about.high:
        bound = f"at least {about.low:g}" if math.isinf(about.high) else f"from {about.low:g} to {about.high:g}"
        raise InputError(f"--set {name}={text}: write a number {bound}.")
    return number
