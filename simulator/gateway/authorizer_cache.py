"""What authorizers of an HTTP API said a while ago, by who was asking. Pure: time is an argument.

Kept is the answer and not the verdict: its policy is held against each route anew, while a simple response opens, or
shuts, all routes of the authorizer; who wants it by route adds `$context.routeKey` to the identity sources.

Source: API Gateway Developer Guide, "Control access to HTTP APIs with AWS Lambda authorizers" (caching).
"""

from __future__ import annotations

from simulator.gateway.authorizers import Answer
from simulator.stack.model import Authorizer

MAX_ENTRIES = 10_000
"""Made-up identities must not fill the memory; the oldest entries make room."""

_Key = tuple[str, tuple[str, ...]]


class AuthorizerCache:
    """Answers of all authorizers of one API."""

    def __init__(self) -> None:
        self._entries: dict[_Key, tuple[float, Answer]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, authorizer: Authorizer, identity: tuple[str, ...], now_s: float) -> Answer | None:
        """The answer that still holds at `now_s` (monotonic), if there is one."""
        key = (authorizer.name, identity)
        entry = self._entries.get(key)
        if entry is None:
            return None
        until_s, answer = entry
        if now_s >= until_s:
            del self._entries[key]
            return None
        return answer

    def keep(self, authorizer: Authorizer, identity: tuple[str, ...], answer: Answer, now_s: float) -> None:
        """Keep an answer for as long as its authorizer says."""
        if not authorizer.result_ttl_s:
            return
        key = (authorizer.name, identity)
        self._entries.pop(key, None)
        while len(self._entries) >= MAX_ENTRIES:
            del self._entries[next(iter(self._entries))]
        self._entries[key] = (now_s + authorizer.result_ttl_s, answer)
