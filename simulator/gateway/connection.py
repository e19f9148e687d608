"""One accepted socket: an HTTP connection that sorts its requests, and may become a WebSocket."""

from __future__ import annotations

import asyncio
import base64
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote

from websockets.utils import accept_key

from simulator.gateway import control, management
from simulator.gateway.channel import Channel
from simulator.gateway.compression import Deflate, negotiate
from simulator.gateway.core import ABNORMAL, GOING_AWAY, Handshake, WebSocketCore
from simulator.gateway.fault_room import go_wrong, mishap_of, note_trouble
from simulator.gateway.frame_stream import FrameStream
from simulator.gateway.hosts import is_ours
from simulator.gateway.http_answers import HttpAnswer, not_found
from simulator.gateway.http_api import HttpApiRules
from simulator.gateway.moment import Moment
from simulator.http11 import Header, HttpConnection, HttpRequest, OpenConnections

if TYPE_CHECKING:
    from simulator.gateway.endpoint import Endpoint

MAX_EARLY_BYTES = 524_288
"""Frames that may come before the handshake is answered; more is no client that waits for its 101."""

MAX_URL_CHARACTERS = 4_096
"""Of a WebSocket URL with scheme and host (H01); that more is answered with 414 is a guess."""

_JSON = ("content-type", "application/json")


