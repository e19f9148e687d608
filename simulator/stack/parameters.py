"""Template parameters: defaults, overrides and the constraints a template puts on them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from simulator.stack.place import Place

ParameterValue = str | list[str]


def parameter_values(
    declared: Mapping[str, Any], given: Mapping[str, str], place: Place
) -> tuple[dict[str, ParameterValue], dict[str, str]]:
    """What `Ref` gives for each parameter, and the plain strings they were made from.

    List types come as lists in the first. Raises `InputError` for an override that the template does not declare, a
    parameter without any value, or a value its constraints forbid.
    """
    for name in given:
        if name not in declared:
            known = f"it has {', '.join(sorted(declared))}" if declared else "it has none"
            raise place.error(f"has no parameter '{name}' ({known}); correct the name.")
    values: dict[str, ParameterValue] = {}
    texts: dict[str, str] = {}
    for name, declaration in declared.items():
        here = place.named("parameter", name)
        if not isinstance(declaration, Mapping):
            raise here.error("must be a mapping with a Type.")
        kind = str(declaration.get("Type", "String"))
        text = given.get(name)
        if text is None:
            text = _default(declaration, kind, here)
        values[name] = _checked(text, kind, declaration, here)
        texts[name] = text
    return values, texts


def _default(declaration: Mapping[str, Any], kind: str, place: Place) -> str:
    if kind.startswith("AWS::SSM::Parameter"):
        raise place.error("is looked up in the Systems Manager of an account; give its value as a parameter.")
    if declaration.get("Default") is None:
        raise place.error("has no default and was given no value; give one as a parameter.")
    return as_text(declaration["Default"])


def as_text(value: Any) -> str:
    """A scalar as CloudFormation writes it: `true` and not `True`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _checked(text: str, kind: str, declaration: Mapping[str, Any], place: Place) -> ParameterValue:
    is_list = kind == "CommaDelimitedList" or kind.startswith("List<")
    items = [item.strip() for item in text.split(",")] if is_list else [text]
    for item in items:
        if kind in ("Number", "List<Number>"):
            _check_number(item, declaration, place)
        _check_text(item, declaration, place)
    return items if is_list else text


def _hint(declaration: Mapping[str, Any]) -> str:
    described = declaration.get("ConstraintDescription")
    return f" ({described})" if described else ""


def _check_number(item: str, declaration: Mapping[str, Any], place: Place) -> None:
    try:
        number = float(item)
    except ValueError:
        raise place.error(f"must be a number, and '{item}' is not{_hint(declaration)}.") from None
    if "MinValue" in declaration and number < float(declaration["MinValue"]):
        raise place.error(f"must be at least {declaration['MinValue']}, and is {item}{_hint(declaration)}.")
    if "MaxValue" in declaration and number > float(declaration["MaxValue"]):
        raise place.error(f"must be at most {declaration['MaxValue']}, and is {item}{_hint(declaration)}.")


def _check_text(item: str, declaration: Mapping[str, Any], place: Place) -> None:
    allowed = declaration.get("AllowedValues")
    if isinstance(allowed, list) and item not in [as_text(value) for value in allowed]:
        choices = ", ".join(as_text(value) for value in allowed)
        raise place.error(f"must be one of {choices}, and is '{item}'{_hint(declaration)}.")
    pattern = declaration.get("AllowedPattern")
    if pattern is not None:
        try:
            matches = re.fullmatch(str(pattern), item)
        except re.error as error:
            raise place.at("AllowedPattern").error(f"is not a regular expression ({error}); correct it.") from error
        if not matches:
            raise place.error(f"must match {pattern}, and '{item}' does not{_hint(declaration)}.")
    if "MinLength" in declaration and len(item) < int(declaration["MinLength"]):
        raise place.error(f"must have at least {declaration['MinLength']} characters{_hint(declaration)}.")
    if "MaxLength" in declaration and len(item) > int(declaration["MaxLength"]):
        raise place.error(f"must have at most {declaration['MaxLength']} characters{_hint(declaration)}.")
