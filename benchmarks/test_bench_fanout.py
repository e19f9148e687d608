"""One vendor update to many connections: ours beside boto3, aiohttp, and the floor below which nobody gets.

All are warm: sockets are open and credentials are known, as in a Lambda environment that has served before. They take
turns, round by round, against the same server, which has a process and, where possible, a CPU of its own. What would
take too long is given fewer posts a turn; the figures are per post.
"""

import contextlib
import http.client
import json
import ssl
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote

import pytest

from instruments.contest import Contestant, hold
from instruments.processes import apart, script
from instruments.responder import connection_id, is_gone
from instruments.results import WALL_TOLERANCE
from references.aiohttp_posts import AiohttpPosts
from references.boto3_posts import Boto3Posts, Boto3WithoutNetwork
from references.prepared_bytes import PreparedPosts
from tracker import aws
from tracker.fanout.broadcast import close
from tracker.settings import read_settings

UPDATE = json.dumps(
    {
        "id": "1767661414543360000",
        "userId": "17",
        "userName": "Señor Sisig",
        "text": "Tacos until three 🌮",
        "date": "2024-03-12T21:05:00.123+00:00",
        "geo": {
            "id": "5a110d312052166f",
            "name": "San Francisco",
            "full_name": "San Francisco, CA",
            "place_type": "city",
            "country": "United States",
            "country_code": "US",
            "coordinates": {"lat": 37.7749, "long": -122.4194},
        },
    },
    ensure_ascii=False,
)
BODY = UPDATE.encode()
BOTO3_POSTS = 100
BOTO3_THREADS = 32
CPU = "client_cpu_us_per_post"
CPU_REACH_BOTO3, CPU_REACH_FLOOR = 30.0, 0.7


@dataclass
class Server:
    """The responder, and what each of its connections must have been sent by the end."""

    pid: int
    port: int
    tls: bool
    gone_percent: int
    expected: Counter[str] = field(default_factory=Counter)

    @property
    def url(self) -> str:
        return f"http{'s' if self.tls else ''}://127.0.0.1:{self.port}/primary"

    def answers(self, ids: list[str]) -> Counter[int]:
        """How often each status is right when each id is posted to once."""
        return Counter(410 if self.is_gone(each) else 200 for each in ids)

    def is_gone(self, each: str) -> bool:
        return is_gone(NUMBERS[each], self.gone_percent)

    def posted(self, context: ssl.SSLContext | None) -> dict[str, Any]:
        connection = (
            http.client.HTTPSConnection("127.0.0.1", self.port, timeout=10, context=context)
            if self.tls
            else http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        )
        with contextlib.closing(connection):
            connection.request("GET", "/")
            answer: dict[str, Any] = json.loads(connection.getresponse().read())
        return answer

    def assert_received(self, context: ssl.SSLContext | None) -> None:
        """Every connection was posted to exactly so often as it should have been, with whole bodies."""
        posted = self.posted(context)
        by_id = Counter(
            {
                unquote(target).removeprefix("/primary/@connections/"): sum(answers[:2])
                for target, answers in posted["targets"].items()
            }
        )
        assert by_id == self.expected
        taken = sum(posts for each, posts in self.expected.items() if not self.is_gone(each))
        assert posted["body_bytes"] == len(BODY) * taken


NUMBERS = {connection_id(number): number for number in range(10_000)}


@pytest.fixture
def serve(authority, monkeypatch) -> Iterator[Callable[..., Any]]:
    """Start a responder of its own for each group, so that its counts are that group's."""

    @contextlib.contextmanager
    def serve(*, tls: bool = False, gone_percent: int = 0, **settings: Any) -> Iterator[Server]:
        monkeypatch.setenv("AWS_CA_BUNDLE", authority.bundle)
        files = {"certificate": authority.certificate, "key": authority.key} if tls else {}
        wanted = json.dumps({"gone_percent": gone_percent, **files, **settings})
        with script("instruments/responder.py", wanted) as (pid, said):
            yield Server(pid, said["port"], tls, gone_percent)

    yield serve
    close()


