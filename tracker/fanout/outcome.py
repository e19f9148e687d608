"""What became of a broadcast."""

from __future__ import annotations

from typing import NamedTuple

SAMPLE = 20
"""Failures that are told one by one, for the log; the rest is counted, so that memory stays bounded."""


class Failure(NamedTuple):
    """One connection that one message could not be posted to."""

    connection_id: str
    reason: str


class MessageOutcome(NamedTuple):
    """What became of one message."""

    delivered: int
    """Posts that were answered with success."""
    failed: int
    """Connections that are still open, as far as we know, and did not get it; the slow ones not counted."""
    slow: int = 0
    """Connections that did not get it because they were answered 429 to the last."""
    failures: tuple[Failure, ...] = ()
    """The first of both."""

    @property
    def complete(self) -> bool:
        """True when every connection that is still open got the message."""
        return not self.failed and not self.slow


class BroadcastOutcome(NamedTuple):
    """What became of all messages of one broadcast."""

    messages: tuple[MessageOutcome, ...]
    """In the order of the messages given."""
    gone: int
    """Connections that answered 410 or 400: their rows should go."""
    retries: int
    """Posts that had to be tried again."""
    recipients: int = 0
    """Connections that it was for."""
    slow: tuple[str, ...] = ()
    """Connections that were answered 429 to the last: they do not read (C14), or everybody is throttled (L10)."""
    forbidden: str | None = None
    """What came with a 403; then nothing more was tried."""

    @property
    def delivered(self) -> int:
        """Successful posts over all messages."""
        return sum(message.delivered for message in self.messages)
