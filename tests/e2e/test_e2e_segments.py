"""A broadcast that is spread over several functions by the fan-out queue, on the local stack."""

import contextlib
import json
import time
import urllib.request

import boto3
import pytest
from websockets.sync.client import connect

SEGMENTS = 3
RETRY_S = 6
"""The least that the template allows; the failed segment is back after it."""


@pytest.fixture
def stack(up):
    parameters = {
        "FanOutSegments": SEGMENTS,
        "FanOutThreshold": 4,
        "SendVendorTimeout": 3,
        "VendorQueueVisibilityTimeout": RETRY_S,
    }
    return up("--seed", "7", *(f"--parameter={name}={value}" for name, value in parameters.items()))


@pytest.fixture
def viewers(stack):
    """Nine viewers, by connection id."""
    _, endpoints = stack
    with contextlib.ExitStack() as exits:
        found = {}
        for _ in range(9):
            viewer = exits.enter_context(connect(endpoints["websocket_url"]))
            viewer.send("{}")  # a message of no route is answered with the connection's own id
            found[json.loads(viewer.recv(timeout=30))["connectionId"]] = viewer
        yield found


def aws(service, endpoints):
    return boto3.client(
        service,
        endpoint_url=endpoints["aws_endpoint_url"],
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


def publish(endpoints, update):
    url = next(url for name, url in endpoints["queue_urls"].items() if name == "vendor-twitter-queue")
    aws("sqs", endpoints).send_message(QueueUrl=url, MessageBody=json.dumps(update))


def frames(viewer, until_s):
    """What a viewer gets until then."""
    got = []
    with contextlib.suppress(TimeoutError):
        while True:
            got.append(json.loads(viewer.recv(timeout=max(0.0, until_s - time.monotonic()))))
    return got


def ask(request):
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.loads(answer.read() or b"{}")


@pytest.fixture
def update():
    coordinates = {"lat": 37.77, "long": -122.42}
    place = dict.fromkeys(("id", "name", "full_name", "place_type", "country", "country_code"), "x")
    return {
        "id": "1767661414543360000",
        "userId": "17",
        "userName": "Taco Wagon",
        "text": "Tacos",
        "date": "2024-03-12T21:05:00+00:00",
        "geo": {**place, "coordinates": coordinates},
    }


def test_every_viewer_gets_an_update_once_and_functions_share_them(stack, viewers, update):
    running, endpoints = stack
    publish(endpoints, update)
    for viewer in viewers.values():
        assert json.loads(viewer.recv(timeout=30)) == update
    assert all(frames(viewer, 0) == [] for viewer in viewers.values())
    running.end()


def test_a_segment_that_fails_comes_back_alone(stack, viewers, update):
    """One viewer of it cannot be posted to for a while; only that segment is broadcast twice."""
    running, endpoints = stack
    pages = [
        aws("dynamodb", endpoints).scan(TableName="websocket-connections", Segment=number, TotalSegments=SEGMENTS)
        for number in range(SEGMENTS)
    ]
    segments = [{row["connectionId"]["S"] for row in page["Items"]} for page in pages]
    assert set().union(*segments) == set(viewers)
    hit = next(iter(viewers))
    failing = next(segment for segment in segments if hit in segment)
    faults = f"{endpoints['management_url'].rpartition('/')[0]}/.tracker-sim/faults"
    wish = {"kind": "callback_error", "target": hit, "duration_s": 120, "attributes": {"status": 503}}
    fault_id = ask(urllib.request.Request(faults, json.dumps(wish).encode(), {"Content-Type": "application/json"}))[
        "id"
    ]
    publish(endpoints, update)
    for line in running.process.stderr:
        if '"message":"segments done"' in line and '"failed":1' in line:
            break
    ask(urllib.request.Request(f"{faults}/{fault_id}", method="DELETE"))
    assert json.loads(viewers[hit].recv(timeout=60)) == update
    # The others of its segment have had it twice by now, or have the second on its way.
    until_s = time.monotonic() + 2
    got = {each: len(frames(viewer, until_s)) for each, viewer in viewers.items() if each != hit}
    assert got == {each: 2 if each in failing else 1 for each in got}
