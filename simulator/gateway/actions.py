"""What the rules of a WebSocket API want done: the shell (`endpoint`) performs these, in order."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class InvokeAuthorizer:
    """Ask an authorizer's function whether a client may connect, and report its outcome back (A01)."""

    connection_id: str
    function: str
    payload: bytes
    method_arn: str
    """What the answer's policy is held against."""
    timeout_ms: int


@dataclass(frozen=True, slots=True)
class InvokeRoute:
    """Invoke a function and report its outcome back."""

    connection_id: str
    route_key: str
    function: str
    payload: bytes
    request_id: str
    timeout_ms: int


@dataclass(frozen=True, slots=True)
class Accept:
    """Answer the upgrade request with 101."""

    connection_id: str
    subprotocol: str | None


@dataclass(frozen=True, slots=True)
class Refuse:
    """Answer the upgrade request with this status instead."""

    connection_id: str
    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Send:
    """Send one whole message."""

    connection_id: str
    payload: bytes
    binary: bool = False


@dataclass(frozen=True, slots=True)
class Close:
    """Start the closing handshake."""

    connection_id: str
    code: int
    reason: str


Action = InvokeAuthorizer | InvokeRoute | Accept | Refuse | Send | Close
