"""One invocation as its caller asks for it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Call:
    """What there is to say besides which function is meant."""

    request_id: str
    """What the handler sees as `aws_request_id`; the same in every try of one asynchronous event."""
    payload: bytes
    """JSON."""
    arn: str
    """The function's ARN as the caller wrote it, qualified or not (F03)."""
    origin: str = ""
    """For the log: who asks and for whom."""
    client_context: str | None = None
    """A JSON object in ASCII, which the handler sees as `client_context` (F02)."""
    with_log: bool = False
    """The end of the invocation's log shall come with the result (`LogType=Tail`)."""
