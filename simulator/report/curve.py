"""The percentile curve of HdrHistogram: every further nine takes as much room as the one before."""

from __future__ import annotations

import math

from simulator.load.latency import Latencies

_STEP = 0.05
"""Of a nine: 90 % is one nine, 99 % two."""


def percentile_curve(latencies: Latencies) -> list[tuple[float, float]]:
    """Points (nines, milliseconds) from the fastest to the slowest.

    Nines are log10(1 / (1 - share)): 0 is the fastest, 1 is 90 %, 2 is 99 %. The last point is the maximum, at the
    nines that so many samples can tell: with a thousand of them there is nothing beyond 99.9 %.
    """
    if not latencies.count:
        return []
    last = math.log10(latencies.count)
    nines = [number * _STEP for number in range(math.ceil(last / _STEP))]
    found = latencies.percentiles_ms([100 * (1 - 10**-each) for each in nines])
    return [*zip(nines, found, strict=True), (last, latencies.max_us / 1000)]
