"""Updates that a user gives: one by options, or many in a file, for `tracker-sim send`."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simulator.errors import InputError
from simulator.vendors.city import Area, Place, place_id
from simulator.vendors.geodesy import LatLong
from simulator.vendors.plan import PlannedUpdate
from simulator.vendors.snowflake import SnowflakeSequence
from simulator.vendors.text import clean_text
from simulator.vendors.update import build_update
from simulator.vendors.vendor import NAME_LIMIT, Vendor, handle_of, image_url_of, vendor_id_of
from tracker.errors import InvalidUpdateError
from tracker.updates import encode_update, parse_update

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import NoReturn

    from tracker.wire import VendorUpdate

_SHORT_KEYS = {"vendor", "lat", "long", "text"}
_LARGEST_LAT = 90.0
_LARGEST_LONG = 180.0
_ID_CHARS = 20
"""Digits of the largest 64-bit number."""


def single_update(
    vendor: str,
    lat: float,
    long: float,
    *,
    at_ms: int,
    text: str | None = None,
    sequence: SnowflakeSequence | None = None,
) -> VendorUpdate:
    """Return the update in which `vendor` is at `lat`, `long` (WGS 84 degrees) at the epoch millisecond `at_ms`.

    `vendor` is a Twitter id in digits, or a name, which always gets the same id: the one it has in a schedule replay.
    Updates made in the same millisecond need one `sequence` for distinct ids. Raises `InputError` for an empty vendor
    and for coordinates out of range.
    """
    vendor_id, name = vendor_by_hand(vendor)
    for what, degrees, largest in (("lat", lat, _LARGEST_LAT), ("long", long, _LARGEST_LONG)):
        if not math.isfinite(degrees) or abs(degrees) > largest:
            raise InputError(f"{what} is {degrees}; give degrees from {-largest:g} to {largest:g}.")
    point = LatLong(lat, long)
    return build_update(
        _stranger(vendor_id, name, point),
        point,
        tweet_id=(sequence or SnowflakeSequence()).next_id(at_ms),
        at_ms=at_ms,
        text=f"{name} is here." if text is None else text,
    )


def vendor_by_hand(vendor: str) -> tuple[str, str]:
    """Return the id and the name of a vendor given as either; raises `InputError` when it is neither."""
    name = clean_text(vendor, NAME_LIMIT)
    if not name:
        raise InputError("The vendor has no name; give a Twitter id or a name.")
    is_id = name.isascii() and name.isdigit()
    if is_id and len(name) > _ID_CHARS:
        raise InputError(f"The vendor id {name} is too long; a Twitter id has at most {_ID_CHARS} digits.")
    return (name if is_id else vendor_id_of(name)), name


def read_updates(path: str | Path, *, at_ms: int) -> list[VendorUpdate]:
    """Return the updates of an NDJSON file, in order; blank lines are skipped.

    Each line is a whole `VendorUpdate`, which is taken as it is, or the short form
    `{"vendor": "Senor Sisig", "lat": 37.79, "long": -122.4, "text": "…"}` (`text` may be left out), which is completed
    as `single_update` does, at `at_ms`.

    Raises `InputError` naming file, line and fault for the first line that is neither, and for a file that cannot be
    read or holds no update; so nothing is sent of a file with a mistake in it.
    """
    path = Path(path)
    sequence = SnowflakeSequence()
    updates = []
    for number, line in enumerate(_lines(path), start=1):
        if line.strip():
            updates.append(_update(f"{path}:{number}", line, at_ms, sequence))
    if not updates:
        raise InputError(f"{path} holds no update; write one JSON object per line.")
    return updates


def planned_at_once(updates: Iterable[VendorUpdate]) -> list[PlannedUpdate]:
    """Return `updates` as a plan in which all of them are due at the start."""
    planned = []
    for update in updates:
        coordinates = update["geo"]["coordinates"]
        point = LatLong(coordinates["lat"], coordinates["long"])
        planned.append(PlannedUpdate(0.0, _stranger(update["userId"], update["userName"], point), update))
    return planned


def _stranger(twitter_id: str, name: str, point: LatLong) -> Vendor:
    spot = f"{point.lat:.5f}, {point.long:.5f}"
    return Vendor(
        twitter_id=twitter_id,
        name=name,
        handle=handle_of(name),
        description="",
        image_url=image_url_of(twitter_id),
        home=Area(point, 0.0),
        # No country: it could only be guessed.
        place=Place(place_id("", spot), spot, spot, "poi", "", ""),
    )


def _lines(path: Path) -> list[str]:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise InputError(f"The updates file {path} cannot be read ({error.strerror}); give an NDJSON file.") from error
    try:
        # Not splitlines: JSON strings may hold U+2028 and its kin.
        return raw.decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{path}:{line}: byte 0x{raw[error.start]:02x} is not UTF-8; save the file as UTF-8."
        ) from error


def _update(where: str, line: str, at_ms: int, sequence: SnowflakeSequence) -> VendorUpdate:
    try:
        value = json.loads(line, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: this is not JSON ({error}); write one JSON object per line.") from error
    if not isinstance(value, dict):
        raise InputError(f"{where}: a line must be a JSON object, like {{'vendor': …, 'lat': …, 'long': …}}.")
    try:
        if "vendor" in value:
            update = _from_short_form(value, at_ms, sequence)
            parse_update(encode_update(update))
            return update
        # As it will be sent, which is a little longer than as it was written when it is not all ASCII.
        return parse_update(json.dumps(value, separators=(",", ":")))
    except InvalidUpdateError as error:
        raise InputError(f"{where}: {error}; correct the line, nothing was sent.") from error
    except InputError as error:
        raise InputError(f"{where}: {error}") from error


def _from_short_form(value: dict[str, Any], at_ms: int, sequence: SnowflakeSequence) -> VendorUpdate:
    for key in value:
        if key not in _SHORT_KEYS:
            raise InputError(f"there is no key {key!r} beside 'vendor'; use {', '.join(sorted(_SHORT_KEYS))}.")
    vendor, text = value["vendor"], value.get("text")
    if not isinstance(vendor, str):
        raise InputError("vendor must be a string.")
    if text is not None and not isinstance(text, str):
        raise InputError("text must be a string.")
    degrees = []
    for key in ("lat", "long"):
        number = value.get(key)
        if isinstance(number, bool) or not isinstance(number, int | float):
            raise InputError(f"{key} must be a number, in degrees.")
        degrees.append(_float(number))
    return single_update(vendor, *degrees, at_ms=at_ms, text=text, sequence=sequence)


def _float(number: float) -> float:
    try:
        return float(number)
    except OverflowError:  # an integer of hundreds of digits
        return math.inf


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")
