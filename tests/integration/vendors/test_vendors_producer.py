import json
import threading
from collections import Counter

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from simulator.clock import SystemClock
from simulator.vendors.made_plan import made_plan
from simulator.vendors.outbox import RetryRules
from simulator.vendors.producer import Producer, ProducerStats, record_nothing
from simulator.vendors.roster import made_roster
from simulator.vendors.vendors_table import put_vendor_rows, record_in_table
from tracker import aws
from tracker.updates import encode_update

START_MS = 1_700_000_000_000
PATIENCE_S = 20.0
ROSTER = made_roster(12, seed=1)
CLOCK = SystemClock()


@pytest.fixture
def cloud(monkeypatch):
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        aws.forget_clients()
        yield boto3.session.Session(region_name="us-east-1")
        aws.forget_clients()


@pytest.fixture
def vendors_table(cloud):
    cloud.client("dynamodb").create_table(
        TableName="vendors",
        KeySchema=[{"AttributeName": "twitterId", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "twitterId", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    return cloud.resource("dynamodb").Table("vendors")


def plan(duration_s=0.5, vendors=ROSTER):
    """Three updates of each vendor."""
    return made_plan(
        vendors,
        "stationary",
        seed=1,
        duration_s=duration_s,
        ping_interval_s=duration_s / 3,
        jitter=0.0,
        start_ms=START_MS,
    )


def played(producer):
    producer.start(CLOCK.monotonic_s())
    assert producer.done.wait(PATIENCE_S)
    assert producer.error is None
    return producer


def by_vendor(updates):
    found = {}
    for update in updates:
        found.setdefault(update["userId"], []).append(update["id"])
    return found


class FlakySqs:
    """An SQS client that fails as told and remembers what it took, in order."""

    def __init__(self, refuse=lambda body, attempt: None):
        self.refuse = refuse
        self.taken = []
        self.batches = []
        self.attempts = Counter()

    def send_message_batch(self, *, QueueUrl, Entries):  # noqa: N803 - boto3's spelling
        self.batches.append([entry["MessageBody"] for entry in Entries])
        answer = {"Successful": [], "Failed": []}
        for entry in Entries:
            body = entry["MessageBody"]
            self.attempts[body] += 1
            fault = self.refuse(body, self.attempts[body])
            if fault:
                answer["Failed"].append({"Id": entry["Id"], "Code": "Fault", "Message": "m", "SenderFault": False})
            else:
                self.taken.append(body)
                answer["Successful"].append({"Id": entry["Id"], "MessageId": f"m{len(self.taken)}"})
        return answer


def test_every_update_is_in_the_table_and_on_the_queue_byte_for_byte(cloud, vendors_table):
    sqs = cloud.client("sqs")
    queue_url = sqs.create_queue(QueueName="vendor-twitter-queue")["QueueUrl"]
    assert put_vendor_rows(cloud.client("dynamodb"), "vendors", ROSTER, START_MS) == 12
    sent = []
    producer = played(
        Producer(
            plan(),
            sqs,
            queue_url,
            record_in_table("vendors"),
            CLOCK,
            on_sent=lambda planned, message_id: sent.append((planned.update["id"], message_id)),
        )
    )
    expected = [planned.update for planned in plan()]
    messages = []
    while batch := sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10).get("Messages"):
        messages += batch
    assert sorted(message["Body"] for message in messages) == sorted(encode_update(update) for update in expected)
    assert by_vendor(json.loads(message["Body"]) for message in messages) == by_vendor(expected)
    assert sorted(sent) == sorted((json.loads(message["Body"])["id"], message["MessageId"]) for message in messages)
    rows = vendors_table.scan()["Items"]
    assert {row["twitterId"]: [tweet["id"] for tweet in row["tweets"]] for row in rows} == by_vendor(expected)
    assert {row["created"] for row in rows} == {START_MS}
    assert producer.stats == ProducerStats(due=36, sent=36, resent=0, failed=0, lag_max_s=producer.stats.lag_max_s)
    assert producer.stats.lag_max_s > 0


def test_table_knows_an_update_before_the_queue_does():
    recorded, early = set(), []

    class Watching(FlakySqs):
        def send_message_batch(self, *, QueueUrl, Entries):  # noqa: N803 - boto3's spelling
            early.extend(entry for entry in Entries if json.loads(entry["MessageBody"])["id"] not in recorded)
            return super().send_message_batch(QueueUrl=QueueUrl, Entries=Entries)

    sqs = Watching()
    played(Producer(plan(), sqs, "url", lambda planned: recorded.add(planned.update["id"]), CLOCK))
    assert early == []
    assert len(sqs.taken) == 36


def test_only_failed_entries_are_sent_again_and_each_vendor_stays_in_order():
    unlucky = {ROSTER[0].twitter_id, ROSTER[5].twitter_id}
    sqs = FlakySqs(lambda body, attempt: attempt < 3 and json.loads(body)["userId"] in unlucky)
    rules = RetryRules(base_s=0.001)
    producer = played(Producer(plan(0.05), sqs, "url", record_nothing, CLOCK, retry_rules=rules))
    assert by_vendor(map(json.loads, sqs.taken)) == by_vendor(planned.update for planned in plan(0.05))
    assert len(sqs.taken) == len(set(sqs.taken)) == 36
    assert {attempts for body, attempts in sqs.attempts.items() if json.loads(body)["userId"] in unlucky} == {3}
    assert {attempts for body, attempts in sqs.attempts.items() if json.loads(body)["userId"] not in unlucky} == {1}
    assert (producer.stats.sent, producer.stats.resent, producer.stats.failed) == (36, 12, 0)


def test_update_that_keeps_failing_is_reported_and_the_rest_goes_on():
    first = next(iter(plan(0.05))).update["id"]
    sqs = FlakySqs(lambda body, attempt: json.loads(body)["id"] == first)
    failed = []
    producer = played(
        Producer(
            plan(0.05),
            sqs,
            "url",
            record_nothing,
            CLOCK,
            on_failed=lambda planned, reason: failed.append((planned.update["id"], reason)),
            retry_rules=RetryRules(attempts=3, base_s=0.001),
        )
    )
    assert failed == [(first, "Fault: m")]
    assert (producer.stats.due, producer.stats.sent, producer.stats.failed) == (36, 35, 1)
    assert producer.stats.resent == 2


def test_update_that_the_table_refuses_is_reported_and_not_sent():
    refused_id = ROSTER[3].twitter_id
    denial = ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "UpdateItem")
    failed = []

    def record(planned):
        if planned.vendor.twitter_id == refused_id:
            raise denial

    sqs = FlakySqs()
    producer = played(
        Producer(plan(0.05), sqs, "url", record, CLOCK, on_failed=lambda planned, reason: failed.append(reason))
    )
    assert failed == [f"the vendors table refused it: {denial}"] * 3
    assert refused_id not in by_vendor(map(json.loads, sqs.taken))
    assert (producer.stats.sent, producer.stats.failed) == (33, 3)


def test_slow_table_write_of_one_vendor_does_not_hold_back_the_others():
    """The plan is over and every other lane sent while the first vendor's write still hangs."""
    release, others_sent = threading.Event(), threading.Event()
    slow = ROSTER[0].twitter_id
    in_its_lane = {vendor.twitter_id for vendor in ROSTER[::4]}
    sent = []

    def record(planned):
        if planned.vendor.twitter_id == slow:
            assert release.wait(PATIENCE_S)

    def on_sent(planned, message_id):
        sent.append(planned.vendor.twitter_id)
        if sum(vendor not in in_its_lane for vendor in sent) == 27:
            others_sent.set()

    producer = Producer(plan(0.05), FlakySqs(), "url", record, CLOCK, on_sent=on_sent, record_lanes=4)
    producer.start(CLOCK.monotonic_s())
    assert others_sent.wait(PATIENCE_S)
    assert slow not in sent
    release.set()
    assert producer.done.wait(PATIENCE_S)
    assert len(sent) == 36


def test_updates_that_gather_during_a_call_go_together():
    """While the first call hangs everything else becomes due; then it leaves in full batches."""
    all_recorded = threading.Event()
    recorded = []

    def record(planned):
        recorded.append(planned)
        if len(recorded) == 36:
            all_recorded.set()

    class Hanging(FlakySqs):
        def send_message_batch(self, **request):
            assert all_recorded.wait(PATIENCE_S)
            return super().send_message_batch(**request)

    sqs = Hanging()
    played(Producer(plan(0.05), sqs, "url", record, CLOCK))
    assert max(len(batch) for batch in sqs.batches) == 10
    assert len(sqs.batches) <= 7


def test_nothing_leaves_before_it_is_due():
    started_s = CLOCK.monotonic_s()
    early = []

    def on_sent(planned, message_id):
        if CLOCK.monotonic_s() < started_s + planned.due_s:
            early.append(planned)

    producer = Producer(plan(0.4), FlakySqs(), "url", record_nothing, CLOCK, on_sent=on_sent)
    producer.start(started_s)
    assert producer.done.wait(PATIENCE_S)
    assert early == []
    assert CLOCK.monotonic_s() - started_s >= list(plan(0.4))[-1].due_s


def test_stop_ends_a_producer_that_waits_for_a_far_due_time():
    producer = Producer(plan(3600.0), FlakySqs(), "url", record_nothing, CLOCK)
    producer.start(CLOCK.monotonic_s())
    producer.stop()
    assert producer.done.is_set()
    assert not any(thread.is_alive() for thread in producer._threads)
    assert producer.stats.sent < 36


def test_callback_that_raises_ends_the_producer_with_its_error():
    def on_sent(planned, message_id):
        raise LookupError("ledger")

    producer = Producer(plan(), FlakySqs(), "url", record_nothing, CLOCK, on_sent=on_sent)
    producer.start(CLOCK.monotonic_s())
    assert producer.done.wait(PATIENCE_S)
    assert isinstance(producer.error, LookupError)
    producer.stop()
    assert not any(thread.is_alive() for thread in producer._threads)


def test_empty_plan_is_done_at_once():
    assert played(Producer([], FlakySqs(), "url", None, CLOCK)).stats == ProducerStats()


def test_vendor_rows_left_unprocessed_are_written_again():
    class Reluctant:
        def __init__(self):
            self.requests = []

        def batch_write_item(self, *, RequestItems):  # noqa: N803 - boto3's spelling
            rows = RequestItems["vendors"]
            self.requests.append(len(rows))
            return {"UnprocessedItems": {"vendors": rows[3:]} if rows[3:] else {}}

    client, pauses = Reluctant(), []
    assert put_vendor_rows(client, "vendors", ROSTER[:8], START_MS, wait=pauses.append) == 8
    assert client.requests == [8, 5, 2]
    assert len(pauses) == 2


def test_more_vendors_than_one_batch_takes_get_their_rows(cloud, vendors_table):
    roster = made_roster(60, seed=2)
    assert put_vendor_rows(cloud.client("dynamodb"), "vendors", roster, START_MS) == 60
    rows = {row["twitterId"]: row["name"] for row in vendors_table.scan()["Items"]}
    assert rows == {vendor.twitter_id: vendor.name for vendor in roster}
