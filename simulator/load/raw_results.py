"""The raw results of a run: a folder that says everything, for reports made later and for other tools.

`docs/results.md` has every file and every column with its unit. Plain formats: JSON, CSV (two of them gzipped), and
GeoJSON; histograms are HdrHistogram's own encoding, which adds up across runs and machines. Writing and reading stand
in one file so that they cannot part.
"""

from __future__ import annotations

import contextlib
import csv
import gzip
import json
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Generic, Literal, TextIO, TypeVar, cast, get_args, get_type_hints

from simulator.errors import EnvironmentFailure, InputError
from simulator.load.latency import Latencies

FORMAT = 1
"""Raised when a reader of the format before would misread the new one; new keys and columns do not raise it."""
KIND = "tracker-sim results"
RUN_FILE = "run.json"
SERIES_FILE = "series.csv"
UPDATES_FILE = "updates.csv.gz"
LOSSES_FILE = "losses.csv.gz"
HISTOGRAMS_FILE = "histograms.json"
TRACKS_FILE = "tracks.geojson"
Row = TypeVar("Row")
_NAME_CHARACTERS = 60
_FOLDERS_OF_ONE_SECOND = 100
_DECIMALS = 6
"""Of numbers in CSV files: microseconds of a second, and degrees as fine as the updates have them."""


@dataclass(frozen=True, slots=True)
class Second:
    """One row of the time series: what happened in one second of the run. None is what could not be seen."""

    t_s: int
    """Seconds from the start of publishing; the row is for `t_s` up to `t_s + 1`. Negative while viewers connect."""
    phase: str
    """Name of the phase; `connecting` before the first, `drain` after the last."""
    asked_updates: int = 0
    """Updates that were due in this second."""
    sent_updates: int = 0
    """Updates that left in this second."""
    deliveries: int = 0
    """First copies that arrived in this second."""
    duplicates: int = 0
    """Later copies that arrived in this second."""
    latency_p50_ms: float | None = None
    """Over the deliveries of the updates that were due in this second, from their due time."""
    latency_p99_ms: float | None = None
    latency_max_ms: float | None = None
    overdue: int | None = None
    """Deliveries that were missing at the end of the second, a second or more after they were due."""
    producer_lag_ms: float | None = None
    """The longest an update that left in this second was late, from due to the call to SQS: our own lateness."""
    loop_lag_ms: float | None = None
    """The longest the receiving loop was late for a timer in this second: arrivals may be noted this much too late."""
    queued: int | None = None
    """Messages that could be received from the queue, at some moment of this second."""
    in_flight: int | None = None
    """Messages received and not yet deleted."""
    invocations: int | None = None
    """Invocations of all functions that were counted in this second."""
    invocation_errors: int | None = None
    concurrency: int | None = None
    """Execution environments of all functions that were alive."""
    connections: int | None = None
    """Viewers connected."""


@dataclass(frozen=True, slots=True)
class UpdateRow:
    """What became of one update. Milliseconds count from the moment it was due."""

    update: str
    vendor: str
    phase: str
    due_s: float
    """Seconds from the start of publishing."""
    sent_s: float | None
    """When it left for SQS; None when it never did."""
    lat: float
    long: float
    expected: int
    """Subscribers that should have it."""
    received: int
    """Subscribers of those that have it."""
    lost: int
    duplicated: int
    reordered: int
    first_ms: float | None = None
    p50_ms: float | None = None
    p99_ms: float | None = None
    last_ms: float | None = None


@dataclass(frozen=True, slots=True)
class LossRow:
    """One delivery that did not happen, and what is known of it."""

    update: str
    vendor: str
    subscriber: int
    group: str
    due_s: float
    story: str
    """One of the words that docs/results.md lists."""


@dataclass(frozen=True, slots=True)
class Distribution:
    """One histogram and what it is of."""

    of: str
    """`all` deliveries, `first` or `last` of each update."""
    corrected: bool
    """From the due time; False: from the call to SQS."""
    phase: str | None
    """None is the whole run."""
    group: str | None
    """None is every subscriber."""
    latencies: Latencies


@dataclass(frozen=True, slots=True)
class VendorTrack:
    """Where one vendor said it was, thinned out evenly when there are very many points."""

    vendor: str
    name: str
    points: Sequence[tuple[float, float, float]]
    """Seconds from the start of publishing, latitude, longitude."""


