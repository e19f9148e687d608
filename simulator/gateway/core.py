"""The rules of one WebSocket API: something happened goes in, what to do comes out.

No I/O, clock or randomness in here: time is an argument, ids come from an `IdFactory`, and the shell (`server`)
performs the actions and reports back. The life of a connection stands in `life`, its events in `websocket_events`,
who is told to come again later in `throttling`, who may come at all in `authorizers`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from simulator.errors import InputError
from simulator.gateway import authorizers, frames
from simulator.gateway.actions import Accept, Action, Close, InvokeAuthorizer, InvokeRoute, Refuse, Send
from simulator.gateway.deadlines import Deadlines
from simulator.gateway.ids import IdFactory
from simulator.gateway.life import State, Step, after
from simulator.gateway.moment import Moment
from simulator.gateway.proxy_result import Failure, Outcome, ProxyResult
from simulator.gateway.request_models import model_check
from simulator.gateway.route_selection import CONNECT, DISCONNECT, choose_route, compile_expression
from simulator.gateway.settings import GatewaySettings
from simulator.gateway.throttling import AccountThrottle, RouteThrottles
from simulator.gateway.websocket_events import (
    ApiFacts,
    ConnectionFacts,
    authorizer_event,
    connect_event,
    disconnect_event,
    message_event,
    method_arn,
)
from simulator.http11 import Header
from simulator.stack.model import Authorizer, WebSocketApi, WebSocketRoute

NORMAL_CLOSE = (1000, "Connection Closed Normally")
"""Close code and reason after DELETE @connections (C05, L13)."""
GOING_AWAY = (1001, "Going away")
"""Close code and reason for idle time-out, age, and the gateway's own end (L04, L08)."""
NO_STATUS = (1005, "Client-side close frame status not set")
"""What `$disconnect` reports after a close frame without a code (L13)."""
ABNORMAL = (1006, "")
"""What the wire shows when the socket ended without a close frame; see the setting `reset_close_code` (L13)."""

_REFUSAL_MESSAGES = {401: "Unauthorized", 403: "Forbidden", 429: "Too Many Requests", 504: "Endpoint request timed out"}


@dataclass(frozen=True, slots=True)
class Handshake:
    """An upgrade request that named this API's stage."""

    headers: Sequence[Header]
    query: Sequence[tuple[str, str]]
    source_ip: str


class Connection:
    """One connection as the rules see it."""

    __slots__ = (
        "close_code",
        "close_reason",
        "facts",
        "handshake",
        "last_active_ms",
        "last_data_s",
        "left_early",
        "opened_s",
        "state",
    )

    def __init__(self, facts: ConnectionFacts, handshake: Handshake) -> None:
        self.facts = facts
        self.handshake: Handshake | None = handshake
        """Until the handshake is answered."""
        self.state = State.CONNECTING
        self.last_active_ms = facts.connected_at_ms
        self.opened_s = 0.0
        """When the handshake was answered, on the timers' clock."""
        self.last_data_s = 0.0
        """When data last went either way, on the timers' clock (L05)."""
        self.close_code: int | None = None
        """Set when this side closes: `$disconnect` then reports it whatever the peer answers."""
        self.close_reason = ""
        self.left_early = False
        """The client went away while the handshake was waiting for a function."""

    def take(self, step: Step) -> None:
        """Move to the state after `step`."""
        self.state = after(self.state, step)


