"""Who has connected and not yet said a whole request: a bounded crowd.

A client that means well is out of it within milliseconds. One that opens sockets and says nothing fills it, and past
the limit the one that has waited longest is let go: most likely another of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable


class Newcomers:
    """At most `limit` of them, each with what lets it go."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._waiting: dict[Hashable, Callable[[], object]] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, who: Hashable, let_go: Callable[[], object]) -> None:
        """Somebody came, or came a step further; `let_go` is called if there is no room for them any more.

        `let_go` need not call `discard`.
        """
        self._waiting[who] = let_go
        while len(self._waiting) > self._limit:
            oldest = next(iter(self._waiting))
            self._waiting.pop(oldest)()

    def discard(self, who: Hashable) -> None:
        """They have said what they want, or left. Harmless when they are not here."""
        self._waiting.pop(who, None)
