import json
import threading
import time
from types import SimpleNamespace

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from tracker import send_vendor
from tracker import viewers as viewers_module
from tracker.errors import ConfigurationError, InvalidEventError, PostForbiddenError

NO_FAILURES = {"batchItemFailures": []}


def failed(*numbers):
    return {"batchItemFailures": [{"itemIdentifier": f"m{number}"} for number in numbers]}


def test_every_viewer_gets_every_update_as_it_is(viewers, connections_api, batch, make_update, context):
    viewers("a=", "b=", "c=")
    event = batch(json.dumps(make_update(1), indent=1), make_update(2, "18"))
    assert send_vendor.handler(event, context()) == NO_FAILURES
    bodies = [record["body"].encode() for record in event["Records"]]
    assert {c: connections_api.bodies(c) for c in ("a=", "b=", "c=")} == dict.fromkeys(("a=", "b=", "c="), bodies)


def test_the_sample_event_goes_out(viewers, connections_api, sample, context):
    viewers("a=")
    event = sample("sqs_batch")
    assert send_vendor.handler(event, context()) == NO_FAILURES
    assert connections_api.bodies("a=") == [record["body"].encode() for record in event["Records"]]


def test_updates_go_out_in_the_order_of_their_snowflakes(viewers, connections_api, batch, make_update, context):
    viewers("a=")
    assert send_vendor.handler(batch(make_update(3), make_update(1), make_update(2)), context()) == NO_FAILURES
    assert [json.loads(body)["id"][-1] for body in connections_api.bodies("a=")] == ["1", "2", "3"]


def test_an_update_that_came_twice_goes_out_once(viewers, connections_api, batch, make_update, context):
    viewers("a=")
    assert send_vendor.handler(batch(make_update(1), make_update(1)), context()) == NO_FAILURES
    assert len(connections_api.bodies("a=")) == 1


def test_with_nobody_watching_a_batch_is_done(viewers, connections_api, batch, make_update, context):
    assert send_vendor.handler(batch(make_update(1)), context()) == NO_FAILURES
    assert connections_api.posts == []


def test_an_empty_batch_is_done(environment, context):
    assert send_vendor.handler({"Records": []}, context()) == NO_FAILURES


def test_what_is_no_update_is_reported_and_blocks_nothing(viewers, connections_api, batch, make_update, context):
    viewers("a=")
    wrong = make_update(2)
    wrong["geo"]["coordinates"]["lat"] = 91
    event = batch("not json", make_update(1), wrong, make_update(3))
    assert send_vendor.handler(event, context()) == failed(0, 2)
    assert len(connections_api.bodies("a=")) == 2


@pytest.mark.parametrize("status", [410, 400])
def test_the_row_of_a_gone_connection_is_removed(viewers, connections_api, batch, make_update, context, rows, status):
    viewers("a=", "gone=", "b=")
    connections_api.script["gone="] = [status]
    assert send_vendor.handler(batch(make_update(1), make_update(2)), context()) == NO_FAILURES
    assert set(rows()) == {"a=", "b="}
    assert len(connections_api.bodies("gone=")) == 1
    assert len(connections_api.bodies("b=")) == 2