class GatewayConnection(HttpConnection):
    """One accepted socket: HTTP until it is upgraded, frames afterwards."""

    __slots__ = ("_connection_id", "_deflate", "_early", "_endpoint", "_websocket_key", "channel")

    upgrades_to = "websocket"

    def __init__(self, endpoint: Endpoint, connections: OpenConnections, first_request_s: float | None = None) -> None:
        """`first_request_s` is what is left of the time for the first request; each has its own from then on."""
        super().__init__(
            connections, read_timeout_s=endpoint.settings.request_timeout_s, first_read_timeout_s=first_request_s
        )
        self._endpoint = endpoint
        self._connection_id: str | None = None
        self._websocket_key = ""
        self._early: bytearray | None = None
        """Frames that came before the handshake was answered."""
        self._deflate: tuple[str, Deflate] | None = None
        """The header of the agreement on compression, and what it says (H15)."""
        self.channel: Channel | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        super().connection_made(transport)
        self._endpoint.newcomers.add(self, transport.close)

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        # A WebSocket is never between requests.
        short_way, transport = self._endpoint.short_way, self.transport
        if short_way is not None and transport is not None and self.is_between_requests:
            answer = short_way.answer(data)
            if answer is not None:
                transport.write(answer)
                return
        super().data_received(data)

    def on_request(self, request: HttpRequest) -> None:
        """Sort a request: upgrade, callback, HTTP API or nothing."""
        endpoint = self._endpoint
        endpoint.newcomers.discard(self)
        path, _, query = request.target.partition("?")
        websocket = endpoint.websocket
        if request.upgrade:
            self._on_upgrade(request, path, query)
        elif path.startswith(control.PREFIX):
            self._on_control(request, path)
        elif websocket is not None and management.is_management_path(path):
            self._on_callback(websocket, request, path)
        elif websocket is not None and _lacks_upgrade(websocket.stage, endpoint.http, request.method, path):
            self._answer(HttpAnswer(426, (_JSON, ("upgrade", "websocket")), b'{"message":"Upgrade Required"}'))
        elif endpoint.http is not None:
            self._on_http(endpoint.http, request)
        else:
            self._answer(not_found(endpoint.ids.request_id()))

    def refusal_headers(self) -> list[Header]:
        """Every answer of an HTTP API has an id (P16), be the request ever so broken."""
        return [] if self._endpoint.http is None else [("apigw-requestid", self._endpoint.ids.request_id())]

    def on_upgraded_data(self, data: bytes) -> None:
        """Frames, or what comes too early to be one."""
        if self.channel is not None:
            self.channel.receive(data)
        elif len(self._early or b"") + len(data) <= MAX_EARLY_BYTES:
            if self._early is None:
                self._early = bytearray()
            self._early += data
        elif self.transport is not None:
            self.transport.abort()

    def pause_writing(self) -> None:
        """The peer does not read: nothing more is read from it either."""
        super().pause_writing()
        if self.channel is not None:
            self.channel.pause_writing()

    def resume_writing(self) -> None:
        """The peer has read."""
        if self.channel is not None:
            self.channel.resume_writing()
        super().resume_writing()

    def eof_received(self) -> bool | None:
        """The peer half-closed."""
        if self.channel is not None:
            self.channel.receive_eof()
        return None

    def on_closed(self, error: Exception | None) -> None:  # noqa: ARG002
        """The socket is gone: the rules decide whether `$disconnect` runs."""
        endpoint = self._endpoint
        endpoint.newcomers.discard(self)
        if self._connection_id is None or endpoint.websocket is None:
            return
        endpoint.channels.pop(self._connection_id, None)
        endpoint.pending.pop(self._connection_id, None)
        code, reason = ABNORMAL if self.channel is None else self.channel.close_seen()
        endpoint.perform(endpoint.websocket.gone(self._connection_id, code, reason, endpoint.now()))

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
        deflate = None
        if self._deflate is not None:
            (extensions, deflate), self._deflate = self._deflate, None
            lines.append(f"Sec-WebSocket-Extensions: {extensions}")
        transport.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace"))
        self.channel = Channel(transport, self, FrameStream(deflate), backlog_bytes=endpoint.settings.backlog_bytes)
        endpoint.channels[connection_id] = self.channel
        self.forget_http()
        if self._early is not None:
            early, self._early = bytes(self._early), None
            self.channel.receive(early)

    @property
    def endpoint(self) -> Endpoint:
        """Where it was accepted."""
        return self._endpoint

    # -- what the channel tells ------------------------------------------------------------------------------------

    def on_text(self, text: str) -> None:
        """A whole message came: the rules decide."""
        endpoint, core = self._endpoint, self._endpoint.websocket
        if core is not None and self._connection_id is not None:
            endpoint.perform(core.message(self._connection_id, text, endpoint.now()))

    def on_ping(self) -> None:
        """A ping came and has been answered (L06)."""
        core = self._endpoint.websocket
        if core is not None and self._connection_id is not None:
            core.ping(self._connection_id, self._endpoint.now())

    def on_closing(self) -> None:
        """The closing handshake has begun: callbacks answer 410 from now on."""
        core = self._endpoint.websocket
        if core is not None and self._connection_id is not None:
            core.closing(self._connection_id)

    # -- the handshake ---------------------------------------------------------------------------------------------

    def refuse(self, status: int, body: bytes, *more_headers: Header) -> None:
        """Answer the upgrade request with an error status; the body is a guess (H16)."""
        ids = self._endpoint.ids
        headers = [_JSON, ("x-amzn-requestid", ids.uuid()), ("x-amz-apigw-id", ids.request_id()), *more_headers]
        if status == 403:  # noqa: PLR2004
            headers.append(("x-amzn-errortype", "ForbiddenException"))
        self.respond(status, headers, body, close=True)

    # -- inside ----------------------------------------------------------------------------------------------------

    def _on_upgrade(self, request: HttpRequest, path: str, query: str) -> None:
        self.stop_http()
        core = self._endpoint.websocket
        key = request.header("sec-websocket-key")
        settings = self._endpoint.settings
        if core is None or _stage_of(path) != core.stage or not self._host_is_ours(request):
            self.refuse(settings.unknown_stage_status, b'{"message":"Forbidden"}')
        elif len(f"wss://{request.header('host')}{request.target}") > MAX_URL_CHARACTERS:
            self.refuse(414, b'{"message":"Request-URI Too Long"}')
        elif request.header("sec-websocket-version") != "13":
            self.refuse(400, b'{"message":"Bad Request"}', ("sec-websocket-version", "13"))
        elif request.method != "GET" or key is None or not _is_websocket_key(key):
            self.refuse(400, b'{"message":"Bad Request"}')
        else:
            self._websocket_key = key
            self._deflate = self._agree_on_compression(request)
            handshake = Handshake(request.headers, parse_qsl(query, keep_blank_values=True), self.peer_ip)
            self._connection_id, actions = core.handshake(handshake, self._endpoint.now())
            self._endpoint.pending[self._connection_id] = self
            self._endpoint.perform(actions)

    def _agree_on_compression(self, request: HttpRequest) -> tuple[str, Deflate] | None:
        settings = self._endpoint.settings
        offers = [value for name, value in request.headers if name.lower() == "sec-websocket-extensions"]
        if not offers or not settings.permessage_deflate:
            return None
        return negotiate(", ".join(offers), settings.deflate_from_bytes)

    def _on_callback(self, core: WebSocketCore, request: HttpRequest, path: str) -> None:
        endpoint = self._endpoint
        if endpoint.faults is not None and request.method == "POST":
            mishap = mishap_of(endpoint.faults, endpoint, management.connection_in_path(path, core.stage) or "")
            if mishap is not None:
                endpoint.spawn(go_wrong(self, core, request, path, mishap))
                return
        now = endpoint.now()
        answer = self.callback_answer(core, request, path, now, method=request.method)
        endpoint.perform(answer.actions)
        if answer.status != 200 and request.method == "POST":  # noqa: PLR2004  plain HTTP
            note_trouble(endpoint, core, request, path, f"answered {answer.status}")
        self.respond(answer.status, answer.headers, answer.body)

    def callback_answer(
        self, core: WebSocketCore, request: HttpRequest, path: str, now: Moment, *, method: str
    ) -> management.Answer:
        """The answer that a callback deserves; what it makes happen is in it, and still to be performed."""
        endpoint, ids = self._endpoint, self._endpoint.ids
        connection_id = management.connection_in_path(path, core.stage)
        if connection_id is None:
            first = path.split("/")[1:2]
            if len(path.split("/")) == 4 and first != [core.stage]:  # noqa: PLR2004  another stage
                return management.forbidden(ids, now.wall_ms)
            return management.no_such_route(ids, now.wall_ms, request.method, path)
        if not self._host_is_ours(request):
            return management.forbidden(ids, now.wall_ms)
        if endpoint.signatures is not None:
            fault = endpoint.signatures.fault(request, now.wall_ms)
            if fault is not None:
                return management.badly_signed(ids, now.wall_ms, fault.error_type, fault.message)
        if not endpoint.account.admits(now.monotonic_s):
            return management.throttled(ids, now.wall_ms)
        channel = endpoint.channels.get(connection_id)
        return management.answer(
            core,
            ids,
            method,
            connection_id,
            request.body,
            now=now,
            backlogged=channel is not None and channel.is_backlogged,
        )

    def _on_control(self, request: HttpRequest, path: str) -> None:
        if path.startswith(control.FAULTS_PATH):
            self._endpoint.spawn(self._on_faults(request, path))
        else:
            self._answer(control.answer(self._endpoint, request, path))

    async def _on_faults(self, request: HttpRequest, path: str) -> None:
        self._answer(await control.answer_about_faults(self._endpoint, request, path))

    def _on_http(self, http: HttpApiRules, request: HttpRequest) -> None:
        endpoint = self._endpoint
        now = endpoint.now()
        decided = http.handle(
            request,
            self.peer_ip,
            request_id=endpoint.ids.request_id(),
            trace_id=endpoint.ids.trace_id(now.wall_ms),
            now=now,
        )
        if isinstance(decided, HttpAnswer):
            self._answer(decided)
        else:
            endpoint.spawn(endpoint.run_http(self, request, decided))

    def _host_is_ours(self, request: HttpRequest) -> bool:
        return is_ours(request.header("host"), self._endpoint.allowed_hosts)

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
