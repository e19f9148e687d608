"""Section 6 of the contract: SQS queues and the triggers behind them (Q rows)."""

import contextlib
import hashlib
import json
import struct
import time
import uuid
from collections import Counter

import pytest

from harness.probe import Probe, new_run
from harness.refusals import refusal_of

READS_TEMPLATES = pytest.mark.local_lever("gives tracker-sim a template that CloudFormation would refuse")
NEEDS_SETTINGS = pytest.mark.local_lever("sets what AWS decides by itself")
SIDE_BY_SIDE = pytest.mark.not_in_process("one invocation at a time over all functions")
MIB = 1_048_576


def body(run, *do, **more):
    return {"run": run, "do": list(do), **more}


def send(probe, queue, *do, **more):
    """One message; the run under which its deliveries are kept, and its id."""
    run = new_run()
    return run, probe.enqueue(queue, body(run, *do, **more))


def send_together(probe, queue, *bodies, **options):
    """One SendMessageBatch."""
    entries = [
        {"Id": str(number), "MessageBody": json.dumps(each), **{name: of(each) for name, of in options.items()}}
        for number, each in enumerate(bodies)
    ]
    return [each["MessageId"] for each in probe.sqs("send_message_batch", queue, Entries=entries)["Successful"]]


def deliveries(probe, run, at_least=1):
    """The records in which a run was delivered, once there are so many, in the order in which they came."""
    events = probe.records.events(run, at_least)
    records = (record for event in events for record in event["Records"])
    return [record for record in records if json.loads(record["body"]).get("run") == run]


def counts(probe, run, at_least=1):
    return [record["attributes"]["ApproximateReceiveCount"] for record in deliveries(probe, run, at_least)]


def passes(probe):
    """Something else goes all the way through a trigger: whatever was to come before it has had its chance."""
    run, _ = send(probe, "WholeQueue")
    deliveries(probe, run)


# -- batches -----------------------------------------------------------------------------------------------------------


def test_Q01_Q03_batches_are_no_larger_than_asked_for_and_nothing_in_them_is_lost(probe):
    run = new_run()
    for start in range(0, 30, 10):
        send_together(probe, "WholeQueue", *(body(run, number=start + number) for number in range(10)))
    seen = []
    while len(seen) < 30:
        events = probe.records.events(run, 1)
        sizes = [len(event["Records"]) for event in events]
        seen = [json.loads(record["body"])["number"] for event in events for record in event["Records"]]
    assert max(sizes) <= 10
    assert sorted(seen) == list(range(30))
    probe.wait_until_empty("WholeQueue")


def test_Q01_a_batch_may_be_one_message(probe):
    run = new_run()
    send_together(probe, "SingleQueue", *(body(run, number=number) for number in range(5)))
    events = probe.records.events(run, 5)
    assert [len(event["Records"]) for event in events] == [1] * 5


def test_Q02_a_window_gathers_what_comes_and_ends_without_a_full_batch(probe):
    run = new_run()
    send_together(probe, "WindowQueue", *(body(run, number=number) for number in range(10)))
    assert len(deliveries(probe, run)) <= 25
    probe.wait_until_empty("WindowQueue")


def test_Q02_an_event_has_six_megabytes_at_most(probe):
    runs = [new_run() for _ in range(9)]
    for run in runs:
        probe.enqueue("WindowQueue", body(run, filler="x" * 900_000))
    events = [probe.records.wait(run)[0] for run in runs]
    assert max(event["event_bytes"] for event in events) <= 6 * MIB
    assert len({event["event"]["Records"][0]["messageId"] for event in events}) > 1
    probe.wait_until_empty("WindowQueue")


# -- the event ---------------------------------------------------------------------------------------------------------