@pytest.mark.parametrize("age_s", [0, 9])
def test_a_connection_whose_handshake_is_under_way_gets_the_update(
    viewers, connections_api, batch, make_update, context, rows, age_s
):
    """(C15): `$connect` has written the row but has not returned, perhaps after a cold start and a slow write."""
    viewers("new=", connected_at_ms=time.time_ns() // 1_000_000 - age_s * 1_000)
    connections_api.script["new="] = [410]
    assert send_vendor.handler(batch(make_update(1)), context()) == NO_FAILURES
    assert ("new=", 200) in connections_api.answered
    assert set(rows()) == {"new="}


def test_a_young_connection_that_is_gone_is_removed(viewers, connections_api, batch, make_update, context, rows):
    viewers("new=", connected_at_ms=time.time_ns() // 1_000_000)
    connections_api.fallback = 410
    assert send_vendor.handler(batch(make_update(1)), context()) == NO_FAILURES
    assert rows() == {}


def test_a_row_that_cannot_be_removed_does_not_fail_the_update(
    viewers, connections_api, batch, make_update, context, monkeypatch
):
    viewers("gone=")
    connections_api.script["gone="] = [410]

    def denied(table, connection_ids):
        raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "BatchWriteItem")

    monkeypatch.setattr(viewers_module, "dynamodb_remove_connections", denied)
    assert send_vendor.handler(batch(make_update(1)), context()) == NO_FAILURES


def test_a_delete_that_hangs_does_not_bring_the_batch_back(
    viewers, connections_api, batch, make_update, context, monkeypatch, capsys
):
    """Lambda would end the function while it waits, and everything would be broadcast again."""
    answered = threading.Event()
    monkeypatch.setattr(viewers_module, "dynamodb_remove_connections", lambda *_: answered.wait(20) and [])
    viewers("a=", *(f"gone{number}=" for number in range(20)))
    connections_api.script.update({f"gone{number}=": [410] for number in range(20)})
    results = []
    thread = threading.Thread(target=lambda: results.append(send_vendor.handler(batch(make_update(1)), context(2_000))))
    thread.start()
    try:
        thread.join(10)
        assert results == [NO_FAILURES]
    finally:
        answered.set()
        thread.join(20)
    (record,) = [r for r in map(json.loads, capsys.readouterr().out.splitlines()) if "removed" in r]
    assert (record["gone"], record["removed"]) == (20, 0)


def test_the_latency_does_not_count_the_rows_that_are_removed_afterwards(
    viewers, connections_api, batch, make_update, context, monkeypatch, capsys
):
    wall = SimpleNamespace(ms=1_710_277_501_123)
    monkeypatch.setattr("tracker.delivery._now_ms", lambda: wall.ms)

    finish = viewers_module.GoneRows.finish

    def slowly(self, deadline_s):
        wall.ms += 60_000
        finish(self, deadline_s)

    monkeypatch.setattr(viewers_module.GoneRows, "finish", slowly)
    viewers("a=", "gone=")
    connections_api.script["gone="] = [410]
    send_vendor.handler(batch(make_update(1)), context())
    (metrics,) = [record for record in map(json.loads, capsys.readouterr().out.splitlines()) if "_aws" in record]
    assert metrics["BroadcastLatency"] == [1_000.0]  # SentTimestamp is …500.123


@pytest.mark.parametrize("steps", [[429], [500], [503, 429, 502], ["drop"], [408]], ids=str)
def test_what_passes_is_tried_again(viewers, connections_api, batch, make_update, context, at_once, rows, steps):
    viewers("a=")
    connections_api.script["a="] = list(steps)
    assert send_vendor.handler(batch(make_update(1)), context()) == NO_FAILURES
    assert connections_api.answered[-1] == ("a=", 200)
    assert set(rows()) == {"a="}


def test_an_update_that_one_connection_could_not_be_given_is_reported(
    viewers, connections_api, batch, make_update, context, at_once
):
    viewers("a=", "busy=")
    connections_api.script["busy="] = [503] * 10
    event = batch(make_update(1, "17"), make_update(2, "18"))
    assert send_vendor.handler(event, context()) == failed(0)
    assert len(connections_api.bodies("a=")) == 2
    assert [json.loads(body)["userId"] for body in connections_api.bodies("busy=")] == ["17"] * 10 + ["18"]


def test_later_updates_of_the_same_vendor_wait_for_the_one_that_failed(
    viewers, connections_api, batch, make_update, context, at_once
):
    viewers("busy=")
    connections_api.script["busy="] = [503] * 10
    assert send_vendor.handler(batch(make_update(1), make_update(2)), context()) == failed(0, 1)
    assert {json.loads(body)["id"][-1] for body in connections_api.bodies("busy=")} == {"1"}


def test_what_there_was_no_time_for_is_reported(viewers, connections_api, batch, make_update, context):
    viewers("a=", "stuck=")
    connections_api.script["stuck="] = [threading.Event()]
    assert send_vendor.handler(batch(make_update(1)), context(1_500)) == failed(0)
    assert ("a=", 200) in connections_api.answered


def test_without_time_to_read_the_table_everything_is_reported(viewers, connections_api, batch, make_update, context):
    viewers("a=")
    assert send_vendor.handler(batch(make_update(1), "not json"), context(0)) == failed(1, 0)
    assert connections_api.posts == []


def test_a_connection_that_does_not_answer_holds_up_nobody_else(
    viewers, connections_api, batch, make_update, context, monkeypatch
):
    monkeypatch.setenv("FANOUT_CONNECTIONS", "2")
    stuck = threading.Event()
    viewers("a=", "b=", "c=", "stuck=")
    connections_api.script["stuck="] = [stuck]
    results = []
    thread = threading.Thread(
        target=lambda: results.append(send_vendor.handler(batch(make_update(1), make_update(2)), context()))
    )
    thread.start()
    try:
        deadline = time.monotonic() + 10
        while len(connections_api.answered) < 6 and time.monotonic() < deadline:
            thread.join(0.01)
        assert sorted(c for c, _ in connections_api.answered) == ["a=", "a=", "b=", "b=", "c=", "c="]
        assert len(connections_api.bodies("stuck=")) == 1  # (M17): the second update waits for the first
    finally:
        stuck.set()
        thread.join(10)
    assert results == [NO_FAILURES]
    assert len(connections_api.bodies("stuck=")) == 2


def test_forbidden_fails_loudly(viewers, connections_api, batch, make_update, context, rows):
    """(C11)"""
    viewers("a=")
    connections_api.fallback = 403
    with pytest.raises(PostForbiddenError, match="execute-api:ManageConnections"):
        send_vendor.handler(batch(make_update(1)), context())
    assert set(rows()) == {"a="}


@pytest.mark.parametrize(
    "url", [None, "", "primary", "https://h/primary", "wss://x.execute-api.eu-west-1.amazonaws.com"]
)
def test_a_missing_or_malformed_url_fails_loudly(dynamodb, batch, make_update, context, monkeypatch, url):
    if url is not None:
        monkeypatch.setenv("AWS_WEBSOCKET_URL", url)
    with pytest.raises(ConfigurationError, match="AWS_WEBSOCKET_URL"):
        send_vendor.handler(batch(make_update(1)), context())


def test_a_missing_table_fails_loudly(viewers, batch, make_update, context, monkeypatch):
    monkeypatch.setenv("AWS_TABLE_NAME", "no-such-table")
    with pytest.raises(ClientError, match="ResourceNotFound"):
        send_vendor.handler(batch(make_update(1)), context())


def test_connections_are_kept_from_one_invocation_to_the_next(viewers, connections_api, batch, make_update, context):
    viewers("a=")
    for number in range(3):
        assert send_vendor.handler(batch(make_update(number)), context()) == NO_FAILURES
    assert connections_api.sockets == 1


@pytest.mark.parametrize(("later_s", "sockets"), [(15, 1), (25, 2), (-5, 2)])
def test_connections_are_not_kept_for_longer_than_a_peer_would(
    viewers, connections_api, batch, make_update, context, monkeypatch, later_s, sockets
):
    """(F07): after a long freeze a socket may be dead without a sign of it; the wall clock is what tells."""
    wall = SimpleNamespace(now=1_000_000.0)
    monkeypatch.setattr("tracker.fanout.pool.time", SimpleNamespace(time=lambda: wall.now))
    viewers("a=")
    for number in range(2):
        assert send_vendor.handler(batch(make_update(number)), context()) == NO_FAILURES
        wall.now += later_s
    assert connections_api.sockets == sockets


def test_a_peer_that_closes_kept_connections_costs_no_update_and_no_wait(
    viewers, connections_api, batch, make_update, context, monkeypatch
):
    def no_rest(low, high):
        raise AssertionError("this is not worth a rest")

    monkeypatch.setattr("tracker.fanout.broadcast.random.uniform", no_rest)
    viewers("a=")
    connections_api.script["a="] = ["last", "last", 200, "drop"]
    for number in range(4):
        assert send_vendor.handler(batch(make_update(number)), context()) == NO_FAILURES
    assert connections_api.answered == [("a=", 200)] * 4


def test_no_more_connections_are_used_than_asked_for(
    viewers, connections_api, batch, make_update, context, monkeypatch
):
    monkeypatch.setenv("FANOUT_CONNECTIONS", "3")
    viewers(*(f"c{number}=" for number in range(20)))
    assert send_vendor.handler(batch(make_update(1), make_update(2)), context()) == NO_FAILURES
    assert len(connections_api.posts) == 40
    assert connections_api.sockets <= 3


def test_handlers_may_run_in_several_threads(viewers, connections_api, batch, make_update, context):
    viewers(*(f"c{number}=" for number in range(5)))
    results = []
    threads = [
        threading.Thread(target=lambda n=n: results.append(send_vendor.handler(batch(make_update(n)), context())))
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert results == [NO_FAILURES] * 4
    assert len(connections_api.answered) == 20


def test_posts_are_signed_for_the_api(viewers, connections_api, batch, make_update, context):
    """What botocore would check on the other side, with the headers as they came (C02, C03)."""
    viewers("Uz7QaeXyoAMCJ5g=")
    send_vendor.handler(batch(make_update(1)), context())
    (post,) = connections_api.posts
    assert post.target == "/primary/@connections/Uz7QaeXyoAMCJ5g%3D"
    assert "Content-Type" not in post.headers
    request = AWSRequest("POST", f"http://{post.headers['Host']}{post.target}", data=post.body)
    request.context["timestamp"] = request.headers["X-Amz-Date"] = post.headers["X-Amz-Date"]
    request.headers["X-Amz-Security-Token"] = post.headers["X-Amz-Security-Token"]
    signer = SigV4Auth(Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI", "token"), "execute-api", "us-east-1")
    signature = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
    assert post.headers["Authorization"].endswith(f"Signature={signature}")


def test_posts_go_over_tls_to_whom_the_ca_bundle_trusts(
    dynamodb, tls_connections_api, certificate_authority, batch, make_update, context, monkeypatch, tmp_path, viewers
):
    bundle = tmp_path / "ca.pem"
    certificate_authority.cert_pem.write_to_path(str(bundle))
    viewers("a=")
    monkeypatch.setenv("AWS_WEBSOCKET_URL", tls_connections_api.websocket_url)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(bundle))
    assert send_vendor.handler(batch(make_update(1), make_update(2)), context()) == NO_FAILURES
    assert len(tls_connections_api.bodies("a=")) == 2
    assert tls_connections_api.sockets == 1


def test_a_peer_that_closes_kept_connections_over_tls_costs_no_update_and_no_wait(
    dynamodb, tls_connections_api, certificate_authority, batch, make_update, context, monkeypatch, tmp_path, viewers
):
    def no_rest(low, high):
        raise AssertionError("this is not worth a rest")

    bundle = tmp_path / "ca.pem"
    certificate_authority.cert_pem.write_to_path(str(bundle))
    viewers("a=")
    monkeypatch.setenv("AWS_WEBSOCKET_URL", tls_connections_api.websocket_url)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(bundle))
    monkeypatch.setattr("tracker.fanout.broadcast.random.uniform", no_rest)
    tls_connections_api.script["a="] = ["last", "last", 200, "drop"]
    for number in range(4):
        assert send_vendor.handler(batch(make_update(number)), context()) == NO_FAILURES
    assert tls_connections_api.answered == [("a=", 200)] * 4


def test_posts_do_not_go_to_whom_nobody_vouches_for(
    dynamodb, tls_connections_api, batch, make_update, context, monkeypatch, viewers, at_once
):
    viewers("a=")
    monkeypatch.setenv("AWS_WEBSOCKET_URL", tls_connections_api.websocket_url)
    assert send_vendor.handler(batch(make_update(1)), context()) == failed(0)
    assert tls_connections_api.posts == []


def test_a_ca_bundle_that_is_not_there_is_named(viewers, batch, make_update, context, monkeypatch):
    viewers("a=")
    monkeypatch.setenv("AWS_WEBSOCKET_URL", "wss://127.0.0.1:1/primary")
    monkeypatch.setenv("AWS_CA_BUNDLE", "/nowhere/ca.pem")
    with pytest.raises(ConfigurationError, match="AWS_CA_BUNDLE"):
        send_vendor.handler(batch(make_update(1)), context())


def test_a_gateway_that_is_not_there_fails_the_updates(viewers, batch, make_update, context, monkeypatch, at_once):
    viewers("a=")
    monkeypatch.setenv("AWS_WEBSOCKET_URL", "ws://127.0.0.1:1/primary")
    assert send_vendor.handler(batch(make_update(1)), context()) == failed(0)


@pytest.mark.parametrize("name", ["websocket_message_sendvendor", "websocket_connect"])
def test_an_event_that_is_no_batch_is_refused(environment, sample, context, name):
    with pytest.raises(InvalidEventError):
        send_vendor.handler(sample(name), context())


def test_a_batch_is_logged_and_measured(viewers, connections_api, batch, make_update, context, capsys):
    viewers("a=", "gone=")
    connections_api.script["gone="] = [410]
    send_vendor.handler(batch(make_update(1, text="\x1b[2J\u2028 🌮 %s"), '"\u2028\nnot json'), context())
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (metrics,) = [record for record in records if "_aws" in record]
    assert {name: metrics[name] for name in metrics if name.startswith(("Up", "De", "Co", "Po"))} == {
        "UpdatesBroadcast": [1.0],
        "UpdatesFailed": [0.0],
        "UpdatesInvalid": [1.0],
        "Deliveries": [1.0],
        "ConnectionsGone": [1.0],
        "ConnectionsSlow": [0.0],
        "PostRetries": [0.0],
    }
    assert metrics["BroadcastLatency"][0] > 0
    logs = [record for record in records if "_aws" not in record]
    assert {record["request_id"] for record in logs} == {"r-1"}
    assert [record["message_id"] for record in logs if record["level"] == "ERROR"] == ["m1"]


def test_an_update_that_failed_is_logged_with_its_id_and_connections(
    viewers, connections_api, batch, make_update, context, capsys, at_once
):
    viewers("busy=")
    connections_api.fallback = 503
    send_vendor.handler(batch(make_update(1)), context())
    (record,) = [
        record for record in map(json.loads, capsys.readouterr().out.splitlines()) if record.get("level") == "ERROR"
    ]
    assert record["update_ids"] == [make_update(1)["id"]]
    assert record["connections"] == {"busy=": "status 503 after 10 attempts"}
