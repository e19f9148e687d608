"""The mistakes of the reference system (TypeScript), one test each, that show them not made here.

Those that need a table or a socket to be seen whole are looked at again in `tests/integration/tracker`.
"""

import asyncio
import json
import time
from typing import ClassVar

import pytest

from tracker import aws, connect, default, delivery, get_vendors, publish_vendor, send_vendor, viewers
from tracker.errors import InvalidEventError, InvalidUpdateError
from tracker.fanout.endpoint import CallbackEndpoint
from tracker.fanout.engine import Engine
from tracker.fanout.outcome import BroadcastOutcome, MessageOutcome
from tracker.fanout.plan import Message, Plan, Recipient
from tracker.fanout.requests import PostRequests
from tracker.fanout.retry import RetryPolicy
from tracker.fanout.window import Window
from tracker.updates import parse_update


class FakeDynamoDb:
    """Answers scans from a list of pages; anything but what the handlers are meant to call is not there."""

    def __init__(self, pages=()):
        self.pages, self.scans, self.puts, self.deletes = list(pages), [], [], []

    def scan(self, **request):
        self.scans.append(dict(request))
        items, last = self.pages.pop(0)
        key = {"LastEvaluatedKey": {"twitterId": {"S": last}}} if last else {}
        return {"Items": items, "Count": len(items), **key}

    def put_item(self, **request):
        self.puts.append(request)

    def delete_item(self, **request):
        self.deletes.append(request)


@pytest.fixture
def dynamodb(monkeypatch):
    fake = FakeDynamoDb()
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "under-test")
    monkeypatch.setenv("AWS_WEBSOCKET_URL", "wss://h/primary")
    monkeypatch.setattr(aws, "client", lambda service: fake)
    monkeypatch.setattr(viewers, "_pages_last_time", 1)
    monkeypatch.setattr(delivery, "current_credentials", lambda: aws.Credentials("a", "s"))
    return fake


class FakeBroadcast:
    """Delivers everything, or has the outcome it is given; `made` has all of them."""

    made: ClassVar[list["FakeBroadcast"]] = []
    failed: ClassVar[tuple[int, ...]] = ()

    def __init__(self, endpoint, *, messages, **_):
        self.messages, self.recipients = messages, []
        self.made.append(self)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def add(self, recipients):
        self.recipients += recipients
        return True

    @property
    def outcome(self):
        outcomes = [MessageOutcome(len(self.recipients), int(n in self.failed)) for n in range(len(self.messages))]
        return BroadcastOutcome(tuple(outcomes), gone=0, retries=0)


@pytest.fixture
def broadcasts(monkeypatch):
    """What was given to the fan-out, which delivers everything."""
    monkeypatch.setattr(FakeBroadcast, "made", [])
    monkeypatch.setattr(delivery, "Broadcast", FakeBroadcast)
    return FakeBroadcast.made


def batch_of(update, count):
    bodies = [json.dumps({**update, "id": str(1_767_661_414_543_360_000 + number)}) for number in range(count)]
    return {"Records": [{"messageId": f"m{number}", "body": body} for number, body in enumerate(bodies)]}


CONNECTION = {"connectionId": {"S": "a="}}


def test_not_only_the_first_record_of_a_batch_is_sent(dynamodb, broadcasts, update):
    dynamodb.pages = [([CONNECTION], None)]
    event = batch_of(update, 10)
    assert send_vendor.handler(event, None) == {"batchItemFailures": []}
    (sent,) = broadcasts
    assert [message.body.decode() for message in sent.messages] == [record["body"] for record in event["Records"]]


def test_a_failed_broadcast_is_not_told_to_sqs_as_a_status_code(dynamodb, broadcasts, monkeypatch, update):
    """(Q06): a returned status counts as success, and the message would be deleted."""
    dynamodb.pages = [([CONNECTION], None)]
    monkeypatch.setattr(FakeBroadcast, "failed", (0,))
    assert send_vendor.handler(batch_of(update, 2), None) == {"batchItemFailures": [{"itemIdentifier": "m0"}]}


