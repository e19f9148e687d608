"""Expectations: a small language of its own, read strictly and computed without executing anything.

An expectation compares figures: `latency_ms.last.p99 < 500`, `deliveries.lost == 0`, or, with arithmetic,
`deliveries.duplicated / deliveries.expected <= 0.01` and `10 <= rates.achieved_updates_per_s < 30`. A figure of one
group of subscribers begins with its name: `groups.slow.deliveries.lost`. Python's own grammar is borrowed, cut down
to this.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from simulator.load.metrics import GROUPS, METRICS, nearest, value_in
from simulator.load.phases import WHOLE

_LONGEST = 300
_DEEPEST = 20
_COMPARE: Mapping[type[ast.cmpop], tuple[str, Callable[[float, float], bool]]] = {
    ast.Lt: ("<", operator.lt),
    ast.LtE: ("<=", operator.le),
    ast.Gt: (">", operator.gt),
    ast.GtE: (">=", operator.ge),
    ast.Eq: ("==", operator.eq),
    ast.NotEq: ("!=", operator.ne),
}
_ARITHMETIC: Mapping[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}

DEFAULTS = (
    "deliveries.lost == 0",
    "final_positions.wrong == 0",
    "deliveries.altered == 0",
    "deliveries.unexpected == 0",
    "updates.dead_lettered == 0",
    "connections.refused == 0",
    "connections.dropped == 0",
)
"""What is expected of the whole run unless the scenario says something about the same figure."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one expectation."""

    held: bool | None
    """None when a figure is not known."""
    found: Mapping[str, float | None]
    """The figures it names."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """One expectation, understood."""

    text: str
    phase: str
    """The phase it holds for, or `run`."""
    metrics: tuple[str, ...]
    """The figures it names, in order, each once."""

    def weigh(self, document: Mapping[str, Any]) -> Outcome:
        """Compute it on a verdict's figures: those of the run, or of the phase when it is of one."""
        found = {name: _figure(document, name) for name in self.metrics}
        if any(value is None for value in found.values()):
            return Outcome(None, found)
        try:
            held = _holds(ast.parse(self.text, mode="eval").body, {name: value or 0 for name, value in found.items()})
        except ZeroDivisionError:
            held = None
        return Outcome(held, found)


def understand(text: str, phase: str, *, groups: Collection[str]) -> Expectation:
    """Read one expectation; raises ValueError, half a sentence, for what cannot be understood or is not there."""
    if len(text) > _LONGEST:
        raise ValueError(f"is longer than {_LONGEST} characters; write several")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ValueError("is no comparison; write it like `deliveries.lost == 0`") from None
    if not isinstance(tree, ast.Compare):
        raise ValueError("compares nothing; write it like `deliveries.lost == 0`")  # noqa: TRY004
    metrics: dict[str, None] = {}
    for side in (tree.left, *tree.comparators):
        _look(side, metrics, 0)
    for comparison in tree.ops:
        if type(comparison) not in _COMPARE:
            raise ValueError("may only compare with <, <=, >, >=, == and !=")
    if not metrics:
        raise ValueError(f"names no figure; `tracker-sim scenarios metrics` lists them, such as {next(iter(METRICS))}")
    for name in metrics:
        _check(name, phase, groups)
    return Expectation(text.strip(), phase, tuple(metrics))


def with_defaults(given: Sequence[Expectation]) -> tuple[Expectation, ...]:
    """The defaults that the scenario says nothing about, then what it says."""
    named = {name for each in given if each.phase == WHOLE for name in each.metrics}
    defaults = [understand(text, WHOLE, groups=()) for text in DEFAULTS]
    return (*(each for each in defaults if not named.intersection(each.metrics)), *given)


def _look(node: ast.expr, metrics: dict[str, None], depth: int) -> None:
    """Refuse what is not arithmetic on numbers and figures; note the figures."""
    if depth > _DEEPEST:
        raise ValueError("is nested too deeply; write it more simply")
    match node:
        case ast.Constant(value=bool()):
            raise ValueError("compares with true or false; figures are numbers")
        case ast.Constant(value=int() | float()):
            return
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
            _look(left, metrics, depth + 1)
            _look(right, metrics, depth + 1)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            _look(operand, metrics, depth + 1)
        case ast.Name() | ast.Attribute():
            metrics[_dotted(node)] = None
        case _:
            raise ValueError("may only have figures, numbers, + - * / and comparisons in it")


def _dotted(node: ast.expr) -> str:
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        raise ValueError("may only have figures, numbers, + - * / and comparisons in it")  # noqa: TRY004
    return ".".join(reversed([*parts, node.id]))


def _check(name: str, phase: str, groups: Collection[str]) -> None:
    of_group, metric = "", name
    if name.startswith(GROUPS):
        of_group, _, metric = name.removeprefix(GROUPS).partition(".")
        if of_group not in groups:
            raise ValueError(f"names the group {of_group}, and there is {', '.join(groups) or 'none'}")
    about = METRICS.get(metric)
    if about is None:
        raise ValueError(f"asks for {metric}, which there is not; did you mean {nearest(metric)}?")
    if phase != WHOLE and not about.of_phase:
        raise ValueError(f"asks for {metric} of a phase, and it is only known of the run; put it under `run`")
    if of_group and not about.of_group:
        raise ValueError(f"asks for {metric} of a group, which is not known; leave `groups.{of_group}.` out")


def _figure(document: Mapping[str, Any], name: str) -> float | None:
    if name.startswith(GROUPS):
        group, _, metric = name.removeprefix(GROUPS).partition(".")
        return value_in(document.get("groups", {}).get(group, {}), metric)
    return value_in(document, name)


def _holds(tree: ast.expr, figures: Mapping[str, float]) -> bool:
    assert isinstance(tree, ast.Compare)  # noqa: S101  `understand` saw to it
    sides = [_compute(side, figures) for side in (tree.left, *tree.comparators)]
    return all(_COMPARE[type(op)][1](left, right) for op, left, right in zip(tree.ops, sides, sides[1:], strict=False))


def _compute(node: ast.expr, figures: Mapping[str, float]) -> float:
    match node:
        case ast.Constant(value=value):
            return value  # type: ignore[return-value]  # a number: `understand` saw to it
        case ast.BinOp(left=left, op=op, right=right):
            return _ARITHMETIC[type(op)](_compute(left, figures), _compute(right, figures))
        case ast.UnaryOp(operand=operand):
            return -_compute(operand, figures)
        case _:
            return figures[_dotted(node)]
