"""Tweet ids: snowflakes, which carry the time they were made.

Source: https://github.com/twitter-archive/snowflake (milliseconds since 1288834974657 in the bits above 22). There,
the lower 22 bits are machine and sequence; one simulator is one machine, so here all 22 are sequence.
"""

from __future__ import annotations

from tracker.wire import SNOWFLAKE_EPOCH_MS as EPOCH_MS
from tracker.wire import SNOWFLAKE_LOW_BITS as _LOW_BITS


def snowflake(ms: int, sequence: int) -> str:
    """Return the decimal id of the `sequence`-th update (0…4,194,303) made in the epoch millisecond `ms`.

    Raises `ValueError` for a time before November 2010 or a sequence that does not fit.
    """
    if ms < EPOCH_MS:
        raise ValueError(f"snowflakes begin at {EPOCH_MS} ms, not {ms}")
    if not 0 <= sequence < 1 << _LOW_BITS:
        raise ValueError(f"a snowflake's sequence lies in 0…{(1 << _LOW_BITS) - 1}, not {sequence}")
    return str((ms - EPOCH_MS) << _LOW_BITS | sequence)


def snowflake_ms(tweet_id: str) -> int:
    """Return the epoch millisecond in which the update with this id was made."""
    return (int(tweet_id) >> _LOW_BITS) + EPOCH_MS


class LateIds:
    """Hands out ids for moments that have passed, apart from those that a `SnowflakeSequence` gave to them.

    It takes the upper half of each millisecond's sequence; a run that makes two million updates in one millisecond
    would run into it.
    """

    def __init__(self) -> None:
        self._count = 0

    def next_id(self, ms: int) -> str:
        """Return an id of the epoch millisecond `ms`."""
        half = 1 << (_LOW_BITS - 1)
        self._count += 1
        return snowflake(ms, half + self._count % half)


class SnowflakeSequence:
    """Hands out ids that are unique and strictly rising, as long as the times asked for never go back."""

    def __init__(self) -> None:
        self._ms = 0
        self._sequence = 0

    def next_id(self, ms: int) -> str:
        """Return the next id of the epoch millisecond `ms`."""
        if ms < self._ms:
            raise ValueError(f"ids are made in order of time: {ms} ms after {self._ms} ms")
        self._sequence = self._sequence + 1 if ms == self._ms else 0
        self._ms = ms
        return snowflake(ms, self._sequence)
