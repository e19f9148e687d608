"""CORS as an HTTP API does it by itself, once it is configured (P12, P13). Pure.

Source: API Gateway Developer Guide, "Configuring CORS for an HTTP API".
"""

from __future__ import annotations

from simulator.gateway.http_answers import HttpAnswer
from simulator.http11 import Header, HttpRequest
from simulator.stack.model import Cors


def preflight_answer(cors: Cors, request: HttpRequest, status: int, request_id: str) -> HttpAnswer:
    """The answer to a preflight: no route, no function. Without Origin and a wanted method it grants nothing."""
    origin, wanted = request.header("origin"), request.header("access-control-request-method")
    headers: list[Header] = [("apigw-requestid", request_id)]
    if origin is not None and wanted is not None and _allows(cors, origin):
        headers += _granted(cors, origin)
        if cors.allow_methods:
            headers.append(("access-control-allow-methods", ",".join(cors.allow_methods)))
        if cors.allow_headers:
            headers.append(("access-control-allow-headers", ",".join(cors.allow_headers)))
        if cors.max_age_s is not None:
            headers.append(("access-control-max-age", str(cors.max_age_s)))
    return HttpAnswer(status, tuple(headers))


def with_cors(cors: Cors | None, request: HttpRequest, answer: HttpAnswer) -> HttpAnswer:
    """Configured headers replace the function's own (P12), and appear only when Origin was sent (P13)."""
    if cors is None:
        return answer
    headers = [header for header in answer.headers if not header[0].lower().startswith("access-control-")]
    origin = request.header("origin")
    if origin is not None and _allows(cors, origin):
        headers += _granted(cors, origin)
        if cors.expose_headers:
            headers.append(("access-control-expose-headers", ",".join(cors.expose_headers)))
    return HttpAnswer(answer.status, tuple(headers), answer.body)


def _allows(cors: Cors, origin: str) -> bool:
    scheme = origin.partition("://")[0]
    return not {"*", origin, f"{scheme}://*"}.isdisjoint(cors.allow_origins)


def _granted(cors: Cors, origin: str) -> list[Header]:
    any_origin = "*" in cors.allow_origins and not cors.allow_credentials
    headers: list[Header] = [("access-control-allow-origin", "*" if any_origin else origin)]
    if cors.allow_credentials:
        headers.append(("access-control-allow-credentials", "true"))
    return headers
