"""A vendor: who it is, and where it is at home."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulator.vendors.city import Area, Place
    from tracker.wire import VendorRow

NAME_LIMIT = 100
"""Characters of a name; Twitter allows 50, published schedules go to 71."""
DESCRIPTION_LIMIT = 160
"""Characters of a description, as in a Twitter profile."""


@dataclass(frozen=True, slots=True)
class Vendor:
    """Someone who sells from a truck, a cart or a bicycle, and tweets where."""

    twitter_id: str
    """Decimal digits; the `userId` of its updates and the hash key of its row."""
    name: str
    handle: str
    """Without the `@`: letters, digits, underscore, at most 15."""
    description: str
    image_url: str
    home: Area
    """Where it moves about."""
    place: Place
    """What its updates say about the place, unless the update knows better."""


def vendor_id_of(name: str) -> str:
    """Return the numeric Twitter id that stands for `name`: eighteen digits, the same in every run.

    Case and spacing do not matter: `Senor Sisig` and `SENOR  SISIG` are one vendor.
    """
    key = " ".join(name.split()).casefold()
    digest = int.from_bytes(hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()[:8], "big")
    return str(10**17 + digest % (9 * 10**17))


def handle_of(name: str) -> str:
    """Return a Twitter handle made from the letters and digits of `name`, at most 15; `vendor` when it has none."""
    return "".join(c for c in name if c.isascii() and c.isalnum())[:15] or "vendor"


def image_url_of(twitter_id: str) -> str:
    """Return the address of a vendor's picture, on a domain reserved for examples (RFC 2606)."""
    return f"https://images.example.com/vendors/{twitter_id}.png"


def vendor_row(vendor: Vendor, now_ms: int) -> VendorRow:
    """Return the row a new vendor has in the vendors table, before its first update."""
    return {
        "twitterId": vendor.twitter_id,
        "name": vendor.name,
        "image": vendor.image_url,
        "description": vendor.description,
        "tweets": [],
        "created": now_ms,
        "updated": now_ms,
    }
