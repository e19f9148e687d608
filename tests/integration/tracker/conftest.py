"""The handlers' surroundings: tables in moto, and an @connections API on a loopback socket that does as it is told."""

import asyncio
import contextlib
import copy
import json
import ssl
import threading
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import unquote

import pytest
import trustme
from moto import mock_aws

from tracker import aws
from tracker.fanout import broadcast

EVENTS = Path(__file__).parents[2] / "events"
REASONS = {200: "OK", 400: "Bad Request", 403: "Forbidden", 410: "Gone", 413: "Payload Too Large"}


@dataclass(frozen=True)
class Post:
    connection_id: str
    body: bytes
    target: str
    headers: dict
    socket: int


class ConnectionsApi:
    """Answers each post with the next step of the connection's script; 200 when there is none left.

    Steps: a status; `"drop"` closes without an answer; `"last"` answers 200 and then closes although it said it would
    not; a `threading.Event` answers 200 once it is set (set at the latest when the test ends).
    """

    def __init__(self, tls=None):
        self.script, self.posts, self.answered, self.sockets = {}, [], [], 0
        self.fallback, self.on_post = 200, lambda: None
        self._held = []
        self._tls, self._tasks, self._ready = tls, set(), threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()))
        self._thread.start()
        assert self._ready.wait(10)

    @property
    def websocket_url(self):
        return f"{'wss' if self._tls else 'ws'}://127.0.0.1:{self.port}/primary"

    def bodies(self, connection_id):
        return [post.body for post in self.posts if post.connection_id == connection_id]

    def stop(self):
        for step in self._held:
            step.set()
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        assert not self._thread.is_alive()

    async def _main(self):
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader, writer):
        self._tasks.add(asyncio.current_task())
        self.sockets += 1
        socket = self.sockets
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                target = head[0].split(" ")[1]
                headers = dict(line.split(": ", 1) for line in head[1:] if line)
                body = await reader.readexactly(int(headers["Content-Length"]))
                connection_id = unquote(target.rsplit("/", 1)[1])
                self.posts.append(Post(connection_id, body, target, headers, socket))
                self.on_post()
                steps = self.script.get(connection_id)
                step = steps.pop(0) if steps else self.fallback
                if step == "drop":
                    return
                if isinstance(step, threading.Event):
                    self._held.append(step)
                    await asyncio.to_thread(step.wait, 10)
                status = step if isinstance(step, int) else 200
                self.answered.append((connection_id, status))
                writer.write(f"HTTP/1.1 {status} {REASONS.get(status, 'X')}\r\nContent-Length: 0\r\n\r\n".encode())
                await writer.drain()
                if step == "last":
                    return
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError, ssl.SSLError, asyncio.CancelledError):
                await writer.wait_closed()


@pytest.fixture
def sample():
    """Read `tests/events/{name}.json`."""

    def read(name):
        return json.loads((EVENTS / f"{name}.json").read_text(encoding="utf-8"))

    return read


@pytest.fixture
def make_update(sample):
    template = sample("vendor_update")

    def make(number, vendor="17", **changes):
        return {**copy.deepcopy(template), "id": str(1_767_661_414_543_360_000 + number), "userId": vendor, **changes}

    return make


@pytest.fixture
def batch(make_update):
    """An SQS event; bodies are texts as they are, anything else becomes JSON."""

    def make(*bodies):
        texts = [body if isinstance(body, str) else json.dumps(body, separators=(",", ":")) for body in bodies]
        return {
            "Records": [
                {"messageId": f"m{number}", "body": text, "attributes": {"SentTimestamp": "1710277500123"}}
                for number, text in enumerate(texts)
            ]
        }

    return make


@pytest.fixture
def context():
    return lambda left_ms=30_000: SimpleNamespace(aws_request_id="r-1", get_remaining_time_in_millis=lambda: left_ms)


@pytest.fixture
def connections_api():
    api = ConnectionsApi()
    yield api
    broadcast.close()
    api.stop()


@pytest.fixture(scope="session")
def certificate_authority():
    return trustme.CA()


@pytest.fixture
def tls_connections_api(certificate_authority):
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate_authority.issue_cert("127.0.0.1").configure_cert(server)
    api = ConnectionsApi(server)
    yield api
    broadcast.close()
    api.stop()


@pytest.fixture
def at_once(monkeypatch):
    """No rests between attempts."""
    monkeypatch.setattr("tracker.fanout.broadcast.random.uniform", lambda low, high: 0.0)


@pytest.fixture
def environment(monkeypatch):
    for name, value in {
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI",
        "AWS_SESSION_TOKEN": "token",
        "AWS_LAMBDA_FUNCTION_NAME": "under-test",
    }.items():
        monkeypatch.setenv(name, value)
    for name in (
        "AWS_ENDPOINT_URL", "AWS_TABLE_NAME", "AWS_VENDOR_TABLE_NAME", "AWS_SQS_URL", "AWS_WEBSOCKET_URL",
        "AWS_CA_BUNDLE", "FANOUT_CONNECTIONS", "FANOUT_SLOW_SHARE", "FANOUT_BATCH_FRAMES", "FANOUT_QUEUE_URL",
        "FANOUT_THRESHOLD", "FANOUT_SEGMENTS", "VENDOR_TOKEN_SECRETS", "VENDOR_TOKEN_SECRETS_PARAMETER",
    ):  # fmt: skip
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def dynamodb(environment, monkeypatch):
    """moto with both tables, empty, and the client of it."""
    monkeypatch.setattr("tracker.viewers._pages_last_time", 1)
    with mock_aws(config={"core": {"mock_credentials": False}}):
        client = aws.client("dynamodb")
        for table, key in (("websocket-connections", "connectionId"), ("vendors", "twitterId")):
            client.create_table(
                TableName=table,
                AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"}],
                KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
                BillingMode="PAY_PER_REQUEST",
            )
        yield client


@pytest.fixture(scope="session", autouse=True)
def clients_are_closed():
    """Clients are kept across tests, as across invocations: making one costs a tenth of a second."""
    yield
    aws.forget_clients()


@pytest.fixture
def rows(dynamodb):
    """All rows of a table, by key, as plain values."""

    def read(table="websocket-connections", key="connectionId"):
        return {row[key]: row for row in aws.get_all_scan_results(table)}

    return read


@pytest.fixture
def viewers(dynamodb, connections_api, monkeypatch):
    """Rows for connections that have been open for a while, and the handlers pointed at the @connections API."""
    monkeypatch.setenv("AWS_WEBSOCKET_URL", connections_api.websocket_url)

    def add(*connection_ids, connected_at_ms=1_710_277_498_112):
        for connection_id in connection_ids:
            aws.dynamodb_add_connection(
                "websocket-connections", connection_id, connected_at_ms=connected_at_ms, expires_at_s=9_999_999_999
            )

    return add
