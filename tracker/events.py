"""What Lambda hands to the handlers and takes back, in wire spelling, and only the keys that the handlers read."""

from __future__ import annotations

from typing import Any, NotRequired, Protocol, TypedDict

DEFAULT_TIME_LEFT_S = 10.0
"""Assumed where no Lambda context says otherwise (a handler called by hand)."""


class Context(Protocol):
    """The part of Lambda's context object that is used here (F01)."""

    aws_request_id: str

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the function is killed."""


class WebSocketRequestContext(TypedDict):
    """`requestContext` of a WebSocket event (E01–E13)."""

    routeKey: str
    eventType: str
    connectionId: str
    connectedAt: NotRequired[int]
    """Epoch milliseconds."""
    requestId: NotRequired[str]
    requestTimeEpoch: NotRequired[int]
    """Epoch milliseconds: when API Gateway took the request."""
    messageId: NotRequired[str]
    """On MESSAGE only (E02)."""
    authorizer: NotRequired[dict[str, str]]
    """What the authorizer found at the handshake (A05)."""
    domainName: str
    stage: str


class AuthorizerEvent(TypedDict):
    """A REQUEST event: someone asks to open a WebSocket (A04)."""

    methodArn: str
    multiValueHeaders: NotRequired[dict[str, list[str]] | None]
    multiValueQueryStringParameters: NotRequired[dict[str, list[str]] | None]
    requestContext: WebSocketRequestContext


class AuthorizerResult(TypedDict):
    """Who it is, and what it may do (A03)."""

    principalId: str
    policyDocument: dict[str, Any]
    context: NotRequired[dict[str, str]]


class WebSocketEvent(TypedDict):
    """A CONNECT, MESSAGE or DISCONNECT event."""

    requestContext: WebSocketRequestContext
    body: NotRequired[str]


class SqsRecord(TypedDict):
    """One message of an SQS batch (Q04)."""

    messageId: str
    body: str
    attributes: NotRequired[dict[str, str]]


class SqsEvent(TypedDict):
    """A batch from an SQS event source mapping."""

    Records: list[SqsRecord]


class HttpApiEvent(TypedDict):
    """A payload 2.0 event of an HTTP API (P01)."""

    queryStringParameters: NotRequired[dict[str, str]]


class BatchItemFailure(TypedDict):
    """One message that has to come back (Q10)."""

    itemIdentifier: str


class BatchResponse(TypedDict):
    """The answer to a batch when `ReportBatchItemFailures` is on (Q10)."""

    batchItemFailures: list[BatchItemFailure]


class ProxyResult(TypedDict):
    """The answer to API Gateway (H03, P06)."""

    statusCode: int
    headers: NotRequired[dict[str, str]]
    body: NotRequired[str]


def request_id(context: Context | None) -> str:
    """Return the invocation's request id; empty where there is none."""
    return getattr(context, "aws_request_id", "") or ""


def time_left_s(context: Context | None) -> float:
    """Return the seconds until Lambda kills this invocation."""
    remaining: Any = getattr(context, "get_remaining_time_in_millis", None)
    return remaining() / 1000 if callable(remaining) else DEFAULT_TIME_LEFT_S
