"""One port of the gateway: the APIs behind it, the connections on it, and the performing of what the rules decide."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from simulator.clock import Clock
from simulator.gateway import authorizers
from simulator.gateway.actions import Accept, Action, Close, InvokeAuthorizer, InvokeRoute, Refuse, Send
from simulator.gateway.channel import Channel
from simulator.gateway.connection import GatewayConnection
from simulator.gateway.core import WebSocketCore
from simulator.gateway.http_answers import HttpAnswer, read_result
from simulator.gateway.http_api import HttpApiRules, InvokeHttpAuthorizer, InvokeHttpRoute
from simulator.gateway.ids import IdFactory
from simulator.gateway.listener import Listener
from simulator.gateway.moment import Moment
from simulator.gateway.newcomers import Newcomers
from simulator.gateway.post_troubles import PostTroubles
from simulator.gateway.proxy_result import Failure, Outcome, parse_proxy_result
from simulator.gateway.route_selection import CONNECT, DISCONNECT
from simulator.gateway.settings import GatewaySettings
from simulator.gateway.short_way import ShortWay
from simulator.gateway.throttling import AccountThrottle
from simulator.http11 import HttpRequest, OpenConnections
from simulator.invocation import InvocationResult, Invoke, InvokeRefusedError

if TYPE_CHECKING:
    from simulator.active_faults import ActiveFault
    from simulator.fault_board import FaultBoard
    from simulator.gateway.fault_room import SilentChannel
    from simulator.gateway.signatures import Signatures

_LOG = logging.getLogger("simulator.gateway")

_STOP_TIMEOUT_S = 1.0


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
        settings: GatewaySettings,
        account: AccountThrottle,
        signatures: Signatures | None,
        stats: Callable[[], Mapping[str, Any]],
        fault_board: FaultBoard | None = None,
    ) -> None:
        self.websocket = websocket
        self.http = http
        self.ids = ids
        self.settings = settings
        self.account = account
        self.signatures = signatures
        """Set where callbacks must be signed."""
        self.allowed_hosts = frozenset(name.strip().lower() for name in settings.allowed_hosts.split(","))
        self.stats = stats
        self.fault_board = fault_board
        """Where faults are switched; None where there is no such thing."""
        self.faults: tuple[ActiveFault, ...] | None = None
        """Those that may hit callbacks; None while there are none, which is all that it costs then."""
        self.post_troubles = PostTroubles()
        """Posts that did not simply arrive."""
        self._clock = clock
        self._listener: Listener | None = None
        self.channels: dict[str, Channel | SilentChannel] = {}
        """Open WebSocket connections."""
        self.pending: dict[str, GatewayConnection] = {}
        """Upgrade requests that wait for `$connect`."""
        self.newcomers = Newcomers(settings.newcomers)
        """Connections without a whole request so far."""
        self.short_way = None if websocket is None or signatures is not None else ShortWay(self, websocket)
        """For most callbacks; None where each has to be looked at closely."""
        self._invoke = invoke
        self._connections = OpenConnections()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._stopping = False
        self._wake_timer: asyncio.TimerHandle | None = None

    def now(self) -> Moment:
        """Both clocks, for the rules."""
        return Moment(self._clock.wall_ms(), self._clock.monotonic_s())

    def listen(self, listening: socket.socket, tls: ssl.SSLContext) -> None:
        """Serve what connects to a bound socket, which is then this object's to close."""
        self._listener = Listener(
            listening,
            lambda left_s: GatewayConnection(self, self._connections, left_s),
            tls,
            self.newcomers,
            first_request_timeout_s=self.settings.request_timeout_s,
        )
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
        if self._wake_timer is not None:
            self._wake_timer.cancel()
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
                case Send() | Close():
                    self._write(action)
                case InvokeRoute():
                    if not self._stopping:
                        self.spawn(self._run_route(action))
                case InvokeAuthorizer():
                    self.spawn(self._run_authorizer(action))
                case Accept(connection_id, subprotocol):
                    self.pending.pop(connection_id).accept(connection_id, subprotocol)
                    self._set_wake_timer()
                case Refuse(connection_id, status, body):
                    self.pending.pop(connection_id).refuse(status, body)

    def _write(self, action: Send | Close) -> None:
        channel = self.channels.get(action.connection_id)
        if channel is None:
            return
        if isinstance(action, Close):
            channel.close(action.code, action.reason)
        else:
            channel.send(action.payload, binary=action.binary)

    async def _run_authorizer(self, invoked: InvokeAuthorizer) -> None:
        core = self.websocket
        if core is None:
            return
        origin = f"authorizer connectionId={invoked.connection_id}"
        began = self.now()
        outcome, message = await self._asked(invoked.function, invoked.payload, invoked.timeout_ms, origin)
        verdict = authorizers.websocket_verdict(outcome, message, invoked.method_arn)
        if isinstance(verdict, authorizers.Refused):
            _LOG.warning("%s: %s: %s; the client gets %d", origin, invoked.function, verdict.reason, verdict.status)
        now = self.now()
        latency_ms = round((now.monotonic_s - began.monotonic_s) * 1000)
        self.perform(core.authorizer_returned(invoked.connection_id, verdict, latency_ms, now))

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
            self.perform(core.connect_returned(invoked.connection_id, answer, self.now()))
        elif invoked.route_key != DISCONNECT:
            self.perform(core.message_returned(invoked, result, self.now()))

    # -- time ------------------------------------------------------------------------------------------------------

    def advance_timers(self, seconds: float) -> int:
        """Move the idle and age timers forward; returns how many connections that closed."""
        core = self.websocket
        if core is None:
            return 0
        core.advance(seconds)
        actions = core.wake(self.now())
        self.perform(actions)
        self._set_wake_timer()
        return len(actions)

    def _wake(self) -> None:
        self._wake_timer = None
        if self.websocket is not None:
            self.perform(self.websocket.wake(self.now()))
            self._set_wake_timer()

    def _set_wake_timer(self) -> None:
        """Be woken when the first connection may have to be closed."""
        delay_s = None if self.websocket is None or self._stopping else self.websocket.wake_in_s(self.now())
        loop = asyncio.get_running_loop()
        if self._wake_timer is not None:
            # New connections come with later deadlines than old ones: the timer that runs is nearly always right.
            if delay_s is not None and self._wake_timer.when() <= loop.time() + delay_s:
                return
            self._wake_timer.cancel()
            self._wake_timer = None
        if delay_s is not None:
            self._wake_timer = loop.call_later(delay_s, self._wake)

    # -- functions -------------------------------------------------------------------------------------------------

    async def run_http(
        self, connection: GatewayConnection, request: HttpRequest, decided: InvokeHttpRoute | InvokeHttpAuthorizer
    ) -> None:
        """Invoke the functions that an HTTP API's request needs, and answer it."""
        rules = self.http
        if rules is None:
            return
        if isinstance(decided, InvokeHttpAuthorizer):
            allowed = rules.authorizer_returned(decided, await self._http_answer(decided), self.now())
            if isinstance(allowed, HttpAnswer):
                connection.respond(allowed.status, allowed.headers, allowed.body)
                return
            decided = allowed
        route = decided.route
        origin = f"route={route.key} requestId={decided.request_id}"
        outcome = await self._outcome(route.function, decided.payload, route.timeout_ms, origin)
        result = read_result(outcome, route.payload_format) if isinstance(outcome, bytes) else outcome
        if result is Failure.MALFORMED:
            _LOG.error("%s: %s: %s; the client gets 500", origin, route.function, result.value)
        answer = rules.answer_for(request, decided, result)
        connection.respond(answer.status, answer.headers, answer.body)

    async def _http_answer(self, invoked: InvokeHttpAuthorizer) -> authorizers.Answer | authorizers.Refused:
        """What an HTTP API's authorizer answered; why it cannot be used is told in the log."""
        asked, call = invoked.authorizer, invoked.call
        origin = f"authorizer={asked.name} route={call.route.key} requestId={call.request_id}"
        outcome, message = await self._asked(asked.function, invoked.payload, asked.timeout_ms, origin)
        answer = authorizers.read_answer(outcome, message, simple_responses=asked.simple_responses)
        if isinstance(answer, authorizers.Refused):
            _LOG.warning("%s: %s: %s; the client gets %d", origin, asked.function, answer.reason, answer.status)
        return answer

    async def _asked(
        self, function: str, payload: bytes, timeout_ms: int, origin: str
    ) -> tuple[bytes | Failure, str | None]:
        """What an authorizer returned, or why there is nothing; after an error, its message too."""
        result = await self._result(function, payload, timeout_ms, origin)
        if isinstance(result, Failure):
            return result, None
        if result.function_error:
            return Failure.ERROR, authorizers.error_message_of(result.payload)
        return result.payload, None

    async def _outcome(self, function: str, payload: bytes, timeout_ms: int, origin: str) -> bytes | Failure:
        """What a function returned, or why there is nothing."""
        result = await self._result(function, payload, timeout_ms, origin)
        if isinstance(result, Failure):
            return result
        return Failure.ERROR if result.function_error else result.payload

    async def _result(self, function: str, payload: bytes, timeout_ms: int, origin: str) -> InvocationResult | Failure:
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
            return invocation.result()
        except InvokeRefusedError as refused:
            _LOG.error("%s: Lambda refused to invoke %s: %s", origin, function, refused)
            return Failure.REFUSED
        except Exception:  # noqa: BLE001  whatever broke there, the client here must not wait for ever
            _LOG.exception("%s: %s could not be invoked", origin, function)
            return Failure.REFUSED


def _look_at(invocation: asyncio.Future[Any]) -> None:
    """Nobody waits for this one any more; its error was logged where it happened."""
    if not invocation.cancelled():
        invocation.exception()
