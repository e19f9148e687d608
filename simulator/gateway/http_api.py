"""The rules of one HTTP API: which route, who may, which event, which answer (section 5 of the contract). Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote

from simulator.gateway.authorizer_cache import AuthorizerCache
from simulator.gateway.authorizers import Allowed, Answer, Refused, decide, identity
from simulator.gateway.http_events import (
    HttpCall,
    authorizer_event_1_0,
    authorizer_event_2_0,
    context_variables,
    event_1_0,
    event_2_0,
)
from simulator.gateway.moment import Moment
from simulator.gateway.proxy_result import Failure, Outcome, ProxyResult, parse_proxy_result, read_proxy_result
from simulator.gateway.settings import GatewaySettings
from simulator.gateway.throttling import AccountThrottle, RouteThrottles
from simulator.gateway.websocket_events import forwarded_headers
from simulator.http11 import Header, HttpRequest
from simulator.stack.arns import partition
from simulator.stack.model import Authorizer, Cors, HttpApi, HttpRoute

DEFAULT_STAGE = DEFAULT_ROUTE = "$default"
MAX_HEAD_BYTES = 10_240
"""Request line and headers together (P15)."""


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """An answer for the client."""

    status: int
    headers: tuple[Header, ...] = ()
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class InvokeHttpRoute:
    """Invoke a function and answer with what `answer_for` makes of it."""

    route: HttpRoute
    payload: bytes
    request_id: str


@dataclass(frozen=True, slots=True)
class InvokeHttpAuthorizer:
    """Invoke the authorizer of a request's route first, and go on with what `authorizer_returned` says."""

    authorizer: Authorizer
    payload: bytes
    identity: tuple[str, ...]
    """What its answer is kept by."""
    call: HttpCall


