"""What became of posts that did not simply reach their viewer: kept so that a run can tell what a loss was due to.

Pure and bounded. A post that is delivered leaves no trace here, and costs nothing.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import Any

MOST = 20_000
"""Posts; the latest are kept."""
MOST_BYTES = 8 * 1024 * 1024
"""Of different bodies."""


class PostTroubles:
    """The latest posts in trouble."""

    def __init__(self, most: int = MOST, most_bytes: int = MOST_BYTES) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._posts: deque[tuple[str, bytes, str]] = deque()
        self._uses: Counter[bytes] = Counter()
        self._bytes = 0

    def note(self, peer: str, body: bytes, what: str) -> None:
        """A post to the viewer whose socket is `peer` (`peer_name`) came to this: `answered 429`."""
        if not self._uses[body]:
            self._bytes += len(body)
        self._uses[body] += 1
        self._posts.append((peer, body, what))
        while len(self._posts) > self._most or self._bytes > self._most_bytes:
            self._forget()

    def to_json(self) -> list[dict[str, Any]]:
        """For each body and what happened to it, in the order in which it began: how often, by peer."""
        found: dict[tuple[bytes, str], Counter[str]] = {}
        for peer, body, what in self._posts:
            found.setdefault((body, what), Counter())[peer] += 1
        return [
            {"body": body.decode("utf-8", "replace"), "what": what, "peers": dict(peers)}
            for (body, what), peers in found.items()
        ]

    def _forget(self) -> None:
        _, body, _ = self._posts.popleft()
        self._uses[body] -= 1
        if not self._uses[body]:
            del self._uses[body]
            self._bytes -= len(body)
