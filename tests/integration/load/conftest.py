"""A tiny stack of the tests' own: a WebSocket server, moto for SQS and DynamoDB, and a task in place of the functions.

Each fault is a knob, so that every figure of a verdict can be made to go wrong."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import boto3
import pytest
from moto.server import ThreadedMotoServer
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from tracker import get_vendors

REGION = "us-east-1"
CREDENTIALS = {"aws_access_key_id": "local", "aws_secret_access_key": "local", "region_name": REGION}
ERROR_FRAME = '{"message": "Internal server error", "connectionId":"c", "requestId":"r"}'


@dataclass
class Faults:
    """What the fake stack does wrong; deliveries are numbered from 0 as they are made."""

    lose: frozenset[int] = frozenset()
    duplicate: frozenset[int] = frozenset()
    move: frozenset[int] = frozenset()
    """Deliveries that say another place."""
    swap: bool = False
    """The first subscriber gets the first two updates of each vendor in the wrong order."""
    error_frames: int = 0
    hostile_frames: tuple[str | bytes, ...] = ()
    forge: bool = False
    """Everyone gets an update that nobody published."""
    fail_batches: int = 0
    """Batches that are received and neither sent nor deleted."""
    refuse: frozenset[int] = frozenset()
    """Handshakes, numbered from 0, that are answered with 403."""
    no_vendors: frozenset[int] = frozenset()
    """Which times, from 1, the HTTP API answers 500 to who asks for the vendors."""
    drop_after: int | None = None
    """Deliveries after which the first subscriber's socket is closed."""
    die_after: int | None = None
    """Deliveries after which the whole stack is gone."""


@dataclass
class FakeTarget:
    websocket_url: str | None
    management_url: str | None
    aws_endpoint_url: str
    queue_urls: dict[str, str]
    region: str = REGION
    tables: tuple[str, ...] = ("websocket-connections", "vendors")
    ca_bundle: str | None = None
    http_url: str | None = None