class HttpApiRules:
    """One HTTP API with its stage."""

    def __init__(
        self,
        api: HttpApi,
        domain_name: str,
        *,
        account_id: str,
        region: str,
        settings: GatewaySettings,
        account: AccountThrottle,
    ) -> None:
        self._api = api
        self._account_id = account_id
        self._domain_name = domain_name
        self._arn = f"arn:{partition(region)}:execute-api:{region}:{account_id}:{api.api_id}/{api.stage}"
        self._settings = settings
        self._throttles = RouteThrottles(account, api.throttle, {route.key: route.throttle for route in api.routes})
        self._cache = AuthorizerCache()

    def handle(
        self, request: HttpRequest, source_ip: str, *, request_id: str, trace_id: str, now: Moment
    ) -> HttpAnswer | InvokeHttpRoute | InvokeHttpAuthorizer:
        """What to do with a request: answer it (preflight, 404, 429 …), or invoke its authorizer or its function."""
        if _head_bytes(request) > MAX_HEAD_BYTES:
            return _error(431, "Request Header Fields Too Large", request_id)
        path, _, raw_query = request.target.partition("?")
        inner = self._inside_stage(path)
        match = None if inner is None else match_route(self._api.routes, request.method, inner)
        if not self._throttles.admits(None if match is None else match[0].key, now.monotonic_s):
            return self._with_cors(request, _error(429, self._settings.http_throttled_message, request_id))
        if inner is not None and self._is_preflight(request, None if match is None else match[0]):
            return self._preflight(request, request_id)
        if inner is None or match is None:
            return self._with_cors(request, not_found(request_id))
        route, parameters = match
        call = HttpCall(
            request=request,
            route=route,
            headers=forwarded_headers(request.headers, source_ip, trace_id),
            parameters=parameters,
            path=unquote(path),
            raw_query=raw_query,
            arn=f"{self._arn}/{request.method}{inner}",
            source_ip=source_ip,
            request_id=request_id,
            now_ms=now.wall_ms,
            common_context=self._common_context(request_id),
            stage_variables=self._api.stage_variables,
        )
        return _invoke(call) if route.authorizer is None else self._authorize(call, route.authorizer, now)

    def authorizer_returned(
        self, asked: InvokeHttpAuthorizer, answer: Answer | Refused, now: Moment
    ) -> HttpAnswer | InvokeHttpRoute:
        """The authorizer is done: invoke the route's function, or refuse. An answer is kept, an error is not."""
        if isinstance(answer, Refused):
            return self._refuse(asked.call, answer.status)
        self._cache.keep(asked.authorizer, asked.identity, answer, now.monotonic_s)
        return self._judge(asked.call, answer)

    def answer_for(self, request: HttpRequest, invoked: InvokeHttpRoute, outcome: Failure | bytes) -> HttpAnswer:
        """The answer to a request whose function is done; `outcome` is its payload or why there is none (P05–P09)."""
        if outcome is Failure.TIMEOUT:
            answer = _error(503, "Service Unavailable", invoked.request_id)
        elif isinstance(outcome, Failure):
            answer = _error(500, "Internal Server Error", invoked.request_id)
        else:
            payload_format = invoked.route.payload_format
            answer = _success(_read(outcome, payload_format), payload_format, invoked.request_id)
        return self._with_cors(request, answer)

    def owns(self, path: str) -> bool:
        """Whether a raw path lies inside this API's stage, route or no route."""
        return self._inside_stage(path) is not None

    def has_route(self, method: str, path: str) -> bool:
        """Whether some route would take a request for a raw path."""
        inner = self._inside_stage(path)
        return inner is not None and match_route(self._api.routes, method, inner) is not None

    # -- inside ----------------------------------------------------------------------------------------------------

    def _inside_stage(self, path: str) -> str | None:
        """The decoded path below the stage, or None when another stage was named (P03, P10)."""
        if self._api.stage == DEFAULT_STAGE:
            return unquote(path)
        first, _, rest = path.removeprefix("/").partition("/")
        return "/" + unquote(rest) if unquote(first) == self._api.stage else None

    def _authorize(
        self, call: HttpCall, authorizer: Authorizer, now: Moment
    ) -> HttpAnswer | InvokeHttpRoute | InvokeHttpAuthorizer:
        """Who does not say who he is gets 401 unseen; who was asked about lately needs no asking again."""
        query = parse_qsl(call.raw_query, keep_blank_values=True)
        values = identity(
            authorizer.identity_sources, call.request.headers, query, call.stage_variables, context_variables(call)
        )
        if values is None:
            return self._refuse(call, 401)
        answer = self._cache.find(authorizer, tuple(values), now.monotonic_s)
        if answer is not None:
            return self._judge(call, answer)
        build = authorizer_event_1_0 if authorizer.payload_format == "1.0" else authorizer_event_2_0
        return InvokeHttpAuthorizer(authorizer, _encode(build(call, values)), tuple(values), call)

    def _judge(self, call: HttpCall, answer: Answer) -> HttpAnswer | InvokeHttpRoute:
        verdict = decide(answer, call.arn, answer.context)
        return self._refuse(call, verdict.status) if isinstance(verdict, Refused) else _invoke(call, verdict)

    def _refuse(self, call: HttpCall, status: int) -> HttpAnswer:
        return self._with_cors(call.request, _error(status, _REFUSALS[status], call.request_id))

    def _is_preflight(self, request: HttpRequest, route: HttpRoute | None) -> bool:
        """Whether the gateway answers by itself: it does, whatever routes there are, once CORS is configured (P12).

        But a `$default` route with an authorizer takes every OPTIONS that no other route takes (P14).
        """
        if self._api.cors is None or request.method != "OPTIONS":
            return False
        return route is None or route.path != DEFAULT_ROUTE or route.authorizer is None

    def _preflight(self, request: HttpRequest, request_id: str) -> HttpAnswer:
        """The gateway's own answer to a CORS preflight: no route, no function (P12, P13)."""
        cors = self._api.cors or Cors()
        origin, wanted = request.header("origin"), request.header("access-control-request-method")
        headers: list[Header] = [("apigw-requestid", request_id)]
        if origin is not None and wanted is not None and _allows(cors, origin):
            headers += _cors_headers(cors, origin)
            if cors.allow_methods:
                headers.append(("access-control-allow-methods", ",".join(cors.allow_methods)))
            if cors.allow_headers:
                headers.append(("access-control-allow-headers", ",".join(cors.allow_headers)))
            if cors.max_age_s is not None:
                headers.append(("access-control-max-age", str(cors.max_age_s)))
        return HttpAnswer(self._settings.preflight_status, tuple(headers))

    def _with_cors(self, request: HttpRequest, answer: HttpAnswer) -> HttpAnswer:
        """Configured CORS headers replace the handler's own (P12), and appear only when Origin was sent (P13)."""
        cors = self._api.cors
        if cors is None:
            return answer
        headers = [header for header in answer.headers if not header[0].lower().startswith("access-control-")]
        origin = request.header("origin")
        if origin is not None and _allows(cors, origin):
            headers += _cors_headers(cors, origin)
            if cors.expose_headers:
                headers.append(("access-control-expose-headers", ",".join(cors.expose_headers)))
        return HttpAnswer(answer.status, tuple(headers), answer.body)

    def _common_context(self, request_id: str) -> dict[str, Any]:
        """What `requestContext` says alike in both formats."""
        return {
            "accountId": self._account_id,
            "apiId": self._api.api_id,
            "domainName": self._domain_name,
            "domainPrefix": self._domain_name.split(".", 1)[0].split(":", 1)[0],
            "requestId": request_id,
            "stage": self._api.stage,
        }


