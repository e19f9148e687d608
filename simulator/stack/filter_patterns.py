"""What a filter pattern of an event source mapping may look like (Q23); what fits one is the triggers' part.

A pattern is a JSON object whose leaves are lists; a value fits a list when it fits one of its members: a text, number,
truth value or null that it must equal, or an object with one operator. `$or` holds patterns of which one must fit.

Sources: Lambda Developer Guide, "Control which events Lambda sends to your function" (syntax, and five filters per
mapping); EventBridge User Guide, "Comparison operators".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

MAX_FILTERS = 5
"""Of one mapping; more need a raised quota."""
MAX_PATTERN_CHARACTERS = 4_096
OPERATORS = ("prefix", "suffix", "equals-ignore-case", "anything-but", "numeric", "exists")
_LOWER, _UPPER = (">", ">="), ("<", "<=")
_DEEPEST = 100


class PatternError(ValueError):
    """A pattern that AWS would refuse; the text says where and why, as half a sentence."""


def check_pattern(pattern: Any) -> None:
    """Raise `PatternError` unless `pattern` (already decoded) is one that can be evaluated."""
    _check_object(pattern, "$", 0)


def _check_object(pattern: Any, where: str, depth: int) -> None:
    if not isinstance(pattern, Mapping):
        raise PatternError(f"{where} must be an object")
    if not pattern:
        raise PatternError(f"{where} is empty")
    if depth > _DEEPEST:
        raise PatternError(f"{where} is nested too deep")
    for name, value in pattern.items():
        here = f"{where}.{name}"
        if name == "$or":
            _check_alternatives(value, here, depth)
        elif isinstance(value, list):
            if not value:
                raise PatternError(f"{here} is an empty list")
            for number, item in enumerate(value):
                _check_item(item, f"{here}[{number}]")
        elif isinstance(value, Mapping):
            _check_object(value, here, depth + 1)
        else:
            raise PatternError(f"{here} must be a list of what is allowed, or an object")


def _check_alternatives(value: Any, where: str, depth: int) -> None:
    if not isinstance(value, list) or len(value) < 2:  # noqa: PLR2004
        raise PatternError(f"{where} must be a list of at least two patterns")
    for number, item in enumerate(value):
        _check_object(item, f"{where}[{number}]", depth + 1)


def _check_item(item: Any, where: str) -> None:
    if item is None or isinstance(item, bool | int | float | str):
        return
    if not isinstance(item, Mapping) or len(item) != 1:
        raise PatternError(f"{where} must be a text, number, truth value or null, or an object with one operator")
    ((operator, operand),) = item.items()
    if operator not in OPERATORS:
        raise PatternError(f"{where} has the operator {operator!r}, which is not one of {', '.join(OPERATORS)}")
    _OPERAND_CHECKS[operator](operand, f"{where}.{operator}")


def _check_affix(operand: Any, where: str) -> None:
    if isinstance(operand, Mapping) and list(operand) == ["equals-ignore-case"]:
        operand = operand["equals-ignore-case"]
    _check_text(operand, where)


def _check_text(operand: Any, where: str) -> None:
    if not isinstance(operand, str):
        raise PatternError(f"{where} must be a text")


def _check_anything_but(operand: Any, where: str) -> None:
    if isinstance(operand, Mapping):
        if list(operand) not in (["prefix"], ["suffix"], ["equals-ignore-case"]):
            raise PatternError(
                f"{where} must be a value, a list of values, or one of prefix, suffix, equals-ignore-case"
            )
        ((name, inner),) = operand.items()
        for text in inner if isinstance(inner, list) and inner else [inner]:
            _check_text(text, f"{where}.{name}")
        return
    for value in operand if isinstance(operand, list) and operand else [operand]:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise PatternError(f"{where} must be a text or a number, or a list of them")


def _check_numeric(operand: Any, where: str) -> None:
    if not isinstance(operand, list) or len(operand) not in (2, 4):
        raise PatternError(f'{where} must be a list like [">", 0, "<=", 10]')
    comparisons, numbers = operand[::2], operand[1::2]
    if any(isinstance(each, bool) or not isinstance(each, int | float) or not math.isfinite(each) for each in numbers):
        raise PatternError(f"{where} must compare with numbers")
    if any(not isinstance(each, str) or each not in ("=", *_LOWER, *_UPPER) for each in comparisons):
        raise PatternError(f"{where} must compare by =, <, <=, > or >=")
    if len(operand) == 4 and (  # noqa: PLR2004
        comparisons[0] not in _LOWER or comparisons[1] not in _UPPER or numbers[0] >= numbers[1]
    ):
        raise PatternError(f"{where} must be a range from a lower to an upper bound")


def _check_exists(operand: Any, where: str) -> None:
    if not isinstance(operand, bool):
        raise PatternError(f"{where} must be true or false")


_OPERAND_CHECKS: Mapping[str, Callable[[Any, str], None]] = {
    "prefix": _check_affix,
    "suffix": _check_affix,
    "equals-ignore-case": _check_text,
    "anything-but": _check_anything_but,
    "numeric": _check_numeric,
    "exists": _check_exists,
}
