"""Filter criteria: which messages a function sees; the others are deleted unseen (Q23).

A pattern has the shape of the record, with a list of rules at each leaf: fields must all match, of a list one rule is
enough, and of several patterns one. Source: Lambda Developer Guide, "Lambda event filtering" and "Using event
filtering with an Amazon SQS event source".

`body` is special: a pattern of fields is for messages whose body is JSON, a list of rules for those whose body is not,
and a message of the other kind is dropped. That JSON means an object or array here, and not any scalar, is a guess.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from simulator.errors import InputError
from simulator.stack.filter_patterns import PatternError, check_pattern

Pattern = Mapping[str, Any]

_OR = "$or"
_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "=": lambda value, bound: value == bound,
    "<": lambda value, bound: value < bound,
    "<=": lambda value, bound: value <= bound,
    ">": lambda value, bound: value > bound,
    ">=": lambda value, bound: value >= bound,
}
_ABSENT = object()


def accepts(patterns: Sequence[Pattern], record: Mapping[str, Any]) -> bool:
    """Whether the function gets `record` (one of the event's); true when there is no pattern."""
    return not patterns or any(_fits(pattern, record) for pattern in patterns)


def _fits(pattern: Pattern, record: Mapping[str, Any]) -> bool:
    for key, rules in pattern.items():
        if key == _OR:
            if not any(_fits(alternative, record) for alternative in rules):
                return False
        elif key == "body":
            if not _body_fits(rules, record["body"]):
                return False
        elif not _matches({key: rules}, record):
            return False
    return True


def _body_fits(rules: Any, body: str) -> bool:
    data = _parse(body)
    if isinstance(rules, Mapping):
        return data is not None and _matches({"body": rules}, {"body": data})
    return data is None and _leaf_matches(rules, body)


def _parse(body: str) -> Any:
    """The JSON object or array in `body`, or None."""
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):  # nested too deeply: nobody would read it either
        return None
    return data if isinstance(data, dict | list) else None


def _matches(pattern: Pattern, document: Mapping[str, Any]) -> bool:
    for key, rules in pattern.items():
        if key == _OR:
            if not any(_matches(alternative, document) for alternative in rules):
                return False
            continue
        value = document.get(key, _ABSENT)
        if not isinstance(rules, Mapping):
            if not _leaf_matches(rules, value):
                return False
        elif isinstance(value, list):
            if not any(_matches(rules, element) for element in value if isinstance(element, Mapping)):
                return False
        elif not _matches(rules, value if isinstance(value, Mapping) else {}):
            return False
    return True


def _leaf_matches(rules: Sequence[Any], value: Any) -> bool:
    """One of `rules` matches the value, or one element of it if it is a list."""
    values = value if isinstance(value, list) and value else [value]
    return any(_rule_matches(rule, each) for rule in rules for each in values)


def _rule_matches(rule: Any, value: Any) -> bool:
    if not isinstance(rule, Mapping):
        return _same(rule, value)
    [(operator, operand)] = rule.items()
    if operator == "exists":
        return operand is (value is not _ABSENT and not isinstance(value, Mapping))
    if operator == "anything-but":
        return value is not _ABSENT and not isinstance(value, Mapping) and not _excluded(operand, value)
    if operator == "numeric":
        pairs = zip(operand[::2], operand[1::2], strict=True)
        return _is_number(value) and all(_COMPARISONS[sign](value, bound) for sign, bound in pairs)
    return isinstance(value, str) and _text_matches(operator, operand, value)


def _excluded(operand: Any, value: Any) -> bool:
    if isinstance(operand, Mapping):
        return any(_rule_matches({operator: each}, value) for operator, some in operand.items() for each in _each(some))
    return any(_same(each, value) for each in _each(operand))


def _text_matches(operator: str, operand: Any, value: str) -> bool:
    if isinstance(operand, Mapping):  # {"prefix": {"equals-ignore-case": "x"}}
        operand, value = str(operand["equals-ignore-case"]).lower(), value.lower()
    if operator == "prefix":
        return value.startswith(operand)
    if operator == "suffix":
        return value.endswith(operand)
    return value.lower() == str(operand).lower()


def _same(rule: Any, value: Any) -> bool:
    if _is_number(rule) and _is_number(value):
        return bool(rule == value)
    return type(rule) is type(value) and bool(rule == value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _each(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else [value]


# -- what AWS refuses ------------------------------------------------------------------------------------------------


def check_patterns(patterns: Sequence[Pattern], where: str) -> None:
    """Raise `InputError`, naming `where`, for a pattern that AWS would refuse."""
    for pattern in patterns:
        try:
            check_pattern(pattern)
        except PatternError as error:
            raise InputError(f"{where}: Invalid filter pattern definition: {error}; correct it.") from error
