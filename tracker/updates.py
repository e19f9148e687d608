"""What is a vendor update and what is not: the rules for the body of a queue message, and how one is written.

Strict on purpose. What passes is sent to every viewer as it is, so a wrong type here would be a broken map there.
Keys that are not known are let through: a producer may add one before the viewers know it.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any, NoReturn, cast

from tracker.errors import InvalidUpdateError

if TYPE_CHECKING:
    from tracker.wire import VendorUpdate

MAX_UPDATE_BYTES = 16_384
"""UTF-8 bytes of one body: below one 32 KB frame (C13), and a full tweets list of them fits a 400 KB item (D10)."""
MAX_ID_DIGITS = 20
"""2**64 has 20 digits."""
MAX_VENDOR_ID_CHARS = 64
MAX_TEXT_CHARS = 4_000
MAX_NAME_CHARS = 256
MAX_LATITUDE = 90.0
MAX_LONGITUDE = 180.0

_GEO_TEXTS = ("id", "name", "full_name", "place_type", "country", "country_code")


def parse_update(body: str) -> VendorUpdate:
    """Return the update that `body` holds as JSON text; raises `InvalidUpdateError` saying where and what is wrong."""
    update = decode_object(body)
    identifier = text_at(update, "id", "id", MAX_ID_DIGITS)
    if not (identifier.isascii() and identifier.isdigit()):
        raise InvalidUpdateError("id", "must be a snowflake in decimal digits")
    if not text_at(update, "userId", "userId", MAX_VENDOR_ID_CHARS):
        raise InvalidUpdateError("userId", "must not be empty")
    text_at(update, "userName", "userName", MAX_NAME_CHARS)
    text_at(update, "text", "text", MAX_TEXT_CHARS)
    _check_date(text_at(update, "date", "date", MAX_NAME_CHARS))
    geo = _object(update.get("geo"), "geo")
    for key in _GEO_TEXTS:
        text_at(geo, key, f"geo.{key}", MAX_NAME_CHARS)
    coordinates = _object(geo.get("coordinates"), "geo.coordinates")
    check_degrees(coordinates, "lat", "geo.coordinates.lat", MAX_LATITUDE)
    check_degrees(coordinates, "long", "geo.coordinates.long", MAX_LONGITUDE)
    return cast("VendorUpdate", update)


def encode_update(update: VendorUpdate) -> str:
    """Return the body of the queue message: compact JSON in ASCII, keys in wire order, the same for the same update.

    ASCII, because SQS refuses some characters that JSON allows (control characters, U+FFFE) but never their escapes:
    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
    """
    return json.dumps(update, ensure_ascii=True, separators=(",", ":"), allow_nan=False)


def decode_object(body: str) -> dict[str, Any]:
    """Return the JSON object in `body`; raises `InvalidUpdateError` when it is too large or no such thing."""
    size = _utf8_length(body, "body")
    if size > MAX_UPDATE_BYTES:
        raise InvalidUpdateError("body", f"has {size} bytes; at most {MAX_UPDATE_BYTES} are allowed")
    return _object(_decode(body), "body")


def text_at(container: dict[str, Any], key: str, field: str, max_chars: int) -> str:
    """Return the string that `container` has at `key`; raises `InvalidUpdateError` naming `field`."""
    value = container.get(key)
    if not isinstance(value, str):
        raise InvalidUpdateError(field, "must be a string")
    if len(value) > max_chars:
        raise InvalidUpdateError(field, f"has {len(value)} characters; at most {max_chars} are allowed")
    _utf8_length(value, field)
    return value


def check_degrees(container: dict[str, Any], key: str, field: str, limit: float) -> None:
    """Raise `InvalidUpdateError` naming `field` unless `container` has a number from -`limit` to `limit` at `key`."""
    value = container.get(key)
    # bool is an int in Python; NaN and the infinities fail the comparison.
    if isinstance(value, bool) or not isinstance(value, int | float) or not -limit <= value <= limit:
        raise InvalidUpdateError(field, f"must be a number from {-limit:g} to {limit:g}")


def _decode(body: str) -> Any:
    try:
        return json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise InvalidUpdateError("body", "is not JSON text") from error


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _object(value: Any, field: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InvalidUpdateError(field, "must be a JSON object")
    return value


def _utf8_length(text: str, field: str) -> int:
    try:
        return len(text.encode())
    except UnicodeEncodeError as error:
        raise InvalidUpdateError(field, "holds half a surrogate pair, which is not text") from error


def _check_date(text: str) -> None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidUpdateError("date", "must be an ISO 8601 date and time") from error
    if moment.tzinfo is None:
        raise InvalidUpdateError("date", "must carry its offset from UTC")
