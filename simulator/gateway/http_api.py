"""The rules of one HTTP API: which route, who may, which event, which answer (section 5 of the contract). Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote

from simulator.gateway.authorizer_cache import AuthorizerCache
from simulator.gateway.authorizers import Allowed, Answer, Refused, decide, identity
from simulator.gateway.cors import preflight_answer, with_cors
from simulator.gateway.http_answers import HttpAnswer, answer_to, error, not_found
from simulator.gateway.http_events import (
    HttpCall,
    authorizer_event_1_0,
    authorizer_event_2_0,
    context_variables,
    event_1_0,
    event_2_0,
)
from simulator.gateway.http_routes import DEFAULT_ROUTE, match_route
from simulator.gateway.moment import Moment
from simulator.gateway.proxy_result import Outcome
from simulator.gateway.settings import GatewaySettings
from simulator.gateway.throttling import AccountThrottle, RouteThrottles
from simulator.gateway.websocket_events import forwarded_headers
from simulator.http11 import HttpRequest
from simulator.stack.arns import partition
from simulator.stack.model import Authorizer, HttpApi, HttpRoute

DEFAULT_STAGE = "$default"
MAX_HEAD_BYTES = 10_240
"""Request line and headers together (P15)."""


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
            return error(431, "Request Header Fields Too Large", request_id)
        path, _, raw_query = request.target.partition("?")
        inner = self._inside_stage(path)
        match = None if inner is None else match_route(self._api.routes, request.method, inner)
        if not self._throttles.admits(None if match is None else match[0].key, now.monotonic_s):
            return with_cors(self._api.cors, request, error(429, self._settings.http_throttled_message, request_id))
        if self._api.cors is not None and inner is not None and _is_preflight(request, match):
            return preflight_answer(self._api.cors, request, self._settings.preflight_status, request_id)
        if inner is None or match is None:
            return with_cors(self._api.cors, request, not_found(request_id))
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

    def answer_for(self, request: HttpRequest, invoked: InvokeHttpRoute, outcome: Outcome) -> HttpAnswer:
        """The answer to a request whose function is done (P05–P09); see `http_answers.read_result`."""
        answer = answer_to(outcome, invoked.route.payload_format, invoked.request_id)
        return with_cors(self._api.cors, request, answer)

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
        return with_cors(self._api.cors, call.request, error(status, _REFUSALS[status], call.request_id))

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


def _is_preflight(request: HttpRequest, match: tuple[HttpRoute, dict[str, str]] | None) -> bool:
    """Whether the gateway answers an OPTIONS by itself: whatever routes there are, once CORS is configured (P12).

    But a `$default` route with an authorizer takes every OPTIONS that no other route takes (P14).
    """
    swallowed = match is not None and match[0].path == DEFAULT_ROUTE and match[0].authorizer is not None
    return request.method == "OPTIONS" and not swallowed


def _invoke(call: HttpCall, authorized: Allowed | None = None) -> InvokeHttpRoute:
    build = event_1_0 if call.route.payload_format == "1.0" else event_2_0
    return InvokeHttpRoute(call.route, _encode(build(call, authorized)), call.request_id)


def _encode(event: Any) -> bytes:
    return json.dumps(event, separators=(",", ":")).encode()


def _head_bytes(request: HttpRequest) -> int:
    """Length of the request line and the headers as they came."""
    line = len(f"{request.method} {request.target} HTTP/1.1\r\n")
    return line + sum(len(f"{name}: {value}\r\n") for name, value in request.headers)


_REFUSALS = {401: "Unauthorized", 403: "Forbidden", 500: "Internal Server Error"}
"""What a client without permission reads."""
