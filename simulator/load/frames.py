"""What a frame says, read without trust: it may be an update, an error frame of the gateway, or anything else."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

Position = tuple[float, float]
"""Latitude and longitude, WGS 84 degrees."""

_SHOWN_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class UpdateFrame:
    """A vendor update, well formed as far as a map needs it."""

    update_id: str
    vendor: str
    """The vendor's `twitterId`."""
    position: Position
    digest: bytes
    """Of the whole content, whatever the order of keys and the spacing."""


@dataclass(frozen=True, slots=True)
class ErrorFrame:
    """A frame the gateway sends when a route fails (M05, M07, M08)."""

    message: str


@dataclass(frozen=True, slots=True)
class NoiseFrame:
    """Anything else."""

    reason: str


Frame = UpdateFrame | ErrorFrame | NoiseFrame


def read_frame(payload: bytes) -> Frame:
    """Read one text frame; never raises, whatever it holds."""
    try:
        text = payload.decode("utf-8")
    except UnicodeDecodeError:
        return NoiseFrame(f"not UTF-8: {payload[:_SHOWN_CHARACTERS]!r}")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return NoiseFrame(f"not JSON: {text[:_SHOWN_CHARACTERS]}")
    if not isinstance(value, dict):
        return NoiseFrame(f"not an object: {text[:_SHOWN_CHARACTERS]}")
    if isinstance(message := value.get("message"), str) and "geo" not in value:
        return ErrorFrame(message[:_SHOWN_CHARACTERS])
    update_id, vendor, position = value.get("id"), value.get("userId"), _position(value)
    if not isinstance(update_id, str) or not isinstance(vendor, str) or position is None:
        return NoiseFrame(f"not a vendor update: {text[:_SHOWN_CHARACTERS]}")
    try:
        return UpdateFrame(update_id, vendor, position, content_digest(value))
    except RecursionError:
        return NoiseFrame(f"nested too deeply: {text[:_SHOWN_CHARACTERS]}")


def content_digest(update: Mapping[str, Any]) -> bytes:
    """16 bytes that are equal for equal content: what was published and what arrived are compared by it."""
    canonical = json.dumps(update, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(canonical.encode(), digest_size=16).digest()


def update_order(update_id: str) -> int:
    """Where an update stands among its vendor's: snowflakes grow with time. -1 for an id that is not a snowflake."""
    # The length bound keeps a hostile id from costing a huge conversion.
    return int(update_id) if update_id.isascii() and update_id.isdigit() and len(update_id) <= 20 else -1  # noqa: PLR2004


def _position(value: Mapping[str, Any]) -> Position | None:
    geo = value.get("geo")
    coordinates = geo.get("coordinates") if isinstance(geo, dict) else None
    if not isinstance(coordinates, dict):
        return None
    latitude, longitude = coordinates.get("lat"), coordinates.get("long")
    if not _is_number(latitude) or not _is_number(longitude):
        return None
    return (latitude, longitude)


def _is_number(value: object) -> TypeGuard[float]:
    # A whole number too large for a float cannot be a coordinate, and isfinite would raise on it.
    return (isinstance(value, float) and math.isfinite(value)) or (type(value) is int and abs(value) <= 360)  # noqa: PLR2004
