"""Reading recorded tracks: GPX, GeoJSON and NDJSON.

What recorders write differs in everything. A point that cannot be used is counted and left out; a file with nothing
that can be used is refused.
"""

from __future__ import annotations

import math
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from simulator.errors import InputError
from simulator.vendors.geodesy import LatLong, distance_m
from simulator.vendors.geojson_file import NotTracksError, read_geojson, read_ndjson
from simulator.vendors.gpx_file import NotGpxError, read_gpx
from simulator.vendors.raw_way import RawFile, RawPoint
from simulator.vendors.text import clean_text
from simulator.vendors.vendor import NAME_LIMIT

UNTIMED_SPEED_M_S = 8.0
"""How fast a track without times is followed: 29 km/h, a truck in town."""
LARGEST_BYTES = 256 * 1024 * 1024
SUFFIXES = (".gpx", ".geojson", ".json", ".ndjson", ".jsonl", ".geojsonl")
_MOST_TRACKS = 10_000
_LAT_LIMIT, _LONG_LIMIT = 90, 180
_ABSURD = 1e6
_LATEST_S = 1e11
"""A larger time would be after the year 5138: it is in milliseconds."""


@dataclass(frozen=True, slots=True)
class RecordedTrack:
    """Where somebody was, and when."""

    name: str
    points: tuple[tuple[float, LatLong], ...]
    """Seconds (of the epoch, or from 0 for one without times) strictly rising, and positions; at least one."""
    has_times: bool
    left_out: int = 0
    """Points that could not be used: no place on earth, no time among points that have one, time going back."""


@dataclass(frozen=True, slots=True)
class TrackFile:
    """The tracks of one file."""

    tracks: tuple[RecordedTrack, ...]
    notes: tuple[str, ...] = ()
    """A sentence for each thing that had to be decided or left out; they name the file."""


def read_tracks(path: Path) -> TrackFile:
    """Read every track of one file; what it is is told by its suffix.

    Raises InputError naming the file when it is missing, of no known kind, malformed, or without any usable point.
    """
    suffix = path.suffix.casefold()
    if suffix not in SUFFIXES:
        raise InputError(f"{path} is no track file; give one that ends in {', '.join(SUFFIXES)}.")
    raw = _raw_file(path, suffix, _content(path))
    tracks = [
        track
        for number, way in enumerate(raw.ways, start=1)
        if (track := _track(way.name or (path.stem if len(raw.ways) == 1 else f"{path.stem} {number}"), way.points))
    ]
    if not tracks:
        raise InputError(f"{path} {raw.why_none}.")
    if len(tracks) > _MOST_TRACKS:
        raise InputError(f"{path} has {len(tracks):,} tracks, and {_MOST_TRACKS:,} are the most; split it.")
    return TrackFile(tuple(tracks), tuple(f"{path} {note}" for note in raw.notes) + tuple(_left_out(path, tracks)))


def _content(path: Path) -> bytes:
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode):
            raise InputError(f"{path} is not an ordinary file; give the path of a track file.")
        if about.st_size > LARGEST_BYTES:
            raise InputError(f"{path} is larger than {LARGEST_BYTES // 1024**2} MiB; split it.")
        return path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"There is no track file {path}; check the path.") from None
    except OSError as error:
        raise InputError(f"The track file {path} cannot be read: {error.strerror or error}.") from None


def _raw_file(path: Path, suffix: str, content: bytes) -> RawFile:
    try:
        if suffix == ".gpx":
            return read_gpx(content)
        text = content.decode("utf-8-sig")
        return read_geojson(text) if suffix in (".geojson", ".json") else read_ndjson(text)
    except NotGpxError as error:
        raise InputError(f"{path} is not GPX that can be read ({error}); export it again.") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text (byte {error.start}); save it as UTF-8.") from None
    except NotTracksError as error:
        raise InputError(f"{path}{error}.") from None


def _track(name: str, raw: Iterable[RawPoint]) -> RecordedTrack | None:
    given = [(_seconds(at), _point(lat, long)) for at, lat, long in raw]
    placed = [(at_s, point) for at_s, point in given if point is not None]
    timed = [(at_s, point) for at_s, point in placed if at_s is not None]
    has_times = len(timed) * 2 > len(placed)
    if has_times and timed[0][0] > timed[-1][0]:
        timed.reverse()  # newest first, as some services hand them out
    points: list[tuple[float, LatLong]] = []
    repeated = 0
    for at_s, point in timed if has_times else _at_their_speed(placed):
        if not points or at_s > points[-1][0]:
            points.append((at_s, point))
        else:
            repeated += points[-1] == (at_s, point)
    if not points:
        return None
    left_out = len(given) - len(points) - repeated
    return RecordedTrack(clean_text(name, NAME_LIMIT) or "track", tuple(points), has_times, left_out)


def _at_their_speed(placed: Iterable[tuple[float | None, LatLong]]) -> Iterable[tuple[float, LatLong]]:
    at_s, before = 0.0, None
    for _, point in placed:
        if before is not None:
            at_s += distance_m(before, point) / UNTIMED_SPEED_M_S
        yield at_s, point
        before = point


def _point(lat: object, long: object) -> LatLong | None:
    if not _is_number(lat) or not _is_number(long) or (lat == 0 and long == 0):
        # Exactly nothing of both is what a receiver writes that does not know.
        return None
    return LatLong(float(lat), float(long)) if abs(lat) <= _LAT_LIMIT and abs(long) <= _LONG_LIMIT else None  # type: ignore[arg-type]


def _is_number(value: object) -> bool:
    return (
        isinstance(value, (int, float))
        and not isinstance(value, bool)
        and abs(value) < _ABSURD
        and math.isfinite(value)
    )


def _seconds(value: object) -> float | None:
    """Epoch seconds of a time as recorders write it; a time without a zone is UTC."""
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value.strip().upper())
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError):
            return None
    if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < _LATEST_S * _LATEST_S:
        return value / 1_000 if abs(value) > _LATEST_S else float(value)
    return None


def _left_out(path: Path, tracks: Iterable[RecordedTrack]) -> Iterable[str]:
    if left_out := sum(each.left_out for each in tracks):
        was = "point is" if left_out == 1 else "points are"
        yield f"{path}: {left_out:,} {was} left out: no position on earth, or no time that comes after the one before."
