"""The rules of one WebSocket API: something happened goes in, what to do comes out.

No I/O, clock or randomness in here: time is an argument, ids come from an `IdFactory`, and the shell (`server`)
performs the actions and reports back. The life of a connection stands in `life`, its events in `websocket_events`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from simulator.errors import InputError
from simulator.gateway import frames
from simulator.gateway.ids import IdFactory
from simulator.gateway.life import State, Step, after
from simulator.gateway.proxy_result import Failure, Outcome, ProxyResult
from simulator.gateway.route_selection import CONNECT, DISCONNECT, choose_route, compile_expression
from simulator.gateway.websocket_events import (
    ApiFacts,
    ConnectionFacts,
    connect_event,
    disconnect_event,
    message_event,
)
from simulator.http11 import Header
from simulator.stack.model import WebSocketApi, WebSocketRoute

NORMAL_CLOSE = (1000, "Connection Closed Normally")
"""Close code and reason after DELETE @connections (C05, L13)."""
GOING_AWAY = (1001, "Going away")
"""Close code and reason for idle time-out, age, and the gateway's own end (L04, L08)."""
UNSUPPORTED_DATA = (1003, "")
"""Close code for a binary frame (M14)."""
NO_STATUS = (1005, "Client-side close frame status not set")
"""What `$disconnect` reports after a close frame without a code (L13)."""
ABNORMAL = (1006, "")
"""What `$disconnect` reports when the socket ended without a close frame (L13, inferred)."""

_REFUSAL_MESSAGES = {401: "Unauthorized", 403: "Forbidden", 429: "Too Many Requests", 504: "Endpoint request timed out"}


@dataclass(frozen=True, slots=True)
class Handshake:
    """An upgrade request that named this API's stage."""

    headers: Sequence[Header]
    query: Sequence[tuple[str, str]]
    source_ip: str


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
    message: str


@dataclass(frozen=True, slots=True)
class SendText:
    """Send one text frame."""

    connection_id: str
    text: str


@dataclass(frozen=True, slots=True)
class Close:
    """Start the closing handshake."""

    connection_id: str
    code: int
    reason: str


Action = InvokeRoute | Accept | Refuse | SendText | Close


class Connection:
    """One connection as the rules see it."""

    __slots__ = ("close_code", "close_reason", "facts", "last_active_ms", "left_early", "state")

    def __init__(self, facts: ConnectionFacts) -> None:
        self.facts = facts
        self.state = State.CONNECTING
        self.last_active_ms = facts.connected_at_ms
        self.close_code: int | None = None
        """Set when this side closes: `$disconnect` then reports it whatever the peer answers."""
        self.close_reason = ""
        self.left_early = False
        """The client went away while `$connect` was running."""

    def take(self, step: Step) -> None:
        """Move to the state after `step`."""
        self.state = after(self.state, step)


