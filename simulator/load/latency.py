"""Latencies in an HdrHistogram: microseconds inside, milliseconds outside, three significant digits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from hdrh.histogram import HdrHistogram

LONGEST_US = 3_600_000_000
"""An hour; anything longer is recorded as this long and still counted."""
PERCENTILES: Mapping[str, float] = {"p50": 50.0, "p90": 90.0, "p99": 99.0, "p999": 99.9}
_BITS = 11
_EXACT_US = 1 << _BITS
"""A histogram of three digits tells values below 2,048 apart, and of larger ones the upper eleven bits."""


class Latencies:
    """A distribution of latencies.

    Resolution is 1 µs below 2 ms and three significant digits above; the maximum is exact to the microsecond.
    """

    def __init__(self) -> None:
        self._histogram = HdrHistogram(1, LONGEST_US, 3)
        self._max_us = 0

    @property
    def count(self) -> int:
        """How many were recorded."""
        return int(self._histogram.total_count)

    def record(self, seconds: float) -> None:
        """Record one. A negative one (an update that left a little before it was due) counts as zero."""
        microseconds = min(max(round(seconds * 1_000_000), 0), LONGEST_US)
        self._max_us = max(self._max_us, microseconds)
        self._histogram.record_value(microseconds)

    def record_all(self, seconds: Iterable[float], less_s: float = 0.0) -> None:
        """Record many, each less `less_s`; an eighth of the cost of recording them one by one.

        Values of one bucket are counted first, since telling the histogram costs far more than counting.
        """
        counts: Counter[int] = Counter()
        whole = [round((each - less_s) * 1_000_000) for each in seconds]
        if not whole:
            return
        most = max(whole)
        if min(whole) < 0 or most > LONGEST_US:
            whole = [min(max(each, 0), LONGEST_US) for each in whole]
            most = max(whole)
        self._max_us = max(self._max_us, most)
        counts.update([each if each < _EXACT_US else each >> (s := each.bit_length() - _BITS) << s for each in whole])
        for value, count in counts.items():
            self._histogram.record_value(value, count)

    def add(self, other: Latencies) -> None:
        """Count everything that `other` has counted too."""
        self._histogram.add(other._histogram)
        self._max_us = max(self._max_us, other._max_us)

    @property
    def max_us(self) -> int:
        """The longest recorded, in microseconds; 0 when nothing was."""
        return self._max_us

    def encoded(self) -> str:
        """As HdrHistogram's own compressed text (V2, base64), in microseconds; any HdrHistogram library reads it."""
        return bytes(self._histogram.encode()).decode("ascii")

    @classmethod
    def decoded(cls, text: str, *, max_us: int) -> Latencies:
        """The inverse of `encoded`; the exact maximum is not in that text."""
        read = cls()
        # The text has its own settings; adding it to ours keeps one set of them.
        read._histogram.add(HdrHistogram.decode(text.encode("ascii")))
        read._max_us = max_us
        return read

    def summary_ms(self) -> dict[str, float | int | None]:
        """`p50`, `p90`, `p99`, `p999` and `max` in milliseconds (None when nothing was recorded), and `count`."""
        if not self.count:
            return {**dict.fromkeys((*PERCENTILES, "max")), "count": 0}
        found = self._histogram.get_percentile_to_value_dict(list(PERCENTILES.values()))
        # A percentile stands for its whole bucket and is reported as the upper end, which may lie above the maximum.
        figures = {name: min(found[level], self._max_us) / 1000 for name, level in PERCENTILES.items()}
        return {**figures, "max": self._max_us / 1000, "count": self.count}

    def percentile_ms(self, level: float) -> float | None:
        """One percentile (0 to 100) in milliseconds, or None when nothing was recorded."""
        if not self.count:
            return None
        return min(int(self._histogram.get_value_at_percentile(level)), self._max_us) / 1000

    def percentiles_ms(self, levels: Sequence[float]) -> list[float]:
        """Many percentiles (0 to 100, rising) in milliseconds, for the cost of one; empty when nothing was recorded."""
        if not self.count or not levels:
            return []
        found = self._histogram.get_percentile_to_value_dict(list(levels))
        return [min(int(found[level]), self._max_us) / 1000 for level in levels]
