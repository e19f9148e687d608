"""The asyncio shell of the gateway: sockets in, actions of the rules out.

One port serves the first WebSocket API, the first HTTP API and `@connections`, as one host does in AWS (a handler
derives one URL from another); each further API of a template gets a port of its own. `/.tracker-sim/stats` tells counts
to the load generator; no stage can have that name.
"""

from __future__ import annotations

import asyncio
import base64
import ipaddress
import json
import logging
import random
import socket
import ssl
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote

from websockets.utils import accept_key

from simulator.clock import Clock
from simulator.gateway import management
from simulator.gateway.channel import Channel
from simulator.gateway.core import (
    ABNORMAL,
    GOING_AWAY,
    Accept,
    Action,
    Close,
    Handshake,
    InvokeRoute,
    Refuse,
    SendText,
    WebSocketCore,
)
from simulator.gateway.http_api import HttpAnswer, HttpApiRules, InvokeHttpRoute, not_found
from simulator.gateway.ids import IdFactory
from simulator.gateway.listener import Listener, bind
from simulator.gateway.proxy_result import Failure, Outcome, parse_proxy_result
from simulator.gateway.route_selection import CONNECT, DISCONNECT
from simulator.gateway.tls import ThrowawayAuthority
from simulator.http11 import Header, HttpConnection, HttpRequest, OpenConnections
from simulator.invocation import Invoke, InvokeRefusedError
from simulator.stack.model import HttpApi, Stack, WebSocketApi

_LOG = logging.getLogger("simulator.gateway")

STATS_PATH = "/.tracker-sim/stats"

MAX_BACKLOG_BYTES = 524_288
"""Bytes a connection may leave unread before callbacks to it are refused with 429 (C14; the figure is ours)."""

_STOP_TIMEOUT_S = 1.0
_JSON = ("content-type", "application/json")


@dataclass(frozen=True, slots=True)
class Address:
    """Where one API listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Gateway:
    """All APIs of a stack, behind one main port."""

    def __init__(
        self,
        stack: Stack,
        invoke: Invoke,
        *,
        clock: Clock,
        rng: random.Random,
        host: str = "127.0.0.1",
        port: int = 0,
        stats: Callable[[], Mapping[str, Any]] = dict,
    ) -> None:
        self._stack = stack
        self._invoke = invoke
        self._clock = clock
        self._ids = IdFactory(rng.getrandbits)
        self._host = host
        self._port = port
        self._stats = stats
        self._authority: ThrowawayAuthority | None = None
        self._endpoints: list[Endpoint] = []
        self.addresses: dict[str, Address] = {}
        """API id to where it listens; filled by `start`."""

    async def start(self) -> None:
        """Bind the ports and make the certificate; clients are served from now on."""
        first_port = bind(self._host, self._port)
        try:
            await self._serve(first_port)
        except BaseException:
            await self.stop()
            first_port.close()
            raise

    async def _serve(self, first_port: socket.socket) -> None:
        self._authority = await asyncio.to_thread(ThrowawayAuthority, self._reachable_host())
        pairs = _pair_apis(self._stack.websocket_apis, self._stack.http_apis)
        for index, (websocket_api, http_api) in enumerate(pairs):
            listening = first_port if index == 0 else bind(self._host, 0)
            address = Address(self._reachable_host(), listening.getsockname()[1])
            endpoint = Endpoint(
                websocket=None if websocket_api is None else WebSocketCore(websocket_api, str(address), self._ids),
                http=None if http_api is None else HttpApiRules(http_api, self._stack.account_id, str(address)),
                ids=self._ids,
                invoke=self._invoke,
                clock=self._clock,
                stats=self._stats,
            )
            endpoint.listen(listening, self._authority.server_context)
            self._endpoints.append(endpoint)
            for api in (websocket_api, http_api):
                if api is not None:
                    self.addresses[api.api_id] = address
        self.main_address = Address(self._reachable_host(), first_port.getsockname()[1])
        bound_ip = first_port.getsockname()[0].partition("%")[0]
        if not ipaddress.ip_address(bound_ip).is_loopback:
            _LOG.warning("listening on %s: anybody who can reach this machine can connect and post", self._host)

    async def stop(self) -> None:
        """Close every connection with 1001 and every port. `$disconnect` does not run: nobody would handle it."""
        await asyncio.gather(*(endpoint.stop() for endpoint in self._endpoints))
        if self._authority is not None:
            self._authority.discard()
            self._authority = None

    @property
    def ca_bundle(self) -> Path:
        """For `AWS_CA_BUNDLE`: trusts the gateway's certificate beside the public ones."""
        if self._authority is None:
            raise RuntimeError("the gateway has not been started")
        return self._authority.bundle

    def connection_counts(self) -> dict[str, int]:
        """Handshakes accepted and refused so far, and connections open now, over all WebSocket APIs."""
        cores = [endpoint.websocket for endpoint in self._endpoints if endpoint.websocket is not None]
        return {
            "opened": sum(core.opened for core in cores),
            "refused": sum(core.refused for core in cores),
            "open": sum(core.open_count for core in cores),
        }

    def _reachable_host(self) -> str:
        return _EVERY_INTERFACE.get(self._host, "127.0.0.1" if self._host == "localhost" else self._host)


