"""Which route a message takes: the route selection expression, evaluated on the body (M01–M04, M06).

Source: API Gateway Developer Guide, "Working with routes for WebSocket APIs".
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection
from typing import Any

CONNECT, DISCONNECT, DEFAULT = "$connect", "$disconnect", "$default"

_WHOLE = re.compile(r"\$request\.body\.([A-Za-z0-9_.-]+)")
_PART = re.compile(r"\$\{request\.body\.([A-Za-z0-9_.-]+)\}")

_MISSING = object()

RouteSelector = Callable[[str], str | None]
"""Takes the text of a message; gives the route key asked for, or None when there is none to be had."""


def compile_expression(expression: str) -> RouteSelector:
    """Turn a route selection expression into a function of the message text.

    `$request.body.action` and `${request.body.action}` are the same; several `${…}` may be joined with literals, and
    one whose path is missing then counts as empty (M02). Text that is not a JSON object selects nothing (M04).
    Raises ValueError for an expression of another form.
    """
    whole = _WHOLE.fullmatch(expression) or _PART.fullmatch(expression)
    if whole:
        path = whole.group(1).split(".")

        def select_one(text: str) -> str | None:
            body = _parse(text)
            value = _look_up(body, path) if body is not None else _MISSING
            return None if value is _MISSING else _stringify(value)

        return select_one
    pieces = _PART.split(expression)
    if len(pieces) == 1 or any("${" in literal for literal in pieces[::2]):
        raise ValueError(f"{expression!r} is not a route selection expression on $request.body")

    def select_composite(text: str) -> str | None:
        body = _parse(text)
        if body is None:
            return None
        result = []
        for index, piece in enumerate(pieces):
            value = _look_up(body, piece.split(".")) if index % 2 else piece
            result.append("" if value is _MISSING else _stringify(value))
        return "".join(result)

    return select_composite


def choose_route(asked: str | None, keys: Collection[str], *, reserved: bool = False) -> str | None:
    """The key of the route that takes the message, or None when there is no match and no `$default`.

    Matching is exact. A client cannot pick `$connect`, `$disconnect` or `$default` by name, since the `$` prefix is
    reserved; `reserved` lets it (M06, inferred).
    """
    if asked is not None and asked in keys and (reserved or not asked.startswith("$")):
        return asked
    return DEFAULT if DEFAULT in keys else None


def _parse(text: str) -> dict[str, Any] | None:
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def _look_up(body: Any, path: list[str]) -> Any:
    for name in path:
        if not isinstance(body, dict) or name not in body:
            return _MISSING
        body = body[name]
    return _MISSING if body is None else body


def _stringify(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "[" + ", ".join(_stringify(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}={_stringify(item)}" for key, item in value.items()) + "}"
    return "null" if value is None else str(value)