def test_the_scan_does_not_stop_at_an_empty_page(dynamodb, broadcasts, update):
    """(D02)"""
    dynamodb.pages = [([], "x"), ([CONNECTION], "y"), ([], "z"), ([{"connectionId": {"S": "b="}}], None)]
    send_vendor.handler(batch_of(update, 1), None)
    (sent,) = broadcasts
    assert [recipient.connection_id for recipient in sent.recipients] == ["a=", "b="]


def test_the_page_cursor_can_be_sent_back(dynamodb):
    dynamodb.pages = [([], "ø/1"), ([], None)]
    body = json.loads(get_vendors.handler({}, None)["body"])
    event = {"queryStringParameters": {"lastEvaluatedKey": body["lastEvaluatedKey"]}}
    assert get_vendors.handler(event, None)["statusCode"] == 200
    assert dynamodb.scans[1]["ExclusiveStartKey"] == {"twitterId": {"S": "ø/1"}}


@pytest.mark.parametrize("event", [{}, {"queryStringParameters": {}}, {"queryStringParameters": None}], ids=str)
def test_a_missing_limit_is_25(dynamodb, event):
    dynamodb.pages = [([], None)]
    get_vendors.handler(event, None)
    assert dynamodb.scans[0]["Limit"] == 25


def test_tables_are_not_described_and_scanned_once_for_a_whole_batch(dynamodb, broadcasts, update):
    dynamodb.pages = [([CONNECTION], None)]
    send_vendor.handler(batch_of(update, 10), None)  # the fake has no describe_table
    (scan,) = dynamodb.scans
    assert "Limit" not in scan  # pages as large as DynamoDB makes them
    assert scan["ConsistentRead"] is True  # a viewer who has just connected is seen (D06)


class FakeConnection:
    """Answers every post, by connection id, after the loop has turned a few times."""

    def __init__(self, pool):
        self.pool, self.posts, self.sent_s, self.load, self.busy = pool, 0, 0.0, None, False

    @property
    def reusable(self):
        return not self.busy

    def post(self, request, owner, now_s):
        self.busy, self.sent_s = True, now_s
        self.posts += 1
        self.pool.now += 1
        self.pool.most = max(self.pool.most, self.pool.now)
        connection_id = request.split(b" ")[1].rsplit(b"/", 1)[1].decode()
        loop = asyncio.get_running_loop()
        loop.call_soon(loop.call_soon, self.answer, owner, self.pool.statuses.get(connection_id, 200))

    def answer(self, owner, status):
        self.busy = False
        self.pool.now -= 1
        owner.on_answer(self, status, "")

    def abort(self):
        pass


class FakePool:
    def __init__(self, statuses):
        self.statuses, self.now, self.most = statuses, 0, 0

    def take_idle(self, endpoint):
        return None

    async def open(self, endpoint, context):
        return FakeConnection(self)

    def give_back(self, endpoint, connection):
        pass


async def carry_out(pool, connection_ids, concurrency):
    endpoint = CallbackEndpoint.from_websocket_url("ws://h/s")
    plan = Plan([Message("v", b"x")], RetryPolicy(), lambda low, high: low)
    plan.add(Recipient(connection_id) for connection_id in connection_ids)
    plan.no_more()
    requests = PostRequests(endpoint, aws.Credentials("a", "s"), "r")
    gone = []
    engine = Engine(
        plan, requests, pool, endpoint, None, Window(concurrency), on_gone=gone.extend, on_progress=lambda _: None
    )
    await engine.run(time.monotonic() + 60)
    return plan.outcome(), gone


async def test_posts_do_not_all_go_at_once():
    pool = FakePool({})
    outcome, _ = await carry_out(pool, [f"c{number}" for number in range(200)], concurrency=8)
    assert outcome.delivered == 200
    assert pool.most == 8


async def test_a_malformed_connection_id_does_not_end_the_broadcast():
    """(C10): 400, not 410."""
    outcome, gone = await carry_out(FakePool({"b": 400, "d": 410}), "abcde", concurrency=1)
    assert (outcome.delivered, gone) == (3, ["b", "d"])
    assert outcome.messages[0].complete