def test_Q04_Q05_a_record_as_a_whole(probe):
    run = new_run()
    attributes = {
        "source": {"StringValue": "feed", "DataType": "String"},
        "raw": {"BinaryValue": b"\x00\xff", "DataType": "Binary"},
    }
    text = json.dumps(body(run))
    message_id = probe.enqueue("WholeQueue", text, MessageAttributes=attributes)
    event = probe.records.event(run)
    (record,) = [each for each in event["Records"] if each["messageId"] == message_id]
    facts = record.pop("attributes")
    assert set(facts) >= {
        "ApproximateReceiveCount",
        "SentTimestamp",
        "SenderId",
        "ApproximateFirstReceiveTimestamp",
    }
    assert all(isinstance(value, str) for value in facts.values())
    assert facts["ApproximateReceiveCount"] == "1"
    assert int(facts["SentTimestamp"]) <= int(facts["ApproximateFirstReceiveTimestamp"])
    arn = record["eventSourceARN"]
    assert record.pop("receiptHandle")
    assert record == {
        "messageId": message_id,
        "body": text,
        "messageAttributes": {
            "source": {"stringValue": "feed", "stringListValues": [], "binaryListValues": [], "dataType": "String"},
            "raw": {"binaryValue": "AP8=", "stringListValues": [], "binaryListValues": [], "dataType": "Binary"},
        },
        "md5OfMessageAttributes": digest(attributes),
        "md5OfBody": hashlib.md5(text.encode(), usedforsecurity=False).hexdigest(),
        "eventSource": "aws:sqs",
        "eventSourceARN": arn,
        "awsRegion": probe.target.region,
    }
    assert arn.split(":")[:4] == ["arn", "aws", "sqs", probe.target.region]
    assert arn.rpartition(":")[2] == probe.target.queues["WholeQueue"].rpartition("/")[2]


def digest(attributes):
    """The MD5 that SQS gives of message attributes, worked out anew."""
    data = b""
    for name, value in sorted(attributes.items()):
        is_text = "StringValue" in value
        content = value["StringValue"].encode() if is_text else value["BinaryValue"]
        for part in (name.encode(), value["DataType"].encode()):
            data += struct.pack("!I", len(part)) + part
        data += (b"\x01" if is_text else b"\x02") + struct.pack("!I", len(content)) + content
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def test_Q05_without_attributes_their_digest_is_absent_and_null_with_a_window(probe):
    plain, _ = send(probe, "WholeQueue")
    windowed, _ = send(probe, "WindowQueue")
    (record,) = deliveries(probe, plain)
    assert (record["messageAttributes"], "md5OfMessageAttributes" in record) == ({}, False)
    (record,) = deliveries(probe, windowed)
    assert (record["messageAttributes"], record["md5OfMessageAttributes"]) == ({}, None)


def test_Q26_a_function_behind_a_route_and_a_queue_gets_two_shapes(probe):
    run, _ = send(probe, "WholeQueue")
    assert set(probe.records.event(run)) == {"Records"}
    socket = probe.open()
    socket.tell("queued")
    assert "Records" not in probe.records.message_events(socket.id)[0]


# -- success and failure -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("returned", [{"statusCode": 500}, None, "failed", {"batchItemFailures": [{}]}], ids=json.dumps)
def test_Q06_whatever_is_returned_deletes_the_batch(probe, returned):
    run, _ = send(probe, "WholeQueue", {"return": returned})
    assert counts(probe, run) == ["1"]
    probe.wait_until_empty("WholeQueue")
    assert counts(probe, run) == ["1"]


@pytest.mark.parametrize("returned", [{}, None, {"batchItemFailures": []}, {"batchItemFailures": None}], ids=json.dumps)
def test_Q10_an_empty_report_is_success(probe, returned):
    run, _ = send(probe, "PartialQueue", {"return": returned})
    assert counts(probe, run) == ["1"]
    probe.wait_until_empty("PartialQueue")
    assert counts(probe, run) == ["1"]


@pytest.fixture(scope="module")
def failures(target):
    """Messages that fail, each in its own way, sent at once because each has to wait for its visibility to run out."""
    probe = Probe(target, contextlib.ExitStack())
    unknown = {"batchItemFailures": [{"itemIdentifier": str(uuid.uuid4())}]}
    malformed = {
        "text": "text",
        "misspelt": {"batchItemFailures": [{"identifier": "x"}]},
        "empty": {"batchItemFailures": [{"itemIdentifier": ""}]},
        "null": {"batchItemFailures": [{"itemIdentifier": None}]},
        "unknown": unknown,
    }
    return {
        "raises": send(probe, "SingleQueue", {"raise_times": 99}),
        "times out": send(probe, "SingleQueue", {"sleep_ms": 60_000}),
        "fails once": send(probe, "PartialQueue", {"fail": 1}),
        "blocked": send(probe, "BlockedQueue"),
        **{name: send(probe, "SingleQueue", {"return": returned}) for name, returned in malformed.items()},
    }


