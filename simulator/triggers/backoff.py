"""How long to wait before trying again."""

from __future__ import annotations

import random

_FIRST_S = 0.1
_LONGEST_S = 5.0


def delay_s(attempt: int, chance: random.Random) -> float:
    """Seconds before attempt `attempt` + 1 (the first is 1): doubling from 0.1 to 5, half of it by chance."""
    ceiling_s = min(_LONGEST_S, _FIRST_S * 2.0 ** min(attempt - 1, 10))
    return ceiling_s / 2 + chance.random() * ceiling_s / 2
