"""One vendor update to 100 connections over plain HTTP on loopback: ours beside boto3, one post after the other.

Both sides are warm: sockets are open and credentials are known, as in a Lambda environment that has served before.
"""

import base64
import http.client
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import boto3
import pytest

from tracker import aws
from tracker.fanout.broadcast import close

CONNECTIONS = 100
CONNECTION_IDS = [base64.urlsafe_b64encode(number.to_bytes(11, "big")).decode() for number in range(CONNECTIONS)]
"""Of the form that API Gateway gives: 16 characters, the last an equals sign, which both sides must encode."""
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


@dataclass(frozen=True, slots=True)
class Server:
    pid: int
    port: int

    def assert_received(self, broadcasts: int) -> None:
        """Every connection was posted to exactly so often, with the whole body each time."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("GET", "/")
        posted = json.loads(connection.getresponse().read())
        connection.close()
        by_target = {unquote(target): posts for target, posts in posted["targets"].items()}
        assert by_target == {f"/primary/@connections/{each}": broadcasts for each in CONNECTION_IDS}
        assert posted["body_bytes"] == len(UPDATE.encode()) * CONNECTIONS * broadcasts


@pytest.fixture
def server() -> Iterator[Server]:
    """A responder of its own for each benchmark, so that its counts are that benchmark's."""
    command = [sys.executable, str(Path(__file__).with_name("responder.py"))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield Server(process.pid, int(process.stdout.readline()))
        process.communicate()  # closes its stdin, which ends it
    assert process.returncode == 0


@pytest.mark.benchmark(group="fanout-100")
def test_broadcast(measure, server):
    def work():
        return aws.broadcast_message_websocket(
            f"ws://127.0.0.1:{server.port}/primary", CONNECTION_IDS, UPDATE, time_left_s=30
        )

    def check(outcome):
        assert outcome.delivered == CONNECTIONS
        assert outcome.gone == ()
        assert outcome.retries == 0

    try:
        ran = measure(work, check, role="ours", unit="post", units=CONNECTIONS, rounds=150, server_pid=server.pid)
        server.assert_received(ran)
    finally:
        close()


@pytest.mark.benchmark(group="fanout-100")
def test_boto3_sequential(measure, server):
    management = boto3.client("apigatewaymanagementapi", endpoint_url=f"http://127.0.0.1:{server.port}/primary")
    body = UPDATE.encode()

    def work():
        answers = [management.post_to_connection(ConnectionId=each, Data=body) for each in CONNECTION_IDS]
        return [answer["ResponseMetadata"] for answer in answers]

    def check(answers):
        assert [(answer["HTTPStatusCode"], answer["RetryAttempts"]) for answer in answers] == [(200, 0)] * CONNECTIONS

    try:
        ran = measure(work, check, role="reference", unit="post", units=CONNECTIONS, rounds=15, server_pid=server.pid)
        server.assert_received(ran)
    finally:
        management.close()