def test_Q04_Q07_a_failed_message_comes_back_by_the_same_id_with_a_higher_count_and_another_handle(probe, failures):
    run, message_id = failures["raises"]
    records = deliveries(probe, run, 3)
    assert {record["messageId"] for record in records} == {message_id}
    assert [record["attributes"]["ApproximateReceiveCount"] for record in records] == ["1", "2", "3"]
    assert len({record["receiptHandle"] for record in records}) == 3
    assert len({record["attributes"]["ApproximateFirstReceiveTimestamp"] for record in records}) == 1


def test_Q07_a_failed_message_waits_for_its_visibility_to_run_out(probe):
    run, _ = send(probe, "SingleQueue", {"raise_times": 1})
    first, second = probe.records.wait(run, at_least=2)
    received_ms = int(first["event"]["Records"][0]["attributes"]["ApproximateFirstReceiveTimestamp"])
    # From the receive and not from the failure; half a second is for clocks that differ.
    assert second["at_ms"] - received_ms > 3000 - 500


@pytest.mark.not_in_process("a thread cannot be killed: the time-out is reported, and the handler runs on")
def test_Q07_a_batch_that_times_out_comes_back(probe, failures):
    run, _ = failures["times out"]
    assert counts(probe, run, 2)[:2] == ["1", "2"]


def test_Q10_what_is_reported_comes_back_and_the_rest_is_gone(probe, failures):
    again, _ = failures["fails once"]
    once, _ = send(probe, "PartialQueue")
    assert counts(probe, again, 2) == ["1", "2"]
    assert counts(probe, once) == ["1"]


@pytest.mark.parametrize("name", ["text", "misspelt", "empty", "null", "unknown"])
def test_Q11_a_malformed_report_brings_the_batch_back(probe, failures, name):
    run, _ = failures[name]
    assert counts(probe, run, 2)[:2] == ["1", "2"]


@SIDE_BY_SIDE
@NEEDS_SETTINGS
@pytest.mark.parametrize(("queue", "most"), [("EachQueue", 1), ("SingleQueue", 3)], ids=["plain", "with reports"])
def test_Q12_failures_cost_concurrency_unless_failed_items_are_reported(stack_with, queue, most):
    probe = stack_with(
        "triggers.start_concurrency=3",
        "triggers.concurrency_per_minute=0",
        "triggers.idle_concurrency=1",
        "triggers.error_step=2",
    )
    failed, _ = send(probe, queue, {"raise_times": 1})
    deliveries(probe, failed)
    assert started_of(probe, queue, 3, most) == most


@contextlib.contextmanager
def gate(probe):
    """What handlers wait for until the block ends, however it ends."""
    name = new_run()
    try:
        yield name
    finally:
        probe.records.put(name)


def started_of(probe, queue, sent, expected):
    """Of so many messages whose handlers wait, how many are begun before any is done; in the end all are."""
    with gate(probe) as name:
        runs = [send(probe, queue, {"wait_for": name})[0] for _ in range(sent)]
        deadline_s = time.monotonic() + probe.target.patience_s
        while sum(bool(probe.records.of(run)) for run in runs) < expected:
            assert time.monotonic() < deadline_s
        passes(probe)
        started = sum(bool(probe.records.of(run)) for run in runs)
        if probe.target.local:  # AWS counts what is on a queue when it likes
            names = ["ApproximateNumberOfMessages"]
            waiting = probe.sqs("get_queue_attributes", queue, AttributeNames=names)["Attributes"][names[0]]
            assert int(waiting) >= sent - expected
    for run in runs:
        deliveries(probe, run)
    return started


def test_Q13_a_message_moves_to_the_dead_letters_after_its_last_receive(probe, failures):
    run, message_id = failures["raises"]
    deliveries(probe, run, 3)
    dead = probe.find("DeadLettersQueue", message_id)
    assert json.loads(dead["Body"])["run"] == run
    source = dead["Attributes"]["DeadLetterQueueSourceArn"]
    assert source.rpartition(":")[2] == probe.target.queues["SingleQueue"].rpartition("/")[2]
    assert counts(probe, run) == ["1", "2", "3"]


def test_Q13_Q17_a_throttled_invocation_spends_a_receive(probe, failures):
    run, message_id = failures["blocked"]
    dead = probe.find("DeadLettersQueue", message_id)
    assert json.loads(dead["Body"])["run"] == run
    assert probe.records.of(run) == []


# -- disorder ----------------------------------------------------------------------------------------------------------


