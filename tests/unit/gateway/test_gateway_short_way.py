"""The short way of a post and the long one, held against each other: same bytes on every socket, same bookkeeping.

Two gateways in memory, alike down to the seed of their ids, are told the same. One may take the short way. What a
client or a viewer could see of them, and what they remember, must be equal, whatever is posted and however it is cut.
"""

import asyncio
import functools
import itertools
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.active_faults import ActiveFault
from simulator.clock import ManualClock
from simulator.fault_kinds import FAULT_KINDS
from simulator.gateway.connection import GatewayConnection
from simulator.gateway.core import WebSocketCore
from simulator.gateway.endpoint import Endpoint
from simulator.gateway.ids import IdFactory
from simulator.gateway.settings import GatewaySettings
from simulator.gateway.signatures import Signatures
from simulator.gateway.throttling import AccountThrottle
from simulator.http11 import OpenConnections
from simulator.invocation import InvocationResult
from simulator.stack.model import WebSocketApi, WebSocketRoute
from tracker.fanout.endpoint import CallbackEndpoint
from tracker.fanout.plan import Message
from tracker.fanout.requests import PostRequests

BODY = b'{"id":"1","text":"Tacos"}'
VIEWERS = ("open", "compressing", "closing", "gone", "behind", "very far behind")


