"""Building a vendor update."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from simulator.vendors.text import TWEET_LIMIT, clean_text

if TYPE_CHECKING:
    from simulator.vendors.city import Place
    from simulator.vendors.geodesy import LatLong
    from simulator.vendors.vendor import Vendor
    from tracker.wire import VendorUpdate

_DECIMALS = 6
"""A millionth of a degree is 11 cm: finer than any receiver, and short on the wire."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def build_update(
    vendor: Vendor, point: LatLong, *, tweet_id: str, at_ms: int, text: str, place: Place | None = None
) -> VendorUpdate:
    """Return the update in which `vendor` says `text` at `point`, at the epoch millisecond `at_ms`.

    The text is cleaned and cut to the length of a tweet; coordinates are rounded to six decimals.
    """
    place = place or vendor.place
    return {
        "id": tweet_id,
        "userId": vendor.twitter_id,
        "userName": vendor.name,
        "text": clean_text(text, TWEET_LIMIT),
        "date": iso_date(at_ms),
        "geo": {
            "id": place.id,
            "name": place.name,
            "full_name": place.full_name,
            "place_type": place.place_type,
            "country": place.country,
            "country_code": place.country_code,
            "coordinates": {"lat": round(point.lat, _DECIMALS), "long": round(point.long, _DECIMALS)},
        },
    }


def iso_date(at_ms: int) -> str:
    """Return an epoch millisecond as ISO 8601 in UTC, always with milliseconds.

    >>> iso_date(1_700_000_000_000)
    '2023-11-14T22:13:20.000+00:00'
    """
    return (_EPOCH + timedelta(milliseconds=at_ms)).isoformat(timespec="milliseconds")
