"""The resources of a template as the builders see them: sorted by type, their properties checked and read by name."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from simulator.errors import InputError
from simulator.stack.intrinsics import REMOVED, Resolver
from simulator.stack.parameters import as_text
from simulator.stack.place import Place
from simulator.stack.resource_types import INERT, REFUSED_TYPES, RESOURCE_ATTRIBUTES, SUPPORT


class Properties:
    """The properties of one resource (or of a mapping inside one), functions resolved as they are read."""

    def __init__(self, raw: Mapping[str, Any], resolve: Callable[[Any, Place], Any], place: Place) -> None:
        self._raw = raw
        self._resolve = resolve
        self.place = place

    def value(self, name: str) -> Any:
        """The resolved value, or None when it is absent or `AWS::NoValue`."""
        if name not in self._raw:
            return None
        value = self._resolve(self._raw[name], self.place.at(name))
        return None if value is REMOVED else value

    def text(self, name: str, default: str = "") -> str:
        """A string; scalars of other types are written out as CloudFormation would."""
        value = self.value(name)
        if value is None:
            return default
        if isinstance(value, dict | list):
            raise self.error(name, "must be a text.")
        return as_text(value)

    def required(self, name: str) -> str:
        """A string that must be there."""
        text = self.text(name)
        if not text:
            raise self.error(name, "is missing; add it.")
        return text

    def integer(self, name: str, default: int, low: int, high: int) -> int:
        """A whole number from `low` to `high`, given as a number or as digits."""
        number = self.optional_integer(name, low, high)
        return default if number is None else number

    def optional_integer(self, name: str, low: int, high: int) -> int | None:
        """As `integer`, None when absent."""
        value = self.value(name)
        if value is None:
            return None
        try:
            number = int(value) if not isinstance(value, bool | dict | list) and float(value) == int(value) else None
        except (ValueError, OverflowError):
            number = None
        if number is None or not low <= number <= high:
            raise self.error(name, f"must be a whole number from {low} to {high}, and is {value!r}.")
        return number

    def optional_number(self, name: str, low: float) -> float | None:
        """A finite number of at least `low`, given as one or as digits; None when absent."""
        value = self.value(name)
        if value is None:
            return None
        try:
            number = math.nan if isinstance(value, bool | dict | list) else float(value)
        except ValueError:
            number = math.nan
        if not low <= number < math.inf:
            raise self.error(name, f"must be a number of at least {low:g}, and is {value!r}.")
        return number

    def flag(self, name: str, *, default: bool = False) -> bool:
        """A truth value, given as one or as `"true"` / `"false"`."""
        value = self.value(name)
        if value is None:
            return default
        text = as_text(value).lower()
        if text not in ("true", "false"):
            raise self.error(name, f"must be true or false, and is {value!r}.")
        return text == "true"

    def items(self, name: str) -> list[Any]:
        """A list; empty when absent."""
        value = self.value(name)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self.error(name, "must be a list.")
        return value

    def texts(self, name: str) -> list[str]:
        """A list of strings; empty when absent."""
        items = self.items(name)
        if any(isinstance(item, dict | list) for item in items):
            raise self.error(name, "must be a list of texts.")
        return [as_text(item) for item in items]

    def mapping(self, name: str) -> dict[str, Any]:
        """A mapping; empty when absent."""
        value = self.value(name)
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise self.error(name, "must be a mapping.")
        return value

    def inside(self, name: str) -> Properties:
        """The mapping `name` as properties of its own."""
        return Properties(self.mapping(name), lambda value, _place: value, self.place.at(name))

    def error(self, name: str, text: str) -> InputError:
        """The refusal to raise about the property `name`."""
        return self.place.at(name).error(text)


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource that its condition lets in."""

    logical_id: str
    type: str
    raw: Mapping[str, Any]
    """Its Properties, unresolved."""
    place: Place

    def properties(self, resolver: Resolver) -> Properties:
        """Its properties, to be read."""
        return Properties(self.raw, resolver.resolve, self.place)


def resources_of(
    template: Mapping[str, Any], resolver_condition: Callable[[str, Place], bool], place: Place
) -> dict[str, Resource]:
    """The resources of a template whose conditions hold, by logical id.

    Raises `InputError` for a section that is missing, empty or not of the right shape.
    """
    section = template.get("Resources")
    if not isinstance(section, Mapping) or not section:
        raise place.error("has no Resources section with at least one resource; add what shall be run.")
    found: dict[str, Resource] = {}
    for logical_id, body in section.items():
        here = place.resource(str(logical_id))
        if not isinstance(body, Mapping) or not isinstance(body.get("Type"), str):
            raise here.error("must be a mapping with a Type.")
        unknown = sorted(set(body) - RESOURCE_ATTRIBUTES)
        if unknown:
            raise here.at(unknown[0]).error("is not something a resource can have; indent it below Properties.")
        raw = body.get("Properties") or {}
        if not isinstance(raw, Mapping):
            raise here.at("Properties").error("must be a mapping.")
        condition = body.get("Condition")
        if condition is None or resolver_condition(str(condition), here):
            found[str(logical_id)] = Resource(str(logical_id), body["Type"], raw, here)
    return found


def support_warnings(resources: Mapping[str, Resource]) -> list[str]:
    """One sentence for each thing that is accepted without being simulated; those by nature share the last one.

    Raises `InputError` for what is refused, and for a property that looks misspelt.
    """
    warnings: list[str] = []
    kinds: set[str] = set()
    without_effect: set[str] = set()
    for resource in resources.values():
        if resource.type in INERT:
            kinds.add(INERT[resource.type])
        elif resource.type in REFUSED_TYPES:
            raise resource.place.error(f"{resource.type}: {REFUSED_TYPES[resource.type]}")
        elif resource.type in SUPPORT:
            warnings += _property_warnings(resource, without_effect)
        else:
            warnings.append(
                resource.place.sentence(f"{resource.type} is not simulated; nothing stands in for it here.")
            )
    if kinds or without_effect:
        parts = [", ".join(sorted(kinds))] if kinds else []
        if without_effect:
            parts.append(f"the properties {', '.join(sorted(without_effect))}")
        warnings.append(f"not simulated here: {'; '.join(parts)}.")
    return warnings


def _property_warnings(resource: Resource, without_effect: set[str]) -> list[str]:
    support = SUPPORT[resource.type]
    warnings: list[str] = []
    for name in resource.raw:
        here = resource.place.at(name)
        if name in support.refused:
            raise here.error(support.refused[name])
        if name in support.missed:
            warnings.append(here.sentence(support.missed[name]))
        elif name in support.no_effect_here:
            without_effect.add(f"{resource.type.removeprefix('AWS::')}.{name}")
        elif name not in support.known():
            meant = difflib.get_close_matches(name, support.known(), n=1, cutoff=0.8)
            if meant:
                raise here.error(f"is not a property of {resource.type}; did you mean {meant[0]}?")
            warnings.append(here.sentence(f"is not a property of {resource.type} that the simulator knows; ignored."))
    kind = resource.type.removeprefix("AWS::")
    for path in support.no_effect_inside:
        without_effect.update(f"{kind}.{'.'.join(path)}" for _ in _found(resource.raw, path))
    return warnings


def _found(raw: Any, path: tuple[str, ...]) -> Iterator[Any]:
    """Whatever stands at a path of literal mappings, `*` being any name."""
    if not path:
        yield raw
    elif isinstance(raw, Mapping):
        for name in raw if path[0] == "*" else {path[0]} & set(raw):
            yield from _found(raw[name], path[1:])