@dataclass
class FakeStack:
    moto_url: str
    sqs: Any
    queue_urls: dict[str, str]
    faults: Faults = field(default_factory=Faults)
    tells_stats: bool = True
    sockets: list[ServerConnection] = field(default_factory=list)
    handshakes: int = 0
    asked_for_vendors: int = 0
    deliveries: int = 0
    invocations: int = 0
    errors: int = 0
    in_flight: int = 0
    _server: Server | None = None
    _trigger: asyncio.Task[None] | None = None
    _held: dict[str, str] = field(default_factory=dict)
    _swapped: set[str] = field(default_factory=set)

    def misbehave(self, **faults: Any) -> None:
        """From now on, with the fields of `Faults`."""
        self.faults = Faults(**faults)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[FakeTarget]:
        async with serve(self._viewer, "127.0.0.1", 0, process_request=self._http, compression=None) as self._server:
            port = next(iter(self._server.sockets)).getsockname()[1]
            self._trigger = asyncio.create_task(self._poll())
            try:
                yield FakeTarget(
                    f"ws://127.0.0.1:{port}/primary",
                    f"http://127.0.0.1:{port}/primary",
                    self.moto_url,
                    self.queue_urls,
                    http_url=f"http://127.0.0.1:{port}/primary",
                )
            finally:
                await self._stop_polling(self._trigger)

    async def _stop_polling(self, trigger: asyncio.Task[None]) -> None:
        """A message ends the long poll, whose thread would hold up the end of the test."""
        if not trigger.cancelled():
            await asyncio.to_thread(
                self.sqs.send_message, QueueUrl=self.queue_urls["vendor-queue"], MessageBody="the end"
            )
        with contextlib.suppress(asyncio.CancelledError):
            await trigger

    def _http(self, _socket: ServerConnection, request: Request) -> Response | None:
        assert self._server is not None
        if request.path == "/.tracker-sim/stats":
            return self._stats()
        if request.path.startswith("/primary/vendors?"):
            return self._vendors(request.path)
        number = self.handshakes
        self.handshakes += 1
        return _answer(HTTPStatus.FORBIDDEN, {"message": "Forbidden"}) if number in self.faults.refuse else None

    def _stats(self) -> Response:
        if not self.tells_stats:
            return _answer(HTTPStatus.NOT_FOUND, {"message": "Not Found"})
        document = {
            "functions": {"send_vendor": {"invocations": self.invocations, "errors": self.errors}},
            "connections": {"opened": self.handshakes, "refused": 0, "open": len(self.sockets)},
            "triggers": [{"queue": "vendor-queue", "in_flight": self.in_flight}],
        }
        return _answer(HTTPStatus.OK, document)

    def _vendors(self, path: str) -> Response:
        """The tracker's own function answers, in this process, whose AWS settings are the run's."""
        self.asked_for_vendors += 1
        if self.asked_for_vendors in self.faults.no_vendors:
            return _answer(HTTPStatus.INTERNAL_SERVER_ERROR, {"message": "Internal Server Error"})
        query = dict(parse_qsl(urlsplit(path).query))
        answer = get_vendors.handler({"queryStringParameters": query}, None)  # type: ignore[typeddict-item]
        return _answer(HTTPStatus(answer["statusCode"]), json.loads(answer["body"]))

    async def _viewer(self, socket: ServerConnection) -> None:
        self.sockets.append(socket)
        await socket.wait_closed()

    async def _poll(self) -> None:
        url = self.queue_urls["vendor-queue"]
        while True:
            answer = await asyncio.to_thread(
                self.sqs.receive_message, QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1
            )
            messages = answer.get("Messages", [])
            if any(each["Body"] == "the end" for each in messages):
                await self._delete(url, messages)
                return
            if messages:
                self.in_flight = len(messages)
                await self._invoke(url, messages)
                self.in_flight = 0

    async def _delete(self, url: str, messages: list[dict[str, Any]]) -> None:
        handles = [{"Id": str(i), "ReceiptHandle": each["ReceiptHandle"]} for i, each in enumerate(messages)]
        await asyncio.to_thread(self.sqs.delete_message_batch, QueueUrl=url, Entries=handles)

    async def _invoke(self, url: str, messages: list[dict[str, Any]]) -> None:
        self.invocations += 1
        if self.faults.fail_batches:
            self.faults.fail_batches -= 1
            self.errors += 1
            return
        for message in messages:
            await self._broadcast(message["Body"])
        await self._delete(url, messages)

    async def _broadcast(self, body: str) -> None:
        faults = self.faults
        for frame in (*faults.hostile_frames, *[ERROR_FRAME] * faults.error_frames):
            await self._send(self.sockets[0], frame)
        faults.hostile_frames, faults.error_frames = (), 0
        for index, socket in enumerate(list(self.sockets)):
            if faults.swap and index == 0:
                await self._deliver_swapped(socket, body)
            else:
                await self._deliver(socket, body)
        if faults.forge:
            faults.forge = False
            for socket in self.sockets:
                await self._send(socket, json.dumps({**json.loads(body), "id": "42"}))

    async def _deliver_swapped(self, socket: ServerConnection, body: str) -> None:
        vendor = json.loads(body)["userId"]
        if vendor in self._swapped:
            await self._deliver(socket, body)
        elif vendor in self._held:
            self._swapped.add(vendor)
            await self._deliver(socket, body)
            await self._deliver(socket, self._held.pop(vendor))
        else:
            self._held[vendor] = body

    async def _deliver(self, socket: ServerConnection, body: str) -> None:
        number, faults = self.deliveries, self.faults
        self.deliveries += 1
        if number == faults.die_after:
            assert self._server is not None
            assert self._trigger is not None
            self._server.close()
            self._trigger.cancel()
            return
        if number == faults.drop_after:
            await self.sockets.pop(0).close(1001, "Going away")
        if number in faults.lose:
            return
        if number in faults.move:
            moved = json.loads(body)
            moved["geo"]["coordinates"]["lat"] += 0.5
            body = json.dumps(moved)
        for _ in range(2 if number in faults.duplicate else 1):
            await self._send(socket, body)

    async def _send(self, socket: ServerConnection, frame: str | bytes) -> None:
        with contextlib.suppress(ConnectionClosed):
            await socket.send(frame)


def _answer(status: HTTPStatus, document: dict[str, Any]) -> Response:
    body = json.dumps(document).encode()
    headers = Headers({"Content-Length": str(len(body)), "Content-Type": "application/json", "Connection": "close"})
    return Response(status.value, status.phrase, headers, body)


@pytest.fixture(scope="session")
def moto_url() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="session")
def clients(moto_url: str) -> tuple[Any, Any]:
    session = boto3.session.Session()
    return (
        session.client("sqs", endpoint_url=moto_url, **CREDENTIALS),
        session.client("dynamodb", endpoint_url=moto_url, **CREDENTIALS),
    )


@pytest.fixture
def fake_stack(moto_url: str, clients: tuple[Any, Any]) -> Iterator[FakeStack]:
    """A stack with a queue (visibility 1 s, two receives), its dead-letter queue and the two tables, all empty."""
    sqs, dynamodb = clients
    dead = sqs.create_queue(QueueName="vendor-queue-dead")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    live = sqs.create_queue(
        QueueName="vendor-queue",
        Attributes={
            "VisibilityTimeout": "1",
            "RedrivePolicy": json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": "2"}),
        },
    )["QueueUrl"]
    for table, key in (("websocket-connections", "connectionId"), ("vendors", "twitterId")):
        dynamodb.create_table(
            TableName=table,
            KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
    yield FakeStack(moto_url, sqs, {"vendor-queue": live, "vendor-queue-dead": dead})
    for url in (live, dead):
        sqs.delete_queue(QueueUrl=url)
    for table in ("websocket-connections", "vendors"):
        dynamodb.delete_table(TableName=table)
