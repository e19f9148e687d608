"""Stock moto copies, measures and compares attribute values with generic means, copying parts again at each level.

An update of a vendor's row with its ten tweets copies the row four times, and a scan measures each row of its page.
"""

from __future__ import annotations

import base64
import copy
from decimal import Decimal
from typing import Any

from moto.dynamodb.models.dynamo_type import DynamoType

from simulator.cloud.patches.patching import Patching


def apply(patching: Patching) -> None:
    """Do the same by recursion over what values are made of."""
    patching.replace(DynamoType, "__deepcopy__", _deepcopy)
    patching.replace(DynamoType, "size", _size)
    patching.replace(DynamoType, "to_regular_json", _regular)
    patching.replace(DynamoType, "cast_value", property(_cast))


def _deepcopy(self: DynamoType, memo: dict[int, Any]) -> DynamoType:
    known = memo.get(id(self))
    if known is None:
        known = memo[id(self)] = _copied(self)
    return known if isinstance(known, DynamoType) else _copied(self)


def _copied(value: Any) -> Any:
    kind = type(value)
    if kind is str:
        return value
    if kind is DynamoType:
        made = DynamoType.__new__(DynamoType)
        made.type = value.type
        inner = value.value
        # Most values are texts and numbers, which are texts too.
        made.value = inner if type(inner) is str else _copied(inner)
        return made
    if kind is list:
        return [_copied(each) for each in value]
    if kind is dict:
        return {name: _copied(each) for name, each in value.items()}
    return copy.deepcopy(value)


def _typed(value: Any) -> DynamoType:
    """Stock moto accepts values in wire shape inside lists and maps."""
    return value if type(value) is DynamoType else DynamoType(value)


def _size(self: DynamoType) -> int:
    """As moto counts the 1 MB of a page: names and texts in UTF-8, numbers by their digits."""
    value = self.value
    kind = type(value)
    if kind is str:
        return len(value) if value.isascii() else len(value.encode())
    if self.type == "L":
        return sum([_size(_typed(each)) for each in value])
    if self.type == "M":
        return sum([len(name.encode()) + _size(_typed(each)) for name, each in value.items()])
    if kind is list:
        return sum([len(each if isinstance(each, bytes) else each.encode()) for each in value])
    if isinstance(value, bool):
        return 1
    return len(value if isinstance(value, bytes) else str(value).encode())


def _cast(self: DynamoType) -> Any:
    """What values are compared by."""
    value = self.value
    if self.type == "S":
        return value
    if self.type == "N":
        return Decimal(value)
    if self.type == "L":
        return [_cast(_typed(each)) for each in value]
    if self.type == "M":
        return {name: _cast(_typed(each)) for name, each in value.items()}
    if self.type == "NS":
        return {Decimal(each) for each in value}
    if self.type in ("SS", "BS"):
        return set(value)
    return None if self.type == "NULL" else value


def _regular(self: DynamoType) -> dict[str, Any]:
    value = self.value
    kind = type(value)
    if kind is dict:
        return {self.type: {name: _regular_part(each) for name, each in value.items()}}
    if kind is list:
        return {self.type: [_regular_part(each) for each in value]}
    if self.type == "B" and kind is str:
        return {self.type: base64.b64decode(value)}
    return {self.type: value}


def _regular_part(value: Any) -> Any:
    return _regular(value) if type(value) is DynamoType else copy.deepcopy(value)
