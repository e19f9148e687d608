"""Reads a template: YAML with CloudFormation's short-form functions, or JSON, into plain dicts, lists and scalars.

A template is somebody else's file, so: a safe loader with only CloudFormation's tags, nothing is ever included from
other files, keys given twice are refused (YAML would silently keep the last), and neither deep nesting nor aliases
that multiply can exhaust memory.
"""

from __future__ import annotations

import json
from collections.abc import Hashable
from typing import Any

import yaml

from simulator.stack.place import Place

MAX_BYTES = 1_000_000
"""CloudFormation's own limit for a template body."""
_MAX_VALUES = 200_000
"""Values after aliases are expanded; far beyond what 500 resources can hold."""

_MAX_DEPTH = 100

_FUNCTIONS = frozenset(
    {"And", "Base64", "Cidr", "Equals", "FindInMap", "GetAZs", "GetAtt", "If", "ImportValue", "Join", "Not", "Or"}
    | {"Select", "Split", "Sub", "Transform"}
)
"""Tags that stand for `Fn::…`."""
_BARE = frozenset({"Ref", "Condition"})
"""Tags that stand for a key of the same name."""

_Base: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _TemplateLoader(_Base):  # type: ignore[misc,valid-type]  # the C loader when the platform has it
    """A safe loader that knows CloudFormation's tags and takes dates for the strings they are meant as."""


class _DuplicateKeyError(yaml.MarkedYAMLError):
    """A key stands twice in one mapping."""


# `2010-09-09` and `2012-10-17` are versions, not dates.
_TemplateLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in _Base.yaml_implicit_resolvers.items()
}


def _mapping(loader: Any, node: yaml.MappingNode) -> dict[Hashable, Any]:
    loader.flatten_mapping(node)
    mapping: dict[Hashable, Any] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, Hashable):
            raise _DuplicateKeyError(problem="a key must be a plain value", problem_mark=key_node.start_mark)
        # CloudFormation's keys are strings; `404:` or `on:` would otherwise come out as a number or a truth value.
        key = key_node.value if isinstance(key_node, yaml.ScalarNode) else str(key)
        if key in mapping:
            raise _DuplicateKeyError(problem=f"the key '{key}' stands twice", problem_mark=key_node.start_mark)
        mapping[key] = loader.construct_object(value_node, deep=True)
    return mapping


def _function(loader: Any, suffix: str, node: yaml.Node) -> dict[str, Any]:
    if suffix not in _FUNCTIONS and suffix not in _BARE:
        raise yaml.constructor.ConstructorError(
            problem=f"the tag !{suffix} is not a CloudFormation function", problem_mark=node.start_mark
        )
    name = suffix if suffix in _BARE else f"Fn::{suffix}"
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
        if suffix == "GetAtt":
            value = value.split(".", 1)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = _mapping(loader, node)  # type: ignore[arg-type]  # the third and last kind of node
    return {name: value}


def _refuse_tag(loader: Any, node: yaml.Node) -> Any:
    del loader
    raise yaml.constructor.ConstructorError(
        problem=f"the tag {node.tag} is not part of CloudFormation's YAML", problem_mark=node.start_mark
    )


_TemplateLoader.add_constructor("tag:yaml.org,2002:map", _mapping)
_TemplateLoader.add_multi_constructor("!", _function)
for _kind in ("binary", "omap", "pairs", "set", "timestamp"):
    _TemplateLoader.add_constructor(f"tag:yaml.org,2002:{_kind}", _refuse_tag)
_TemplateLoader.add_constructor(None, _refuse_tag)


def parse_template(source: bytes, place: Place) -> dict[str, Any]:
    """The template as a dict, short-form functions in their long form (`{"Fn::Sub": …}`).

    Raises `InputError` naming the line of what cannot be read.
    """
    if len(source) > MAX_BYTES:
        raise place.error(f"is {len(source)} bytes long and CloudFormation takes at most {MAX_BYTES}; split it.")
    try:
        text = source.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = source.count(b"\n", 0, error.start) + 1
        raise place.error(f"is not UTF-8 text (line {line}); save it as UTF-8.") from error
    try:
        template = _load(text)
        _refuse_if_huge(template, place)
    except RecursionError as error:
        raise place.error("is nested too deeply to be a template; flatten it.") from error
    except json.JSONDecodeError as error:
        raise place.error(f"is not valid JSON (line {error.lineno}: {error.msg}); correct it there.") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}: " if mark else ""
        raise place.error(f"is not valid YAML ({where}{error.problem or error.context}); correct it there.") from error
    except (yaml.YAMLError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise place.error(f"cannot be read ({reason}); correct it.") from error
    if not isinstance(template, dict):
        raise place.error("is not a template: it must be a mapping with a Resources section.")
    return template


def _load_yaml(text: str) -> Any:
    # The C loader composes by recursion without a limit, and a deep enough file would overflow the stack and end the
    # whole process. Its events come without recursion, so the depth is looked at first.
    depth = 0
    try:
        for event in yaml.parse(text, Loader=_Base):
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
            if depth > _MAX_DEPTH:
                raise RecursionError
    except yaml.MarkedYAMLError as error:
        # Newer releases have a limit of their own and reach it while reading ahead, before the events get there.
        if "nesting depth" in (error.problem or ""):
            raise RecursionError from error
        raise
    return yaml.load(text, Loader=_TemplateLoader)  # noqa: S506  a subclass of the safe loader


def _load(text: str) -> Any:
    if text.lstrip().startswith("{"):
        try:
            return json.loads(text, object_pairs_hook=_unique)
        except json.JSONDecodeError:
            # YAML's flow style begins like JSON; only when it is neither does the JSON error describe the file.
            try:
                return _load_yaml(text)
            except yaml.YAMLError:
                pass
            raise
    return _load_yaml(text)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    mapping = dict(pairs)
    if len(mapping) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key '{twice}' stands twice in one mapping")
    return mapping


def _refuse_if_huge(template: Any, place: Place) -> None:
    """Count values as if aliases were written out, without writing them out."""
    sizes: dict[int, int] = {}

    def size(value: Any) -> int:
        if not isinstance(value, dict | list):
            return 1
        known = sizes.get(id(value))
        if known is None:
            children = value.values() if isinstance(value, dict) else value
            known = sizes[id(value)] = 1 + sum(size(child) for child in children)
        return known

    if size(template) > _MAX_VALUES:
        raise place.error(f"holds more than {_MAX_VALUES} values once its aliases are expanded; write it without them.")