_EVERY_INTERFACE = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104  recognised, to warn about it


def _pair_apis(
    websocket_apis: Iterable[WebSocketApi], http_apis: Iterable[HttpApi]
) -> list[tuple[WebSocketApi | None, HttpApi | None]]:
    """Which APIs share a port: the first of each kind the main one, every further API has its own."""
    sockets: list[WebSocketApi | None] = list(websocket_apis) or [None]
    https: list[HttpApi | None] = list(http_apis) or [None]
    return [(sockets[0], https[0]), *((api, None) for api in sockets[1:]), *((None, api) for api in https[1:])]


class Endpoint:
    """One port: what is behind it, and the connections on it."""

    def __init__(
        self,
        *,
        websocket: WebSocketCore | None,
        http: HttpApiRules | None,
        ids: IdFactory,
        invoke: Invoke,
        clock: Clock,
        stats: Callable[[], Mapping[str, Any]],
    ) -> None:
        self.websocket = websocket
        self.http = http
        self.ids = ids
        self.clock = clock
        self.stats = stats
        self._listener: Listener | None = None
        self.channels: dict[str, Channel] = {}
        """Open WebSocket connections."""
        self.pending: dict[str, GatewayConnection] = {}
        """Upgrade requests that wait for `$connect`."""
        self._invoke = invoke
        self._connections = OpenConnections()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._stopping = False

    def listen(self, listening: socket.socket, tls: ssl.SSLContext) -> None:
        """Serve what connects to a bound socket, which is then this object's to close."""
        self._listener = Listener(listening, lambda: GatewayConnection(self, self._connections), tls)
        self._listener.start()

    def spawn(self, coroutine: Any) -> None:
        """Run a coroutine beside everything else; `stop` ends it."""
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._on_task_done)

    def _on_task_done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            _LOG.error("the gateway failed at %s; please report this", task.get_coro(), exc_info=error)

    async def stop(self) -> None:
        """Close the port and all connections on it."""
        self._stopping = True
        if self._listener is not None:
            await self._listener.stop()
        for connection in self._connections:
            connection.end()
        await self._connections.drain(_STOP_TIMEOUT_S)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # -- performing what the rules say -----------------------------------------------------------------------------

    def perform(self, actions: Iterable[Action]) -> None:
        """Do what the WebSocket API's rules decided."""
        for action in actions:
            match action:
                case SendText(connection_id, text):
                    channel = self.channels.get(connection_id)
                    if channel is not None:
                        channel.send_text(text.encode())
                case InvokeRoute():
                    if not self._stopping:
                        self.spawn(self._run_route(action))
                case Accept(connection_id, subprotocol):
                    self.pending.pop(connection_id).accept(connection_id, subprotocol)
                case Refuse(connection_id, status, message):
                    self.pending.pop(connection_id).refuse(status, message)
                case Close(connection_id, code, reason):
                    channel = self.channels.get(connection_id)
                    if channel is not None:
                        channel.close(code, reason)

    async def _run_route(self, invoked: InvokeRoute) -> None:
        core = self.websocket
        if core is None:
            return
        is_connect = invoked.route_key == CONNECT
        origin = f"route={invoked.route_key} connectionId={invoked.connection_id} requestId={invoked.request_id}"
        outcome = await self._outcome(invoked.function, invoked.payload, invoked.timeout_ms, origin)
        if isinstance(outcome, bytes):
            read = is_connect or core.wants_result(invoked.route_key)
            result: Outcome | None = parse_proxy_result(outcome) if read else None
            if result is Failure.MALFORMED:
                consequence = "the client gets 502" if is_connect else "the client gets no reply"
                _LOG.error("%s: %s: %s; %s", origin, invoked.function, result.value, consequence)
        else:
            result = outcome
        if is_connect:
            answer = result or Failure.MALFORMED
            self.perform(core.connect_returned(invoked.connection_id, answer, self.clock.wall_ms()))
        elif invoked.route_key != DISCONNECT:
            self.perform(core.message_returned(invoked, result))

    async def run_http(self, connection: GatewayConnection, request: HttpRequest, invoked: InvokeHttpRoute) -> None:
        """Invoke an HTTP API's function and answer the request."""
        rules = self.http
        if rules is None:
            return
        route = invoked.route
        origin = f"route={route.method} {route.path} requestId={invoked.request_id}"
        outcome = await self._outcome(route.function, invoked.payload, route.timeout_ms, origin)
        answer = rules.answer_for(request, invoked, outcome)
        connection.respond(answer.status, answer.headers, answer.body)

    async def _outcome(self, function: str, payload: bytes, timeout_ms: int, origin: str) -> bytes | Failure:
        """Invoke and wait no longer than the integration timeout; the function itself runs on after it (M08, P09)."""
        invocation = asyncio.ensure_future(self._invoke(function, payload, origin=origin))
        self._tasks.add(invocation)
        invocation.add_done_callback(self._tasks.discard)
        done, _ = await asyncio.wait({invocation}, timeout=timeout_ms / 1000)
        if not done:
            _LOG.error("%s: %s took longer than the integration timeout of %d ms", origin, function, timeout_ms)
            invocation.add_done_callback(_look_at)
            return Failure.TIMEOUT
        try:
            result = invocation.result()
        except InvokeRefusedError as refused:
            _LOG.error("%s: Lambda refused to invoke %s: %s", origin, function, refused)
            return Failure.REFUSED
        except Exception:  # noqa: BLE001  whatever broke there, the client here must not wait for ever
            _LOG.exception("%s: %s could not be invoked", origin, function)
            return Failure.REFUSED
        return Failure.ERROR if result.function_error else result.payload


