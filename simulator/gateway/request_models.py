"""Whether a message fits the model of its route: JSON schema, checked before the function is called (M09).

Source: API Gateway Developer Guide, "Request validation" (WebSocket APIs): the route's model selection expression
picks a model by key; `$default` stands for the rest. A message that no model is chosen for is not checked.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from simulator.gateway.route_selection import DEFAULT, compile_expression
from simulator.stack.model import WebSocketRoute

Fits = Callable[[str], bool]
"""Takes the text of a message."""


def model_check(route: WebSocketRoute) -> Fits | None:
    """The check of one route, or None when it has no models. Raises ValueError for a bad selection expression."""
    if not route.request_models:
        return None
    select = compile_expression(route.model_selection_expression) if route.model_selection_expression else None
    validators = {key: _validator(schema) for key, schema in route.request_models.items()}

    def fits(text: str) -> bool:
        chosen = DEFAULT if select is None else select(text)
        validator = validators.get(chosen or DEFAULT) or validators.get(DEFAULT)
        if validator is None:
            return True
        try:
            return bool(validator(json.loads(text)))
        except (ValueError, RecursionError):
            return False

    return fits


def _validator(schema: Mapping[str, Any]) -> Callable[[Any], bool]:
    from jsonschema import Draft4Validator  # noqa: PLC0415  slow to import, and few APIs have models

    is_valid: Callable[[Any], bool] = Draft4Validator(dict(schema)).is_valid
    return is_valid
