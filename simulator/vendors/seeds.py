"""Chance by name: every consumer of randomness draws from a stream of its own, derived from the run's one seed.

Streams are independent, so adding a vendor or asking for positions in another order never shifts anyone else's luck.
"""

from __future__ import annotations

import random


def seeded(seed: int | str, *purpose: str | int) -> random.Random:
    """Return the random stream that belongs to `seed` and `purpose`.

    The name is hashed with SHA-512 by `random.Random` itself, so it does not depend on `PYTHONHASHSEED`.

    >>> seeded(7, "gps", 1).random() == seeded(7, "gps", 1).random()
    True
    """
    return random.Random("/".join(str(part) for part in (seed, *purpose)))  # noqa: S311 - replayable chance, no secrets
