"""What an answer of @connections means, and how long to wait before the next try."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto
from http import HTTPStatus
from typing import NamedTuple

Uniform = Callable[[float, float], float]
"""`random.uniform`, or a test's own."""


class Verdict(Enum):
    """What to do after an answer."""

    DELIVERED = auto()
    GONE = auto()
    """No such connection any more: forget it."""
    MALFORMED = auto()
    """The id cannot ever have been a connection (C10): forget it."""
    FORBIDDEN = auto()
    """No post will succeed: the deployment is wrong (C11)."""
    RETRY = auto()
    REJECTED = auto()
    """This message will never be taken for this connection (too large, C13; an unexpected status)."""


_DELIVERED = frozenset({200, 204})


def judge(status: int) -> Verdict:
    """Return the meaning of a status."""
    if status in _DELIVERED:  # nearly always
        return Verdict.DELIVERED
    match status:
        case HTTPStatus.GONE:
            return Verdict.GONE
        case HTTPStatus.BAD_REQUEST:
            return Verdict.MALFORMED
        case HTTPStatus.FORBIDDEN:
            return Verdict.FORBIDDEN
        case HTTPStatus.REQUEST_TIMEOUT | HTTPStatus.TOO_MANY_REQUESTS:
            return Verdict.RETRY
        case _ if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return Verdict.RETRY
        case _:
            return Verdict.REJECTED


class RetryPolicy(NamedTuple):
    """Exponential backoff with full jitter, and how often."""

    max_attempts: int = 10
    base_s: float = 0.05
    cap_s: float = 1.0
    opening_delays_s: tuple[float, ...] = (0.1, 0.4)
    """A connection whose row is young may still be in its handshake and answer 410 (C15): ask again after these."""

    def delay_s(self, attempts: int, uniform: Uniform) -> float | None:
        """Return the seconds to wait after `attempts` failed ones (1 or more); None when it was the last."""
        if attempts >= self.max_attempts:
            return None
        ceiling: float = min(self.cap_s, self.base_s * 2 ** (attempts - 1))
        return uniform(0.0, ceiling)
