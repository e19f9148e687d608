"""What the gateway costs: posts that become frames, idle connections, echoes, handshakes.

The gateway runs in `tracker-sim up`, started without AWS's throttles. Beside it in every turn: a responder that only
answers (the floor of anything that speaks HTTP from Python), a plain `websockets` server, or a bare boto3 post.
"""

import asyncio
import contextlib
import json
import ssl
import statistics
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Self
from urllib.parse import quote

import boto3
import pytest

from instruments.contest import Contestant, hold
from instruments.processes import apart, family_cpu_s, own_memory_bytes, script
from instruments.results import WALL_TOLERANCE, Group, Role
from instruments.stacks import ECHO_APP, LIFTED_FACT, Stack, stack
from instruments.viewers import Tally, Viewer, close_viewers, open_viewers
from references.prepared_bytes import PreparedPosts

BODY = b'{"id":"1767661414543360000","text":"' + b"x" * 330 + b'"}'
SOCKETS = 500
POSTS_EACH = 10
HTTP_CONNECTIONS = 64
ASK = b'{"action":"reply"}'
ID_CHARACTERS = 16
CONNECTS = 500
CONNECT_ROUNDS = 3
ECHO_ROUNDS = 5
PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as kept:
        yield kept


@pytest.fixture(scope="module")
def echo_stack(environment: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with stack(tmp_path_factory.mktemp("echo"), "--template", str(ECHO_APP)) as running:
        yield running


@pytest.fixture(scope="module")
def tracker_stack(environment: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with stack(tmp_path_factory.mktemp("tracker")) as running:
        yield running


@pytest.fixture(scope="module")
def websocket_server() -> Iterator[tuple[int, str]]:
    """A plain `websockets` server: its pid and URL."""
    with script("references/websocket_server.py") as (pid, said):
        yield pid, f"ws://127.0.0.1:{said['port']}/"


@contextlib.contextmanager
def responder(authority: Any) -> Iterator[tuple[int, int]]:
    """The floor: its pid and port. With an `Authority` (of conftest) it speaks TLS."""
    files = {} if authority is None else {"certificate": authority.certificate, "key": authority.key}
    with script("instruments/responder.py", json.dumps(files)) as (pid, said):
        yield pid, said["port"]


# -- posts to frames ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tls", [pytest.param(False, id="plain"), pytest.param(True, id="tls")])
def test_posts_become_frames(group, runner, echo_stack, authority, tls):
    """With TLS both the posts and the frames are encrypted."""
    found: Group = group(
        "gateway-posts-tls" if tls else "gateway-posts",
        f"posts become frames on {SOCKETS} sockets, {'TLS' if tls else 'plain HTTP'}",
    )
    url, trusted = echo_stack.websocket_url, None
    if tls:
        url = url.replace("ws://", "wss://")
        trusted = ssl.create_default_context(cafile=echo_stack.endpoints["ca_bundle"])
    wanted = SOCKETS * POSTS_EACH
    tally = Tally(BODY)
    turns = 0
    with contextlib.ExitStack() as exits:
        floor_pid, floor_port = exits.enter_context(responder(authority if tls else None))
        viewers, ids = runner.run(open_with_ids(url, SOCKETS, trusted))
        exits.callback(lambda: runner.run(close_viewers(viewers)))
        for viewer in viewers:
            viewer.on_frame = tally
        exits.enter_context(apart(echo_stack.pid, floor_pid))

        def posts(port: int, context: ssl.SSLContext | None) -> tuple[PreparedPosts, list[bytes]]:
            client = PreparedPosts(port, HTTP_CONNECTIONS, context, runner=runner)
            exits.callback(client.close)
            return client, [post(port, each) for each in ids] * POSTS_EACH

        gateway, gateway_posts = posts(echo_stack.port, trusted)
        floor, floor_posts = posts(floor_port, authority.context() if tls else None)

        def through_the_gateway() -> Counter[int]:
            tally.expect(wanted)
            statuses = gateway.send(gateway_posts)
            runner.run(tally.wait(PATIENCE_S))
            return statuses

        def all_delivered(statuses: Counter[int]) -> None:
            nonlocal turns
            turns += 1
            all_answered(statuses)
            assert tally.unexpected == []
            assert {viewer.received for viewer in viewers} == {POSTS_EACH * turns}

        def all_answered(statuses: Counter[int]) -> None:
            assert statuses == {200: wanted}

        contestants = [
            Contestant("ours", "ours", through_the_gateway, all_delivered, wanted, (echo_stack.pid,)),
            Contestant("floor", "floor", lambda: floor.send(floor_posts), all_answered, wanted, (floor_pid,)),
        ]
        hold(found, contestants, unit="post", rounds=9)
    for name, subject in found.subjects.items():
        for cost_us in subject.metrics["server_cpu_us_per_post"].samples:
            found.add(name, subject.role, "posts_per_core_s", 1e6 / cost_us, unit="posts/s/core", better="higher")
    if not tls:
        found.subjects["ours"].metrics["posts_per_core_s"].reach = 25_000
    found.set_against("server_cpu_us_per_post", "ours", "floor", reach=0.25)
    found.facts["lifted"] = LIFTED_FACT


async def open_with_ids(url: str, count: int, trusted: ssl.SSLContext | None = None) -> tuple[list[Viewer], list[str]]:
    """Viewers and their connection ids, which the app's `reply` route tells."""
    told: dict[Viewer, str] = {}
    everybody = asyncio.Event()

    def on_frame(viewer: Viewer, payload: bytes) -> None:
        told[viewer] = payload[: -len(ASK)].decode()
        if len(told) == count:
            everybody.set()

    viewers = await open_viewers(url, count, on_frame, trusted=trusted)
    for viewer in viewers:
        viewer.send(ASK)
    await asyncio.wait_for(everybody.wait(), PATIENCE_S)
    return viewers, [told[viewer] for viewer in viewers]


def post(port: int, connection_id: str) -> bytes:
    return (
        f"POST /primary/@connections/{quote(connection_id, safe='')} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        "User-Agent: benchmark\r\nX-Amz-Date: 20240312T210500Z\r\n"
        "Authorization: AWS4-HMAC-SHA256 Credential=test/20240312/us-east-1/execute-api/aws4_request, "
        f"SignedHeaders=host;x-amz-date, Signature={'0' * 64}\r\nContent-Length: {len(BODY)}\r\n\r\n"
    ).encode() + BODY


# -- idle connections --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1_000, pytest.param(10_000, marks=pytest.mark.long)])
def test_idle_memory(group, runner, count, environment, tmp_path):
    """What each further connection costs; the first 200 make room for what is only made once."""
    found: Group = group(f"idle-{count}", f"memory of the server process for each of {count:,} idle connections")
    batches = 3 if count <= 1_000 else 1
    with contextlib.ExitStack() as exits:
        running = exits.enter_context(stack(tmp_path / "stack", "--template", str(ECHO_APP)))
        server_pid, server = exits.enter_context(script("references/websocket_server.py"))
        sides: list[tuple[str, Role, int, str]] = [
            ("ours", "ours", running.pid, running.websocket_url),
            ("websockets_server", "reference", server_pid, f"ws://127.0.0.1:{server['port']}/"),
        ]
        for name, role, pid, url in sides:
            opened = runner.run(open_viewers(url, 200, unexpected_frame))
            for _ in range(batches):
                before = own_memory_bytes(pid)
                opened += runner.run(open_viewers(url, count, unexpected_frame))
                each = (own_memory_bytes(pid) - before) / count / 1024
                reach = 10.0 if role == "ours" else None
                found.add(name, role, "per_connection_kib", each, unit="KiB", better="lower", reach=reach)
            assert not any(viewer.closed.done() for viewer in opened)
            runner.run(close_viewers(opened))
    found.set_against("per_connection_kib", "ours", "websockets_server")


def unexpected_frame(_viewer: Viewer, payload: bytes) -> None:
    raise AssertionError(f"nobody was to send anything: {payload!r}")


# -- echoes ------------------------------------------------------------------------------------------------------------


class Echoes:
    """So many sockets, each sending its next message when the last has come back: a closed loop."""

    def __init__(self, runner: asyncio.Runner, url: str, sockets: int, message: bytes, prefix: int) -> None:
        """`prefix` bytes stand before the message when it comes back."""
        self._runner, self._message, self._prefix = runner, message, prefix
        self._latencies_ms: list[float] = []
        self._viewers = runner.run(open_viewers(url, sockets, self._on_frame))
        self._sent_s: dict[Viewer, float] = {}
        self._left: dict[Viewer, int] = {}

    def turn(self, each: int) -> list[float]:
        """Every socket sends `each` messages; the latency of every echo, in milliseconds."""
        self._latencies_ms = []
        self._runner.run(asyncio.wait_for(self._all(each), PATIENCE_S))
        return self._latencies_ms

    def close(self) -> None:
        self._runner.run(close_viewers(self._viewers))

    async def _all(self, each: int) -> None:
        self._finished = asyncio.Event()
        self._left = dict.fromkeys(self._viewers, each)
        for viewer in self._viewers:
            self._send(viewer)
        await self._finished.wait()

    def _send(self, viewer: Viewer) -> None:
        self._sent_s[viewer] = time.perf_counter()
        viewer.send(self._message)

    def _on_frame(self, viewer: Viewer, payload: bytes) -> None:
        self._latencies_ms.append((time.perf_counter() - self._sent_s[viewer]) * 1e3)
        assert payload[self._prefix :] == self._message
        self._left[viewer] -= 1
        if self._left[viewer]:
            self._send(viewer)
        elif not any(self._left.values()):
            self._finished.set()


ROUTES = {"post": ("boto3", 0, 160), "reply": ("reply", ID_CHARACTERS, 480)}
REACH_P50_MS = {("post", 1): 3.5, ("reply", 1): 1.2}
REACH_PER_S = {("post", 16): 500.0, ("reply", 16): 1_500.0}


@pytest.mark.parametrize("sockets", [1, 16, 64])
@pytest.mark.parametrize("route", list(ROUTES))
def test_echo(group, runner, echo_stack, websocket_server, route, sockets):
    word, prefix, echoes = ROUTES[route]
    found: Group = group(f"echo-{word}-{sockets}", f"a message and its echo by {word}, {sockets} sockets at a time")
    each = max(1, echoes // sockets)
    server_pid, server_url = websocket_server
    message = b'{"action":"%s","text":"%s"}' % (route.encode(), b"x" * 330)
    with contextlib.ExitStack() as exits:
        ours = Echoes(runner, echo_stack.websocket_url, sockets, message, prefix)
        exits.callback(ours.close)
        plain = Echoes(runner, server_url, sockets, message, 0)
        exits.callback(plain.close)
        sides: list[tuple[str, Role, int, Callable[[], list[float]]]] = [
            ("ours", "ours", echo_stack.pid, lambda: ours.turn(each)),
            ("websockets_server", "floor", server_pid, lambda: plain.turn(each)),
        ]
        if route == "post":
            alone = exits.enter_context(Boto3Alone(runner, echo_stack))
            sides.append(("boto3_post_alone", "reference", echo_stack.pid, lambda: alone.turn(echoes // 2)))
        warm_up(echo_stack, lambda: ours.turn(each))
        for number in range(1 + ECHO_ROUNDS):
            for name, role, pid, turn in sides[number % len(sides) :] + sides[: number % len(sides)]:
                # Here boto3 runs in this process; in the echo, in a function of the stack.
                mine = time.process_time if name == "boto3_post_alone" else float
                cpu_s, wall_s = family_cpu_s(pid) + mine(), time.perf_counter()
                latencies_ms = turn()
                wall_s, cpu_s = time.perf_counter() - wall_s, family_cpu_s(pid) + mine() - cpu_s
                assert len(latencies_ms) == (echoes // 2 if name == "boto3_post_alone" else each * sockets)
                if number == 0:
                    continue  # to warm up
                reach = (route, sockets) if role == "ours" else None
                found.add(
                    name,
                    role,
                    "p50_ms",
                    statistics.median(latencies_ms),
                    unit="ms",
                    better="lower",
                    reach=REACH_P50_MS.get(reach),
                )
                found.add(
                    name,
                    role,
                    "echoes_per_s",
                    len(latencies_ms) / wall_s,
                    unit="echoes/s",
                    better="higher",
                    reach=REACH_PER_S.get(reach),
                )
                found.add(
                    name,
                    role,
                    "server_cpu_us_per_echo",
                    cpu_s * 1e6 / len(latencies_ms),
                    unit="µs/echo",
                    better="lower",
                )
    beside = "boto3_post_alone" if route == "post" else "websockets_server"
    found.set_against("server_cpu_us_per_echo", "ours", beside, tolerance=0.25)
    found.set_against("p50_ms", "ours", beside, tolerance=WALL_TOLERANCE)
    found.set_against("echoes_per_s", "ours", beside, tolerance=WALL_TOLERANCE)


def warm_up(running: Stack, turn: Callable[[], object]) -> None:
    """Take turns until one has begun and ended with the same environments, all of them ready.

    They come a few at a time, each with the import of boto3: that is for the cold-start groups to measure.
    """
    give_up_s = time.monotonic() + PATIENCE_S
    before, now = None, environments(running)
    while before != now or now[0] != now[1]:
        assert time.monotonic() < give_up_s, "environments are still being started"
        turn()
        before, now = now, environments(running)


def environments(running: Stack) -> tuple[int, int]:
    """How many have been started, and how many of them have come to wait for an event."""
    with urllib.request.urlopen(f"http://127.0.0.1:{running.port}/.tracker-sim/stats") as answer:
        functions = json.load(answer)["functions"].values()
    return sum(each["cold_starts"] for each in functions), sum(each["cold_start_ms"]["count"] for each in functions)


class Boto3Alone:
    """One `post_to_connection` after the other to one open viewer: the part of an echo that no gateway can save."""

    def __init__(self, runner: asyncio.Runner, running: Stack) -> None:
        self._runner = runner
        self._client = boto3.client("apigatewaymanagementapi", endpoint_url=f"http://127.0.0.1:{running.port}/primary")
        [self._viewer], [self._id] = runner.run(open_with_ids(running.websocket_url, 1))
        self._tally = self._viewer.on_frame = Tally(BODY)

    def __enter__(self) -> Self:
        return self

    def turn(self, posts: int) -> list[float]:
        self._tally.expect(posts)
        latencies_ms = []
        for _ in range(posts):
            began_s = time.perf_counter()
            self._client.post_to_connection(ConnectionId=self._id, Data=BODY)
            latencies_ms.append((time.perf_counter() - began_s) * 1e3)
        self._runner.run(self._tally.wait(PATIENCE_S))
        return latencies_ms

    def __exit__(self, *_: object) -> None:
        self._client.close()
        self._runner.run(close_viewers([self._viewer]))


# -- handshakes --------------------------------------------------------------------------------------------------------


def test_connecting(group, runner, echo_stack, tracker_stack, websocket_server):
    found: Group = group(f"connect-{CONNECTS}", f"{CONNECTS} viewers connect at once")
    server_pid, server_url = websocket_server
    table = tracker_stack.endpoints["tables"][0]
    dynamodb = boto3.client("dynamodb", endpoint_url=tracker_stack.endpoints["aws_endpoint_url"])

    def rows() -> int:
        pages = dynamodb.get_paginator("scan").paginate(TableName=table, Select="COUNT", ConsistentRead=True)
        return sum(page["Count"] for page in pages)

    sides: list[tuple[str, Role, int, str, float | None]] = [
        ("ours_without_io", "ours", echo_stack.pid, echo_stack.websocket_url, 0.8),
        ("ours_writing_rows", "ours", tracker_stack.pid, tracker_stack.websocket_url, 2.5),
        ("websockets_server", "reference", server_pid, server_url, None),
    ]
    with contextlib.closing(dynamodb):
        for number in range(1 + CONNECT_ROUNDS):
            for name, role, pid, url, reach in sides[number % len(sides) :] + sides[: number % len(sides)]:
                cpu_s, wall_s = family_cpu_s(pid), time.perf_counter()
                viewers = runner.run(open_viewers(url, CONNECTS, unexpected_frame, at_once=CONNECTS))
                wall_s, cpu_s = time.perf_counter() - wall_s, family_cpu_s(pid) - cpu_s
                if name == "ours_writing_rows":
                    assert rows() == CONNECTS
                runner.run(close_viewers(viewers))
                give_up_s = time.monotonic() + PATIENCE_S
                while name == "ours_writing_rows" and rows():  # `$disconnect` is still at work
                    assert time.monotonic() < give_up_s, "rows of closed connections were not removed"
                    time.sleep(0.05)
                if number == 0:
                    continue
                found.add(name, role, "all_s", wall_s, unit="s", better="lower", reach=reach)
                per_connect = {"unit": "µs/connect", "better": "lower"}
                found.add(name, role, "server_cpu_us_per_connect", cpu_s * 1e6 / CONNECTS, **per_connect)
    for name in ("ours_without_io", "ours_writing_rows"):
        found.set_against("server_cpu_us_per_connect", name, "websockets_server", tolerance=0.25)
        found.set_against("all_s", name, "websockets_server", tolerance=WALL_TOLERANCE)
