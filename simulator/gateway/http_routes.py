"""Which route of an HTTP API takes a request (P10, P11). Pure."""

from __future__ import annotations

from collections.abc import Sequence

from simulator.stack.model import HttpRoute

DEFAULT_ROUTE = "$default"


def match_route(routes: Sequence[HttpRoute], method: str, path: str) -> tuple[HttpRoute, dict[str, str]] | None:
    """The route for a decoded path and its path parameters (P11).

    Exact paths beat paths with parameters, those beat a greedy `{proxy+}`, and `$default` comes last; at equal paths a
    named method beats `ANY`.
    """
    best: tuple[tuple[int, int, int], HttpRoute, dict[str, str]] | None = None
    for route in routes:
        if route.method not in (method, "ANY"):
            continue
        found = _match_path(route.path, path)
        if found is None:
            continue
        specificity, parameters = found
        rank = (*specificity, 1 if route.method == method else 0)
        if best is None or rank > best[0]:
            best = (rank, route, parameters)
    return None if best is None else best[1:]


def _match_path(pattern: str, path: str) -> tuple[tuple[int, int], dict[str, str]] | None:
    """How specific the match is (kind, literal segments) and the parameters, or None.

    A trailing slash makes another path: only a greedy parameter takes it, as an empty one. (Both observed on AWS.)
    """
    if pattern == DEFAULT_ROUTE:
        return (0, 0), {}
    wanted, given = pattern.split("/"), path.split("/")
    parameters: dict[str, str] = {}
    literals = 0
    for index, piece in enumerate(wanted):
        if index >= len(given):
            return None
        if piece.startswith("{") and piece.endswith("+}"):
            parameters[piece[1:-2]] = "/".join(given[index:])
            return (1, literals), parameters
        if piece.startswith("{") and piece.endswith("}"):
            if not given[index]:
                return None
            parameters[piece[1:-1]] = given[index]
        elif piece == given[index]:
            literals += 1
        else:
            return None
    if len(given) != len(wanted):
        return None
    return (2 if parameters else 3, literals), parameters
