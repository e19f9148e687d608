"""Reading a schedule file: a CSV with the columns of San Francisco's Mobile Food Schedule, oddities included.

Source: https://data.sfgov.org/Economy-and-Community/Mobile-Food-Schedule/jjew-r69b
"""

from __future__ import annotations

import csv
import io
import math
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from simulator.errors import InputError
from simulator.vendors.geodesy import LatLong
from simulator.vendors.schedule import RowProblem, Schedule, ScheduleRow
from simulator.vendors.text import TWEET_LIMIT, clean_text
from simulator.vendors.vendor import NAME_LIMIT, vendor_id_of
from simulator.vendors.week import DAYS, MINUTES_OF_DAY, clock_minutes, clock_text, day_number

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

REQUIRED_COLUMNS = ("DayOfWeekStr", "start24", "end24", "Applicant", "Latitude", "Longitude")
"""Without these a row says neither who, where nor when; the other columns may be missing."""
_REMEDY = "give the path of a schedule CSV in vendors.schedule, or with --schedule"
_LARGEST_BYTES = 256 * 1024 * 1024
_SHOWN_CHARS = 40
_FEW_COLUMNS = 8


class _UnusableRowError(Exception):
    """A row that cannot be used, before its line number is known."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.detail = detail


def read_schedule(path: str | Path) -> Schedule:
    """Return the schedule that the CSV file at `path` holds.

    A row that cannot be used becomes a `RowProblem` with its line and reason. Of rows that say the same (vendor, day,
    span and position) the first is used. `DayOfWeekStr` rules over `DayOrder`, and `start24` / `end24` over
    `starttime` / `endtime`, which are read only where the former are blank.

    Raises `InputError` when the file cannot be read, is empty, is not UTF-8 (a byte-order mark is fine), lacks a
    required column, has a quote that is never closed, or has no row that can be used.
    """
    path = Path(path)
    records = _records(path, _file_text(path))
    line, names = next(records, (0, []))
    if not isinstance(names, list):
        raise InputError(f"{path}: the header on line {line} is not CSV ({names}); export the schedule as CSV again.")
    columns = _columns(path, names)
    rows: list[ScheduleRow] = []
    problems: list[RowProblem] = []
    first_line: dict[tuple[object, ...], int] = {}
    for line, record in records:
        try:
            row = _row(line, _fields(columns, names, record))
            _refuse_repeat(row, first_line)
        except _UnusableRowError as unusable:
            problems.append(RowProblem(line, unusable.reason, clean_text(unusable.detail, 2 * _SHOWN_CHARS)))
        else:
            rows.append(row)
    if not rows:
        why = f"the first of {len(problems)} problems is {problems[0]}" if problems else "it has a header and no rows"
        raise InputError(f"{path} holds no row that can be used: {why}; give it the published schedule.")
    return Schedule(path, tuple(rows), tuple(problems))


def _file_text(path: Path) -> str:
    try:
        about = path.stat()
        if not (stat.S_ISREG(about.st_mode) or stat.S_ISDIR(about.st_mode)):
            raise InputError(f"The schedule {path} is not an ordinary file; {_REMEDY}.")
        if about.st_size > _LARGEST_BYTES:
            raise InputError(f"The schedule {path} is larger than {_LARGEST_BYTES // 1024**2} MiB; {_REMEDY}.")
        raw = path.read_bytes()
    except OSError as error:
        raise InputError(f"The schedule {path} cannot be read ({error.strerror}); {_REMEDY}.") from error
    if not raw.strip():
        raise InputError(f"The schedule {path} is empty; download it again.")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"The schedule {path} is not UTF-8 (byte 0x{raw[error.start]:02x} on line {line}); save it as UTF-8."
        ) from error


def _records(path: Path, text: str) -> Iterator[tuple[int, list[str] | str]]:
    """Yield each record with the line it begins on, blank lines left out; a sentence instead when it is not CSV."""
    # Strict, because a lenient reader takes a stray quote for the beginning of a field and swallows the rows after it.
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    while True:
        line = reader.line_num + 1
        try:
            record = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if "unexpected end of data" in str(error):
                raise InputError(
                    f"{path}, line {line}: a quote that opens here is never closed; correct the row or remove it."
                ) from error
            yield line, f"{error}" + (f", up to line {reader.line_num}" if reader.line_num > line else "")
        else:
            if record:
                yield line, record


def _columns(path: Path, names: Sequence[str]) -> dict[str, int]:
    """Return where each column is, by its name in lower case."""
    columns = {name.strip().casefold(): number for number, name in reversed(list(enumerate(names)))}
    missing = [name for name in REQUIRED_COLUMNS if name.casefold() not in columns]
    if missing:
        found = ", ".join(clean_text(name, _SHOWN_CHARS) for name in names[:_FEW_COLUMNS])
        more = ", …" if len(names) > _FEW_COLUMNS else ""
        raise InputError(
            f"The schedule {path} has no column {' and no column '.join(missing)} (it begins with: {found}{more}); "
            "give a CSV with the columns of San Francisco's Mobile Food Schedule."
        )
    return columns


def _refuse_repeat(row: ScheduleRow, first_line: dict[tuple[object, ...], int]) -> None:
    says = (vendor_id_of(row.applicant), row.day, row.start_min, row.end_min, row.point)
    if first_line.setdefault(says, row.line) != row.line:
        raise _UnusableRowError("repeats another row", f"line {first_line[says]}")


def _fields(columns: Mapping[str, int], names: Sequence[str], record: Sequence[str] | str) -> dict[str, str]:
    if isinstance(record, str):
        raise _UnusableRowError("not CSV", record)
    if len(record) != len(names):
        raise _UnusableRowError("wrong number of fields", f"{len(record)} instead of {len(names)}")
    return {column: record[number].strip() for column, number in columns.items()}


def _row(line: int, fields: Mapping[str, str]) -> ScheduleRow:
    applicant = clean_text(fields["applicant"], NAME_LIMIT)
    if not applicant:
        raise _UnusableRowError("no applicant")
    day = _day(fields)
    start_min, end_min = _span(fields)
    return ScheduleRow(
        line=line,
        applicant=applicant,
        day=day,
        start_min=start_min,
        end_min=end_min,
        point=_point(fields),
        address=clean_text(fields.get("permitlocation", ""), NAME_LIMIT),
        description=clean_text(fields.get("locationdesc", ""), NAME_LIMIT),
        text=clean_text(fields.get("optionaltext", ""), TWEET_LIMIT),
    )


def _day(fields: Mapping[str, str]) -> int:
    name, order = fields["dayofweekstr"], fields.get("dayorder", "")
    if not name and order in map(str, range(len(DAYS))):
        return int(order)
    try:
        return day_number(name)
    except ValueError as error:
        raise _UnusableRowError("bad day", repr(name[:_SHOWN_CHARS])) from error


def _span(fields: Mapping[str, str]) -> tuple[int, int]:
    start_min = _time(fields, "start24", "starttime")
    end_min = _time(fields, "end24", "endtime")
    if start_min == end_min:
        # Nothing tells a mistake from a whole day, and a span without length cannot be replayed.
        raise _UnusableRowError("zero-length span", f"{clock_text(start_min)} to {clock_text(end_min)}")
    if start_min == MINUTES_OF_DAY:
        raise _UnusableRowError("bad time", "starts at 24:00")
    return start_min, end_min if end_min > start_min else end_min + MINUTES_OF_DAY


def _time(fields: Mapping[str, str], column: str, other_column: str) -> int:
    text = fields[column] or fields.get(other_column, "")
    try:
        return clock_minutes(text)
    except ValueError as error:
        raise _UnusableRowError("bad time", f"{column} {text[:_SHOWN_CHARS]!r}") from error


def _point(fields: Mapping[str, str]) -> LatLong:
    texts = fields["latitude"], fields["longitude"]
    shown = ", ".join(repr(text[:_SHOWN_CHARS]) for text in texts)
    if not all(texts):
        raise _UnusableRowError("no coordinates", shown)
    try:
        lat, long = map(float, texts)
    except ValueError as error:
        raise _UnusableRowError("bad coordinates", shown) from error
    if 0 in (lat, long):
        # How the city writes an address that it could not place; nobody parks on the equator to the last decimal.
        raise _UnusableRowError("zero coordinates", shown)
    if not (math.isfinite(lat) and math.isfinite(long) and abs(lat) <= 90 and abs(long) <= 180):  # noqa: PLR2004
        raise _UnusableRowError("bad coordinates", shown)
    return LatLong(lat, long)
