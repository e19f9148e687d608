"""Beyond one broadcast: slow viewers, arrays, parallel segments, and segments handed to further invocations."""

import json
import threading

import pytest
from botocore.exceptions import ClientError, CredentialRetrievalError

from tracker import aws, fan_out, send_vendor
from tracker import viewers as viewers_module
from tracker.errors import InvalidEventError
from tracker.fanout.plan import Recipient

NO_FAILURES = {"batchItemFailures": []}


@pytest.fixture
def disconnected(monkeypatch):
    """The connections that were closed from this side."""
    closed = []
    monkeypatch.setattr(
        "tracker.delivery.websocket_disconnect", lambda url, connection_id: closed.append(connection_id)
    )
    return closed


# -- viewers who do not read -------------------------------------------------------------------------------------------


def test_C14_one_viewer_who_does_not_read_brings_nothing_back_and_is_disconnected(
    viewers, connections_api, batch, make_update, context, at_once, disconnected
):
    viewers("a=", "slow=")
    connections_api.script["slow="] = [429] * 100
    assert send_vendor.handler(batch(make_update(1), make_update(2, "18")), context()) == NO_FAILURES
    assert len(connections_api.bodies("a=")) == 2
    assert disconnected == ["slow="]


def test_when_many_are_answered_429_the_account_is_throttled_and_the_update_comes_back(
    viewers, connections_api, batch, make_update, context, at_once, disconnected
):
    viewers("a=", "b=")
    connections_api.fallback = 429
    assert send_vendor.handler(batch(make_update(1)), context()) == {"batchItemFailures": [{"itemIdentifier": "m0"}]}
    assert disconnected == []


def test_without_a_share_every_viewer_counts(
    viewers, connections_api, batch, make_update, context, at_once, disconnected, monkeypatch
):
    monkeypatch.setenv("FANOUT_SLOW_SHARE", "0")
    viewers("a=", "slow=")
    connections_api.script["slow="] = [429] * 100
    assert send_vendor.handler(batch(make_update(1)), context()) == {"batchItemFailures": [{"itemIdentifier": "m0"}]}
    assert disconnected == []


def test_a_viewer_who_cannot_be_disconnected_brings_nothing_back_either(
    viewers, connections_api, batch, make_update, context, at_once, monkeypatch
):
    def denied(url, connection_id):
        raise ClientError({"Error": {"Code": "ForbiddenException", "Message": "no"}}, "DeleteConnection")

    monkeypatch.setattr("tracker.delivery.websocket_disconnect", denied)
    viewers("a=", "slow=")
    connections_api.script["slow="] = [429] * 100
    assert send_vendor.handler(batch(make_update(1)), context()) == NO_FAILURES


# -- arrays ------------------------------------------------------------------------------------------------------------


def test_a_batch_may_be_one_frame_for_each_viewer(viewers, connections_api, batch, make_update, context, monkeypatch):
    monkeypatch.setenv("FANOUT_BATCH_FRAMES", "true")
    viewers("a=", "b=")
    updates = [make_update(1), make_update(2, "18"), make_update(3)]
    assert send_vendor.handler(batch(*updates), context()) == NO_FAILURES
    for connection_id in ("a=", "b="):
        (body,) = connections_api.bodies(connection_id)
        assert json.loads(body) == updates


def test_an_array_that_fails_brings_all_its_updates_back(
    viewers, connections_api, batch, make_update, context, at_once, monkeypatch
):
    monkeypatch.setenv("FANOUT_BATCH_FRAMES", "true")
    viewers("busy=")
    connections_api.fallback = 503
    result = send_vendor.handler(batch(make_update(1), make_update(2, "18")), context())
    assert [each["itemIdentifier"] for each in result["batchItemFailures"]] == ["m0", "m1"]


# -- a long invocation -------------------------------------------------------------------------------------------------