class WebSocketCore:
    """One WebSocket API with its stage. Not thread-safe: everything happens on the shell's one loop."""

    def __init__(self, api: WebSocketApi, domain_name: str, ids: IdFactory) -> None:
        self._facts = ApiFacts(api.api_id, domain_name, api.stage, api.stage_variables)
        self._routes = api.routes
        try:
            self._select = compile_expression(api.route_selection_expression)
        except ValueError as error:
            raise InputError(
                f"the RouteSelectionExpression of {api.logical_id} cannot be used: {error}; "
                "write it like $request.body.action."
            ) from error
        self._ids = ids
        self._connections: dict[str, Connection] = {}
        self.opened = 0
        """Handshakes answered with 101."""
        self.refused = 0
        """Handshakes answered with anything else."""

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

    def handshake(self, request: Handshake, now_ms: int) -> tuple[str, list[Action]]:
        """A client wants to connect: its new connection id, and what to do (H02, H08)."""
        connection_id = self._ids.connection_id()
        while connection_id in self._connections:
            connection_id = self._ids.connection_id()
        user_agent = next((value for name, value in request.headers if name.lower() == "user-agent"), None)
        connection = Connection(ConnectionFacts(connection_id, now_ms, request.source_ip, user_agent))
        self._connections[connection_id] = connection
        route = self._routes.get(CONNECT)
        if route is None:
            return connection_id, self._accept(connection, None)
        request_id = self._ids.request_id()
        event = connect_event(
            self._facts,
            connection.facts,
            headers=request.headers,
            query=request.query,
            request_id=request_id,
            trace_id=self._ids.trace_id(now_ms),
            now_ms=now_ms,
        )
        return connection_id, [self._invoke(connection, route, event, request_id)]

    def connect_returned(self, connection_id: str, outcome: Outcome, now_ms: int) -> list[Action]:
        """`$connect` is done: 101 after any 2xx (H03), else that very status (H04), or 502, 500, 504 (H05–H07).

        A client that did not wait for it gets no answer, but what a successful `$connect` wrote down is taken back by
        a `$disconnect` with 1006.
        """
        connection = self._connections.get(connection_id)
        if connection is None:
            return []
        if isinstance(outcome, ProxyResult) and 200 <= outcome.status <= 299:  # noqa: PLR2004  "any 2xx"
            if connection.left_early:
                connection.take(Step.ACCEPT)
                return self._disconnect(connection, *ABNORMAL, now_ms)
            names = {name.lower(): value for name, value in outcome.headers.items()}
            return self._accept(connection, names.get("sec-websocket-protocol") or None)
        connection.take(Step.REFUSE)
        del self._connections[connection_id]
        if connection.left_early:
            return []
        self.refused += 1
        status = outcome.status if isinstance(outcome, ProxyResult) else _HANDSHAKE_STATUS[outcome]
        return [Refuse(connection_id, status, _REFUSAL_MESSAGES.get(status, "Internal server error"))]

    # -- messages --------------------------------------------------------------------------------------------------

    def message(self, connection_id: str, text: str, now_ms: int) -> list[Action]:
        """A whole text message came: invoke its route, or say Forbidden (M04, M05).

        Nothing is kept between messages: those of one connection are handled side by side (M16).
        """
        connection = self._connections.get(connection_id)
        if connection is None or connection.state is not State.OPEN:
            return []
        connection.last_active_ms = now_ms
        key = choose_route(self._select(text), self._routes)
        request_id = self._ids.request_id()
        if key is None:
            return [SendText(connection_id, frames.error_frame(frames.FORBIDDEN, connection_id, request_id))]
        event = message_event(
            self._facts,
            connection.facts,
            route_key=key,
            body=text,
            message_id=self._ids.message_id(connection_id),
            request_id=request_id,
            now_ms=now_ms,
        )
        return [self._invoke(connection, self._routes[key], event, request_id)]

    def message_returned(self, invoked: InvokeRoute, outcome: Outcome | None) -> list[Action]:
        """A message's function is done; `outcome` is None when it returned anything at all and nobody looks at it.

        The status is ignored (M10) and so is the body, but for a route with a route response (M12). Only failures
        show, as an error frame (M07, M08).
        """
        connection = self._connections.get(invoked.connection_id)
        if connection is None or connection.state is not State.OPEN:
            return []
        if outcome is Failure.TIMEOUT:
            text = frames.error_frame(frames.ENDPOINT_TIMEOUT, invoked.connection_id, invoked.request_id)
        elif outcome in (Failure.ERROR, Failure.REFUSED):
            text = frames.error_frame(frames.INTERNAL_SERVER_ERROR, invoked.connection_id, invoked.request_id)
        elif isinstance(outcome, ProxyResult) and self.wants_result(invoked.route_key) and outcome.body:
            text = outcome.body.decode("utf-8", "replace")
        else:
            return []
        return [SendText(invoked.connection_id, text)]

    def wants_result(self, route_key: str) -> bool:
        """Whether the route sends the handler's `body` back, so that the result must be read (M12)."""
        route = self._routes.get(route_key)
        return route is not None and route.route_response

    def binary_message(self, connection_id: str) -> list[Action]:
        """A binary frame came: the connection is closed with 1003 and no function hears of it (M14)."""
        return self.close(connection_id, *UNSUPPORTED_DATA)

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

    def gone(self, connection_id: str, code: int, reason: str, now_ms: int) -> list[Action]:
        """The socket is gone, with the close code and reason seen on the wire: `$disconnect` runs now (M19).

        A client that leaves while `$connect` still runs stays CONNECTING until the function returns.
        """
        connection = self._connections.get(connection_id)
        if connection is None:
            return []
        if connection.state is State.CONNECTING:
            connection.left_early = True
            return []
        if connection.close_code is not None:
            code, reason = connection.close_code, connection.close_reason
        return self._disconnect(connection, code, reason, now_ms)

    # -- inside ----------------------------------------------------------------------------------------------------

    def _disconnect(self, connection: Connection, code: int, reason: str, now_ms: int) -> list[Action]:
        connection.take(Step.GONE)
        del self._connections[connection.facts.connection_id]
        route = self._routes.get(DISCONNECT)
        if route is None:
            return []
        request_id = self._ids.request_id()
        event = disconnect_event(
            self._facts, connection.facts, code=code, reason=reason, request_id=request_id, now_ms=now_ms
        )
        return [self._invoke(connection, route, event, request_id)]

    def _accept(self, connection: Connection, subprotocol: str | None) -> list[Action]:
        connection.take(Step.ACCEPT)
        self.opened += 1
        return [Accept(connection.facts.connection_id, subprotocol)]

    def _invoke(
        self, connection: Connection, route: WebSocketRoute, event: dict[str, Any], request_id: str
    ) -> InvokeRoute:
        return InvokeRoute(
            connection_id=connection.facts.connection_id,
            route_key=route.key,
            function=route.function,
            payload=json.dumps(event, separators=(",", ":")).encode(),
            request_id=request_id,
            timeout_ms=route.timeout_ms,
        )


_HANDSHAKE_STATUS = {
    Failure.ERROR: 502,
    Failure.MALFORMED: 502,
    Failure.REFUSED: 500,
    Failure.TIMEOUT: 504,
}
