"""CloudFormation's functions, resolved to plain values: `Ref`, `Fn::GetAtt`, `Fn::Sub`, `Fn::If` and the rest.

Only what is asked for is resolved, so a function we do not know does no harm in a resource we do not simulate.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from simulator.stack.parameters import as_text
from simulator.stack.place import Place

REMOVED = object()
"""What `AWS::NoValue` resolves to: the key or list entry that holds it disappears."""

_PLACEHOLDER = re.compile(r"\$\{(!?)([^}]*)\}")
_MAX_DEPTH = 50


class References(Protocol):
    """What the names in a template stand for."""

    def ref(self, name: str, place: Place) -> Any:
        """The value of `Ref`: a parameter's, a pseudo parameter's or a resource's."""

    def attribute(self, logical_id: str, attribute: str, place: Place) -> Any:
        """The value of `Fn::GetAtt`."""


class Resolver:
    """Resolves the functions of one template."""

    def __init__(self, references: References, conditions: Mapping[str, Any], mappings: Mapping[str, Any]) -> None:
        self._references = references
        self._conditions = conditions
        self._mappings = mappings
        self._known: dict[str, bool] = {}
        self._evaluating: list[str] = []
        self._depth = 0
        self._functions: dict[str, Callable[[Any, Place], Any]] = {
            "Ref": self._ref,
            "Fn::GetAtt": self._get_att,
            "Fn::Sub": self._sub,
            "Fn::Join": self._join,
            "Fn::Select": self._select,
            "Fn::Split": self._split,
            "Fn::If": self._if,
            "Fn::FindInMap": self._find_in_map,
            "Fn::ImportValue": self._import_value,
            "Fn::Transform": self._transform,
        }
        self._tests: dict[str, Callable[[Any, Place], bool]] = {
            "Condition": lambda name, place: self.condition(self._text(name, place), place),
            "Fn::Equals": self._equals,
            "Fn::And": lambda tests, place: all(self._test(test, place) for test in self._tests_of(tests, place)),
            "Fn::Or": lambda tests, place: any(self._test(test, place) for test in self._tests_of(tests, place)),
            "Fn::Not": lambda tests, place: not self._test(self._arguments(tests, 1, "Fn::Not", place)[0], place),
        }

    def resolve(self, value: Any, place: Place) -> Any:
        """`value` without any function in it; `REMOVED` if that is what it comes to."""
        self._depth += 1
        try:
            if self._depth > _MAX_DEPTH:
                raise place.error("is nested too deeply, or refers to itself; break the circle.")
            return self._resolve(value, place)
        finally:
            self._depth -= 1

    def condition(self, name: str, place: Place) -> bool:
        """Whether the condition called `name` holds."""
        if name in self._known:
            return self._known[name]
        if name not in self._conditions:
            raise place.error(f"uses the condition '{name}', which the template does not define; define it.")
        if name in self._evaluating:
            raise place.named("condition", name).error("refers to itself; break the circle.")
        self._evaluating.append(name)
        try:
            self._known[name] = self._test(self._conditions[name], place.named("condition", name))
        finally:
            self._evaluating.pop()
        return self._known[name]

    # -- values ----------------------------------------------------------------------------------------------------

    def _resolve(self, value: Any, place: Place) -> Any:
        if isinstance(value, list):
            resolved = (self.resolve(item, place) for item in value)
            return [item for item in resolved if item is not REMOVED]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            (name, argument) = next(iter(value.items()))
            if name in self._functions:
                return self._functions[name](argument, place)
            if name.startswith("Fn::"):
                raise place.error(f"uses {name}, which the simulator does not evaluate; write the value out.")
        items = {key: self.resolve(item, place) for key, item in value.items()}
        return {key: item for key, item in items.items() if item is not REMOVED}

    def _ref(self, name: Any, place: Place) -> Any:
        if not isinstance(name, str):
            raise place.error("Ref takes a name.")
        return REMOVED if name == "AWS::NoValue" else self._references.ref(name, place)

    def _get_att(self, argument: Any, place: Place) -> Any:
        parts = argument.split(".", 1) if isinstance(argument, str) else argument
        logical_id, attribute = self._arguments(parts, 2, "Fn::GetAtt", place)
        return self._references.attribute(str(logical_id), self._text(attribute, place), place)

    def _sub(self, argument: Any, place: Place) -> str:
        text, variables = argument, {}
        if isinstance(argument, list):
            text, variables = self._arguments(argument, 2, "Fn::Sub", place)
        if not isinstance(text, str) or not isinstance(variables, Mapping):
            raise place.error("Fn::Sub takes a text, or a text and a mapping of names to values.")

        def value(match: re.Match[str]) -> str:
            literal, name = match[1], match[2].strip()
            if literal:
                return f"${{{name}}}"
            if name in variables:
                return self._text(variables[name], place)
            if name in ("", "AWS::NoValue"):
                raise place.error(
                    f"Fn::Sub cannot put a value in the place of ${{{name}}}; name a parameter or resource."
                )
            if "." in name:
                return self._text({"Fn::GetAtt": name.split(".", 1)}, place)
            return self._text({"Ref": name}, place)

        return _PLACEHOLDER.sub(value, text)

    def _join(self, argument: Any, place: Place) -> str:
        separator, parts = self._arguments(argument, 2, "Fn::Join", place)
        return self._text(separator, place).join(as_text(part) for part in self._list(parts, "Fn::Join", place))

    def _select(self, argument: Any, place: Place) -> Any:
        index_value, items_value = self._arguments(argument, 2, "Fn::Select", place)
        items = self._list(items_value, "Fn::Select", place)
        index_text = self._text(index_value, place)
        if not index_text.isdigit() or int(index_text) >= len(items):
            raise place.error(f"Fn::Select asks for entry {index_text} of a list of {len(items)}; correct the index.")
        return items[int(index_text)]

    def _split(self, argument: Any, place: Place) -> list[str]:
        separator, text = self._arguments(argument, 2, "Fn::Split", place)
        separator = self._text(separator, place)
        if not separator:
            raise place.error("Fn::Split needs a separator that is not empty.")
        return self._text(text, place).split(separator)

    def _if(self, argument: Any, place: Place) -> Any:
        name, then, otherwise = self._arguments(argument, 3, "Fn::If", place)
        return self.resolve(then if self.condition(str(name), place) else otherwise, place)

    def _find_in_map(self, argument: Any, place: Place) -> Any:
        keys = [self._text(key, place) for key in self._arguments(argument, 3, "Fn::FindInMap", place)]
        found: Any = self._mappings
        for key in keys:
            if not isinstance(found, Mapping) or key not in found:
                raise place.error(f"Fn::FindInMap finds no {' / '.join(keys)} in Mappings; add it or correct the keys.")
            found = found[key]
        return found

    def _import_value(self, argument: Any, place: Place) -> Any:
        del argument
        raise place.error(
            "uses Fn::ImportValue, and there is no other stack here to import from; make it a parameter instead."
        )

    def _transform(self, argument: Any, place: Place) -> Any:
        del argument
        raise place.error("uses Fn::Transform, which includes other files or runs macros; write the content out.")

    # -- tests -----------------------------------------------------------------------------------------------------

    def _test(self, value: Any, place: Place) -> bool:
        if isinstance(value, dict) and len(value) == 1:
            (name, argument) = next(iter(value.items()))
            if name in self._tests:
                return self._tests[name](argument, place)
        raise place.error("must be Fn::Equals, Fn::And, Fn::Or, Fn::Not or Condition.")

    def _tests_of(self, value: Any, place: Place) -> list[Any]:
        if not isinstance(value, list) or not value:
            raise place.error("Fn::And and Fn::Or take a list of conditions.")
        return value

    def _equals(self, argument: Any, place: Place) -> bool:
        left, right = (self.resolve(side, place) for side in self._arguments(argument, 2, "Fn::Equals", place))
        if isinstance(left, list | dict) or isinstance(right, list | dict):
            return bool(left == right)
        return as_text(left) == as_text(right)

    # -- arguments -------------------------------------------------------------------------------------------------

    def _arguments(self, value: Any, count: int, function: str, place: Place) -> list[Any]:
        if not isinstance(value, list) or len(value) != count:
            raise place.error(f"{function} takes a list of {count}.")
        return value

    def _list(self, value: Any, function: str, place: Place) -> list[Any]:
        resolved = self.resolve(value, place)
        if not isinstance(resolved, list):
            raise place.error(f"{function} needs a list here.")
        return resolved

    def _text(self, value: Any, place: Place) -> str:
        resolved = self.resolve(value, place)
        if isinstance(resolved, list | dict) or resolved is None or resolved is REMOVED:
            raise place.error("needs a single value where a list, a mapping or nothing stands.")
        return as_text(resolved)
