"""The events a WebSocket route's function receives: one builder per kind, pure functions of what happened (E01–E13).

Keys that AWS leaves out are left out, not null. Samples of each kind stand in `tests/events/`.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from simulator.http11 import Header
from simulator.stack.arns import partition

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NOT_PASSED_ON = {"connection", "keep-alive", "transfer-encoding", "upgrade"}
_REPLACED = {"x-forwarded-port", "x-forwarded-proto"}
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True, slots=True)
class ApiFacts:
    """What every event of one API's stage says alike."""

    api_id: str
    domain_name: str
    """Host and port: with `stage` it makes the callback URL `https://{domainName}/{stage}` (E13)."""
    stage: str
    stage_variables: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ConnectionFacts:
    """What every event of one connection says alike."""

    connection_id: str
    connected_at_ms: int
    """Constant for the connection's life (E04)."""
    source_ip: str
    user_agent: str | None
    authorizer: Mapping[str, str] | None = None
    """What the authorizer said, in every event after it (A05)."""

    def authorized(self, said: Mapping[str, str]) -> ConnectionFacts:
        """The same connection once its authorizer has said so."""
        return replace(self, authorizer=said)


def clf_time(epoch_ms: int) -> str:
    """`requestTime`: Common Log Format in UTC, `09/Feb/2024:18:11:43 +0000` (E04), whatever the locale."""
    return _clf_time(epoch_ms // 1000)


@functools.lru_cache(maxsize=8)  # every event of a second says the same
def _clf_time(epoch_s: int) -> str:
    moment = _EPOCH + timedelta(seconds=epoch_s)
    return f"{moment.day:02d}/{_MONTHS[moment.month - 1]}/{moment:%Y:%H:%M:%S} +0000"


def connect_event(
    api: ApiFacts,
    connection: ConnectionFacts,
    *,
    headers: Sequence[Header],
    query: Sequence[tuple[str, str]],
    request_id: str,
    trace_id: str,
    now_ms: int,
    keep_first_query_value: bool = False,
) -> dict[str, Any]:
    """The `$connect` event. Query keys exist only when a query was sent (E07)."""
    multi_headers = _multi(forwarded_headers(headers, connection.source_ip, trace_id))
    event: dict[str, Any] = {
        "headers": {name: values[-1] for name, values in multi_headers.items()},
        "multiValueHeaders": multi_headers,
    }
    if query:
        multi_query = _multi(query)
        kept = 0 if keep_first_query_value else -1
        event["queryStringParameters"] = {name: values[kept] for name, values in multi_query.items()}
        event["multiValueQueryStringParameters"] = multi_query
    context = _context(api, connection, "$connect", "CONNECT", request_id, now_ms)
    return _finish(event, api, context)


def authorizer_event(
    api: ApiFacts,
    connection: ConnectionFacts,
    *,
    headers: Sequence[Header],
    query: Sequence[tuple[str, str]],
    method_arn: str,
    request_id: str,
    trace_id: str,
    now_ms: int,
) -> dict[str, Any]:
    """What an authorizer on `$connect` receives (A04); see `method_arn`.

    Unlike the route's own event it has `Connection`, `Upgrade` and `content-length: 0`, and every map is there even
    when it is empty; it has neither `pathParameters` nor `httpMethod`. The value of `Connection` is as in the
    documentation's sample, whatever the client wrote.
    """
    passed = forwarded_headers(headers, connection.source_ip, trace_id)
    added = [("Connection", "upgrade"), ("content-length", "0"), ("Upgrade", "websocket")]
    multi_headers = _multi([*added, *(header for header in passed if header[0].lower() != "content-length")])
    multi_query = _multi(query)
    return {
        "type": "REQUEST",
        "methodArn": method_arn,
        "headers": {name: values[-1] for name, values in multi_headers.items()},
        "multiValueHeaders": multi_headers,
        "queryStringParameters": {name: values[-1] for name, values in multi_query.items()},
        "multiValueQueryStringParameters": multi_query,
        "stageVariables": dict(api.stage_variables),
        "requestContext": _context(api, connection, "$connect", "CONNECT", request_id, now_ms),
    }


def method_arn(region: str, account_id: str, api_id: str, stage: str) -> str:
    """What an authorizer on `$connect` is asked to allow; it has no HTTP method (A04)."""
    return f"arn:{partition(region)}:execute-api:{region}:{account_id}:{api_id}/{stage}/$connect"


def message_event(
    api: ApiFacts,
    connection: ConnectionFacts,
    *,
    route_key: str,
    body: str | None,
    message_id: str,
    request_id: str,
    now_ms: int,
) -> dict[str, Any]:
    """A message's event: no headers and no query string (E09); `routeKey` is the selected one (E05)."""
    context = _context(api, connection, route_key, "MESSAGE", request_id, now_ms)
    context["messageId"] = message_id
    event = _finish({}, api, context)
    if body is not None:
        event["body"] = body
    return event


def disconnect_event(
    api: ApiFacts, connection: ConnectionFacts, *, code: int, reason: str, request_id: str, now_ms: int
) -> dict[str, Any]:
    """The `$disconnect` event: synthetic headers (E10), status code and reason (E11)."""
    headers = {"Host": api.domain_name, "x-api-key": "", "X-Forwarded-For": "", "x-restapi": ""}
    context = _context(api, connection, "$disconnect", "DISCONNECT", request_id, now_ms)
    context["disconnectStatusCode"] = code
    context["disconnectReason"] = reason
    return _finish({"headers": headers, "multiValueHeaders": _multi(headers.items())}, api, context)


def _finish(event: dict[str, Any], api: ApiFacts, context: dict[str, Any]) -> dict[str, Any]:
    if api.stage_variables:
        event["stageVariables"] = dict(api.stage_variables)
    event["requestContext"] = context
    event["isBase64Encoded"] = False
    return event


def _context(
    api: ApiFacts, connection: ConnectionFacts, route_key: str, event_type: str, request_id: str, now_ms: int
) -> dict[str, Any]:
    identity = {"sourceIp": connection.source_ip}
    if connection.user_agent is not None:
        identity["userAgent"] = connection.user_agent
    context = {
        "routeKey": route_key,
        "eventType": event_type,
        "extendedRequestId": request_id,
        "requestTime": clf_time(now_ms),
        "messageDirection": "IN",
        "stage": api.stage,
        "connectedAt": connection.connected_at_ms,
        "requestTimeEpoch": now_ms,
        "identity": identity,
        "requestId": request_id,
        "domainName": api.domain_name,
        "connectionId": connection.connection_id,
        "apiId": api.api_id,
    }
    if connection.authorizer is not None:
        context["authorizer"] = dict(connection.authorizer)
    return context


def forwarded_headers(headers: Sequence[Header], source_ip: str, trace_id: str) -> list[Header]:
    """The client's headers as API Gateway passes them on (E08).

    A client's own `X-Forwarded-For` is kept and the address it came from is put after it, as proxies do: only the last
    entry can be trusted. A trace that the client began goes on. (Both inferred; the captures have neither.)
    """
    passed: list[Header] = []
    forwarded_for: list[str] = []
    for name, value in headers:
        key = name.lower()
        if key == "x-forwarded-for":
            forwarded_for.append(value)
        elif key == "x-amzn-trace-id":
            trace_id = value
        elif key not in _NOT_PASSED_ON and key not in _REPLACED:
            passed.append((name, value))
    passed += [
        ("X-Amzn-Trace-Id", trace_id),
        ("X-Forwarded-For", ", ".join([*forwarded_for, source_ip])),
        ("X-Forwarded-Port", "443"),
        ("X-Forwarded-Proto", "https"),
    ]
    return passed


def _multi(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    result: dict[str, list[str]] = {}
    for name, value in pairs:
        result.setdefault(name, []).append(value)
    return result
