"""Reading GPX as recorders really write it. Pure.

Only tracks, routes and waypoints are looked at, and of their points nothing but position, time and whether there was a
fix. So whatever else a file gets wrong does no harm: a version or a namespace that is missing, wrong, or has a prefix;
extensions whose prefix nobody declared; numbers that are none; an encoding other than UTF-8; control characters; a
file that ends where the battery did.
"""

from __future__ import annotations

import re
from xml.parsers import expat

from simulator.vendors.raw_way import NONE_USABLE, RawFile, RawPoint, RawWay

_ROUTED = ("gpx", "rte", "rtept", "extensions", "routepointextension", "rpt")
"""Garmin's own: where a route goes between two of its points."""
_POINTS = {("gpx", "trk", "trkseg", "trkpt"): "trk", ("gpx", "rte", "rtept"): "rte", _ROUTED: "rte"}
_WAYPOINT = ("gpx", "wpt")
_NAMES = {("gpx", "trk", "name"), ("gpx", "rte", "name"), ("gpx", "metadata", "name"), ("gpx", "name")}
_ABOUT_A_POINT = {"time", "fix"}
_ONLY_WAYPOINTS = "has waypoints and no track; they are places, not a way: export the track"
_NO_FIX = "none"
_DEEPEST = 100
_NOT_XML = bytes({*range(0x20)} - {0x09, 0x0A, 0x0D})
_UTF_16 = (b"\xff\xfe", b"\xfe\xff", b"<\0", b"\0<")
_DECLARED = re.compile(rb"""^<\?xml[^>]*?\sencoding\s*=\s*["']([^"']*)""")


class NotGpxError(ValueError):
    """Why a file is no GPX, as the end of a sentence."""


def read_gpx(content: bytes) -> RawFile:
    """Return what a GPX file holds: its tracks; without any its routes; without those its waypoints, if all have times.

    Raises NotGpxError when the root is no `gpx`, when entities are declared (they can be made to grow without end, and
    no recorder does it), and when nothing can be read at all.
    """
    content, encoding = _text_of(content)
    reader = _Reader(encoding)
    notes = []
    try:
        reader.parser.Parse(content, True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        if isinstance(error, NotGpxError):
            raise
        if not any(way.points for way in (*reader.ways["trk"], *reader.ways["rte"])):
            raise NotGpxError(str(error)) from None
        notes.append(f"cannot be read to its end ({error}); what comes before is used.")
    chosen = [way for way in reader.ways["trk"] if way.points] or [way for way in reader.ways["rte"] if way.points]
    waypoints = reader.waypoints.points
    if not chosen and len(waypoints) > 1 and all(at for at, _, _ in waypoints):
        chosen = [reader.waypoints]
        notes.append(f"has no track; its {len(waypoints):,} waypoints, which all have times, are taken for one.")
    if len(chosen) == 1:
        chosen[0].name = chosen[0].name or reader.name
    has_places = any(lat is not None and long is not None for _, lat, long in waypoints)
    return RawFile(chosen, tuple(notes), _ONLY_WAYPOINTS if has_places and not chosen else NONE_USABLE)


class _Reader:
    """Collects the ways while expat reads. Names are taken without their prefix and in lower case."""

    def __init__(self, encoding: str | None) -> None:
        self.ways: dict[str, list[RawWay]] = {"trk": [], "rte": []}
        self.waypoints = RawWay()
        self.name = ""
        self._path: tuple[str, ...] = ()
        self._points: list[dict[str, str]] = []
        """The points that are open: more than one inside a route point with a way of its own."""
        self._text: list[str] | None = None
        # Without namespaces: half of the files that declare none, or a wrong one, are fine otherwise.
        self.parser = expat.ParserCreate(encoding)
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._characters
        self.parser.EntityDeclHandler = self._refuse_entities

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        if len(self._path) >= _DEEPEST:
            raise NotGpxError(f"its elements are more than {_DEEPEST} deep")
        self._path = (*self._path, tag.rpartition(":")[2].lower())
        if self._path[0] != "gpx":
            raise NotGpxError(f"its root is <{tag[:40]}>, not <gpx>")
        if self._path in (("gpx", "trk"), ("gpx", "rte")):
            self.ways[self._path[1]].append(RawWay())
        elif self._path in _POINTS or self._path == _WAYPOINT:
            if self._path == _ROUTED:
                # The route point's own place comes before the way from it to the next.
                self._keep(self._points[-1], "rte")
            self._points.append({"lat": attributes.get("lat", ""), "lon": attributes.get("lon", "")})
        elif self._path in _NAMES or (self._points and self._path[-1] in _ABOUT_A_POINT and self._is_of_a_point()):
            self._text = []

    def _is_of_a_point(self) -> bool:
        return self._path[:-1] in _POINTS or self._path[:-1] == _WAYPOINT

    def _characters(self, text: str) -> None:
        if self._text is not None:
            self._text.append(text)

    def _end(self, _: str) -> None:
        path = self._path
        if self._text is not None and (path in _NAMES or path[-1] in _ABOUT_A_POINT):
            self._told("".join(self._text).strip())
            self._text = None
        elif path in _POINTS:
            self._keep(self._points.pop(), _POINTS[path])
        elif path == _WAYPOINT:
            self.waypoints.points.append(_raw(self._points.pop()))
        self._path = path[:-1]

    def _told(self, text: str) -> None:
        if self._path in _NAMES:
            if self._path[1] in self.ways:
                self.ways[self._path[1]][-1].name = text
            else:
                self.name = self.name or text
        else:
            self._points[-1][self._path[-1]] = text

    def _keep(self, point: dict[str, str], kind: str) -> None:
        if not point.get("kept"):
            self.ways[kind][-1].points.append(_raw(point))
            point["kept"] = "yes"

    def _refuse_entities(self, *_: object) -> None:
        raise NotGpxError("it declares entities, which GPX has not")


def _raw(point: dict[str, str]) -> RawPoint:
    has_fix = point.get("fix", "").lower() != _NO_FIX
    lat, long = (_number(point[name]) if has_fix else None for name in ("lat", "lon"))
    return point.get("time", ""), lat, long


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _text_of(content: bytes) -> tuple[bytes, str | None]:
    """The file without what XML forbids and recorders write; and its encoding where the file is wrong about it."""
    if content.startswith(_UTF_16):
        return content, None
    content = content.removeprefix(b"\xef\xbb\xbf").lstrip().translate(None, _NOT_XML)
    declared = _DECLARED.match(content)
    if declared is None or declared[1].lower() in (b"utf-8", b"utf8"):
        try:
            content.decode()
        except UnicodeDecodeError:
            # Old programs say UTF-8 and write the system's own; only names can suffer by the guess.
            return content, "iso-8859-1"
        return content, "utf-8"
    return content, None