def ours(server: Server, ids: list[str], *, may_retry: bool = False) -> Contestant:
    """The tracker's own door to its fan-out, as it is deployed."""
    url = f"{'wss' if server.tls else 'ws'}://127.0.0.1:{server.port}/primary"
    gone = sum(server.is_gone(each) for each in ids)

    def check(outcome: Any) -> None:
        assert outcome.delivered == len(ids) - gone
        # A count; commits before that had the ids themselves, and may be what is compared with.
        assert outcome.gone == gone or len(outcome.gone) == gone
        assert may_retry or outcome.retries == 0

    return Contestant(
        "ours", "ours", lambda: aws.broadcast_message_websocket(url, ids, UPDATE, time_left_s=60), check, len(ids)
    )


def others(
    exits: contextlib.ExitStack, server: Server, ids: list[str], context: ssl.SSLContext | None, bundle: str
) -> list[Contestant]:
    """The references, the ceiling and the floor; closed with `exits`."""
    few = ids[:BOTO3_POSTS]
    sockets = read_settings().fanout_connections

    def all_answered(some: list[str]) -> Callable[[Counter[int]], None]:
        right = server.answers(some)

        def check(statuses: Counter[int]) -> None:
            assert statuses == right

        return check

    def posts(client: Any, some: list[str]) -> Callable[[], Counter[int]]:
        exits.callback(client.close)
        return lambda: client.send(some, BODY)

    def all_accepted(statuses: Counter[int]) -> None:
        assert statuses == {200: len(few)}

    floor = PreparedPosts(server.port, sockets, context)
    exits.callback(floor.close)
    requests = [prepared(server, each) for each in ids]
    boto3_in_turn = posts(Boto3Posts(server.url, verify=bundle), few)
    boto3_threads = posts(Boto3Posts(server.url, verify=bundle, threads=BOTO3_THREADS), few)
    aiohttp = posts(AiohttpPosts(server.url, sockets=sockets, context=context), ids)
    without_network = posts(Boto3WithoutNetwork(server.url), few)
    return [
        Contestant("boto3_sequential", "reference", boto3_in_turn, all_answered(few), len(few)),
        Contestant("boto3_32_threads", "reference", boto3_threads, all_answered(few), len(few)),
        Contestant("boto3_without_network", "ceiling", without_network, all_accepted, len(few)),
        Contestant("aiohttp", "reference", aiohttp, all_answered(ids), len(ids)),
        Contestant("floor", "floor", lambda: floor.send(requests), all_answered(ids), len(ids)),
    ]


def prepared(server: Server, each: str) -> bytes:
    """A request as large as a signed one, with a signature that nobody checks."""
    authority = f"127.0.0.1:{server.port}"
    return (
        f"POST /primary/@connections/{quote(each, safe='')} HTTP/1.1\r\nHost: {authority}\r\n"
        "User-Agent: floor\r\nX-Amz-Date: 20240312T210500Z\r\n"
        "Authorization: AWS4-HMAC-SHA256 Credential=test/20240312/us-east-1/execute-api/aws4_request, "
        f"SignedHeaders=host;x-amz-date, Signature={'0' * 64}\r\nContent-Length: {len(BODY)}\r\n\r\n"
    ).encode() + BODY


@pytest.mark.parametrize("tls", [pytest.param(False, id="plain"), pytest.param(True, id="tls")])
@pytest.mark.parametrize(
    ("count", "rounds"),
    [
        pytest.param(100, 11, id="100"),
        pytest.param(1_000, 7, id="1000"),
        pytest.param(10_000, 5, id="10000", marks=pytest.mark.long),
    ],
)
def test_fanout(group, serve, authority, count, rounds, tls):
    compete(
        group(f"fanout-{count}-{'tls' if tls else 'plain'}", f"one update to {count:,} connections"),
        serve,
        authority,
        count=count,
        rounds=rounds,
        tls=tls,
    )


