"""The shapes on the wire, in wire spelling: the vendor update, the vendor row and the connection row.

Nothing here is ours to rename: browsers, the producer and the reference system all read these keys.
"""

from __future__ import annotations

from typing import NotRequired, TypedDict

SNOWFLAKE_EPOCH_MS = 1_288_834_974_657
"""Epoch milliseconds at which Twitter's ids begin (https://github.com/twitter-archive/snowflake)."""
SNOWFLAKE_LOW_BITS = 22
"""Machine and sequence, below the milliseconds."""


class Coordinates(TypedDict):
    """WGS 84 degrees: `lat` -90…90, `long` -180…180."""

    lat: float
    long: float


class Geo(TypedDict):
    """The place of a tweet; `coordinates` is the vendor's position (never a corner of a bounding box)."""

    id: str
    name: str
    full_name: str
    place_type: str
    country: str
    country_code: str
    coordinates: Coordinates


class VendorUpdate(TypedDict):
    """One formatted tweet: the body of a queue message, and the frame every viewer receives, as it is."""

    id: str
    """A snowflake in decimal: milliseconds since 1288834974657 in the bits above 22."""
    userId: str
    """The vendor's `twitterId`."""
    userName: str
    text: str
    date: str
    """ISO 8601 with offset."""
    geo: Geo


class VendorRow(TypedDict):
    """A row of the vendors table (hash key `twitterId`)."""

    twitterId: str
    name: str
    image: str
    description: str
    tweets: list[VendorUpdate]
    """The most recent updates, oldest first, bounded in number."""
    created: int
    """Epoch milliseconds."""
    updated: int
    """Epoch milliseconds."""


class ConnectionRow(TypedDict):
    """A row of the connections table (hash key `connectionId`)."""

    connectionId: str
    connectedAt: NotRequired[int]
    """Epoch milliseconds."""
    expiresAt: NotRequired[int]
    """Epoch seconds: the table's TTL attribute."""