class ResultsWriter:
    """A results folder that is being written. The folder is made at once, so that a disk that refuses is known before.

    Raises EnvironmentFailure, one sentence, when the folder or a file cannot be written.
    """

    def __init__(self, base: Path, scenario: str, started_at: datetime, seed: int) -> None:
        self.folder = _new_folder(base, results_name(scenario, started_at, seed))
        self._updates: _Rows[UpdateRow] | None = None
        self._losses: _Rows[LossRow] | None = None

    def add_updates(self, rows: Iterable[UpdateRow]) -> None:
        """Append what became of some updates; may be called while the run goes on."""
        self._updates = self._updates or _Rows(self.folder / UPDATES_FILE, UpdateRow)
        self._updates.add(rows)

    def add_losses(self, rows: Iterable[LossRow]) -> None:
        """Append lost deliveries."""
        self._losses = self._losses or _Rows(self.folder / LOSSES_FILE, LossRow)
        self._losses.add(rows)

    def finish(
        self,
        run: Mapping[str, Any],
        *,
        series: Iterable[Second],
        distributions: Iterable[Distribution],
        tracks: Iterable[VendorTrack],
    ) -> None:
        """Write all that is known at the end; `run` is what `run.json` has besides `kind` and `format`."""
        self.add_updates(())
        self.add_losses(())
        self.close()
        rows = _Rows(self.folder / SERIES_FILE, Second)
        rows.add(series)
        rows.close()
        self._write(HISTOGRAMS_FILE, [_distribution_to_json(each) for each in distributions])
        self._write(TRACKS_FILE, _tracks_to_json(tracks))
        # Last: a folder with a run.json is whole.
        self._write(RUN_FILE, {"kind": KIND, "format": FORMAT, **run})

    def close(self) -> None:
        """Close the files; the folder stays."""
        for rows in (self._updates, self._losses):
            if rows is not None:
                rows.close()

    def discard(self) -> None:
        """Remove what there is: the run ended before there was anything to tell."""
        self.close()
        for file in self.folder.iterdir():
            file.unlink()
        self.folder.rmdir()

    def _write(self, name: str, document: Any) -> None:
        file = self.folder / name
        try:
            with file.open("w", encoding="utf-8") as stream:
                json.dump(document, stream, indent=1, allow_nan=False)
                stream.write("\n")
        except OSError as error:
            raise _cannot_write(file, error) from error


def results_name(scenario: str, started_at: datetime, seed: int) -> str:
    """The name of a results folder: `lunch_rush-20260123T101500Z-7`."""
    name = re.sub(r"[^A-Za-z0-9_-]", "_", scenario)[:_NAME_CHARACTERS]
    return f"{name}-{started_at:%Y%m%dT%H%M%SZ}-{seed}"


@dataclass(frozen=True, slots=True)
class Results:
    """A results folder, read. The big files are read row by row, each time they are asked for."""

    folder: Path
    run: Mapping[str, Any]

    def series(self) -> list[Second]:
        """The time series, in order."""
        return list(_read_rows(self.folder / SERIES_FILE, Second))

    def updates(self) -> Iterator[UpdateRow]:
        """What became of each update, in the order in which that was certain."""
        return _read_rows(self.folder / UPDATES_FILE, UpdateRow)

    def losses(self) -> Iterator[LossRow]:
        """The lost deliveries that are told one by one."""
        return _read_rows(self.folder / LOSSES_FILE, LossRow)

    def distributions(self) -> list[Distribution]:
        """The histograms."""
        file = self.folder / HISTOGRAMS_FILE
        with _told_as_damage(file):
            return [
                Distribution(
                    each["of"],
                    each["corrected"],
                    each["phase"],
                    each["group"],
                    Latencies.decoded(each["encoded"], max_us=each["max_us"]),
                )
                for each in _read_json(file)
            ]

    def tracks(self) -> list[VendorTrack]:
        """Where the vendors went."""
        file = self.folder / TRACKS_FILE
        with _told_as_damage(file):
            return [
                VendorTrack(
                    each["properties"]["vendor"],
                    each["properties"]["name"],
                    [
                        (at_s, lat, long)
                        for at_s, (long, lat) in zip(each["properties"]["times_s"], _coordinates(each), strict=True)
                    ],
                )
                for each in _read_json(file)["features"]
            ]


def read_results(folder: Path) -> Results:
    """Read a results folder (or its run.json). Raises InputError when it is none, or of a format that is not known."""
    folder = folder.parent if folder.name == RUN_FILE else folder
    file = folder / RUN_FILE
    if not file.is_file():
        if (folder / UPDATES_FILE).is_file():
            raise InputError(
                f"{folder} is not whole: it has no {RUN_FILE}, which is written last; wait for the end of the run, or "
                f"run the scenario again if it was killed."
            )
        raise InputError(f"{folder} is no folder of results: it has no {RUN_FILE}; give one that `run` has written.")
    run = _read_json(file)
    if not isinstance(run, dict) or run.get("kind") != KIND:
        raise InputError(f"{file} is not of tracker-sim; give a folder that `tracker-sim run` has written.")
    if run.get("format") != FORMAT:
        raise InputError(
            f"{file} has format {run.get('format')} and this version reads {FORMAT}; report with the version that ran."
        )
    return Results(folder, run)


def _new_folder(base: Path, name: str) -> Path:
    try:
        base.mkdir(parents=True, exist_ok=True)
        for number in range(1, _FOLDERS_OF_ONE_SECOND):
            folder = base / (name if number == 1 else f"{name}-{number}")
            try:
                folder.mkdir()
            except FileExistsError:
                continue
            return folder
    except OSError as error:
        raise _cannot_write(base, error) from error
    raise EnvironmentFailure(f"{base} already has {_FOLDERS_OF_ONE_SECOND} results called {name}; remove some.")


