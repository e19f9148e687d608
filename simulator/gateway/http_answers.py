"""What an HTTP API answers: a function's result read, and the gateway's own words (P05–P10, P16). Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass

from simulator.gateway.proxy_result import Failure, Outcome, ProxyResult, parse_proxy_result, read_proxy_result
from simulator.http11 import Header


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """An answer for the client."""

    status: int
    headers: tuple[Header, ...] = ()
    body: bytes = b""


def read_result(payload: bytes, payload_format: str) -> Outcome:
    """A handler's payload as a proxy result; format 2.0 may also return any JSON at all (P05)."""
    if payload_format == "1.0":
        return parse_proxy_result(payload)
    try:
        result = json.loads(payload)
    except (ValueError, RecursionError):
        return Failure.MALFORMED
    if isinstance(result, dict) and "statusCode" in result:
        return read_proxy_result(result)
    body = result.encode("utf-8", "surrogatepass") if isinstance(result, str) else payload
    return ProxyResult(200, {"content-type": "application/json"}, body=body)


def answer_to(outcome: Outcome, payload_format: str, request_id: str) -> HttpAnswer:
    """What the client gets: the function's result, 503 when it took too long (P09), else 500 (P08)."""
    if outcome is Failure.TIMEOUT:
        return error(503, "Service Unavailable", request_id)
    if isinstance(outcome, Failure):
        return error(500, "Internal Server Error", request_id)
    headers = [(name, value) for name, value in outcome.headers.items() if name.lower() not in _OURS]
    if payload_format == "1.0":
        for name, values in outcome.multi_value_headers.items():
            if name.lower() not in _OURS:
                headers = [header for header in headers if header[0].lower() != name.lower()]
                headers += [(name, value) for value in values]
    if not any(name.lower() == "content-type" for name, _ in headers):
        headers.append(("content-type", "text/plain;charset=utf-8"))
    if payload_format == "2.0":
        headers += [("set-cookie", cookie) for cookie in outcome.cookies]
    headers.append(("apigw-requestid", request_id))
    return HttpAnswer(outcome.status, tuple(headers), outcome.body)


_OURS = {"content-length", "connection", "transfer-encoding", "apigw-requestid"}
"""Headers that are the gateway's business; a handler cannot break the framing with them."""


def error(status: int, message: str, request_id: str) -> HttpAnswer:
    """An answer of the gateway's own; every answer has the id (P16)."""
    body = json.dumps({"message": message}, separators=(",", ":")).encode()
    return HttpAnswer(status, (("content-type", "application/json"), ("apigw-requestid", request_id)), body)


def not_found(request_id: str) -> HttpAnswer:
    """No route or stage: also for a wrong method on a known path, there is no 405 (P10)."""
    return error(404, "Not Found", request_id)
