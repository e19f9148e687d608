"""A gateway on real sockets, and a Lambda that is nothing but the test's own functions."""

import asyncio
import contextlib
import inspect
import json
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from websockets.asyncio.client import connect

from simulator.clock import SystemClock
from simulator.fault_board import FaultBoard
from simulator.gateway.server import Gateway
from simulator.gateway.settings import GatewaySettings
from simulator.invocation import InvocationResult
from simulator.stack.model import HttpApi, HttpRoute, Stack, WebSocketApi, WebSocketRoute

PATIENCE_S = 10.0
"""How long anything that must happen may take on a slow machine; nothing waits for this to pass."""


class HandlerError(Exception):
    """What a handler of the fake Lambda raises."""


class FakeLambda:
    """Runs the test's functions by name; a function that has none returns 200."""

    def __init__(self) -> None:
        self.handlers: dict[str, Callable[[Any], Any]] = {}
        self.origins: list[str] = []
        self.count: defaultdict[str, int] = defaultdict(int)
        self._events: defaultdict[str, asyncio.Queue[Any]] = defaultdict(asyncio.Queue)

    async def __call__(self, function_name: str, payload: bytes, *, origin: str = "") -> InvocationResult:
        event = json.loads(payload)
        self.count[function_name] += 1
        self.origins.append(origin)
        self._events[function_name].put_nowait(event)
        handler = self.handlers.get(function_name)
        try:
            result = {"statusCode": 200} if handler is None else handler(event)
            if inspect.isawaitable(result):
                result = await result
        except HandlerError as error:
            shown = json.dumps({"errorMessage": str(error), "errorType": "HandlerError"}).encode()
            return InvocationResult("1", shown, "Unhandled")
        return InvocationResult("1", result if isinstance(result, bytes) else json.dumps(result).encode())

    def raises(self, function_name: str, message: str = "broken") -> None:
        """Let a function raise from now on."""

        def handler(event: Any) -> None:
            raise HandlerError(message)

        self.handlers[function_name] = handler

    async def event(self, function_name: str) -> Any:
        """The next event that the function got."""
        return await asyncio.wait_for(self._events[function_name].get(), PATIENCE_S)


@dataclass
class Answer:
    """An HTTP answer as it came over the wire."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def __getitem__(self, name: str) -> str | None:
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        assert len(values) <= 1, (name, values)
        return values[0] if values else None


class Raw:
    """A plain TCP client that shows the wire."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def open(cls, port: int, **options: Any) -> "Raw":
        """Connect; `sock` may be a connected socket to use."""
        where = {} if "sock" in options else {"host": "127.0.0.1", "port": port}
        return cls(*await asyncio.open_connection(**where, **options))

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def answer(self) -> Answer:
        """Read one HTTP answer."""
        head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), PATIENCE_S)
        first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
        headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]
        answer = Answer(int(first.split()[1]), headers, b"")
        if (length := answer["content-length"]) is not None:
            answer.body = await asyncio.wait_for(self.reader.readexactly(int(length)), PATIENCE_S)
        return answer

    async def rest(self) -> bytes:
        """Everything until the server closes; a reset ends it too."""
        with contextlib.suppress(ConnectionResetError):
            return await asyncio.wait_for(self.reader.read(), PATIENCE_S)
        return b""

    def abort(self) -> None:
        """Reset the connection."""
        self.writer.transport.abort()

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()


def websocket_api(api_id: str, routes: Mapping[str, Mapping[str, Any]], stage: str = "primary") -> WebSocketApi:
    return WebSocketApi(
        logical_id=f"Sockets{api_id}",
        api_id=api_id,
        name="sockets",
        stage=stage,
        route_selection_expression="$request.body.action",
        routes={
            key: WebSocketRoute(key=key, function=f"on-{key.removeprefix('$')}", **more) for key, more in routes.items()
        },
    )


