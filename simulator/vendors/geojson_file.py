"""Reading GeoJSON and NDJSON tracks: lines with times in their properties, or a position for each object. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from simulator.vendors.raw_way import RawFile, RawPoint, RawWay

_NAME_KEYS = ("name", "title", "vendor")
_OWNER_KEYS = ("vendor", "device_id", "track_fid")
"""Whose position a single one is."""
_TIMES_KEYS = ("times", "coordTimes", "times_s")
_TIME_KEYS = ("time", "timestamp", "times_s")
_LAT_KEYS = ("lat", "latitude")
_LONG_KEYS = ("long", "lon", "lng", "longitude")
_WITH_TIME = 4
"""Numbers of a coordinate whose last one is its time."""
_RECORD_SEPARATOR = "\x1e"


class NotTracksError(ValueError):
    """Why a file holds no tracks, as the end of a sentence that begins with the file's name."""


def read_geojson(text: str) -> RawFile:
    """Return the lines of a GeoJSON file, each one a way, and its points with times, put together by whose they are.

    Raises NotTracksError when it is not JSON, or no GeoJSON that can hold them.
    """
    document = _json(text)
    kind = document.get("type") if isinstance(document, dict) else None
    if kind == "FeatureCollection" and isinstance(document.get("features"), list):
        features = document["features"]
    elif kind == "Feature":
        features = [document]
    elif kind in ("LineString", "MultiLineString"):
        features = [{"geometry": document}]
    else:
        raise NotTracksError(
            " is not GeoJSON with lines in it; export it as a FeatureCollection of LineStrings, or of Points with times"
        )
    return RawFile(_ways(features))


def read_ndjson(text: str) -> RawFile:
    """Return the ways of a file with one JSON object on each line: a position, or a GeoJSON feature.

    Raises NotTracksError with the number of the first line that is neither.
    """
    ways: dict[str, RawWay] = {}
    features: list[dict[str, Any]] = []
    # Not splitlines(): a line separator of Unicode may stand inside a text.
    for number, line in enumerate(text.split("\n"), start=1):
        line = line.strip().removeprefix(_RECORD_SEPARATOR)  # noqa: PLW2901  RFC 8142
        if not line:
            continue
        document = _json(line, number)
        if not isinstance(document, dict):
            raise NotTracksError(
                f', line {number}: not an object; write {{"vendor": …, "time": …, "lat": …, "long": …}}'
            )
        if document.get("type") == "Feature":
            features.append(document)
            continue
        name = document.get("vendor", "")
        if not isinstance(name, str):
            raise NotTracksError(f", line {number}: vendor must be text; write the vendor's name")
        at, lat, long = (_first(document, keys) for keys in (_TIME_KEYS, _LAT_KEYS, _LONG_KEYS))
        ways.setdefault(name, RawWay(name)).points.append((at, lat, long))
    return RawFile([*ways.values(), *_ways(features)])


def _ways(features: list[Any]) -> list[RawWay]:
    lines: list[RawWay] = []
    owners: dict[str, RawWay] = {}
    for feature in features:
        if not isinstance(feature, dict):
            continue
        geometry, about = feature.get("geometry"), feature.get("properties")
        about = about if isinstance(about, dict) else {}
        if not isinstance(geometry, dict):
            continue
        coordinates = geometry.get("coordinates")
        match geometry.get("type"):
            case "LineString":
                lines.append(RawWay(_name(about), list(_timed(_list(coordinates), about))))
            case "MultiLineString":
                flat = [point for line in _list(coordinates) for point in _list(line)]
                lines.append(RawWay(_name(about), list(_timed(flat, about))))
            case "Point" if (at := _first(about, _TIME_KEYS)) is not None:
                owner = str(_first(about, _OWNER_KEYS) or "")
                owners.setdefault(owner, RawWay(owner)).points.append((at, *_place(coordinates)))
    return [*lines, *owners.values()]


def _timed(points: list[Any], about: Mapping[str, Any]) -> Iterator[RawPoint]:
    inner = about.get("coordinateProperties")
    given = [about, inner] if isinstance(inner, dict) else [about]
    times: list[Any] = next(
        (place[key] for place in given for key in _TIMES_KEYS if isinstance(place.get(key), list)), []
    )
    flat = [each for entry in times for each in (entry if isinstance(entry, list) else [entry])]
    if not flat and points and all(isinstance(point, list) and len(point) == _WITH_TIME for point in points):
        flat = [point[-1] for point in points]
    if len(flat) != len(points):
        flat = [None] * len(points)
    for at, point in zip(flat, points, strict=True):
        yield at, *_place(point)


def _place(coordinate: object) -> tuple[Any, Any]:
    """Latitude and longitude of a coordinate, which has them the other way round."""
    return (coordinate[1], coordinate[0]) if isinstance(coordinate, list) and len(coordinate) > 1 else (None, None)


def _name(about: Mapping[str, Any]) -> str:
    return next((about[key] for key in _NAME_KEYS if isinstance(about.get(key), str)), "")


def _first(document: Mapping[str, Any], keys: tuple[str, ...]) -> Any:
    return next((document[key] for key in keys if document.get(key) is not None), None)


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _json(text: str, line: int | None = None) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        where = f", line {line or error.lineno}, column {error.colno}"
        before = text[: error.pos].rstrip()
        if before.endswith(",") and text[error.pos : error.pos + 1] in ("]", "}"):
            raise NotTracksError(f"{where}: JSON has no comma before a closing bracket; remove it") from None
        raise NotTracksError(f"{where} is not JSON ({error.msg}); export it again") from None
    except (ValueError, RecursionError) as error:
        where = f", line {line}" if line else ""
        raise NotTracksError(f"{where} is not JSON that can be read ({error}); export it again") from None