@NEEDS_SETTINGS
def test_Q08_Q09_messages_may_come_twice_and_out_of_order_and_none_is_lost(stack_with):
    probe = stack_with("triggers.duplicate_share=0.3", "triggers.shuffle_share=0.3")
    run = new_run()
    for start in range(0, 40, 10):
        send_together(probe, "PartialQueue", *(body(run, number=start + number) for number in range(10)))
    deadline_s = time.monotonic() + probe.target.patience_s
    seen = []
    while len(set(seen)) < 40 or len(seen) == len(set(seen)):
        assert time.monotonic() < deadline_s, seen
        seen = [json.loads(record["body"])["number"] for record in deliveries(probe, run)]
    probe.wait_until_empty("PartialQueue")
    records = deliveries(probe, run)
    first = [record for record in records if record["attributes"]["ApproximateReceiveCount"] == "1"]
    again = Counter(record["messageId"] for record in records)
    assert [json.loads(record["body"])["number"] for record in first] != list(range(40))
    assert len(again) == 40
    assert set(again.values()) == {1, 2}


# -- concurrency -------------------------------------------------------------------------------------------------------


@SIDE_BY_SIDE
def test_Q15_a_backlog_gets_more_than_the_five_batches_it_starts_with(probe):
    assert started_of(probe, "EachQueue", 7, 7) == 7


@SIDE_BY_SIDE
@NEEDS_SETTINGS
def test_Q15_it_starts_with_what_it_is_told_and_leaves_the_rest_on_the_queue(stack_with):
    probe = stack_with("triggers.start_concurrency=2", "triggers.concurrency_per_minute=0")
    assert started_of(probe, "EachQueue", 4, 2) == 2


@SIDE_BY_SIDE
def test_Q16_maximum_concurrency(probe):
    assert started_of(probe, "NarrowQueue", 4, 2) == 2


# -- FIFO --------------------------------------------------------------------------------------------------------------


def ordered(probe, queue, group, *do, **more):
    run = new_run()
    probe.enqueue(queue, body(run, *do, **more), MessageGroupId=group)
    return run


@SIDE_BY_SIDE
def test_Q18_groups_go_side_by_side_and_one_batch_of_a_group_at_a_time(probe):
    a, b = new_run(), new_run()
    with gate(probe) as name:
        first = ordered(probe, "OrderedQueue", a, {"wait_for": name})
        deliveries(probe, first)
        second = ordered(probe, "OrderedQueue", a)
        other = ordered(probe, "OrderedQueue", b)
        deliveries(probe, other)
        assert probe.records.of(second) == []
    assert counts(probe, second) == ["1"]
    assert counts(probe, first) == ["1"]


def test_Q18_what_is_reported_from_the_first_failure_on_comes_back_in_order(probe):
    run, group, other = new_run(), new_run(), new_run()
    bodies = [
        body(run, name="a1", group=group),
        body(run, name="b1", group=other),
        body(run, {"fail": 1}, name="a2", group=group),
        body(run, {"fail": 1}, name="a3", group=group),
        body(run, name="b2", group=other),
    ]
    send_together(probe, "OrderedAgainQueue", *bodies, MessageGroupId=lambda each: each["group"])
    deadline_s = time.monotonic() + probe.target.patience_s
    seen = []
    late = False
    while len(seen) < 8:
        assert time.monotonic() < deadline_s, seen
        records = deliveries(probe, run)
        seen = [(json.loads(r["body"])["name"], r["attributes"]["ApproximateReceiveCount"]) for r in records]
        if not late and ("a3", "1") in seen:
            late = True
            message = body(run, name="a4", group=group)
            probe.enqueue("OrderedAgainQueue", message, MessageGroupId=group)
    of_a = [each for each in seen if each[0][0] == "a"]
    assert of_a == [("a1", "1"), ("a2", "1"), ("a3", "1"), ("a2", "2"), ("a3", "2"), ("a4", "1")]
    assert [each for each in seen if each[0][0] == "b"] == [("b1", "1"), ("b2", "1")]


def test_Q18_a_failing_message_holds_up_its_group_until_it_is_a_dead_letter(probe):
    group = new_run()
    run = new_run()
    message_id = probe.enqueue("OrderedAgainQueue", body(run, {"fail": True}), MessageGroupId=group)
    deliveries(probe, run)
    behind = ordered(probe, "OrderedAgainQueue", group)
    deliveries(probe, behind)
    assert counts(probe, run) == ["1", "2"]
    assert json.loads(probe.find("OrderedDeadLettersQueue", message_id)["Body"])["run"] == run


