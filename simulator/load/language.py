"""The scenario language, described once: the parser, the JSON Schema for editors and the documentation read this.

A table of the language is a frozen dataclass whose fields are made with `key`. The field's metadata says what a file
may hold there, in which unit and range, and in one sentence what it is; the field's type is the value the program gets.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from simulator.load.strict_table import StrictTable

T = TypeVar("T")
Kind = Literal["text", "whole", "number", "flag", "path", "paths", "scalars"]
BIGGEST = 2**53
"""Of numbers without a bound of their own: what a float, and a reader of JSON, holds exactly."""


@dataclass(frozen=True, slots=True)
class Key:
    """What one key of a scenario file may hold."""

    kind: Kind
    unit: str
    """In words: `seconds`, `updates per second`; for text what it names."""
    help: str
    """One sentence without its full stop."""
    low: float = 0
    high: float = BIGGEST
    choices: tuple[str, ...] = ()
    spelling: str = ""
    """In the file, where that is no name in Python (`from`)."""
    default_words: str = ""
    """What stands in the documentation as default, where the value itself says too little."""
    understand: Callable[[str], object] | None = None
    """For text: raises ValueError for text that cannot be understood."""
    example: str = ""

    @property
    def measure(self) -> str:
        """The unit, where it is one that a number is of."""
        return "" if self.unit in ("whole number", "factor", "share") else self.unit


def key(
    default: Any,
    kind: Kind,
    unit: str,
    help: str,  # noqa: A002  what it is called everywhere else
    *,
    low: float = 0,
    high: float = BIGGEST,
    choices: tuple[str, ...] = (),
    spelling: str = "",
    default_words: str = "",
    understand: Callable[[str], object] | None = None,
    example: str = "",
) -> Any:
    """A field of a table; a mapping or list as default is copied for each table."""
    described = Key(kind, unit, help, low, high, tuple(choices), spelling, default_words, understand, example)
    if isinstance(default, dict):
        return dataclasses.field(default_factory=lambda: dict(default), metadata={"key": described})
    return dataclasses.field(default=default, metadata={"key": described})


def keys_of(table: type) -> Iterator[tuple[str, str, Any, Key]]:
    """`(field, spelling in the file, default, description)` of each key of a table, in order."""
    for field in dataclasses.fields(table):
        described = field.metadata.get("key")
        if described is not None:
            default = field.default if field.default is not dataclasses.MISSING else {}
            yield field.name, described.spelling or field.name, default, described


def read_keys(table: StrictTable, kind: type[T]) -> T:
    """Read the plain keys of `kind`; other keys of the table are somebody else's to read or to refuse."""
    return kind(**{name: _read(table, spelling, default, about) for name, spelling, default, about in keys_of(kind)})


def read_table(table: StrictTable, kind: type[T]) -> T:
    """Read one table strictly.

    Raises InputError naming file and key, also for a key that the language does not have.
    """
    found = read_keys(table, kind)
    table.refuse_the_rest()
    return found


def _read(table: StrictTable, name: str, default: Any, about: Key) -> Any:
    match about.kind:
        case "flag":
            return table.flag(name, default=bool(default))
        case "whole":
            return table.whole(name, default, math.ceil(about.low), math.floor(about.high), about.measure)
        case "number":
            return table.number(name, default, about.low, about.high, about.measure)
        case "path":
            path = table.path(name)
            return default if path is None else path
        case "paths":
            return table.paths(name)
        case "scalars":
            return table.table(name).scalars()
        case "text":
            return _read_text(table, name, default, about)


def _read_text(table: StrictTable, name: str, default: Any, about: Key) -> Any:
    if about.choices:
        return table.choice(name, default, about.choices)
    text = table.optional_text(name)
    if text is None:
        return default
    if about.understand is not None:
        try:
            about.understand(text)
        except ValueError as error:
            raise table.refusal(name, f'{error}; write it as "{about.example}"') from None
    return text


# -- JSON Schema -------------------------------------------------------------------------------------------------------

_JSON_TYPES: Mapping[Kind, Any] = {
    "text": {"type": "string", "minLength": 1},
    "whole": {"type": "integer"},
    "number": {"type": "number"},
    "flag": {"type": "boolean"},
    "path": {"type": "string", "minLength": 1},
    "paths": {"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 1},
    "scalars": {"type": "object", "additionalProperties": {"type": ["string", "number", "boolean"]}},
}


def properties_of(table: type) -> dict[str, Any]:
    """The JSON Schema `properties` of a table."""
    found: dict[str, Any] = {}
    for _, spelling, default, about in keys_of(table):
        schema = {"description": f"{about.help}. Unit: {about.unit}.", **_JSON_TYPES[about.kind]}
        if about.choices:
            schema["enum"] = list(about.choices)
        if about.kind in ("whole", "number"):
            schema |= {"minimum": about.low, "maximum": about.high}
        if isinstance(default, (bool, int, float, str)):
            schema["default"] = default
        found[spelling] = schema
    return found


def object_schema(
    properties: Mapping[str, Any], description: str = "", required: tuple[str, ...] = ()
) -> dict[str, Any]:
    """A JSON Schema object with these properties and no others."""
    schema: dict[str, Any] = {"type": "object", "additionalProperties": False, "properties": dict(properties)}
    if description:
        schema["description"] = description
    if required:
        schema["required"] = list(required)
    return schema


# -- documentation -----------------------------------------------------------------------------------------------------


def documented(table: type, *, without: frozenset[str] = frozenset()) -> str:
    """The rows of a table of the language, as Markdown."""
    lines = ["| key | unit | default | what it is |", "|---|---|---|---|"]
    for _, spelling, default, about in keys_of(table):
        if spelling not in without:
            lines.append(f"| `{spelling}` | {_unit(about)} | {_default(default, about)} | {about.help} |")
    return "\n".join(lines)


def _unit(about: Key) -> str:
    if about.choices:
        return ", ".join(f"`{word}`" for word in about.choices)
    if about.kind not in ("whole", "number"):
        return about.unit
    if about.high >= BIGGEST:
        return f"{about.unit}, at least {about.low:,g}" if about.low else about.unit
    return f"{about.unit}, {about.low:,g} to {about.high:,g}"


def _default(default: Any, about: Key) -> str:
    if about.default_words:
        return about.default_words
    if default is None or default in ("", {}, ()):
        return "–"
    if isinstance(default, bool):
        return "true" if default else "false"
    if isinstance(default, (int, float)):
        return f"{default:,g}"
    return f"`{default}`" if isinstance(default, (str, Path)) else str(default)