def _look_at(invocation: asyncio.Future[Any]) -> None:
    """Nobody waits for this one any more; its error was logged where it happened."""
    if not invocation.cancelled():
        invocation.exception()


class GatewayConnection(HttpConnection):
    """One accepted socket: HTTP until it is upgraded, frames afterwards."""

    upgrades_to = "websocket"

    def __init__(self, endpoint: Endpoint, connections: OpenConnections) -> None:
        super().__init__(connections)
        self._endpoint = endpoint
        self._connection_id: str | None = None
        self._websocket_key = ""
        self._early = bytearray()
        """Frames that came before the handshake was answered."""
        self.channel: Channel | None = None

    def on_request(self, request: HttpRequest) -> None:
        """Sort a request: upgrade, callback, HTTP API or nothing."""
        endpoint = self._endpoint
        path, _, query = request.target.partition("?")
        websocket = endpoint.websocket
        if request.upgrade:
            self._on_upgrade(request, path, query)
        elif path == STATS_PATH:
            self.respond(200, [_JSON], json.dumps(endpoint.stats()).encode())
        elif websocket is not None and management.is_management_path(path):
            self._on_callback(websocket, request, path)
        elif websocket is not None and _lacks_upgrade(websocket.stage, endpoint.http, request.method, path):
            self._answer(HttpAnswer(426, (_JSON, ("upgrade", "websocket")), b'{"message":"Upgrade Required"}'))
        elif endpoint.http is not None:
            now_ms = endpoint.clock.wall_ms()
            decided = endpoint.http.handle(
                request,
                self.peer_ip,
                request_id=endpoint.ids.request_id(),
                trace_id=endpoint.ids.trace_id(now_ms),
                now_ms=now_ms,
            )
            if isinstance(decided, HttpAnswer):
                self._answer(decided)
            else:
                endpoint.spawn(endpoint.run_http(self, request, decided))
        else:
            self._answer(not_found(endpoint.ids.request_id()))

    def on_upgraded_data(self, data: bytes) -> None:
        """Frames, or what comes too early to be one."""
        if self.channel is not None:
            self.channel.receive(data)
        elif len(self._early) + len(data) <= MAX_BACKLOG_BYTES:
            self._early += data
        elif self.transport is not None:
            self.transport.abort()

    def eof_received(self) -> bool | None:
        """The peer half-closed."""
        if self.channel is not None:
            self.channel.receive_eof()
        return None

    def on_closed(self, error: Exception | None) -> None:  # noqa: ARG002
        """The socket is gone: the rules decide whether `$disconnect` runs."""
        endpoint = self._endpoint
        if self._connection_id is None or endpoint.websocket is None:
            return
        endpoint.channels.pop(self._connection_id, None)
        endpoint.pending.pop(self._connection_id, None)
        code, reason = ABNORMAL if self.channel is None else self.channel.close_seen()
        endpoint.perform(endpoint.websocket.gone(self._connection_id, code, reason, endpoint.clock.wall_ms()))

    def end(self) -> None:
        """Close with 1001 once frames are spoken."""
        if self.channel is not None:
            self.channel.close(*GOING_AWAY)
        else:
            super().end()

    def accept(self, connection_id: str, subprotocol: str | None) -> None:
        """Answer the upgrade request with 101 and start to speak frames."""
        endpoint, transport = self._endpoint, self.transport
        core = endpoint.websocket
        if core is None or transport is None or transport.is_closing():
            # The client is on its way out; `on_closed` tells the rules.
            return
        lines = [
            "HTTP/1.1 101 Switching Protocols",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Accept: {accept_key(self._websocket_key)}",
        ]
        if subprotocol is not None:
            lines.append(f"Sec-WebSocket-Protocol: {subprotocol}")
        transport.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace"))
        self.channel = Channel(
            transport,
            on_text=lambda text: endpoint.perform(core.message(connection_id, text, endpoint.clock.wall_ms())),
            on_binary=lambda: endpoint.perform(core.binary_message(connection_id)),
            on_closing=lambda: core.closing(connection_id),
        )
        endpoint.channels[connection_id] = self.channel
        if self._early:
            early, self._early = bytes(self._early), bytearray()
            self.channel.receive(early)

    def refuse(self, status: int, message: str, *more_headers: Header) -> None:
        """Answer the upgrade request with an error status; the body is a guess (H16)."""
        ids = self._endpoint.ids
        headers = [_JSON, ("x-amzn-requestid", ids.uuid()), ("x-amz-apigw-id", ids.request_id()), *more_headers]
        if status == 403:  # noqa: PLR2004
            headers.append(("x-amzn-errortype", "ForbiddenException"))
        self.respond(status, headers, json.dumps({"message": message}).encode(), close=True)

    # -- inside ----------------------------------------------------------------------------------------------------

    def _on_upgrade(self, request: HttpRequest, path: str, query: str) -> None:
        self.stop_http()
        core = self._endpoint.websocket
        key = request.header("sec-websocket-key")
        if core is None or _stage_of(path) != core.stage:
            self.refuse(403, "Forbidden")
        elif request.header("sec-websocket-version") != "13":
            self.refuse(400, "Bad Request", ("sec-websocket-version", "13"))
        elif request.method != "GET" or key is None or not _is_websocket_key(key):
            self.refuse(400, "Bad Request")
        else:
            self._websocket_key = key
            handshake = Handshake(request.headers, parse_qsl(query, keep_blank_values=True), self.peer_ip)
            self._connection_id, actions = core.handshake(handshake, self._endpoint.clock.wall_ms())
            self._endpoint.pending[self._connection_id] = self
            self._endpoint.perform(actions)

    def _on_callback(self, core: WebSocketCore, request: HttpRequest, path: str) -> None:
        endpoint = self._endpoint
        now_ms = endpoint.clock.wall_ms()
        connection_id = management.connection_in_path(path, core.stage)
        if connection_id is None:
            first = path.split("/")[1:2]
            wrong_stage = len(path.split("/")) == 4 and first != [core.stage]  # noqa: PLR2004
            if wrong_stage:
                answer = management.forbidden(endpoint.ids, now_ms)
            else:
                answer = management.no_such_route(endpoint.ids, now_ms, request.method, path)
        else:
            channel = endpoint.channels.get(connection_id)
            answer = management.answer(
                core,
                endpoint.ids,
                request.method,
                connection_id,
                request.body,
                now_ms=now_ms,
                backlogged=channel is not None and channel.backlog_bytes > MAX_BACKLOG_BYTES,
            )
        endpoint.perform(answer.actions)
        self.respond(answer.status, answer.headers, answer.body)

    def _answer(self, answer: HttpAnswer) -> None:
        self.respond(answer.status, answer.headers, answer.body)


def _stage_of(path: str) -> str | None:
    """The stage of a WebSocket URL's path, `/{stage}` or `/{stage}/` (H01); None for a deeper path."""
    pieces = path.rstrip("/").split("/")
    return unquote(pieces[1]) if len(pieces) == 2 and not pieces[0] else None  # noqa: PLR2004


def _lacks_upgrade(stage: str, http: HttpApiRules | None, method: str, path: str) -> bool:
    """Whether a plain request was meant for the WebSocket API (H13).

    Where an HTTP API shares the port its routes come first, and what lies deeper inside its stage is its 404 (P10).
    """
    if unquote(path.removeprefix("/").partition("/")[0]) != stage:
        return False
    if http is None:
        return True
    if _stage_of(path) != stage:
        return not http.owns(path)
    return not http.has_route(method, path)


def _is_websocket_key(key: str) -> bool:
    """Whether `Sec-WebSocket-Key` is 16 bytes in base64 (RFC 6455, 4.2.1)."""
    try:
        return len(base64.b64decode(key, validate=True)) == 16  # noqa: PLR2004
    except ValueError:
        return False
