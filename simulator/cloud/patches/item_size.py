"""How many bytes an item is by DynamoDB's rules, which capacity (D08) and the limit of 400 KB (D10) go by.

Source: DynamoDB Developer Guide, "DynamoDB item sizes and formats". That a number takes a byte for two digits is an
approximation of AWS's own.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from moto.dynamodb.models.dynamo_type import DynamoType

_COLLECTION_BYTES = 3
_ELEMENT_BYTES = 1


def item_bytes(attributes: Mapping[str, Any]) -> int:
    """Names and values of an item, given as on the wire (`{"id": {"S": "x"}}`) or as moto stores it."""
    return sum(len(name.encode("utf-8", "surrogatepass")) + value_bytes(value) for name, value in attributes.items())


def value_bytes(attribute: Any) -> int:
    """One attribute value without its name."""
    kind, value = _parts(attribute)
    if kind == "S":
        return len(str(value).encode("utf-8", "surrogatepass"))
    if kind == "N":
        return _number_bytes(str(value))
    if kind == "B":
        return _binary_bytes(value)
    if kind in ("SS", "NS", "BS") and isinstance(value, list):
        return sum(value_bytes({kind[0]: each}) for each in value)
    if kind == "L" and isinstance(value, list):
        return _COLLECTION_BYTES + sum(_ELEMENT_BYTES + value_bytes(each) for each in value)
    if kind == "M" and isinstance(value, Mapping):
        return _COLLECTION_BYTES + _ELEMENT_BYTES * len(value) + item_bytes(value)
    return 1  # BOOL and NULL


def _parts(attribute: Any) -> tuple[str, Any]:
    if isinstance(attribute, DynamoType):
        return attribute.type, attribute.value
    # What is no attribute value at all is moto's to refuse.
    return next(iter(attribute.items()), ("", None)) if isinstance(attribute, Mapping) else ("", None)


def _number_bytes(text: str) -> int:
    try:
        number = Decimal(text).normalize().as_tuple()
    except InvalidOperation:
        return len(text)
    return (len(number.digits) + 1) // 2 + 1 + number.sign


def _binary_bytes(value: str | bytes) -> int:
    if isinstance(value, bytes):
        return len(value)
    try:
        return len(base64.b64decode(value))
    except (binascii.Error, TypeError, ValueError):
        return len(str(value))
