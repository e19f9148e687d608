"""Stock moto walks a service model for every attribute of every row it returns: 0.3 to 0.5 ms a row.

The results of item operations are written as JSON at once, from the values as they are stored: these know their wire
shape (`{"S": …}`). Headers (`x-amzn-RequestId`, `x-amz-crc32`) are added by moto afterwards, as always.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

from moto.core.responses import ActionContext, ActionResult
from moto.dynamodb.models.dynamo_type import DynamoType
from moto.dynamodb.responses import DynamoResult

from simulator.cloud.patches.patching import Patching

_OPERATIONS = frozenset(
    {"BatchGetItem", "DeleteItem", "GetItem", "PutItem", "Query", "Scan", "TransactGetItems", "UpdateItem"}
)
_CONTENT_TYPE = "application/x-amz-json-1.0"


def _wire(value: Any) -> Any:
    """What JSON does not know by itself."""
    if type(value) is DynamoType:
        return {value.type: value.value}
    if isinstance(value, bytes | bytearray):
        return base64.b64encode(value).decode("ascii")
    if hasattr(value, "to_json"):
        return value.to_json()
    raise TypeError(f"{type(value).__name__} has no wire form")


_to_json = json.JSONEncoder(default=_wire, check_circular=False).encode


def apply(patching: Patching) -> None:
    """Write results of item operations directly; convert all others as stock moto does, when they are written."""
    stock_init: Callable[[DynamoResult, object], None] = vars(DynamoResult)["__init__"]
    inherited: Callable[[DynamoResult, ActionContext], Any] = DynamoResult.execute_result

    def init(self: DynamoResult, result: object) -> None:
        ActionResult.__init__(self, result)

    def execute_result(self: DynamoResult, context: ActionContext) -> Any:
        result = self.result
        if context.operation_model.name in _OPERATIONS and isinstance(result, dict):
            members = context.operation_model.output_shape.members
            try:
                body = _to_json({key: each for key, each in result.items() if each is not None and key in members})
            except TypeError:
                pass
            else:
                return 200, {"Content-Type": _CONTENT_TYPE}, body
        stock_init(self, result)
        return inherited(self, context)

    patching.replace(DynamoResult, "__init__", init)
    patching.replace(DynamoResult, "execute_result", execute_result)
