"""Stock moto walks a service model for every member of every message it returns, a third of what a receive costs.

The results that bear messages are in wire shape already, so they are written as JSON at once, where JSON is spoken.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

from moto.core.responses import ActionContext, ActionResult
from moto.core.serialize import JSONSerializer

from simulator.cloud.patches.patching import Patching

_OPERATIONS = frozenset(
    {"ChangeMessageVisibilityBatch", "DeleteMessageBatch", "ReceiveMessage", "SendMessage", "SendMessageBatch"}
)
_HEADERS = {"Content-Type": "application/x-amz-json-1.0"}


def _binary(value: object) -> str:
    if isinstance(value, bytes | bytearray):
        return base64.b64encode(value).decode("ascii")
    raise TypeError(f"{type(value).__name__} has no wire form")


_to_json = json.JSONEncoder(default=_binary, check_circular=False).encode


def apply(patching: Patching) -> None:
    """Write those results directly; errors, other operations and the query protocol are left to stock moto."""
    stock: Callable[[ActionResult, ActionContext], Any] = vars(ActionResult)["execute_result"]

    def execute_result(self: ActionResult, context: ActionContext) -> Any:
        result = self.result
        if (
            context.service_model.service_name == "sqs"
            and context.operation_model.name in _OPERATIONS
            and context.serializer_class is JSONSerializer
            and isinstance(result, dict)
        ):
            try:
                return 200, dict(_HEADERS), _to_json(result)
            except TypeError:
                pass
        return stock(self, context)

    patching.replace(ActionResult, "execute_result", execute_result)