def not_found(request_id: str) -> HttpAnswer:
    """No route or stage: also for a wrong method on a known path, there is no 405 (P10)."""
    return _error(404, "Not Found", request_id)


def _invoke(call: HttpCall, authorized: Allowed | None = None) -> InvokeHttpRoute:
    build = event_1_0 if call.route.payload_format == "1.0" else event_2_0
    return InvokeHttpRoute(call.route, _encode(build(call, authorized)), call.request_id)


def _encode(event: Any) -> bytes:
    return json.dumps(event, separators=(",", ":")).encode()


def _head_bytes(request: HttpRequest) -> int:
    """Length of the request line and the headers as they came."""
    line = len(f"{request.method} {request.target} HTTP/1.1\r\n")
    return line + sum(len(f"{name}: {value}\r\n") for name, value in request.headers)


def match_route(routes: Sequence[HttpRoute], method: str, path: str) -> tuple[HttpRoute, dict[str, str]] | None:
    """The route for a decoded path and its path parameters (P11).

    Exact paths beat paths with parameters, those beat a greedy `{proxy+}`, and `$default` comes last; at equal paths a
    named method beats `ANY`.
    """
    best: tuple[tuple[int, int, int], HttpRoute, dict[str, str]] | None = None
    for route in routes:
        if route.method not in (method, "ANY"):
            continue
        found = _match_path(route.path, path)
        if found is None:
            continue
        specificity, parameters = found
        rank = (*specificity, 1 if route.method == method else 0)
        if best is None or rank > best[0]:
            best = (rank, route, parameters)
    return None if best is None else best[1:]


def _match_path(pattern: str, path: str) -> tuple[tuple[int, int], dict[str, str]] | None:
    """How specific the match is (kind, literal segments) and the parameters, or None.

    A trailing slash makes another path: only a greedy parameter takes it, as an empty one. (Both observed on AWS.)
    """
    if pattern == DEFAULT_ROUTE:
        return (0, 0), {}
    wanted, given = pattern.split("/"), path.split("/")
    parameters: dict[str, str] = {}
    literals = 0
    for index, piece in enumerate(wanted):
        if index >= len(given):
            return None
        if piece.startswith("{") and piece.endswith("+}"):
            parameters[piece[1:-2]] = "/".join(given[index:])
            return (1, literals), parameters
        if piece.startswith("{") and piece.endswith("}"):
            if not given[index]:
                return None
            parameters[piece[1:-1]] = given[index]
        elif piece == given[index]:
            literals += 1
        else:
            return None
    if len(given) != len(wanted):
        return None
    return (2 if parameters else 3, literals), parameters


def _read(payload: bytes, payload_format: str) -> Outcome:
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


def _success(outcome: Outcome, payload_format: str, request_id: str) -> HttpAnswer:
    if isinstance(outcome, Failure):
        return _error(500, "Internal Server Error", request_id)
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


_REFUSALS = {401: "Unauthorized", 403: "Forbidden", 500: "Internal Server Error"}
"""What a client without permission reads."""


def _error(status: int, message: str, request_id: str) -> HttpAnswer:
    body = json.dumps({"message": message}, separators=(",", ":")).encode()
    return HttpAnswer(status, (("content-type", "application/json"), ("apigw-requestid", request_id)), body)


def _allows(cors: Cors, origin: str) -> bool:
    scheme = origin.partition("://")[0]
    return not {"*", origin, f"{scheme}://*"}.isdisjoint(cors.allow_origins)


def _cors_headers(cors: Cors, origin: str) -> list[Header]:
    any_origin = "*" in cors.allow_origins and not cors.allow_credentials
    headers: list[Header] = [("access-control-allow-origin", "*" if any_origin else origin)]
    if cors.allow_credentials:
        headers.append(("access-control-allow-credentials", "true"))
    return headers