def test_a_message_on_the_sendvendor_route_does_not_crash_the_function(dynamodb, sample):
    """Nor is it the function behind the queue: see test_tracker_template.py."""
    event = sample("websocket_message_sendvendor")
    assert publish_vendor.handler(event, None)["statusCode"] == 200
    with pytest.raises(InvalidEventError):
        send_vendor.handler(event, None)


@pytest.fixture
def queued(monkeypatch, dynamodb):
    """The updates that were put on the queue."""
    monkeypatch.setenv("AWS_SQS_URL", "https://sqs/q")
    updates = []
    monkeypatch.setattr(publish_vendor, "sqs_send_message", lambda url, body: updates.append(json.loads(body)))
    return updates


@pytest.mark.parametrize(
    ("authorizer", "named", "queued_as"),
    [
        pytest.param({"vendorId": "17"}, None, ["17"], id="the vendor"),
        pytest.param({"vendorId": "17"}, "17", ["17"], id="the vendor naming itself"),
        pytest.param({"vendorId": "17"}, "18", [], id="a vendor naming another"),
        pytest.param({"principalId": "viewer"}, "17", [], id="a viewer"),
        pytest.param(None, "17", [], id="without an authorizer"),
    ],
)
def test_no_client_can_broadcast_but_a_vendor_its_own_position(queued, sample, authorizer, named, queued_as):
    event = sample("websocket_message_sendvendor")
    said = {"action": "sendvendor", "lat": 1, "long": 2}
    event["body"] = json.dumps(said if named is None else {**said, "userId": named})
    if authorizer is not None:
        event["requestContext"]["authorizer"] = authorizer
    answer = json.loads(publish_vendor.handler(event, None)["body"])
    assert [update["userId"] for update in queued] == queued_as
    assert answer["status"] == ("accepted" if queued_as else "refused")


def test_what_a_client_says_of_itself_authorises_nothing(queued, sample):
    """Everything a client can write is in `body`."""
    event = sample("websocket_message_sendvendor")
    event["body"] = json.dumps(
        {"action": "sendvendor", "lat": 1, "long": 2, "requestContext": {"authorizer": {"vendorId": "17"}}}
    )
    assert json.loads(publish_vendor.handler(event, None)["body"])["status"] == "refused"
    assert queued == []


def test_there_is_a_default_route(dynamodb, monkeypatch, sample):
    """In the template too: see test_tracker_template.py."""
    frames = []
    monkeypatch.setattr(default, "reply_to_sender", lambda event, context, frame: frames.append(frame))
    assert default.handler(sample("websocket_message_default"), None) == {"statusCode": 200}
    assert frames[0]["actions"] == ["sendvendor"]


def test_rows_do_not_outlive_their_socket_for_ever(dynamodb, sample):
    """(L08, D12): epoch seconds, above the two hours that a connection can last."""
    connect.handler(sample("websocket_connect"), None)
    item = dynamodb.puts[0]["Item"]
    seconds_open = int(item["expiresAt"]["N"]) - int(item["connectedAt"]["N"]) // 1000
    assert 2 * 3_600 < seconds_open <= 3 * 3_600


def test_the_tweets_of_a_vendor_do_not_grow_without_bound(dynamodb, update):
    """What the table makes of it: test_the_tweets_of_a_vendor_stay_few_and_the_newest."""
    requests = []
    dynamodb.update_item = lambda **request: requests.append(request)
    aws.dynamodb_record_vendor_update("vendors", update, name="", image="", description="", now_ms=1)
    assert requests[0]["ConditionExpression"] == "attribute_not_exists(#tweets) OR size(#tweets) < :full"
    assert requests[0]["ExpressionAttributeValues"][":full"] == {"N": str(aws.TWEETS_MAX)}


def test_the_corner_of_a_bounding_box_is_not_taken_for_the_position(update):
    corner = [[-122.51, 37.70], [-122.35, 37.70], [-122.35, 37.83], [-122.51, 37.83]]
    update["geo"]["bounding_box"] = {"type": "Polygon", "coordinates": [corner]}
    assert parse_update(json.dumps(update))["geo"]["coordinates"] == {"lat": 37.7749, "long": -122.4194}
    del update["geo"]["coordinates"]
    with pytest.raises(InvalidUpdateError, match=r"geo\.coordinates"):
        parse_update(json.dumps(update))
