"""Stock moto parses each update expression twice, and walks its tree thirty times, asking an ABC what each node is.

That is two thirds of an UpdateItem. The parsed tree is kept by its text: validation, which puts values into the tree,
copies it first. What it has once found good of an expression, its names and a table's key it does not look at again.
Conditions and filters, too, are parsed twice in one call: once to see what they use, and once to be asked.
"""

from __future__ import annotations

import copy
import functools
import threading
import weakref
from collections.abc import Callable, Iterable
from typing import Any

from moto.dynamodb.comparisons import ConditionExpressionParser
from moto.dynamodb.parsing.ast_nodes import (  # type: ignore[attr-defined]
    DepthFirstTraverser,
    Expression,
    Node,
    UpdateExpressionFunction,
)
from moto.dynamodb.parsing.expressions import UpdateExpressionParser  # type: ignore[attr-defined]
from moto.dynamodb.parsing.validators import (
    ActionCountValidator,
    OverlappingPathsValidator,
    UpdateExpressionValidator,
    UpdateHashRangeKeyValidator,
)

from simulator.cloud.patches.patching import Patching

_EXPRESSIONS_KEPT = 256
_VERDICTS_KEPT = 64
_LOOK_AT_THE_EXPRESSION_ONLY = (ActionCountValidator, OverlappingPathsValidator, UpdateHashRangeKeyValidator)
"""Neither the item nor values matter to these, and they change nothing."""


def apply(patching: Patching) -> None:
    """The same trees, and the same walks through them, for less."""
    stock_make = vars(UpdateExpressionParser)["make"].__func__

    @functools.lru_cache(_EXPRESSIONS_KEPT)
    def parsed(parser: Any, text: str) -> Any:
        return stock_make(parser, text)

    def make(cls: Any, expression_str: str) -> Any:
        return parsed(cls, expression_str)

    patching.replace(UpdateExpressionParser, "make", classmethod(make))
    _parse_conditions_once(patching)
    _validate_once(patching)
    patching.replace(Node, "__deepcopy__", _deepcopy)
    patching.replace(Node, "find_clauses", _find_clauses)
    patching.replace(DepthFirstTraverser, "traverse", _traverse)


class _LastCondition(threading.local):
    asked: tuple[Any, Any, Any] = (None, None, None)
    """Text, names and values."""
    parsed: tuple[Any, list[str], list[str]] = (None, [], [])
    """The condition, and the names and values that it uses."""


def _parse_conditions_once(patching: Patching) -> None:
    stock: Callable[[ConditionExpressionParser], Any] = vars(ConditionExpressionParser)["parse"]
    last = _LastCondition()

    def parse(self: ConditionExpressionParser) -> Any:
        asked = (
            self.condition_expression,
            self.expression_attribute_names,
            self.expression_attribute_values,
        )
        # The very objects of this call: nobody changes them between its two parsings.
        if not self.condition_expression or any(new is not old for new, old in zip(asked, last.asked, strict=True)):
            condition = stock(self)
            last.asked = asked
            last.parsed = (condition, [*self.expr_attr_names_found], [*self.expr_attr_values_found])
            return condition
        condition, names, values = last.parsed
        self.expr_attr_names_found.extend(names)
        self.expr_attr_values_found.extend(values)
        return condition

    patching.replace(ConditionExpressionParser, "parse", parse)


def _validate_once(patching: Patching) -> None:
    stock_init: Callable[..., None] = UpdateExpressionValidator.__init__
    stock_processors: Callable[[Any], list[Any]] = vars(UpdateExpressionValidator)["get_ast_processors"]
    stock_validate: Callable[[Any], Any] = UpdateExpressionValidator.validate
    good: weakref.WeakKeyDictionary[Any, set[Any]] = weakref.WeakKeyDictionary()
    """Parsed tree to the names and keys with which it was found good."""

    def init(self: Any, expression: Any, *args: Any, **kwargs: Any) -> None:
        self.parsed = expression
        stock_init(self, expression, *args, **kwargs)

    def get_ast_processors(self: Any) -> list[Any]:
        self.verdict = (frozenset((self.expression_attribute_names or {}).items()), tuple(self.table.table_key_attrs))
        processors = stock_processors(self)
        if self.verdict not in good.get(self.parsed, ()):
            return processors
        return [each for each in processors if not isinstance(each, _LOOK_AT_THE_EXPRESSION_ONLY)]

    def validate(self: Any) -> Any:
        validated = stock_validate(self)
        verdicts = good.setdefault(self.parsed, set())
        if len(verdicts) < _VERDICTS_KEPT:
            verdicts.add(self.verdict)
        return validated

    patching.replace(UpdateExpressionValidator, "__init__", init)
    patching.replace(UpdateExpressionValidator, "get_ast_processors", get_ast_processors)
    patching.replace(UpdateExpressionValidator, "validate", validate)


_is: Callable[[Any, Any], bool] = functools.cache(issubclass)
"""Remembered, because an ABC takes its time over each answer."""


def _deepcopy(self: Any, memo: dict[int, Any]) -> Any:
    del memo  # a tree has each node once
    return _copied(self, None)


def _copied(node: Any, parent: Any) -> Any:
    made = object.__new__(type(node))
    vars(made).update(vars(node))
    made.parent = parent
    if node.children is not None:
        made.children = [
            _copied(child, made) if _is(type(child), Node) else copy.deepcopy(child) for child in node.children
        ]
    return made


def _find_clauses(self: Any, clause_types: Iterable[type]) -> list[Any]:
    clauses = []
    for child in self.children or ():
        if type(child) in clause_types:
            clauses.append(child)
        elif _is(type(child), (Expression, UpdateExpressionFunction)):
            clauses.extend(_find_clauses(child, clause_types))
    return clauses


def _traverse(self: Any, root: Any) -> Any:
    """Bottom up, as moto's own; what is to be processed is asked for once, and not at each node."""
    wanted = self.nodes_to_be_processed()
    before_child = self.pre_processing_of_child
    if type(self).pre_processing_of_child is DepthFirstTraverser.pre_processing_of_child:
        before_child = None  # it does nothing

    def walk(node: Any, child_id: int) -> Any:
        kind = type(node)
        if not _is(kind, Node):
            return node
        parent = node.parent
        if node.children is not None:
            for index, child in enumerate(node.children):
                if before_child is not None:
                    before_child(node, index)
                walk(child, index)
        if _is(kind, wanted):
            node = self.process(node)
            node.parent = parent
            if parent:
                parent.children[child_id] = node
        return node

    return walk(root, -1)
