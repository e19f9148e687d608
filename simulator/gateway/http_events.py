"""The events that functions behind an HTTP API receive, in both payload formats: pure functions of one call (P01–P04).

A route's function and its authorizer get nearly the same; what the authorizer is not told is the body.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from simulator.gateway.authorizers import Allowed
from simulator.gateway.websocket_events import clf_time
from simulator.http11 import Header, HttpRequest
from simulator.stack.model import HttpRoute

_TEXT_TYPES = (
    "text/",
    "application/json",
    "application/javascript",
    "application/xml",
    "application/x-www-form-urlencoded",
)


@dataclass(frozen=True, slots=True)
class HttpCall:
    """One request on its way to the function of its route."""

    request: HttpRequest
    route: HttpRoute
    headers: Sequence[Header]
    """The client's and those that the gateway adds."""
    parameters: dict[str, str]
    """Of the path."""
    path: str
    """Decoded, with the stage (P03)."""
    raw_query: str
    arn: str
    """Of the method that the caller wants: what an authorizer's policy is held against."""
    source_ip: str
    request_id: str
    now_ms: int
    common_context: Mapping[str, Any]
    """What `requestContext` says alike in both formats."""
    stage_variables: Mapping[str, str]


def event_2_0(call: HttpCall, authorized: Allowed | None = None) -> dict[str, Any]:
    """Payload format 2.0: absent parts are left out (P01); repeated headers and values are joined (P02).

    An authorizer without a context leaves `"lambda": null` (seen on AWS).
    """
    event = _common_2_0(call)
    if authorized is not None:
        event["requestContext"]["authorizer"] = {"lambda": dict(authorized.context) or None}
    if call.request.body:
        event["body"], event["isBase64Encoded"] = _encode_body(call.request)
    else:
        event["isBase64Encoded"] = False
    return event


def event_1_0(call: HttpCall, authorized: Allowed | None = None) -> dict[str, Any]:
    """Payload format 1.0: absent parts are null (P04)."""
    multi_headers = _group(call.headers)
    multi_query = _group(parse_qsl(call.raw_query, keep_blank_values=True))
    body, encoded = _encode_body(call.request) if call.request.body else (None, False)
    context = _context_1_0(call)
    if authorized is not None:
        context["authorizer"] = dict(authorized.context)
        if authorized.principal_id:
            context["authorizer"]["principalId"] = authorized.principal_id
    return {
        "version": "1.0",
        "resource": call.route.path,
        "path": call.path,
        "httpMethod": call.request.method,
        "headers": _last(multi_headers),
        "multiValueHeaders": multi_headers,
        "queryStringParameters": _last(multi_query) or None,
        "multiValueQueryStringParameters": multi_query or None,
        "requestContext": context,
        "pathParameters": call.parameters or None,
        "stageVariables": dict(call.stage_variables) or None,
        "body": body,
        "isBase64Encoded": encoded,
    }


def authorizer_event_2_0(call: HttpCall, identity: Sequence[str]) -> dict[str, Any]:
    """What an authorizer with payload format 2.0 is asked; `identitySource` is there when sources are configured."""
    event = {"type": "REQUEST", "routeArn": call.arn, **_common_2_0(call)}
    if identity:
        event["identitySource"] = list(identity)
    return event


def authorizer_event_1_0(call: HttpCall, identity: Sequence[str]) -> dict[str, Any]:
    """The same with payload format 1.0, which a REST API's authorizer understands. Absent maps are empty."""
    query = _last(_group(parse_qsl(call.raw_query, keep_blank_values=True)))
    event: dict[str, Any] = {
        "version": "1.0",
        "type": "REQUEST",
        "methodArn": call.arn,
        "resource": call.route.path,
        "path": call.path,
        "httpMethod": call.request.method,
        "headers": _last(_group(call.headers)),
        "queryStringParameters": query,
        "pathParameters": call.parameters,
        "stageVariables": dict(call.stage_variables),
        "requestContext": _context_1_0(call),
    }
    if identity:
        event["identitySource"] = event["authorizationToken"] = ",".join(identity)
    return event


def context_variables(call: HttpCall) -> dict[str, Any]:
    """`$context`, as far as an identity source can name it."""
    return {
        **call.common_context,
        "httpMethod": call.request.method,
        "identity": {"sourceIp": call.source_ip, "userAgent": call.request.header("user-agent")},
        "path": call.path,
        "protocol": "HTTP/1.1",
        "requestTime": clf_time(call.now_ms),
        "requestTimeEpoch": call.now_ms,
        "routeKey": call.route.key,
    }


def _common_2_0(call: HttpCall) -> dict[str, Any]:
    cookies: list[str] = []
    joined: dict[str, str] = {}
    for name, value in call.headers:
        key = name.lower()
        if key == "cookie":
            cookies += [cookie.strip() for cookie in value.split(";") if cookie.strip()]
        else:
            joined[key] = f"{joined[key]},{value}" if key in joined else value
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": call.route.key,
        "rawPath": call.path,
        "rawQueryString": call.raw_query,
        "headers": joined,
        "requestContext": {
            **call.common_context,
            "http": {
                "method": call.request.method,
                "path": call.path,
                "protocol": "HTTP/1.1",
                "sourceIp": call.source_ip,
                "userAgent": joined.get("user-agent", ""),
            },
            "routeKey": call.route.key,
            "time": clf_time(call.now_ms),
            "timeEpoch": call.now_ms,
        },
    }
    if cookies:
        event["cookies"] = cookies
    query: dict[str, str] = {}
    for name, value in parse_qsl(call.raw_query, keep_blank_values=True):
        query[name] = f"{query[name]},{value}" if name in query else value
    if query:
        event["queryStringParameters"] = query
    if call.parameters:
        event["pathParameters"] = call.parameters
    if call.stage_variables:
        event["stageVariables"] = dict(call.stage_variables)
    return event


def _context_1_0(call: HttpCall) -> dict[str, Any]:
    identity = dict.fromkeys(
        (
            "accessKey",
            "accountId",
            "caller",
            "cognitoAmr",
            "cognitoAuthenticationProvider",
            "cognitoAuthenticationType",
            "cognitoIdentityId",
            "cognitoIdentityPoolId",
            "principalOrgId",
            "user",
            "userArn",
        )
    )
    return {
        **call.common_context,
        "extendedRequestId": call.request_id,
        "httpMethod": call.request.method,
        "identity": {**identity, "sourceIp": call.source_ip, "userAgent": call.request.header("user-agent") or ""},
        "path": call.path,
        "protocol": "HTTP/1.1",
        "requestTime": clf_time(call.now_ms),
        "requestTimeEpoch": call.now_ms,
        "resourceId": call.route.key,
        "resourcePath": call.route.path,
    }


def _encode_body(request: HttpRequest) -> tuple[str, bool]:
    """Text bodies as text, all others as base64."""
    content_type = (request.header("content-type") or "").lower()
    if content_type.startswith(_TEXT_TYPES):
        try:
            return request.body.decode(), False
        except UnicodeDecodeError:
            pass
    return base64.b64encode(request.body).decode(), True


def _group(pairs: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    result: dict[str, list[str]] = {}
    for name, value in pairs:
        result.setdefault(name, []).append(value)
    return result


def _last(groups: Mapping[str, list[str]]) -> dict[str, str]:
    return {name: values[-1] for name, values in groups.items()}