def test_Q19_records_of_a_fifo_queue_have_number_group_and_deduplication_id(probe):
    group = new_run()
    runs = [ordered(probe, "OrderedQueue", group) for _ in range(2)]
    facts = [deliveries(probe, run)[0]["attributes"] for run in runs]
    for each in facts:
        assert each["MessageGroupId"] == group
        assert len(each["MessageDeduplicationId"]) == 64
        assert each["SequenceNumber"].isdigit()
    assert int(facts[0]["SequenceNumber"]) < int(facts[1]["SequenceNumber"])


@pytest.mark.row("Q19")
def test_Q18_a_deduplication_id_counts_after_its_message_is_gone(probe):
    run, group = new_run(), new_run()
    options = {"MessageGroupId": group, "MessageDeduplicationId": run}
    first = probe.sqs("send_message", "PlainOrderedQueue", MessageBody="first", **options)
    probe.find("PlainOrderedQueue", first["MessageId"])
    second = probe.sqs("send_message", "PlainOrderedQueue", MessageBody="second", **options)
    assert second["SequenceNumber"] == first["SequenceNumber"]
    marker = {"MessageGroupId": group, "MessageDeduplicationId": new_run()}
    third = probe.sqs("send_message", "PlainOrderedQueue", MessageBody="third", **marker)
    assert probe.find("PlainOrderedQueue", third["MessageId"])["Body"] == "third"
    probe.wait_until_empty("PlainOrderedQueue")


# -- deleting by hand --------------------------------------------------------------------------------------------------


def test_Q20_a_handler_may_delete_its_messages_itself(probe):
    run, _ = send(probe, "WholeQueue", {"delete": True})
    assert counts(probe, run) == ["1"]
    probe.wait_until_empty("WholeQueue")
    assert counts(probe, run) == ["1"]


def test_Q20_Q21_what_a_handler_deleted_before_it_failed_is_lost(probe):
    lost, _ = send(probe, "SingleQueue", {"delete": True}, {"raise_times": 1})
    kept, _ = send(probe, "SingleQueue", {"raise_times": 1})
    assert counts(probe, kept, 2) == ["1", "2"]
    assert counts(probe, lost) == ["1"]
    probe.wait_until_empty("SingleQueue")
    assert counts(probe, lost) == ["1"]


def test_Q20_deleting_twice_is_no_error(probe):
    probe.enqueue("PlainQueue", "x")
    (message,) = probe.sqs("receive_message", "PlainQueue", WaitTimeSeconds=10)["Messages"]
    for _ in range(2):
        probe.sqs("delete_message", "PlainQueue", ReceiptHandle=message["ReceiptHandle"])


