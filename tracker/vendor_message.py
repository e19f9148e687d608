"""What a vendor says through the socket, and the update that becomes of it.

::

    {"action": "sendvendor", "lat": 37.77, "long": -122.42, "text": "Tacos until three"}

`lat` and `long` are WGS 84 degrees. `text` may be left out, and so may `userName`, which is then the vendor's id: it
is what the vendor calls itself, and only `userId` is vouched for. `userId` may be there if it is the vendor's own.

Everything else of the update is the server's: `userId` is whom the connection is authorised as; `id` and `date` say
when API Gateway took the message, so that a slow invocation cannot put an older position above a newer one (M16).
Any other key is refused, so that nobody believes that it counted.

Pure: who and when are passed in.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from tracker.errors import InvalidUpdateError
from tracker.updates import (
    MAX_LATITUDE,
    MAX_LONGITUDE,
    MAX_NAME_CHARS,
    MAX_TEXT_CHARS,
    check_degrees,
    decode_object,
    encode_update,
    parse_update,
    text_at,
)
from tracker.wire import SNOWFLAKE_EPOCH_MS, SNOWFLAKE_LOW_BITS

if TYPE_CHECKING:
    from tracker.wire import VendorUpdate

ACTION = "sendvendor"

_KEYS = ("action", "lat", "long", "text", "userName", "userId")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SHOWN_CHARS = 40


def to_update(message: str, *, vendor_id: str, message_id: str, received_ms: int) -> VendorUpdate:
    """Return the update that `message` becomes when the vendor `vendor_id` says it at `received_ms` (epoch).

    `message_id` makes the low bits of the update's id: the same message is the same update, however often it is
    handled. Raises `InvalidUpdateError` saying where and what is wrong.
    """
    said = {"text": "", "userName": vendor_id, "userId": vendor_id, **decode_object(message)}
    for key in said:
        if key not in _KEYS:
            raise InvalidUpdateError(repr(key[:_SHOWN_CHARS]), f"is no key of this message; it has {', '.join(_KEYS)}")
    if said["userId"] != vendor_id:
        raise InvalidUpdateError("userId", f"must be {vendor_id!r}, whom this connection is authorised as")
    check_degrees(said, "lat", "lat", MAX_LATITUDE)
    check_degrees(said, "long", "long", MAX_LONGITUDE)
    spot = f"{said['lat']:.5f}, {said['long']:.5f}"
    return parse_update(
        encode_update(
            {
                "id": _snowflake(received_ms, message_id),
                "userId": vendor_id,
                "userName": text_at(said, "userName", "userName", MAX_NAME_CHARS),
                "text": text_at(said, "text", "text", MAX_TEXT_CHARS),
                "date": (_EPOCH + timedelta(milliseconds=received_ms)).isoformat(timespec="milliseconds"),
                "geo": {
                    "id": _place_id("", spot),
                    "name": spot,
                    "full_name": spot,
                    "place_type": "poi",
                    # It could only be guessed.
                    "country": "",
                    "country_code": "",
                    "coordinates": {"lat": said["lat"], "long": said["long"]},
                },
            }
        )
    )


def _place_id(*parts: str) -> str:
    """Return sixteen hex digits: a place has the same ones whoever reports from it (`simulator.vendors.city`)."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _snowflake(ms: int, message_id: str) -> str:
    low = int.from_bytes(hashlib.sha256(message_id.encode()).digest()[:4]) % (1 << SNOWFLAKE_LOW_BITS)
    return str((ms - SNOWFLAKE_EPOCH_MS) << SNOWFLAKE_LOW_BITS | low)
