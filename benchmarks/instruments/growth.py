"""How a cost grows with a size: the exponent of the power that fits best. Pure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping


def exponent(cost_by_size: Mapping[int, float]) -> float:
    """The slope of log cost over log size, by least squares: 1 is linear, 2 quadratic. Needs two sizes."""
    sizes = [math.log(size) for size in cost_by_size]
    costs = [math.log(cost) for cost in cost_by_size.values()]
    return statistics.linear_regression(sizes, costs).slope
