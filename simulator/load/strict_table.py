"""A TOML table that is read strictly: every key is asked for by name, and what nobody asked for is refused.

Every refusal is one `InputError` sentence that names the file, the key by its dotted path, and what would be right.
"""

from __future__ import annotations

import difflib
import math
import re
import stat
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from simulator.errors import InputError
from simulator.load.hostile_text import printable

_LARGEST_BYTES = 1024 * 1024
_LONGEST_REASON = 600
_LONGEST_VALUE = 60
_SPOKEN = re.compile(r"[A-Za-z0-9_.\[\]-]+")
_TWICE = re.compile(
    r"(?:Cannot (?:overwrite|declare|mutate)|Cannot define).*\((?:at end of document|at line (?P<line>\d+),.*)\)"
)
_TOML_NAMES: tuple[tuple[type, str], ...] = (
    (bool, "true or false"),
    (str, "text"),
    (int, "a whole number"),
    (float, "a number"),
    (dict, "a table"),
    (list, "a list"),
)


def read_toml(file: Path, what: str) -> StrictTable:
    """Read a TOML file; `what` names its kind in a refusal (`scenario`).

    Raises InputError when it is missing, no ordinary file, unreadable, too large, not UTF-8, or not TOML (with the
    line).
    """
    try:
        about = file.stat()
        if stat.S_ISDIR(about.st_mode):
            raise InputError(f"{file} is a folder, not a {what} file; give the path of a .toml file.")
        if not stat.S_ISREG(about.st_mode):
            raise InputError(f"{file} is not an ordinary file; give the path of a .toml file.")
        if about.st_size > _LARGEST_BYTES:
            raise InputError(
                f"The {what} file {file} has {about.st_size:,} bytes, and {_LARGEST_BYTES:,} are the most; is it a "
                f"{what}?"
            )
        text = file.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError(f"There is no {what} file {file}; check the path.") from None
    except UnicodeDecodeError as error:
        raise InputError(f"The {what} file {file} is not UTF-8 text (byte {error.start}); save it as UTF-8.") from None
    except OSError as error:
        raise InputError(f"The {what} file {file} cannot be read: {error.strerror or error}.") from None
    try:
        return StrictTable(file, (), tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise InputError(_not_toml(file, what, text, str(error))) from None
    except RecursionError:
        raise InputError(f"The {what} file {file} is nested too deeply; write it more simply.") from None
    except ValueError as error:
        # A whole number of thousands of digits is TOML, and Python will not read it.
        raise InputError(f"The {what} file {file} cannot be read ({printable(str(error))}); shorten it.") from None


def _not_toml(file: Path, what: str, text: str, why: str) -> str:
    twice = _TWICE.search(why)
    if twice is None:
        return f"The {what} file {file} is not valid TOML: {printable(why)}."
    lines = text.splitlines()
    number = int(twice["line"]) if twice["line"] else len(lines)
    key = lines[number - 1].partition("=")[0].strip() if 0 < number <= len(lines) else "a key"
    return f"{file}, line {number}: {printable(key)} stands there for the second time; remove one of the two."


def is_file(path: Path) -> bool:
    """Whether there is an ordinary file; never an error, however long or strange the path."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


class StrictTable:
    """One table of a TOML file. Ask for each key, then call `refuse_the_rest`.

    Ranges are inclusive. A default of None makes a key optional with no value.
    """

    def __init__(self, file: Path, path: tuple[str, ...], values: Mapping[str, Any]) -> None:
        self.file = file
        self._path = path
        self._values = values
        self._asked: list[str] = []

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def text(self, key: str, default: str) -> str:
        """A non-empty string."""
        value = self._take(key, str)
        if value is None:
            return default
        if not value.strip():
            raise self.refusal(key, "must not be empty")
        return str(value)

    def optional_text(self, key: str) -> str | None:
        """A non-empty string, or None when the key is absent."""
        return self.text(key, "") or None

    def flag(self, key: str, *, default: bool) -> bool:
        """True or false."""
        value = self._take(key, bool)
        return default if value is None else bool(value)

    def whole(self, key: str, default: int | None, minimum: int, maximum: int, unit: str = "") -> int | None:
        """A whole number in a range; a refusal names the unit."""
        value = self._take(key, int, unit)
        if value is None:
            return default
        self._check_range(key, value, minimum, maximum, unit)
        return int(value)

    def number(self, key: str, default: float | None, minimum: float, maximum: float, unit: str = "") -> float | None:
        """A whole or decimal number in a range; `inf` and `nan` are refused, and a refusal names the unit."""
        value = self._take(key, float, unit)
        if value is None:
            return default
        if isinstance(value, float) and not math.isfinite(value):
            raise self.refusal(key, f"must be an ordinary number, not {value}")
        self._check_range(key, value, minimum, maximum, unit)
        return float(value)

    def choice(self, key: str, default: str, choices: Sequence[str]) -> str:
        """One of a few words."""
        value = self.text(key, default)
        if value not in choices:
            raise self.refusal(key, f'must be one of {_listed(choices)}, not "{value}"', _close(value, choices))
        return value

    def table(self, key: str) -> StrictTable:
        """A table inside this one; an absent one is empty."""
        value = self._take(key, dict)
        return StrictTable(self.file, (*self._path, key), value or {})

    def is_table(self, key: str) -> bool:
        """Whether the key holds one table; nothing is asked for by this."""
        return isinstance(self._values.get(key), dict)

    def anchored(self, paths: Sequence[tuple[str, str]]) -> StrictTable:
        """This table with the file paths at these keys (table and key) made absolute, from this file's folder."""
        values = {key: dict(value) if isinstance(value, dict) else value for key, value in self._values.items()}
        for outer, inner in paths:
            table = values.get(outer)
            if isinstance(table, dict) and inner in table:
                found = table[inner]
                many = found if isinstance(found, list) else [found]
                table[inner] = [
                    str(self.file.parent.resolve() / each) if isinstance(each, str) else each for each in many
                ]
                if not isinstance(found, list):
                    table[inner] = table[inner][0]
        return StrictTable(self.file, self._path, values)

    def over(self, base: StrictTable) -> StrictTable:
        """This table laid over another: tables are merged key by key, everything else is replaced.

        Refusals name this table's file, also for a key of the other.
        """
        return StrictTable(self.file, self._path, _merged(base._values, self._values))

    def path(self, key: str) -> Path | None:
        """A path, from this file's folder."""
        text = self.optional_text(key)
        return None if text is None else self._from_here(key, text)

    def paths(self, key: str) -> tuple[Path, ...]:
        """A list of paths, or one, from this file's folder; an absent one is empty."""
        return tuple(self._from_here(key, text) for text in self.texts(key))

    def _from_here(self, key: str, text: str) -> Path:
        if "\0" in text:
            raise self.refusal(key, "must be the path of a file, which has no zero character in it")
        return self.file.parent / text

    def texts(self, key: str) -> list[str]:
        """A list of non-empty strings, or one string; an absent one is empty."""
        value = self._values.get(key)
        if isinstance(value, str):
            return [self.text(key, "")]
        for number, each in enumerate(self._take(key, list) or [], start=1):
            if not isinstance(each, str) or not each.strip():
                raise self.refusal(f"{key}[{number}]", f"must be text, not {_kind(each)}")
        return list(value or [])

    def tables(self, key: str) -> list[StrictTable]:
        """The tables of a list of them (`[[faults]]`); an absent one is empty. They are named `faults[1]` and so on."""
        tables = []
        for number, each in enumerate(self._take(key, list) or [], start=1):
            name = f"{key}[{number}]"
            if not isinstance(each, dict):
                raise self.refusal(name, f"must be a table, not {_kind(each)}")
            tables.append(StrictTable(self.file, (*self._path, name), each))
        return tables

    def scalars(self) -> dict[str, str]:
        """Every key of this table as text, for tables whose keys belong to somebody else (template parameters)."""
        found = {}
        for key, value in self._values.items():
            self._asked.append(key)
            if isinstance(value, bool):
                found[key] = "true" if value else "false"
            elif isinstance(value, (str, int, float)):
                found[key] = str(value)
            else:
                raise self.refusal(key, f"must be text, a number, true or false, not {_kind(value)}")
        return found

    def refuse_the_rest(self) -> None:
        """Raise InputError for the first key that nobody asked for, with the nearest known key."""
        for key in self._values:
            if key not in self._asked:
                known = f"known here: {', '.join(sorted(set(self._asked)))}"
                raise InputError(f"{self.file}: unknown key {self._dotted(key)} ({_close(key, self._asked) or known}).")

    def refusal(self, key: str, reason: str, hint: str | None = None) -> InputError:
        """The error to raise for `key`, such as `scenarios/x.toml: run.duration_s must be … (hint)`."""
        said = printable(f"{reason}{f' ({hint})' if hint else ''}", _LONGEST_REASON)
        return InputError(f"{self.file}: {self._dotted(key)} {said}{'' if said.endswith('?') else '.'}")

    def _take(self, key: str, wanted: type, unit: str = "") -> Any:
        self._asked.append(key)
        value = self._values.get(key)
        if value is None:
            return None
        accepted: tuple[type, ...] = (int, float) if wanted is float else (wanted,)
        if not isinstance(value, accepted) or (isinstance(value, bool) and wanted is not bool):
            of_unit = f" of {unit}" if unit else ""
            raise self.refusal(key, f"must be {dict(_TOML_NAMES)[wanted]}{of_unit}, not {_kind(value)}")
        return value

    def _check_range(self, key: str, value: float, minimum: float, maximum: float, unit: str) -> None:
        if not minimum <= value <= maximum:
            of_unit = f" {unit}" if unit else ""
            raise self.refusal(
                key,
                f"must be between {minimum:,} and {maximum:,}{of_unit}, not {printable(f'{value:,}', _LONGEST_VALUE)}",
            )

    def _dotted(self, key: str) -> str:
        return printable(".".join(each if _SPOKEN.fullmatch(each) else f'"{each}"' for each in (*self._path, key)))


def _merged(base: Mapping[str, Any], top: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in top.items():
        below = merged.get(key)
        merged[key] = _merged(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged


def _kind(value: object) -> str:
    for kind, name in _TOML_NAMES:
        if isinstance(value, kind):
            return (
                f'the text "{printable(str(value))}"'
                if kind is str
                else f"{name} ({value})"
                if kind in (int, float)
                else name
            )
    return f"a {type(value).__name__}"


def _listed(words: Sequence[str]) -> str:
    return ", ".join(f'"{word}"' for word in words)


def _close(word: str, known: Sequence[str]) -> str | None:
    matches = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f"did you mean {matches[0]}?" if matches else None
