"""DynamoDB's typed attribute values (`{"S": "x"}`) to plain JSON-ready values and back.

boto3's own converter turns numbers into `Decimal`, which JSON cannot carry, and refuses floats (D14). Positions and
epoch times survive a float or an int unchanged, so numbers here are plain ones.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

Wire = dict[str, Any]
SMALLEST = 1e-130
"""DynamoDB refuses smaller magnitudes except zero, and larger ones than `LARGEST`."""
LARGEST = 9.9e125
MAX_DIGITS = 38
"""DynamoDB refuses numbers of more significant digits; a float never has them, an int may."""


def from_wire(value: Wire) -> Any:
    """Return the plain value; sets become sorted lists, binary becomes base64 text. Raises ValueError on rubbish."""
    if len(value) != 1:
        raise ValueError(f"an attribute value has exactly one type, not {sorted(value)}")
    ((kind, inner),) = value.items()
    read = _READERS.get(kind)
    if read is None:
        raise ValueError(f"unknown attribute type {kind!r}")
    return read(inner)


def to_wire(value: Any) -> Wire:
    """Return the typed value of a JSON-like value. Raises ValueError for what DynamoDB cannot hold."""
    match value:
        case None:
            return {"NULL": True}
        case bool():
            return {"BOOL": value}
        case str():
            return {"S": value}
        case int() | float():
            return {"N": _number_text(value)}
        case list() | tuple():
            return {"L": [to_wire(item) for item in value]}
        case dict():
            return {"M": {name: to_wire(item) for name, item in value.items()}}
        case _:
            raise ValueError(f"{type(value).__name__} has no attribute type")


def row_from_wire(row: dict[str, Wire]) -> dict[str, Any]:
    """Return a whole item as a plain dict."""
    return {name: from_wire(value) for name, value in row.items()}


def row_to_wire(row: dict[str, Any]) -> dict[str, Wire]:
    """Return a plain dict as a whole item."""
    return {name: to_wire(value) for name, value in row.items()}


def _number(text: str) -> int | float:
    try:
        return int(text)
    except ValueError:
        return float(text)


def _base64(binary: bytes) -> str:
    return base64.b64encode(binary).decode()


_READERS: dict[str, Callable[[Any], Any]] = {
    "S": lambda text: text,
    "N": _number,
    "BOOL": lambda flag: flag,
    "NULL": lambda _: None,
    "M": row_from_wire,
    "L": lambda inner: [from_wire(item) for item in inner],
    "B": _base64,
    "SS": sorted,
    "NS": lambda inner: sorted(map(_number, inner)),
    "BS": lambda inner: sorted(map(_base64, inner)),
}


def _number_text(value: float) -> str:
    # Not `abs(value) > LARGEST`: NaN is to fail too.
    if not abs(value) <= LARGEST or (isinstance(value, int) and len(str(abs(value)).rstrip("0")) > MAX_DIGITS):
        raise ValueError("a number of this size or precision is nothing that DynamoDB can hold")
    return "0" if abs(value) < SMALLEST else repr(value)
