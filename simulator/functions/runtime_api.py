"""The Lambda Runtime API that one worker process talks to.

`GET …/invocation/next` waits until there is an event; `POST …/{id}/response`, `…/{id}/error` and `…/init/error` end
what was begun. Shapes and refusals follow AWS's published Runtime API; one loopback listener per environment, as in
Lambda, so that a worker can never answer for another.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from http import HTTPStatus
from typing import Protocol

from simulator.functions.call import Call
from simulator.http11 import Header, HttpConnection, HttpRequest, OpenConnections

PREFIX = "/2018-06-01/runtime"
_CLOSE_GRACE_S = 0.1
_JSON: tuple[Header, ...] = (("Content-Type", "application/json"),)


class RuntimeApiEvents(Protocol):
    """What a worker says; called from the event loop."""

    def on_poll(self) -> None:
        """It waits for an event."""

    def on_poll_lost(self) -> None:
        """It hung up while waiting."""

    def on_answer(self, request_id: str, payload: bytes, *, failed: bool) -> None:
        """It answered the event it was given, with a result or (`failed`) an error object."""

    def on_init_error(self, payload: bytes) -> None:
        """The handler could not be loaded."""


class RuntimeApi:
    """One environment's listener, and the one event it may have given out."""

    def __init__(self, events: RuntimeApiEvents) -> None:
        self._events = events
        self._server: asyncio.Server | None = None
        self.connections = OpenConnections()
        self._waiting: _RuntimeApiConnection | None = None
        self._given: str | None = None
        self._on_hung_up: Callable[[], None] | None = None

    async def listen(self) -> str:
        """Open a free loopback port and return it as `host:port`."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _RuntimeApiConnection(self), "127.0.0.1", 0)
        host, port = self._server.sockets[0].getsockname()[:2]
        return f"{host}:{port}"

    async def close(self) -> None:
        """Stop listening and see every connection closed; call it once the worker has ended."""
        if self._server is not None:
            self._server.close()
            self._server = None
        await self.connections.drain(_CLOSE_GRACE_S)

    def give(self, call: Call, *, deadline_ms: int, trace_id: str) -> None:
        """Answer the waiting poll with an event; only after `on_poll`."""
        connection, self._waiting = self._waiting, None
        if connection is None:
            raise RuntimeError("no worker is waiting for an event")
        self._given = call.request_id
        headers = [
            *_JSON,
            ("Lambda-Runtime-Aws-Request-Id", call.request_id),
            ("Lambda-Runtime-Deadline-Ms", str(deadline_ms)),
            ("Lambda-Runtime-Invoked-Function-Arn", call.arn),
            ("Lambda-Runtime-Trace-Id", trace_id),
        ]
        if call.client_context is not None:
            headers.append(("Lambda-Runtime-Client-Context", call.client_context))
        connection.respond(HTTPStatus.OK, headers, call.payload)

    def when_hung_up(self, callback: Callable[[], None]) -> None:
        """Call back once no connection is left, so that an answer already on its way is read first."""
        if len(self.connections):
            self._on_hung_up = callback
        else:
            callback()

    # -- connections -------------------------------------------------------------------------------------------------

    def hung_up(self, connection: _RuntimeApiConnection) -> None:
        """One connection of the worker is gone."""
        if connection is self._waiting:
            self._waiting = None
            self._events.on_poll_lost()
        if not len(self.connections) and self._on_hung_up is not None:
            callback, self._on_hung_up = self._on_hung_up, None
            callback()

    # -- requests ----------------------------------------------------------------------------------------------------

    def handle(self, connection: _RuntimeApiConnection, request: HttpRequest) -> None:
        """Act on one request of the worker."""
        path = request.target.partition("?")[0]
        match request.method, path.removeprefix(PREFIX).split("/")[1:]:
            case "GET", ["invocation", "next"]:
                self._poll(connection)
            case "POST", ["invocation", request_id, ("response" | "error") as kind]:
                self._answer(connection, request_id, request.body, failed=kind == "error")
            case "POST", ["init", "error"]:
                connection.respond(HTTPStatus.ACCEPTED, _JSON, b'{"status":"OK"}')
                self._events.on_init_error(request.body)
            case _:
                connection.respond(HTTPStatus.NOT_FOUND, _JSON, _error("NotFound", f"no {request.method} {path} here"))

    def _poll(self, connection: _RuntimeApiConnection) -> None:
        if self._waiting is not None or self._given is not None:
            connection.respond(
                HTTPStatus.FORBIDDEN, _JSON, _error("InvalidStateTransition", "the last event is not answered yet")
            )
            return
        self._waiting = connection
        self._events.on_poll()

    def _answer(self, connection: _RuntimeApiConnection, request_id: str, payload: bytes, *, failed: bool) -> None:
        if request_id != self._given:
            connection.respond(HTTPStatus.BAD_REQUEST, _JSON, _error("InvalidRequestID", "not the current event"))
            return
        self._given = None
        connection.respond(HTTPStatus.ACCEPTED, _JSON, b'{"status":"OK"}')
        self._events.on_answer(request_id, payload, failed=failed)


class _RuntimeApiConnection(HttpConnection):
    # A result over the 6 MB limit is read and refused with Lambda's own error (F15), so the transport allows more.
    max_body_bytes = 64 * 1024 * 1024
    # The runtime client sends the X-Ray form of a traceback, up to 1 MB of it, as a header.
    max_head_bytes = 2 * 1024 * 1024

    def __init__(self, api: RuntimeApi) -> None:
        super().__init__(api.connections)
        self._api = api

    def on_request(self, request: HttpRequest) -> None:
        self._api.handle(self, request)

    def on_closed(self, error: Exception | None) -> None:  # noqa: ARG002
        self._api.hung_up(self)


def _error(error_type: str, message: str) -> bytes:
    return json.dumps({"errorMessage": message, "errorType": error_type}).encode()
