"""Comparing whole events: what differs each time is checked by its shape and replaced by a name."""

import copy
import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from harness.target import Target

CONNECTION_ID = re.compile(r"[A-Za-z0-9_-]{14}[AEIMQUYcgkosw048]=")
REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{15}=")
TRACE_ID = re.compile(r"Root=1-[0-9a-f]{8}-[0-9a-f]{24}")
_API_ID = re.compile(r"[a-z0-9]{10}")
_IDS = {
    "connectionId": CONNECTION_ID,
    "messageId": REQUEST_ID,
    "requestId": REQUEST_ID,
    "extendedRequestId": REQUEST_ID,
}
_LONG_AGO_MS = 1_780_000_000_000


def domain_name(target: Target, api: str = "Sockets") -> str:
    """Host (and port, if it has one) of an API."""
    return urlsplit(target.urls[api]).netloc


def settled(event: dict[str, Any], target: Target, api: str = "Sockets") -> dict[str, Any]:
    """A copy in which every id, time and address of the request context stands as its own name in angle brackets.

    Fails when one of them does not look as it must.
    """
    event = copy.deepcopy(event)
    context = event["requestContext"]
    for name, shape in _IDS.items():
        if name in context:
            assert shape.fullmatch(context[name]), (name, context[name])
            context[name] = f"<{name}>"
    for name in ("connectedAt", "requestTimeEpoch"):
        assert type(context[name]) is int, (name, context[name])
        assert context[name] > _LONG_AGO_MS
    moment = datetime.fromtimestamp(context["requestTimeEpoch"] // 1000, UTC)
    assert context["requestTime"] == moment.strftime("%d/%b/%Y:%H:%M:%S +0000")
    for name in ("connectedAt", "requestTimeEpoch", "requestTime"):
        context[name] = f"<{name}>"
    assert context["domainName"] == domain_name(target, api)
    context["domainName"] = "<domainName>"
    assert _API_ID.fullmatch(context["apiId"])
    context["apiId"] = "<apiId>"
    source_ip = context["identity"]["sourceIp"]
    context["identity"]["sourceIp"] = "<sourceIp>"
    _settle_headers(event, source_ip, domain_name(target, api))
    return event


def _settle_headers(event: dict[str, Any], source_ip: str, host: str) -> None:
    shown = {"X-Forwarded-For": (source_ip, "<sourceIp>"), "Host": (host, "<domainName>")}
    for name, values in event.get("multiValueHeaders", {}).items():
        assert event["headers"][name] == values[-1]
        if name == "X-Amzn-Trace-Id":
            assert TRACE_ID.fullmatch(values[0]), values
            new = "<trace>"
        elif name in shown and values == [shown[name][0]]:
            new = shown[name][1]
        else:
            continue
        event["headers"][name], event["multiValueHeaders"][name] = new, [new]


def context_of(route_key: str, event_type: str, **more: Any) -> dict[str, Any]:
    """The request context of a WebSocket event as `settled` shows it."""
    return {
        "routeKey": route_key,
        "eventType": event_type,
        "extendedRequestId": "<extendedRequestId>",
        "requestTime": "<requestTime>",
        "messageDirection": "IN",
        "stage": "probe",
        "connectedAt": "<connectedAt>",
        "requestTimeEpoch": "<requestTimeEpoch>",
        "identity": {"sourceIp": "<sourceIp>", "userAgent": "probe/1.0"},
        "requestId": "<requestId>",
        "domainName": "<domainName>",
        "connectionId": "<connectionId>",
        "apiId": "<apiId>",
        **more,
    }


def single(multi: dict[str, list[str]]) -> dict[str, str]:
    """The map of single values beside a map of many: the last of each."""
    return {name: values[-1] for name, values in multi.items()}