def test_credentials_that_are_renewed_meanwhile_sign_what_is_posted_after(
    viewers, connections_api, batch, make_update, context, monkeypatch
):
    viewers("a=")
    posted, answer = threading.Event(), threading.Event()
    connections_api.script["a="] = [answer]
    connections_api.on_post = posted.set
    renewed = []

    def credentials():
        if not posted.is_set():
            return aws.Credentials("AK", "SK", "TOKEN1")
        renewed.append(1)
        if len(renewed) == 2:  # the first time round they have come into use
            answer.set()
        return aws.Credentials("AK", "SK", "TOKEN2")

    monkeypatch.setattr("tracker.delivery.current_credentials", credentials)
    monkeypatch.setattr("tracker.fanout.broadcast.CREDENTIALS_EVERY_S", 0.01)
    assert send_vendor.handler(batch(make_update(1), make_update(2)), context()) == NO_FAILURES
    assert [each.headers["X-Amz-Security-Token"] for each in connections_api.posts] == ["TOKEN1", "TOKEN2"]


def test_credentials_that_cannot_be_renewed_bring_the_batch_back(
    viewers, connections_api, batch, make_update, context, monkeypatch
):
    viewers("a=")
    connections_api.script["a="] = [threading.Event()]
    answers = [aws.Credentials("AK", "SK")]

    def credentials():
        if not answers:
            raise CredentialRetrievalError(provider="test", error_msg="no")
        return answers.pop()

    monkeypatch.setattr("tracker.delivery.current_credentials", credentials)
    monkeypatch.setattr("tracker.fanout.broadcast.CREDENTIALS_EVERY_S", 0.01)
    with pytest.raises(CredentialRetrievalError):
        send_vendor.handler(batch(make_update(1)), context())


# -- reading the table -------------------------------------------------------------------------------------------------


def test_posting_begins_before_the_table_is_read(viewers, connections_api, batch, make_update, context, monkeypatch):
    """The second page is only there once somebody of the first has been posted to."""
    posted = threading.Event()
    connections_api.on_post = posted.set

    def pages(table, segment=None):
        yield [Recipient("a=")]
        assert posted.wait(10)
        yield [Recipient("b=")]

    monkeypatch.setattr(send_vendor, "read_viewers", pages)
    assert send_vendor.handler(batch(make_update(1)), context()) == NO_FAILURES
    assert len(connections_api.bodies("b=")) == 1


def test_a_table_that_fails_half_way_brings_the_whole_batch_back(
    viewers, connections_api, batch, make_update, context, monkeypatch
):
    def pages(table, segment=None):
        yield [Recipient("a=")]
        raise ClientError({"Error": {"Code": "ProvisionedThroughputExceededException", "Message": "no"}}, "Scan")

    monkeypatch.setattr(send_vendor, "read_viewers", pages)
    with pytest.raises(ClientError):
        send_vendor.handler(batch(make_update(1)), context())


def test_a_table_that_is_not_read_up_in_time_fails_every_update(
    viewers, connections_api, batch, make_update, context, monkeypatch
):
    def pages(table, segment=None):
        while True:
            yield [Recipient("a=")]

    monkeypatch.setattr(send_vendor, "read_viewers", pages)
    result = send_vendor.handler(batch(make_update(1), make_update(2)), context(500))
    assert [each["itemIdentifier"] for each in result["batchItemFailures"]] == ["m0", "m1"]


def test_a_table_of_several_pages_is_read_side_by_side_the_next_time(viewers, dynamodb, monkeypatch):
    scans = []
    scan = aws.dynamodb_scan_table

    def in_small_pages(table, **more):
        scans.append(more["segment"])
        return scan(table, **more, limit=40)

    monkeypatch.setattr(viewers_module, "dynamodb_scan_table", in_small_pages)
    ids = {f"c{number}=" for number in range(100)}
    viewers(*ids)
    for expected in ([None], [(0, 3), (1, 3), (2, 3)]):
        scans.clear()
        found = [each.connection_id for page in viewers_module.read_viewers("websocket-connections") for each in page]
        assert sorted(scans, key=str) == expected
        assert sorted(found) == sorted(ids)


