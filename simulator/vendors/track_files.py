"""Reading recorded tracks: GPX by gpxpy, GeoJSON and NDJSON strictly by the few lines here.

What recorders write differs: GPX 1.0 or 1.1, with or without a namespace, tracks of many segments or only a route,
times missing on some points or on all. A point that cannot be used is counted and left out; a file with nothing that
can be used is refused.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import gpxpy
import gpxpy.gpx

from simulator.errors import InputError
from simulator.vendors.geodesy import LatLong, distance_m
from simulator.vendors.text import clean_text
from simulator.vendors.vendor import NAME_LIMIT

UNTIMED_SPEED_M_S = 8.0
"""How fast a track without times is followed: 29 km/h, a truck in town."""
LARGEST_BYTES = 256 * 1024 * 1024
SUFFIXES = (".gpx", ".geojson", ".json", ".ndjson", ".jsonl")
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


def read_tracks(path: Path) -> list[RecordedTrack]:
    """Read every track of one file; what it is is told by its suffix.

    Raises InputError naming the file when it is missing, of no known kind, malformed, or without any usable point.
    """
    suffix = path.suffix.casefold()
    if suffix not in SUFFIXES:
        raise InputError(f"{path} is no track file; give one that ends in {', '.join(SUFFIXES)}.")
    text = _text(path)
    if suffix == ".gpx":
        raw = _gpx(path, text)
    elif suffix in (".geojson", ".json"):
        raw = _geojson(path, text)
    else:
        raw = _ndjson(path, text)
    tracks = [track for name, points in raw if (track := _track(name, points)) is not None]
    if not tracks:
        raise InputError(f"{path} has no track with a position that can be used; export it again, with positions.")
    if len(tracks) > _MOST_TRACKS:
        raise InputError(f"{path} has {len(tracks):,} tracks, and {_MOST_TRACKS:,} are the most; split it.")
    return tracks


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise InputError(f"{path} is larger than {LARGEST_BYTES // 1024**2} MiB; split it.")
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text (byte {error.start}); save it as UTF-8.") from None
    except FileNotFoundError:
        raise InputError(f"There is no track file {path}; check the path.") from None
    except OSError as error:
        raise InputError(f"The track file {path} cannot be read: {error.strerror or error}.") from None


_Raw = tuple[object, object, object]
"""Time, latitude and longitude as the file has them."""


def _gpx(path: Path, text: str) -> Iterator[tuple[str, list[_Raw]]]:
    text = text.lstrip()
    if "<!DOCTYPE" in text[:4096] or "<!ENTITY" in text:
        # No recorder writes one, and entities can be made to grow without end.
        raise InputError(f"{path} has a document type, which GPX has not; export it again.")
    try:
        document = gpxpy.parse(text)
    except (gpxpy.gpx.GPXException, ValueError, TypeError, RecursionError) as error:
        raise InputError(f"{path} is not GPX that can be read ({error}); export it again.") from None
    number = 0
    for track in document.tracks:
        number += 1
        points = [point for segment in track.segments for point in segment.points]
        yield track.name or f"{path.stem} {number}", [(each.time, each.latitude, each.longitude) for each in points]
    for route in document.routes:
        number += 1
        yield (
            route.name or f"{path.stem} {number}",
            [(each.time, each.latitude, each.longitude) for each in route.points],
        )


def _geojson(path: Path, text: str) -> Iterator[tuple[str, list[_Raw]]]:
    document = _json(path, text)
    kind = document.get("type") if isinstance(document, dict) else None
    if kind == "FeatureCollection" and isinstance(document.get("features"), list):
        features = document["features"]
    elif kind == "Feature":
        features = [document]
    elif kind in ("LineString", "MultiLineString"):
        features = [{"geometry": document}]
    else:
        raise InputError(f"{path} is not GeoJSON with lines in it; export it as a FeatureCollection of LineStrings.")
    for number, feature in enumerate(features, start=1):
        if not isinstance(feature, dict):
            continue
        geometry, about = feature.get("geometry"), feature.get("properties")
        about = about if isinstance(about, dict) else {}
        if not isinstance(geometry, dict):
            continue
        lines = geometry.get("coordinates")
        if geometry.get("type") == "LineString":
            lines = [lines]
        elif geometry.get("type") != "MultiLineString":
            continue
        name = next((about[key] for key in ("name", "title", "vendor") if isinstance(about.get(key), str)), "")
        coordinates = [point for line in _list(lines) for point in _list(line)]
        times: list[Any] = next(
            (about[key] for key in ("times", "coordTimes", "times_s") if isinstance(about.get(key), list)), []
        )
        flat = [each for entry in times for each in (entry if isinstance(entry, list) else [entry])]
        if len(flat) != len(coordinates):
            flat = [None] * len(coordinates)
        yield (
            name or f"{path.stem} {number}",
            [
                (at, *((point[1], point[0]) if isinstance(point, list) and len(point) > 1 else (None, None)))
                for at, point in zip(flat, coordinates, strict=True)
            ],
        )


def _ndjson(path: Path, text: str) -> Iterator[tuple[str, list[_Raw]]]:
    found: dict[str, list[_Raw]] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        document = _json(path, line, number)
        if not isinstance(document, dict):
            raise InputError(
                f'{path}, line {number}: not an object; write {{"vendor": …, "time": …, "lat": …, "long": …}}.'
            )
        name = document.get("vendor", path.stem)
        if not isinstance(name, str):
            raise InputError(f"{path}, line {number}: vendor must be text; write the vendor's name.")
        long = document.get("long", document.get("lon", document.get("lng")))
        found.setdefault(name, []).append((document.get("time"), document.get("lat"), long))
    yield from found.items()


def _json(path: Path, text: str, line: int | None = None) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        where = f", line {line}" if line else ""
        raise InputError(f"{path}{where} is not JSON ({error}); export it again.") from None


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _track(name: str, raw: Iterable[_Raw]) -> RecordedTrack | None:
    given = list(raw)
    has_times = sum(_seconds(at) is not None for at, _, _ in given) * 2 > len(given)
    points: list[tuple[float, LatLong]] = []
    for at, lat, long in given:
        point = _point(lat, long)
        if point is None:
            continue
        at_s: float | None
        if has_times:
            at_s = _seconds(at)
        elif points:
            at_s = points[-1][0] + distance_m(points[-1][1], point) / UNTIMED_SPEED_M_S
        else:
            at_s = 0.0
        if at_s is not None and (not points or at_s > points[-1][0]):
            points.append((at_s, point))
    if not points:
        return None
    return RecordedTrack(clean_text(name, NAME_LIMIT) or "track", tuple(points), has_times, len(given) - len(points))


def _point(lat: object, long: object) -> LatLong | None:
    if not _is_number(lat) or not _is_number(long):
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
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            return None
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
        return value / 1_000 if abs(value) > _LATEST_S else float(value)
    return None


def problem_notes(tracks: Mapping[str, list[RecordedTrack]]) -> list[str]:
    """A sentence for each file of which points were left out."""
    return [
        f"{file}: {left_out:,} points are left out: no position on earth, or no time that comes after the one before."
        for file, found in tracks.items()
        if (left_out := sum(each.left_out for each in found))
    ]
