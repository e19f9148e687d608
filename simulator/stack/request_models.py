"""The models that messages of a WebSocket route must fit (M09): JSON schemas of draft 4, checked when the stack loads.

A schema may refer to its own parts (`#/definitions/…`). References to other models by URL are refused by name: which
model a URL means is decided by an account.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from simulator.stack.place import Place
from simulator.stack.resources import Properties

_NAME = re.compile(r"[A-Za-z0-9]{1,128}")
_JSON_TYPE = "application/json"
DEFAULT_KEY = "$default"


def build_model(properties: Properties) -> tuple[str, Mapping[str, Any]]:
    """One `AWS::ApiGatewayV2::Model`: its name and its schema."""
    name = properties.required("Name")
    if not _NAME.fullmatch(name):
        raise properties.error("Name", f"'{name}' must be 1 to 128 letters and digits.")
    content_type = properties.text("ContentType", _JSON_TYPE)
    if content_type != _JSON_TYPE:
        raise properties.error("ContentType", f"'{content_type}' is not simulated; only {_JSON_TYPE} is.")
    schema = properties.value("Schema")
    place = properties.place.at("Schema")
    if isinstance(schema, str):
        try:
            schema = json.loads(schema)
        except (ValueError, RecursionError) as error:
            raise place.error(f"is not JSON ({error}); correct it.") from error
    if not isinstance(schema, dict):
        raise place.error("must be a JSON schema, an object.")
    _check_schema(schema, place)
    _check_parts(schema, place)
    return name, schema


def route_models(route: Properties, models: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """The schemas of a route by the key that its ModelSelectionExpression selects (`models` by name)."""
    inside = route.inside("RequestModels")
    found: dict[str, Mapping[str, Any]] = {}
    for key in route.mapping("RequestModels"):
        name = inside.required(key)
        if name not in models:
            raise inside.error(key, f"'{name}' is not the Name of a model of this API in this template; correct it.")
        found[key] = models[name]
    return found


def model_selection(route: Properties) -> str | None:
    """The expression that selects a model, None when it is always the one called `$default`."""
    expression = route.text("ModelSelectionExpression")
    return None if expression in ("", DEFAULT_KEY) else expression


def _check_parts(schema: Mapping[str, Any], place: Place) -> None:
    """Refuse what the schema of schemas lets through: a `$ref` that leads out or nowhere, a name that is no pattern."""
    waiting: list[Any] = [schema]
    while waiting:
        part = waiting.pop()
        if isinstance(part, Mapping):
            reference = part.get("$ref")
            if isinstance(reference, str):
                if not reference.startswith("#"):
                    raise place.error(
                        f"refers to '{reference}', another model, which is not simulated; write it out here."
                    )
                if not _leads_somewhere(reference, schema):
                    raise place.error(f"refers to '{reference}', which it does not have; correct the reference.")
            for pattern in part.get("patternProperties") or ():
                _check_pattern(pattern, place)
            waiting += part.values()
        elif isinstance(part, list):
            waiting += part


def _check_pattern(pattern: str, place: Place) -> None:
    try:
        re.compile(pattern)
    except re.error as error:
        raise place.error(
            f"has '{pattern}' among patternProperties, which is no pattern ({error}); correct it."
        ) from error


def _leads_somewhere(reference: str, schema: Any) -> bool:
    part = schema
    for name in reference.removeprefix("#").split("/")[1:]:
        key = name.replace("~1", "/").replace("~0", "~")
        if isinstance(part, list) and key.isascii() and key.isdigit() and int(key) < len(part):
            part = part[int(key)]
        elif isinstance(part, Mapping) and key in part:
            part = part[key]
        else:
            return False
    return reference == "#" or reference.startswith("#/")


def _check_schema(schema: Mapping[str, Any], place: Place) -> None:
    from jsonschema import Draft4Validator, SchemaError  # noqa: PLC0415  slow, and few templates have a model

    try:
        Draft4Validator.check_schema(schema)
    except SchemaError as error:
        where = "".join(f".{step}" for step in error.absolute_path)
        message = re.sub(r"\s+", " ", error.message)
        raise place.error(f"is not a JSON schema of draft 4 (at ${where}: {message}); correct it.") from error