class WebSocketCore:
    """One WebSocket API with its stage. Not thread-safe: everything happens on the shell's one loop."""

    def __init__(
        self,
        api: WebSocketApi,
        domain_name: str,
        ids: IdFactory,
        *,
        account_id: str,
        region: str,
        settings: GatewaySettings,
        account: AccountThrottle,
    ) -> None:
        self._facts = ApiFacts(api.api_id, domain_name, api.stage, api.stage_variables)
        self._routes = api.routes
        self._method_arn = method_arn(region, account_id, api.api_id, api.stage)
        self.settings = settings
        try:
            self._select = compile_expression(api.route_selection_expression)
        except ValueError as error:
            raise InputError(
                f"the RouteSelectionExpression of {api.logical_id} cannot be used: {error}; "
                "write it like $request.body.action."
            ) from error
        self._model_checks = {
            key: check for key, route in api.routes.items() if (check := model_check(route)) is not None
        }
        self._throttles = RouteThrottles(
            account, api.throttle, {key: route.throttle for key, route in api.routes.items()}
        )
        self._ids = ids
        self._connections: dict[str, Connection] = {}
        self._deadlines = Deadlines()
        self._advanced_s = 0.0
        self.opened = 0
        """Handshakes answered with 101."""
        self.refused = 0
        """Handshakes answered with anything else."""
        self.callbacks_are_binary = settings.callback_frame == "binary"

    @property
    def stage(self) -> str:
        """The stage's name: the first segment of every path."""
        return self._facts.stage

    @property
    def open_count(self) -> int:
        """Connections a callback can reach now."""
        return sum(connection.state is State.OPEN for connection in self._connections.values())

    def find(self, connection_id: str) -> Connection | None:
        """A connection that has not gone, in whatever state."""
        return self._connections.get(connection_id)

    # -- the handshake ---------------------------------------------------------------------------------------------

    def handshake(self, request: Handshake, now: Moment) -> tuple[str, list[Action]]:
        """A client wants to connect: its new connection id, and what to do (H02, H08, H14, A01, A02)."""
        connection_id = self._ids.connection_id()
        while connection_id in self._connections:
            connection_id = self._ids.connection_id()
        user_agent = next((value for name, value in request.headers if name.lower() == "user-agent"), None)
        facts = ConnectionFacts(connection_id, now.wall_ms, request.source_ip, user_agent)
        connection = Connection(facts, request)
        self._connections[connection_id] = connection
        route = self._routes.get(CONNECT)
        if not self._throttles.admits_connection(CONNECT, now.monotonic_s):
            return connection_id, self._refuse(connection, 429, now)
        if route is None:
            if self.settings.accept_without_connect_route:
                return connection_id, self._accept(connection, None, now)
            return connection_id, self._refuse(connection, 403, now)
        if route.authorizer is not None:
            return connection_id, self._authorize(connection, request, route.authorizer, now)
        return connection_id, self._connect(connection, request, route, now)

    def authorizer_returned(
        self, connection_id: str, verdict: authorizers.Verdict, latency_ms: int, now: Moment
    ) -> list[Action]:
        """The authorizer is done: `$connect` runs now, or the handshake is refused (A03, A05).

        A client that did not wait for it is forgotten: nothing has been written down for it yet.
        """
        connection = self._connections.get(connection_id)
        route = self._routes.get(CONNECT)
        if connection is None or connection.handshake is None or route is None:
            return []
        if isinstance(verdict, authorizers.Refused):
            return self._refuse(connection, verdict.status, now)
        if connection.left_early:
            connection.take(Step.REFUSE)
            del self._connections[connection_id]
            return []
        connection.facts = connection.facts.authorized(
            {**verdict.context, "principalId": verdict.principal_id, "integrationLatency": str(latency_ms)}
        )
        return self._connect(connection, connection.handshake, route, now)

    def connect_returned(self, connection_id: str, outcome: Outcome, now: Moment) -> list[Action]:
        """`$connect` is done: 101 after any 2xx (H03), else that very status (H04), or 502, 500, 504 (H05–H07).

        A client that did not wait for it gets no answer, but what a successful `$connect` wrote down is taken back by
        a `$disconnect` with 1006.
        """
        connection = self._connections.get(connection_id)
        if connection is None:
            return []
        if isinstance(outcome, ProxyResult):
            if 200 <= outcome.status <= 299:  # noqa: PLR2004  "any 2xx"
                if connection.left_early:
                    connection.take(Step.ACCEPT)
                    return self._disconnect(connection, self.settings.reset_close_code, "", now)
                names = {name.lower(): value for name, value in outcome.headers.items()}
                return self._accept(connection, names.get("sec-websocket-protocol") or None, now)
            return self._refuse(connection, outcome.status, now, outcome.body)
        if outcome is Failure.TIMEOUT:
            return self._refuse(connection, self.settings.connect_timeout_status, now)
        return self._refuse(connection, 500 if outcome is Failure.REFUSED else 502, now)

    # -- messages --------------------------------------------------------------------------------------------------

    def message(self, connection_id: str, text: str, now: Moment) -> list[Action]:
        """A whole text message came: invoke its route, or say Forbidden (M04, M05).

        Nothing is kept between messages: those of one connection are handled side by side (M16).
        """
        connection = self._connections.get(connection_id)
        if connection is None or connection.state is not State.OPEN:
            return []
        self._data_moved(connection, now)
        key = choose_route(self._select(text), self._routes, reserved=self.settings.reserved_keys_selectable)
        request_id = self._ids.request_id()
        if not self._throttles.admits(key, now.monotonic_s):
            return [self._say(connection, self.settings.throttled_message, request_id)]
        if key is None:
            return [self._say(connection, frames.FORBIDDEN, request_id)]
        message_id = self._ids.message_id(connection_id)
        fits = self._model_checks.get(key)
        if fits is not None and not fits(text):
            return [Send(connection_id, frames.bad_request_frame(connection_id, message_id).encode())]
        event = message_event(
            self._facts,
            connection.facts,
            route_key=key,
            body=None if not text and self.settings.empty_text_body == "absent" else text,
            message_id=message_id,
            request_id=request_id,
            now_ms=now.wall_ms,
        )
        return [self._invoke(connection, self._routes[key], event, request_id)]

    def message_returned(self, invoked: InvokeRoute, outcome: Outcome | None, now: Moment) -> list[Action]:
        """A message's function is done; `outcome` is None when it returned anything at all and nobody looks at it.

        The status is ignored (M10) and so is the body, but for a route with a route response (M12). Only failures
        show, as an error frame (M07, M08).
        """
        connection = self._connections.get(invoked.connection_id)
        if connection is None or connection.state is not State.OPEN:
            return []
        if outcome is Failure.TIMEOUT:
            action = self._say(connection, frames.ENDPOINT_TIMEOUT, invoked.request_id)
        elif outcome in (Failure.ERROR, Failure.REFUSED):
            action = self._say(connection, frames.INTERNAL_SERVER_ERROR, invoked.request_id)
        elif isinstance(outcome, ProxyResult) and self.wants_result(invoked.route_key) and outcome.body:
            action = Send(invoked.connection_id, as_text(outcome.body))
        else:
            return []
        self._data_moved(connection, now)
        return [action]

    def wants_result(self, route_key: str) -> bool:
        """Whether the route sends the handler's `body` back, so that the result must be read (M12)."""
        route = self._routes.get(route_key)
        return route is not None and route.route_response

    def ping(self, connection_id: str, now: Moment) -> None:
        """The client pinged, and the frames have answered: no event, and by default no sign of life (L06)."""
        connection = self._connections.get(connection_id)
        if connection is not None and self.settings.ping_resets_idle_timer:
            connection.last_data_s = self._timer_s(now)

    def callback(self, connection: Connection, payload: bytes, now: Moment) -> list[Action]:
        """A callback posted `payload` to an open connection: one message, as text (C18)."""
        message = self.callback_message(connection, payload, now)
        return [Send(connection.facts.connection_id, message, binary=self.callbacks_are_binary)]

    def callback_message(self, connection: Connection, payload: bytes, now: Moment) -> bytes:
        """The same, as the payload of that message alone."""
        connection.last_data_s = self._timer_s(now)
        if self.settings.callbacks_move_last_active:
            connection.last_active_ms = now.wall_ms
        return payload if self.callbacks_are_binary else as_text(payload)

    # -- time ------------------------------------------------------------------------------------------------------

    def wake_in_s(self, now: Moment) -> float | None:
        """Real seconds until `wake` is due; None when nothing is, or the clock stands still until `advance`."""
        next_s = self._deadlines.next_s()
        if next_s is None:
            return None
        left_s = max(0.0, next_s - self._timer_s(now))
        if left_s and not self.settings.clock_speed:
            return None
        return left_s / (self.settings.clock_speed or 1.0)

    def wake(self, now: Moment) -> list[Action]:
        """Close what has been idle for too long (L04) or is too old (L08)."""
        now_s = self._timer_s(now)
        actions: list[Action] = []
        for connection_id in self._deadlines.due(now_s, self._deadline_s):
            connection = self._connections[connection_id]
            too_old = now_s >= connection.opened_s + self.settings.max_age_s
            code = self.settings.max_age_close_code if too_old else GOING_AWAY[0]
            actions += self.close(connection_id, code, GOING_AWAY[1])
        return actions

    def advance(self, seconds: float) -> None:
        """Move the timers' clock forward by hand; call `wake` after it."""
        self._advanced_s += seconds

    # -- the end ---------------------------------------------------------------------------------------------------

    def close(self, connection_id: str, code: int, reason: str) -> list[Action]:
        """This side closes; from now on callbacks answer 410."""
        connection = self._connections.get(connection_id)
        if connection is None or connection.state is not State.OPEN:
            return []
        connection.take(Step.CLOSE)
        connection.close_code, connection.close_reason = code, reason
        return [Close(connection_id, code, reason)]

    def closing(self, connection_id: str) -> None:
        """The closing handshake has begun on the wire, whoever began it: callbacks answer 410 from now on."""
        connection = self._connections.get(connection_id)
        if connection is not None and connection.state is State.OPEN:
            connection.take(Step.CLOSE)

    def gone(self, connection_id: str, code: int, reason: str, now: Moment) -> list[Action]:
        """The socket is gone, with the close code and reason seen on the wire: `$disconnect` runs now (M19).

        A client that leaves while a function of its handshake still runs stays CONNECTING until that returns.
        """
        connection = self._connections.get(connection_id)
        if connection is None:
            return []
        if connection.state is State.CONNECTING:
            connection.left_early = True
            return []
        if connection.close_code is not None:
            code, reason = connection.close_code, connection.close_reason
        elif (code, reason) == ABNORMAL:
            code = self.settings.reset_close_code
        return self._disconnect(connection, code, reason, now)

    # -- inside ----------------------------------------------------------------------------------------------------

    def _authorize(
        self, connection: Connection, request: Handshake, authorizer: Authorizer, now: Moment
    ) -> list[Action]:
        """Ask the authorizer; without the identity it wants, the answer is 401 and nobody is asked (A02)."""
        request_id = self._ids.request_id()
        event = authorizer_event(
            self._facts,
            connection.facts,
            headers=request.headers,
            query=request.query,
            method_arn=self._method_arn,
            request_id=request_id,
            trace_id=self._ids.trace_id(now.wall_ms),
            now_ms=now.wall_ms,
        )
        identity = authorizers.identity(
            authorizer.identity_sources,
            headers=request.headers,
            query=request.query,
            stage_variables=self._facts.stage_variables,
            context=event["requestContext"],
        )
        if identity is None:
            return self._refuse(connection, 401, now)
        connection_id = connection.facts.connection_id
        return [
            InvokeAuthorizer(
                connection_id, authorizer.function, _encode(event), self._method_arn, authorizer.timeout_ms
            )
        ]

    def _connect(self, connection: Connection, request: Handshake, route: WebSocketRoute, now: Moment) -> list[Action]:
        request_id = self._ids.request_id()
        event = connect_event(
            self._facts,
            connection.facts,
            headers=request.headers,
            query=request.query,
            request_id=request_id,
            trace_id=self._ids.trace_id(now.wall_ms),
            now_ms=now.wall_ms,
            keep_first_query_value=self.settings.repeated_query_value == "first",
        )
        return [self._invoke(connection, route, event, request_id)]

    def _accept(self, connection: Connection, subprotocol: str | None, now: Moment) -> list[Action]:
        connection.take(Step.ACCEPT)
        connection.handshake = None
        self.opened += 1
        connection.opened_s = connection.last_data_s = self._timer_s(now)
        connection_id = connection.facts.connection_id
        deadline_s = self._deadline_s(connection_id)
        if deadline_s is not None:
            self._deadlines.watch(connection_id, deadline_s)
        return [Accept(connection_id, subprotocol)]

    def _refuse(self, connection: Connection, status: int, now: Moment, body: bytes = b"") -> list[Action]:
        """Refuse the handshake (H04, H16); nothing of the connection is left, and no `$disconnect` follows (M20)."""
        connection.take(Step.REFUSE)
        del self._connections[connection.facts.connection_id]
        if connection.left_early:
            return []
        self.refused += 1
        if self.settings.refusal_body == "message":
            body = _encode({"message": _REFUSAL_MESSAGES.get(status, "Internal server error")})
        elif self.settings.refusal_body == "empty":
            body = b""
        actions: list[Action] = [Refuse(connection.facts.connection_id, status, body)]
        if self.settings.disconnect_after_refusal:
            actions += self._disconnect_event(connection, self.settings.reset_close_code, "", now)
        return actions

    def _disconnect(self, connection: Connection, code: int, reason: str, now: Moment) -> list[Action]:
        connection.take(Step.GONE)
        del self._connections[connection.facts.connection_id]
        return self._disconnect_event(connection, code, reason, now)

    def _disconnect_event(self, connection: Connection, code: int, reason: str, now: Moment) -> list[Action]:
        route = self._routes.get(DISCONNECT)
        if route is None:
            return []
        request_id = self._ids.request_id()
        event = disconnect_event(
            self._facts, connection.facts, code=code, reason=reason, request_id=request_id, now_ms=now.wall_ms
        )
        return [self._invoke(connection, route, event, request_id)]

    def _say(self, connection: Connection, message: str, request_id: str) -> Send:
        """One of the gateway's own frames."""
        connection_id = connection.facts.connection_id
        return Send(connection_id, frames.error_frame(message, connection_id, request_id).encode())

    def _invoke(
        self, connection: Connection, route: WebSocketRoute, event: dict[str, Any], request_id: str
    ) -> InvokeRoute:
        return InvokeRoute(
            connection_id=connection.facts.connection_id,
            route_key=route.key,
            function=route.function,
            payload=_encode(event),
            request_id=request_id,
            timeout_ms=route.timeout_ms,
        )

    def _data_moved(self, connection: Connection, now: Moment) -> None:
        connection.last_active_ms = now.wall_ms
        connection.last_data_s = self._timer_s(now)

    def _timer_s(self, now: Moment) -> float:
        """The clock of the idle and age timers: real seconds, faster or slower, and what was added by hand."""
        return now.monotonic_s * self.settings.clock_speed + self._advanced_s

    def _deadline_s(self, connection_id: str) -> float | None:
        """When a connection is to be closed as things are; None when it is not open any more."""
        connection = self._connections.get(connection_id)
        if connection is None or connection.state is not State.OPEN:
            return None
        return min(connection.last_data_s + self.settings.idle_timeout_s, connection.opened_s + self.settings.max_age_s)


def as_text(payload: bytes) -> bytes:
    """`payload` as the payload of a text frame: what is not UTF-8 is replaced (C18)."""
    try:
        payload.decode()
    except UnicodeDecodeError:
        return payload.decode("utf-8", "replace").encode()
    return payload


_COMPACT = json.JSONEncoder(separators=(",", ":"))


def _encode(event: dict[str, Any]) -> bytes:
    return _COMPACT.encode(event).encode()