def upgrade_request(path: str = "/primary", *headers: str) -> bytes:
    lines = [
        f"GET {path} HTTP/1.1",
        "Host: a",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        *headers,
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def masked_frame(opcode: int, payload: bytes = b"", *, fin: bool = True) -> bytes:
    """A client's frame; masked with zeros, so that the payload reads as it is."""
    length = len(payload)
    if length < 126:
        size = bytes([0x80 | length])
    elif length < 65_536:
        size = b"\xfe" + length.to_bytes(2, "big")
    else:
        size = b"\xff" + length.to_bytes(8, "big")
    return bytes([(0x80 if fin else 0) | opcode]) + size + b"\0\0\0\0" + payload


@dataclass
class Served:
    """A running gateway and what a test needs to talk to it."""

    gateway: Gateway
    functions: FakeLambda
    _exit: contextlib.AsyncExitStack = field(repr=False)
    session: boto3.Session

    @property
    def port(self) -> int:
        return self.gateway.main_address.port

    @property
    def websocket_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/primary"

    async def client(self, url: str | None = None, **options: Any) -> Any:
        """A stock WebSocket client, closed when the test ends."""
        return await self._exit.enter_async_context(connect(url or self.websocket_url, proxy=None, **options))

    async def client_and_id(self, **options: Any) -> tuple[Any, str]:
        """The same and its connection id; the API must have a `$connect` route."""
        client = await self.client(**options)
        event = await self.functions.event("on-connect")
        return client, event["requestContext"]["connectionId"]

    async def raw(self, port: int | None = None, **options: Any) -> Raw:
        raw = await Raw.open(self.port if port is None else port, **options)
        self._exit.push_async_callback(raw.close)
        return raw

    async def upgraded(self, **options: Any) -> Raw:
        """A plain TCP client that has been answered with 101."""
        raw = await self.raw(**options)
        raw.send(self.upgrade_request())
        assert (await raw.answer()).status == 101
        return raw

    upgrade_request = staticmethod(upgrade_request)
    masked_frame = staticmethod(masked_frame)

    async def ask(
        self, method: str, path: str, body: bytes = b"", *, port: int | None = None, headers: tuple[str, ...] = ()
    ) -> Answer:
        """One HTTP request on a connection of its own."""
        raw = await Raw.open(self.port if port is None else port)
        try:
            lines = [f"{method} {path} HTTP/1.1", "Host: a", f"Content-Length: {len(body)}", *headers]
            raw.send(("\r\n".join(lines) + "\r\n\r\n").encode() + body)
            return await raw.answer()
        finally:
            await raw.close()

    def boto3_client(self, endpoint_url: str | None = None, verify: str | None = None) -> Any:
        """A boto3 client for `@connections`, without retries."""
        client = self.session.client(
            "apigatewaymanagementapi",
            endpoint_url=endpoint_url or f"http://127.0.0.1:{self.port}/primary",
            verify=verify,
            config=Config(retries={"total_max_attempts": 1}),
        )
        self._exit.callback(client.close)
        return client


@pytest.fixture(scope="session")
def boto3_session() -> boto3.Session:
    return boto3.Session(aws_access_key_id="dummy", aws_secret_access_key="dummy", region_name="us-east-1")


LIFECYCLE: dict[str, dict[str, Any]] = {"$connect": {}, "$disconnect": {}}


@pytest.fixture(name="websocket_api")
def websocket_api_fixture() -> Callable[..., WebSocketApi]:
    return websocket_api


@pytest.fixture
def make_stack() -> Callable[..., Stack]:
    """A stack with a WebSocket API of the given routes and an HTTP API with `GET /vendors`."""

    def make(
        routes: Mapping[str, Mapping[str, Any]] | None = None,
        *,
        http_routes: tuple[HttpRoute, ...] = (HttpRoute("GET", "/vendors", "get-vendors"),),
        **more: Any,
    ) -> Stack:
        apis: dict[str, Any] = {
            "websocket_apis": (websocket_api("k3v9q2d7xa", LIFECYCLE if routes is None else routes),),
            "http_apis": (HttpApi("Http", "h4x0r9d7xa", "http", "primary", http_routes, cors=more.pop("cors", None)),),
        }
        return Stack(
            template=Path("template.yaml"),
            region="us-east-1",
            account_id="123456789012",
            tables=(),
            queues=(),
            functions=(),
            triggers=(),
            outputs={},
            **{**apis, **more},
        )

    return make


@pytest.fixture
async def serve(make_stack, boto3_session) -> AsyncIterator[Callable[..., Any]]:
    """Start a gateway; it and all clients made through it are gone when the test ends, and nothing else is left."""
    async with contextlib.AsyncExitStack() as at_end:

        async def serve(routes: Mapping[str, Mapping[str, Any]] | None = None, **more: Any) -> Served:
            functions = FakeLambda()
            settings = GatewaySettings(**more.pop("settings", {}))
            stack = more.pop("stack", None) or make_stack(routes, **more)
            board = FaultBoard()
            gateway = Gateway(
                stack,
                functions,
                clock=SystemClock(),
                rng=random.Random(1),
                settings=settings,
                credentials={"dummy": "dummy"},
                fault_board=board,
            )
            board.add(gateway.faults)
            at_end.push_async_callback(gateway.stop)
            at_end.push_async_callback(board.end_all)
            await gateway.start()
            return Served(
                gateway, functions, await at_end.enter_async_context(contextlib.AsyncExitStack()), boto3_session
            )

        yield serve
    assert asyncio.all_tasks() == {asyncio.current_task()}, "the gateway left something running"