@pytest.mark.parametrize("gone_percent", [5, 30])
def test_fanout_with_dead_connections(group, serve, authority, gone_percent):
    compete(
        group(f"fanout-1000-gone{gone_percent}", f"1,000 connections, of which {gone_percent} % answer 410"),
        serve,
        authority,
        count=1_000,
        rounds=5,
        tls=True,
        gone_percent=gone_percent,
    )


def compete(group, serve, authority, *, count: int, rounds: int, tls: bool, gone_percent: int = 0) -> None:
    ids = [connection_id(number) for number in range(count)]
    context = authority.context() if tls else None
    with serve(tls=tls, gone_percent=gone_percent) as server, contextlib.ExitStack() as exits:
        exits.enter_context(apart(server.pid))
        contestants = [ours(server, ids), *others(exits, server, ids, context, authority.bundle)]
        turns = hold(group, contestants, unit="post", rounds=rounds, server_pids=[server.pid])
        for each in contestants:
            if each.role != "ceiling":
                server.expected.update(dict.fromkeys(ids[: each.units], turns))
        server.assert_received(context)
    group.set_against(CPU, "ours", "boto3_sequential", reach=CPU_REACH_BOTO3 if tls else None)
    group.set_against(CPU, "ours", "floor", reach=CPU_REACH_FLOOR if tls else None)
    for beside in ("boto3_32_threads", "boto3_without_network", "aiohttp"):
        group.set_against(CPU, "ours", beside)
    group.set_against("posts_per_s", "ours", "boto3_sequential", tolerance=WALL_TOLERANCE)
    group.facts |= {"body_bytes": len(BODY), "http_connections": read_settings().fanout_connections}


LIMIT_PER_S, BURST = 3_000, 300


def test_fanout_throttled(group, serve):
    """Beyond a bucket of 300 that fills at 3,000/s the answer is 429. All is delivered: how near to the limit?"""
    ids = [connection_id(number) for number in range(1_500)]
    found = group("fanout-1500-throttled", f"1,500 connections, {LIMIT_PER_S:,} posts/s allowed, 429 beyond")
    with serve(rate_per_s=LIMIT_PER_S, burst=BURST) as server, contextlib.ExitStack() as exits:
        exits.enter_context(apart(server.pid))
        boto3_posts = Boto3Posts(server.url)
        exits.callback(boto3_posts.close)
        without_network = Boto3WithoutNetwork(server.url)
        exits.callback(without_network.close)
        few = ids[:BOTO3_POSTS]

        def all_taken(statuses: Counter[int]) -> None:
            assert statuses == {200: len(few)}

        contestants = [
            ours(server, ids, may_retry=True),
            Contestant("boto3_sequential", "reference", lambda: boto3_posts.send(few, BODY), all_taken, len(few)),
            Contestant(
                "boto3_without_network", "ceiling", lambda: without_network.send(few, BODY), all_taken, len(few)
            ),
        ]
        turns = hold(found, contestants, unit="post", rounds=5, server_pids=[server.pid])
        contestants.pop()  # the server has not heard of it
        for each in contestants:
            server.expected.update(dict.fromkeys(ids[: each.units], turns))
        server.assert_received(None)
        refused = sum(answers[2] for answers in server.posted(None)["targets"].values())
    allowed_per_s = len(ids) / ((len(ids) - BURST) / LIMIT_PER_S)
    found.add("limit", "ceiling", "posts_per_s", allowed_per_s, unit="posts/s", better="higher")
    found.set_against("posts_per_s", "ours", "limit", paired=False, tolerance=WALL_TOLERANCE)
    found.set_against(CPU, "ours", "boto3_sequential")
    found.facts |= {"answered_429": refused, "delivered": turns * sum(each.units for each in contestants)}