def test_an_error_in_one_of_the_segments_is_raised_where_the_pages_are_taken(viewers, dynamodb, monkeypatch):
    monkeypatch.setattr(viewers_module, "_pages_last_time", 3)
    with pytest.raises(ClientError, match="ResourceNotFound"):
        list(viewers_module.read_viewers("no-such-table"))


def test_rows_of_the_gone_go_in_batches_and_what_is_unprocessed_goes_again(
    viewers, connections_api, batch, make_update, context, rows, monkeypatch
):
    calls = []
    remove = aws.dynamodb_remove_connections

    def half(table, ids):
        calls.append(len(ids))
        assert remove(table, ids[: len(ids) // 2 or 1]) == []
        return ids[len(ids) // 2 or 1 :]

    monkeypatch.setattr(viewers_module, "dynamodb_remove_connections", half)
    monkeypatch.setattr(viewers_module, "LONGEST_REST_S", 0.0)
    viewers("a=", *(f"gone{number}=" for number in range(12)))
    connections_api.script.update({f"gone{number}=": [410] for number in range(12)})
    assert send_vendor.handler(batch(make_update(1)), context()) == NO_FAILURES
    assert set(rows()) == {"a="}
    assert max(calls) <= 25


# -- beyond one function -----------------------------------------------------------------------------------------------


@pytest.fixture
def handed_over(monkeypatch):
    """The bodies that were put on the fan-out queue."""
    bodies = []
    monkeypatch.setattr(send_vendor, "sqs_send_messages", lambda url, messages: bodies.extend(messages))
    monkeypatch.setenv("FANOUT_QUEUE_URL", "https://sqs/f")
    monkeypatch.setenv("FANOUT_THRESHOLD", "3")
    monkeypatch.setenv("FANOUT_SEGMENTS", "2")
    return bodies


def segment_event(*bodies):
    return {"Records": [{"messageId": f"s{number}", "body": body} for number, body in enumerate(bodies)]}


def test_up_to_the_threshold_one_function_does_it_all(
    viewers, connections_api, batch, make_update, context, handed_over
):
    viewers("a=", "b=", "c=")
    assert send_vendor.handler(batch(make_update(1)), context()) == NO_FAILURES
    assert len(connections_api.posts) == 3
    assert handed_over == []


def test_above_it_each_segment_is_handed_over_and_all_viewers_get_every_update_once(
    viewers, connections_api, batch, make_update, context, handed_over
):
    ids = [f"c{number}=" for number in range(20)]
    viewers(*ids)
    updates = [make_update(2), make_update(1, "18")]
    assert send_vendor.handler(batch(*updates), context()) == NO_FAILURES
    assert connections_api.posts == []
    assert len(handed_over) == 2
    for body in handed_over:
        assert fan_out.handler(segment_event(body), context()) == NO_FAILURES
    for connection_id in ids:
        assert [json.loads(body)["id"][-1] for body in connections_api.bodies(connection_id)] == ["1", "2"]


def test_a_segment_that_fails_comes_back_alone(
    viewers, connections_api, batch, make_update, context, handed_over, at_once
):
    ids = [f"c{number}=" for number in range(20)]
    viewers(*ids)
    send_vendor.handler(batch(make_update(1)), context())
    connections_api.script["c7="] = [503] * 10
    result = fan_out.handler(segment_event(*handed_over), context())
    (failed,) = result["batchItemFailures"]
    again = handed_over[int(failed["itemIdentifier"][1:])]
    assert fan_out.handler(segment_event(again), context()) == NO_FAILURES
    assert ("c7=", 200) in connections_api.answered


def test_what_is_no_segment_is_reported(viewers, connections_api, context):
    result = fan_out.handler(segment_event("not json"), context())
    assert result == {"batchItemFailures": [{"itemIdentifier": "s0"}]}


def test_an_event_that_is_no_batch_is_refused(environment, sample, context):
    with pytest.raises(InvalidEventError):
        fan_out.handler(sample("websocket_connect"), context())