# -- limits ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "accepted"),
    [
        pytest.param("x" * MIB, True, id="1 MiB"),
        pytest.param("x" * (MIB + 1), False, id="a byte more"),
        pytest.param("€" * (MIB // 3 + 1), False, id="a byte more, in characters of three"),
    ],
)
def test_Q22_a_message_has_a_mebibyte_at_most(probe, text, accepted):
    if accepted:
        message_id = probe.enqueue("PlainQueue", text)
        assert probe.find("PlainQueue", message_id)["Body"] == text
        return
    with pytest.raises(probe.target.client("sqs").exceptions.ClientError) as caught:
        probe.enqueue("PlainQueue", text)
    assert caught.value.response["Error"]["Code"] == "InvalidParameterValue"


def test_Q22_a_batch_has_a_mebibyte_at_most(probe):
    entries = [{"Id": str(number), "MessageBody": "x" * (MIB // 2 + 1)} for number in range(2)]
    with pytest.raises(probe.target.client("sqs").exceptions.BatchRequestTooLong):
        probe.sqs("send_message_batch", "PlainQueue", Entries=entries)


def test_Q22_visibility_is_30_seconds_by_default_and_12_hours_at_most(probe):
    name = "VisibilityTimeout"
    attributes = probe.sqs("get_queue_attributes", "PlainQueue", AttributeNames=[name])["Attributes"]
    assert attributes == {name: "30"}
    message_id = probe.enqueue("PlainQueue", "x")
    (message,) = probe.sqs("receive_message", "PlainQueue", WaitTimeSeconds=10)["Messages"]
    handle = {"ReceiptHandle": message["ReceiptHandle"]}
    with pytest.raises(probe.target.client("sqs").exceptions.ClientError) as caught:
        probe.sqs("change_message_visibility", "PlainQueue", **handle, VisibilityTimeout=43_201)
    assert caught.value.response["Error"]["Code"] == "InvalidParameterValue"
    probe.sqs("change_message_visibility", "PlainQueue", **handle, VisibilityTimeout=0)
    probe.find("PlainQueue", message_id)


@NEEDS_SETTINGS
@pytest.mark.parametrize("queue", ["PlainQueue", "PlainOrderedQueue"])
def test_Q22_too_many_messages_in_flight(stack_with, queue):
    probe = stack_with("cloud.in_flight_messages=2")
    fifo = queue == "PlainOrderedQueue"
    for number in range(3):
        group = {"MessageGroupId": str(number), "MessageDeduplicationId": new_run()} if fifo else {}
        probe.enqueue(queue, str(number), **group)
    held = probe.sqs("receive_message", queue, MaxNumberOfMessages=10)["Messages"]
    assert len(held) == 2
    if fifo:
        assert "Messages" not in probe.sqs("receive_message", queue)
    else:
        with pytest.raises(probe.target.client("sqs").exceptions.OverLimit):
            probe.sqs("receive_message", queue)
    probe.sqs("delete_message", queue, ReceiptHandle=held[0]["ReceiptHandle"])
    assert [each["Body"] for each in probe.sqs("receive_message", queue)["Messages"]] == ["2"]


# -- the mapping itself ------------------------------------------------------------------------------------------------


def test_Q23_what_no_filter_fits_is_deleted_unseen(probe):
    unseen, _ = send(probe, "FilteredQueue", kind="other")
    probe.enqueue("FilteredQueue", "no JSON at all")
    seen, _ = send(probe, "FilteredQueue", kind="wanted")
    deliveries(probe, seen)
    probe.wait_until_empty("FilteredQueue")
    assert probe.records.of(unseen) == []


@READS_TEMPLATES
@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        pytest.param(
            "            BatchSize: 25\n            MaximumBatchingWindowInSeconds: 1\n",
            "            BatchSize: 25\n",
            "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10",
            id="Q01 a large batch without a window",
        ),
        pytest.param("BatchSize: 25\n", "BatchSize: 10001\n", "10000", id="Q01 too large a batch"),
        pytest.param(
            "{Queue: !GetAtt OrderedQueue.Arn, BatchSize: 1}",
            "{Queue: !GetAtt OrderedQueue.Arn, BatchSize: 11}",
            "10",
            id="Q01 too large a batch of a FIFO queue",
        ),
    ],
)
def test_Q01_batch_sizes_that_are_refused(tmp_path, old, new, sentence):
    assert sentence in refusal_of(tmp_path, old, new)


@READS_TEMPLATES
def test_Q14_a_visibility_below_the_functions_time_out_is_refused(tmp_path):
    sentence = "Queue visibility timeout: 59 seconds is less than Function timeout: 60 seconds"
    old = "QueueName: !Sub ${Prefix}-each\n      VisibilityTimeout: "
    assert sentence in refusal_of(tmp_path, f"{old}60", f"{old}59")


@READS_TEMPLATES
@pytest.mark.parametrize(
    "config",
    [
        "ScalingConfig: {MaximumConcurrency: 1}",
        "ProvisionedPollerConfig: {MaximumPollers: 10001}",
        "ScalingConfig: {MaximumConcurrency: 2}, ProvisionedPollerConfig: {MinimumPollers: 2}",
    ],
)
def test_Q16_concurrency_that_is_refused(tmp_path, config):
    refused = refusal_of(tmp_path, "ScalingConfig: {MaximumConcurrency: 2}", config)
    assert "Narrow" in refused


@READS_TEMPLATES
def test_Q24_a_mapping_on_a_queue_that_is_not_there_is_refused(tmp_path):
    old = "Queue: !GetAtt BlockedQueue.Arn"
    refused = refusal_of(tmp_path, old, "Queue: arn:aws:sqs:us-east-1:123456789012:nowhere")
    assert "SQS Error Code: AWS.SimpleQueueService.NonExistentQueue" in refused


def test_Q25_a_disabled_mapping_leaves_its_messages_on_the_queue(probe):
    run, message_id = send(probe, "DisabledQueue")
    passes(probe)
    message = probe.find("DisabledQueue", message_id)
    assert message["Attributes"]["ApproximateReceiveCount"] == "1"
    assert probe.records.of(run) == []


def test_the_digest_of_attributes_is_the_one_that_was_recorded_on_aws():
    attributes = {"source": {"StringValue": "feed", "DataType": "String"}}
    assert digest(attributes) == "9815bd8e5bdede610d74a381ffbfd540"
