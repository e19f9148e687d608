"""Lambda's Invoke API on a loopback port: what `boto3.client("lambda").invoke` talks to; see `invoke_wire`."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from simulator.functions.call import Call
from simulator.functions.invoke_wire import (
    Account,
    Answer,
    InvocationType,
    accepted_answer,
    check_payload,
    dry_run_answer,
    read_request,
    refusal_answer,
    result_answer,
)
from simulator.http11 import HttpConnection, HttpRequest, OpenConnections
from simulator.invocation import InvocationResult, InvokeRefusedError

_CLOSE_GRACE_S = 0.1
log = logging.getLogger("simulator.functions")


class InvokeApi:
    """A listener; `invoke` runs a function and waits, `invoke_later` only takes the event."""

    def __init__(
        self,
        account: Account,
        *,
        invoke: Callable[[str, Call], Awaitable[InvocationResult]],
        invoke_later: Callable[[str, Call], None],
    ) -> None:
        self._account = account
        self._invoke = invoke
        self._invoke_later = invoke_later
        self._server: asyncio.Server | None = None
        self.connections = OpenConnections()
        self._tasks: set[asyncio.Task[None]] = set()

    async def listen(self) -> str:
        """Open a free loopback port and return its URL."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _InvokeConnection(self), "127.0.0.1", 0)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def close(self) -> None:
        """Stop listening, end what is being answered, and see every connection closed."""
        if self._server is not None:
            self._server.close()
            self._server = None
        tasks = set(self._tasks)
        if tasks:  # who has been refused meanwhile is still told so
            await asyncio.wait(tasks, timeout=_CLOSE_GRACE_S)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for connection in self.connections:
            connection.end()
        await self.connections.drain(_CLOSE_GRACE_S)

    def serve(self, connection: _InvokeConnection, request: HttpRequest) -> None:
        """Answer one request when its function has come to its end."""
        task = asyncio.get_running_loop().create_task(self._serve(connection, request))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, connection: _InvokeConnection, request: HttpRequest) -> None:
        request_id = str(uuid.uuid4())
        try:
            answer = await self._answer(request, request_id)
        except InvokeRefusedError as refusal:
            answer = refusal_answer(refusal, request_id)
        except Exception:
            log.exception("Invoke %s failed", request.target)
            fault = InvokeRefusedError(
                HTTPStatus.INTERNAL_SERVER_ERROR, "ServiceException", "The simulator failed; its log says how."
            )
            answer = refusal_answer(fault, request_id)
        connection.respond(answer.status, answer.headers, answer.body)

    async def _answer(self, request: HttpRequest, request_id: str) -> Answer:
        wanted = read_request(request.method, request.target, request.headers, request.body, self._account)
        check_payload(wanted.payload, wanted.kind)
        call = Call(
            request_id,
            wanted.payload,
            wanted.arn,
            origin=f"invoke={wanted.kind.value}",
            client_context=wanted.client_context,
            with_log=wanted.with_log,
        )
        match wanted.kind:
            case InvocationType.DRY_RUN:
                return dry_run_answer(request_id)
            case InvocationType.EVENT:
                self._invoke_later(wanted.function, call)
                return accepted_answer(request_id)
            case InvocationType.REQUEST_RESPONSE:
                return result_answer(await self._invoke(wanted.function, call))


class _InvokeConnection(HttpConnection):
    # A payload over the 6 MB limit is read and refused with Lambda's own error (F15), so the transport allows more.
    max_body_bytes = 64 * 1024 * 1024

    def __init__(self, api: InvokeApi) -> None:
        super().__init__(api.connections)
        self._api = api

    def on_request(self, request: HttpRequest) -> None:
        self._api.serve(self, request)