class Wire(asyncio.Transport):
    """A socket that takes what it is given; `unread_bytes` is what its peer has left lying."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self.unread_bytes = 0
        self.ended: str | None = None

    def write(self, data: Any) -> None:
        assert self.ended is None, "written after the end"
        self.written += data

    def is_closing(self) -> bool:
        return self.ended is not None

    def close(self) -> None:
        self.ended = self.ended or "closed"

    def abort(self) -> None:
        self.ended = "aborted"

    def can_write_eof(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return self.unread_bytes

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("198.51.100.7", 1) if name == "peername" else default

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...
    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...


class World:
    """One gateway, its viewers in all their states, and a client that posts."""

    def __init__(self, *, short: bool, signed: bool = False, **changes: Any) -> None:
        self.clock = ManualClock()
        self.random = random.Random(7)
        chosen = GatewaySettings(**changes)
        ids, account = IdFactory(self.random.getrandbits), AccountThrottle(chosen)
        route = WebSocketRoute("$default", "on-default")
        api = WebSocketApi("S", "k3v9q2d7xa", "s", "primary", "$request.body.action", {"$default": route})
        self.core = WebSocketCore(
            api, "127.0.0.1:8080", ids, account_id="1", region="us-east-1", settings=chosen, account=account
        )
        signatures = Signatures({"dummy": "dummy"}, region="us-east-1", unsigned_message="no") if signed else None
        self.endpoint = Endpoint(
            websocket=self.core,
            http=None,
            ids=ids,
            invoke=never,
            clock=self.clock,
            settings=chosen,
            account=account,
            signatures=signatures,
            stats=dict,
        )
        if not short:
            self.endpoint.short_way = None
        self.viewers: dict[str, str] = {}
        self.wires: dict[str, Wire] = {}
        for name in VIEWERS:
            self._connect(name)
        self.wires["behind"].unread_bytes = chosen.backlog_bytes
        self.wires["very far behind"].unread_bytes = chosen.backlog_bytes + 1
        self.core.close(self.viewers["closing"], 1000, "")
        self.endpoint.channels.pop(self.viewers["gone"])
        self._poster, self.wires["poster"] = self._accepted()
        self._poster.data_received(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")  # the first request has a timer of its own
        self._shortly = 0

    def _accepted(self) -> tuple[GatewayConnection, Wire]:
        wire, connection = Wire(), GatewayConnection(self.endpoint, OpenConnections())
        connection.connection_made(wire)
        return connection, wire

    def _connect(self, name: str) -> None:
        connection, self.wires[name] = self._accepted()
        lines = [
            "GET /primary HTTP/1.1",
            "Host: a",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            *(["Sec-WebSocket-Extensions: permessage-deflate"] if name == "compressing" else []),
        ]
        connection.data_received(("\r\n".join(lines) + "\r\n\r\n").encode())
        [(self.viewers[name], _)] = [pair for pair in self.endpoint.channels.items() if pair[0] not in self.known]

    @property
    def known(self) -> set[str]:
        return set(self.viewers.values())

    def receives(self, data: bytes) -> None:
        """The poster sends."""
        if self.wires["poster"].ended is None:
            self._poster.data_received(data)

    def seen(self) -> Any:
        """Everything that anybody could see, and all that is remembered."""
        connections = [self.core.find(connection_id) for connection_id in self.viewers.values()]
        return (
            {name: (bytes(wire.written), wire.ended) for name, wire in self.wires.items()},
            [each and (each.state, each.last_active_ms, each.last_data_s) for each in connections],
            self.endpoint.account.requests._tokens,
            self._poster.is_between_requests,
            self.random.getstate(),
        )


async def never(*_: object, **__: object) -> InvocationResult:
    raise AssertionError("no function is invoked here")


# -- requests ----------------------------------------------------------------------------------------------------------

UNKNOWN = {"unknown": "L0SM9cOFvHcCIhw=", "malformed": "bot_1"}
LENGTH = "Content-Length: {length}"


@dataclass(frozen=True)
class Post:
    """A request that may be odd; as it stands here, it is usual."""

    method: str = "POST"
    path: str = "/primary/@connections/{id}%3D"
    version: str = "HTTP/1.1"
    headers: tuple[str, ...] = ("Host: 127.0.0.1:8080", "User-Agent: a/1 b/2", "X-Amz-Date: 20240312T210500Z", LENGTH)
    line_ends: tuple[str, ...] = ("\r\n",)
    """Of the first lines, in order; the last of them of all others."""
    body: bytes = BODY
    viewer: str = "open"

    def on_the_wire(self, viewers: Mapping[str, str]) -> bytes:
        connection_id = {**UNKNOWN, **viewers}[self.viewer]
        lines = [f"{self.method} {self.path} {self.version}", *self.headers, ""]
        ends = (*self.line_ends, *[self.line_ends[-1]] * len(lines))
        head = "".join(line + end for line, end in zip(lines, ends, strict=False))
        return head.format(id=connection_id[:-1], length=len(self.body)).encode("latin-1") + self.body


Oddity = Callable[[Post], Post]


def other(**changes: Any) -> Oddity:
    return lambda post: replace(post, **changes)


def with_header(at: int, header: str) -> Oddity:
    return lambda post: replace(post, headers=(*post.headers[:at], header, *post.headers[at:]))


def with_length(length: str) -> Oddity:
    return lambda post: replace(post, headers=tuple(each if each != LENGTH else length for each in post.headers))


def with_host(host: str) -> Oddity:
    return lambda post: replace(post, headers=(host, *post.headers[1:]))


def without_header(at: int) -> Oddity:
    return lambda post: replace(post, headers=(*post.headers[:at], *post.headers[at + 1 :]))


HEADERS = (
    "Host: b",
    "Host: rebound.example.com",
    "host:a",
    "Host:",
    "Connection: close",
    "connection: keep-alive",
    "Connection: Upgrade",
    "Proxy-Connection: close",
    "Upgrade: websocket",
    "UPGRADE: h2c",
    "Expect: 100-continue",
    "EXPECT: 100-continue",
    "Transfer-Encoding: chunked",
    "transfer-encoding: identity",
    "TE: trailers",
    "Content-Length: 0",
    "content-length: 25",
    "Content-Length : 25",
    "Content-Type: application/json",
    "Keep-Alive: timeout=5",
    "Cookie: a=b",
    "X-Empty:",
    "X-Spaces: \t a \t ",
    "X-High: \xe9\xff",
    "X-Control: \x01",
    "X-Delete: \x7f",
    "X-Colon: a: b",
    "X_Underscore: 1",
    "X Space: 1",
    "X\xe9: 1",
    "X(: 1",
    ": no name",
    "no colon",
    " folded",
    "X-Nul: \x00",
    "X-Cr: a\rb",
    "X-Lf: a\nb",
    "",
    "X-Long: " + "x" * 33_000,
)
HOSTS = (
    "Host: rebound.example.com",
    "Host: a b",
    "Host: \x01",
    "Host:a",
    "host: a",
    "HOST: a",
    "Host: ",
    "Host: \xe9.com",
)
LENGTHS = (
    "content-length: {length}",
    "Content-Length:{length}",
    "Content-Length:  {length} ",
    "Content-Length: 0{length}",
    "Content-Length: +{length}",
    "Content-Length: {length}0",
    "Content-Length: 1{length}",
    "Content-Length: 1",
    "Content-Length: 0",
    "Content-Length:",
    "Content-Length: 1e3",
    "Content-Length: {length}, {length}",
    "Content-Length: 99999999999",
)
BODIES = (b"", b"\xff\xfe", "né".encode(), b"x" * 126, b"x" * 65_536, b"x" * 131_072, b"x" * 131_073)
FIELDS: dict[str, tuple[Any, ...]] = {
    "method": ("GET", "DELETE", "PUT", "post", "HEAD", "POSTS", ""),
    "path": (
        "/primary/%40connections/{id}%3D",
        "/primary/@connections/{id}=",
        "/primary/@connections/{id}%3d",
        "/primary/@connections/{id}%3D?a=b",
        "/primary/@connections/{id}",
        "/primary/@connections/{id}%3D/",
        "/primary/@connections/x{id}%3D",
        "/dev/@connections/{id}%3D",
        "/%70rimary/@connections/{id}%3D",
        "http://a/primary/@connections/{id}%3D",
        "/.tracker-sim/stats",
    ),
    "version": ("HTTP/1.0", "HTTP/1.2", "HTTP/2.0", "http/1.1", "HTTP/1.1 ", ""),
    "line_ends": (("\n",), ("\r",), ("\r\n", "\n", "\r\n"), ("\r\n", "\r", "\r\n"), ("\r\n", "\r\n\r\n", "\r\n")),
    "body": BODIES,
    "viewer": (*VIEWERS, *UNKNOWN),
}
ODDITIES: dict[str, Oddity] = {
    **{f"{name} {value!r:.30}": other(**{name: value}) for name, values in FIELDS.items() for value in values},
    **{f"{header!r:.40} as header {at}": with_header(at, header) for header in HEADERS for at in (0, 1, 4)},
    **{f"length {length!r}": with_length(length) for length in LENGTHS},
    **{f"no header {at}": without_header(at) for at in range(4)},
    **{f"{host!r} in place of the host": with_host(host) for host in HOSTS},
}
CHANGES: tuple[dict[str, Any], ...] = (
    {},
    {"account_burst": len(VIEWERS) + 1},  # each handshake took a token: there is one left
    {"account_burst": len(VIEWERS) + 3},
    {"callback_frame": "binary"},
    {"callbacks_move_last_active": False},
    {"clock_speed": 3.0},
    {"empty_callback_status": 200},
    {"deflate_from_bytes": 1},
    {"allowed_hosts": "rebound.example.com"},
)


def both(**changes: Any) -> tuple[World, World]:
    worlds = World(short=False, **changes), World(short=True, **changes)
    assert worlds[0].seen() == worlds[1].seen()
    return worlds


async def test_a_usual_post_goes_both_ways():
    for world in both():
        before = len(world.wires["open"].written)
        world.receives(Post().on_the_wire(world.viewers))
        assert world.wires["open"].written[before:] == bytes([0x81, len(BODY)]) + BODY


@pytest.mark.parametrize("oddity", ODDITIES)
async def test_both_ways_are_the_same_for_a_post_that_is_odd_in_one_point(oddity):
    """A usual one follows: whatever the odd one left behind shows then."""
    long, short = both()
    for post in (ODDITIES[oddity](Post()), Post()):
        for world in (long, short):
            world.clock.advance(1.5)
            world.receives(post.on_the_wire(world.viewers))
        assert long.seen() == short.seen()


@pytest.mark.parametrize("changes", CHANGES, ids=str)
async def test_both_ways_are_the_same_for_every_viewer_and_body(changes):
    for viewer in (*VIEWERS, *UNKNOWN):
        for body in (BODY, *BODIES):
            long, short = both(**changes)
            for _ in range(2):
                for world in (long, short):
                    world.clock.advance(0.00001)
                    world.receives(Post(body=body, viewer=viewer).on_the_wire(world.viewers))
                assert long.seen() == short.seen()


@settings(max_examples=150, deadline=None)
@given(
    posts=st.lists(
        st.tuples(
            st.lists(st.sampled_from(sorted(ODDITIES)), max_size=2, unique=True),
            st.lists(st.integers(0, 300), max_size=2),
            st.sampled_from([False, False, True]),
        ),
        max_size=5,
    ),
    changes=st.sampled_from(CHANGES),
)
async def test_both_ways_are_the_same_for_posts_in_pieces_and_several_in_one_read(posts, changes):
    long, short = both(**changes)
    kept = b""
    for oddities, cuts, keep in posts:
        post = functools.reduce(lambda post, oddity: ODDITIES[oddity](post), oddities, Post())
        kept += post.on_the_wire(long.viewers)
        if keep:
            continue
        for world in (long, short):
            world.clock.advance(0.0001)
            for piece in pieces(kept, cuts):
                world.receives(piece)
        kept = b""
        assert long.seen() == short.seen()


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    at = sorted({min(cut, len(data)) for cut in cuts} | {0, len(data)})
    return [data[start:end] for start, end in itertools.pairwise(at)]


# -- who takes it ------------------------------------------------------------------------------------------------------


CREDENTIALS = Credentials("AKIDEXAMPLE", "secret", "token")


def by_boto3(connection_id: str) -> bytes:
    """What botocore signs and http.client writes."""
    request = AWSRequest(
        method="POST",
        url=f"http://127.0.0.1:8080/primary/@connections/{connection_id[:-1]}%3D",
        headers={"User-Agent": "Boto3/1.40.0 md/Botocore#1.40.0 ua/2.1", "amz-sdk-request": "attempt=1"},
        data=BODY,
    )
    SigV4Auth(CREDENTIALS, "execute-api", "us-east-1").add_auth(request)
    prepared = request.prepare()
    lines = [f"POST /primary/@connections/{connection_id[:-1]}%3D HTTP/1.1", "Host: 127.0.0.1:8080"]
    lines += ["Accept-Encoding: identity", *(f"{name}: {value}" for name, value in prepared.headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + BODY


def by_the_tracker(connection_id: str) -> bytes:
    endpoint = CallbackEndpoint.from_websocket_url("ws://127.0.0.1:8080/primary")
    requests = PostRequests(endpoint, CREDENTIALS, "us-east-1")
    return requests.encode(connection_id, Message("vendor", BODY), 1_700_000_000.0)


@pytest.mark.parametrize("written", [by_boto3, by_the_tracker])
async def test_usual_posts_take_the_short_way(written):
    world = World(short=True)
    for viewer in ("open", "compressing", "behind"):
        before = len(world.wires[viewer].written)
        answer = world.endpoint.short_way.answer(written(world.viewers[viewer]))
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        assert world.wires[viewer].written[before:] == bytes([0x81, len(BODY)]) + BODY


@pytest.mark.parametrize("viewer", ["closing", "gone", "very far behind"])
async def test_a_viewer_who_cannot_be_sent_to_is_left_to_the_long_way(viewer):
    world = World(short=True)
    assert world.endpoint.short_way.answer(by_the_tracker(world.viewers[viewer])) is None


async def test_a_fault_that_is_on_keeps_everybody_off_the_short_way():
    world = World(short=True)
    defaults = {each.name: each.default for each in FAULT_KINDS["callback_throttle"].attributes}
    world.endpoint.faults = (ActiveFault("callback_throttle", random.Random(1), attributes=defaults),)
    before = world.seen()
    assert world.endpoint.short_way.answer(by_the_tracker(world.viewers["open"])) is None
    assert world.seen() == before


async def test_where_posts_must_be_signed_there_is_no_short_way():
    assert World(short=True, signed=True).endpoint.short_way is None