def _cannot_write(path: Path, error: OSError) -> EnvironmentFailure:
    return EnvironmentFailure(
        f"results cannot be written to {path} ({error.strerror or error}); give another folder with --results, or "
        f"--no-results."
    )


class _Rows(Generic[Row]):
    """A CSV file (gzipped when its name says so) whose columns are the fields of a dataclass; None is an empty cell."""

    def __init__(self, file: Path, kind: type[Row]) -> None:
        self._file = file
        self._columns = list(get_type_hints(kind))
        try:
            self._stream = _open_text(file, "w")
            self._writer = csv.writer(self._stream, lineterminator="\n")
            self._writer.writerow(self._columns)
        except OSError as error:
            raise _cannot_write(file, error) from error

    def add(self, rows: Iterable[Row]) -> None:
        try:
            self._writer.writerows([_cell(getattr(row, name)) for name in self._columns] for row in rows)
        except OSError as error:
            raise _cannot_write(self._file, error) from error

    def close(self) -> None:
        try:
            self._stream.close()
        except OSError as error:
            raise _cannot_write(self._file, error) from error


def _open_text(file: Path, mode: Literal["r", "w"]) -> TextIO:
    if file.suffix == ".gz":
        # The fastest level: rows are alike, and a run must not wait for its own record.
        return cast(TextIO, gzip.open(file, f"{mode}t", compresslevel=1, encoding="utf-8", newline=""))
    return file.open(mode, encoding="utf-8", newline="")


def _cell(value: object) -> object:
    if isinstance(value, float):
        return round(value, _DECIMALS)
    return "" if value is None else value


def _damaged(file: Path, error: Exception) -> InputError:
    return InputError(f"{file} cannot be read ({error}); the results are damaged, run the scenario again.")


@contextlib.contextmanager
def _told_as_damage(file: Path) -> Iterator[None]:
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        # Whatever a JSON file of another shape leads to; HdrHistogram's own errors have no common base.
        raise _damaged(file, error) from error


def _read_rows(file: Path, kind: type[Row]) -> Iterator[Row]:
    readers = {name: _reader_of(hint) for name, hint in get_type_hints(kind).items()}
    try:
        with _open_text(file, "r") as stream:
            rows = csv.DictReader(_whole_lines(stream))
            _check_columns(readers, rows.fieldnames)
            for cells in rows:
                yield kind(**{name: readers[name](cells[name]) for name in readers})
    except (OSError, EOFError, KeyError, ValueError, TypeError, csv.Error, zlib.error) as error:
        raise _damaged(file, error) from error


def _whole_lines(stream: TextIO) -> Iterator[str]:
    """The lines; raises ValueError for one without its end: the file was cut there, and a number may be cut with it."""
    for number, line in enumerate(stream, start=1):
        if not line.endswith(("\n", "\r")):
            raise ValueError(f"it ends in the middle of line {number}")
        yield line


def _check_columns(wanted: Iterable[str], found: Iterable[str] | None) -> None:
    missing = set(wanted) - set(found or ())
    if missing:
        raise ValueError(f"it has no column {', '.join(sorted(missing))}")


def _reader_of(hint: Any) -> Callable[[str], Any]:
    kinds = [each for each in get_args(hint) if each is not type(None)]
    if not kinds:
        return cast(Callable[[str], Any], hint)
    kind = kinds[0]
    return lambda cell: None if cell == "" else kind(cell)


def _read_json(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise _damaged(file, error) from error


def _distribution_to_json(each: Distribution) -> dict[str, Any]:
    return {
        "of": each.of,
        "corrected": each.corrected,
        "phase": each.phase,
        "group": each.group,
        "unit": "us",
        **each.latencies.summary_ms(),
        "max_us": each.latencies.max_us,
        "encoded": each.latencies.encoded(),
    }


def _coordinates(feature: Mapping[str, Any]) -> list[list[float]]:
    found = feature["geometry"]["coordinates"]
    return [found] if feature["geometry"]["type"] == "Point" else found


def _tracks_to_json(tracks: Iterable[VendorTrack]) -> dict[str, Any]:
    return {
        "type": "FeatureCollection",
        "features": [
            {
                "type": "Feature",
                "properties": {
                    "vendor": track.vendor,
                    "name": track.name,
                    "times_s": [round(at_s, 3) for at_s, _, _ in track.points],
                },
                "geometry": _line([[long, lat] for _, lat, long in track.points]),
            }
            for track in tracks
            if track.points
        ],
    }


def _line(coordinates: list[list[float]]) -> dict[str, Any]:
    """A line needs two points (RFC 7946, 3.1.4)."""
    if len(coordinates) == 1:
        return {"type": "Point", "coordinates": coordinates[0]}
    return {"type": "LineString", "coordinates": coordinates}
