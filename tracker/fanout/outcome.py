"""What became of a broadcast."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Failure:
    """One connection that one message could not be posted to."""

    connection_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class MessageOutcome:
    """What became of one message."""

    delivered: int
    """Posts that were answered with success."""
    failed: tuple[Failure, ...]
    """Connections that are still open, as far as we know, and did not get it."""

    @property
    def complete(self) -> bool:
        """True when every connection that is still open got the message."""
        return not self.failed


@dataclass(frozen=True, slots=True)
class BroadcastOutcome:
    """What became of all messages of one broadcast."""

    messages: tuple[MessageOutcome, ...]
    """In the order of the messages given."""
    gone: tuple[str, ...]
    """Connections that answered 410 or 400: their rows should go."""
    retries: int
    """Posts that had to be tried again."""
    forbidden: str | None = None
    """What came with a 403; then nothing more was tried."""

    @property
    def delivered(self) -> int:
        """Successful posts over all messages."""
        return sum(message.delivered for message in self.messages)
