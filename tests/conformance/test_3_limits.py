"""Section 3 of the contract: limits, timers and close codes (L rows)."""

import contextlib
import json
import struct
import subprocess
import sys
from urllib.parse import quote

import pytest
from websockets.exceptions import ConnectionClosed

from harness.refusals import refusal_of
from harness.wire import CLOSE, CONTINUATION, PING, PONG, TEXT

FRAME_BYTES = 32_768
MESSAGE_BYTES = 131_072
BY_HAND = "gateway.clock_speed=0"
MOVES_THE_CLOCK = pytest.mark.local_lever("moves the clock of the idle and age timers")
NEEDS_SETTINGS = pytest.mark.local_lever("sets limits that AWS does not let anybody lower")
READS_TEMPLATES = pytest.mark.local_lever("gives tracker-sim a template that CloudFormation would refuse")

IDLE_S = 600
AGE_S = 7200
A_MOMENT_S = 0.25
GOING_AWAY = (1001, "Going away")


def padded(size):
    """A message to the route `reply` of exactly so many bytes, whose reply is short."""
    message = {"action": "reply", "do": [{"return": {"statusCode": 200, "body": "seen"}}], "filler": ""}
    message["filler"] = "x" * (size - len(json.dumps(message)))
    return json.dumps(message)


def in_frames(text):
    """Cut into frames of the longest allowed size."""
    return [text[start : start + FRAME_BYTES] for start in range(0, len(text), FRAME_BYTES)]


def refused_with(socket, message):
    """The close code after a message that is too long; the server need not read it to its end."""
    with contextlib.suppress(ConnectionClosed):
        socket.client.send(message)
    return socket.closed_with()[0]


def disconnected_with(probe, connection_id):
    context = probe.records.disconnect_event(connection_id)["requestContext"]
    return context["disconnectStatusCode"], context["disconnectReason"]


# -- sizes -------------------------------------------------------------------------------------------------------------


def test_L01_L02_a_frame_may_have_32_kilobytes_and_no_more(probe):
    # compression=None: what a browser sends is one frame, and its size on the wire is what counts.
    socket = probe.open(compression=None)
    connection_id = socket.id
    socket.send(padded(FRAME_BYTES))
    assert socket.recv() == "seen"
    assert refused_with(socket, padded(FRAME_BYTES + 1)) == 1009
    assert disconnected_with(probe, connection_id)[0] == 1009
    assert len(probe.records.message_events(connection_id)) == 1


def test_L01_a_message_in_frames_may_have_128_kilobytes_and_no_more(probe):
    socket = probe.open(compression=None)
    connection_id = socket.id
    socket.client.send(in_frames(padded(MESSAGE_BYTES)))
    assert socket.recv() == "seen"
    assert refused_with(socket, in_frames(padded(MESSAGE_BYTES + 1))) == 1009
    assert len(probe.records.message_events(connection_id)) == 1


def test_L03_fragments_are_one_event_wherever_they_are_cut(probe):
    wire, connection_id = probe.upgraded()
    text = '{"action": "tell", "name": "né €"}'.encode()
    for index in range(len(text)):
        wire.send_frame(CONTINUATION if index else TEXT, text[index : index + 1], fin=index == len(text) - 1)
    (event,) = probe.records.message_events(connection_id)
    assert event["body"].encode() == text


def test_L03_a_ping_between_fragments_is_answered_and_changes_nothing(probe):
    wire, connection_id = probe.upgraded()
    wire.send_frame(TEXT, b'{"action": ', fin=False)
    wire.send_frame(PING, b"now")
    wire.send_frame(CONTINUATION, b'"tell"}')
    frame = wire.frame()
    assert (frame.opcode, frame.payload) == (PONG, b"now")
    (event,) = probe.records.message_events(connection_id)
    assert event["body"] == '{"action": "tell"}'


# -- timers ------------------------------------------------------------------------------------------------------------


@MOVES_THE_CLOCK
@pytest.mark.row("M19")
def test_L04_ten_minutes_of_silence_end_a_connection_with_1001(stack_with):
    probe = stack_with(BY_HAND)
    socket = probe.open()
    connection_id = socket.id
    assert probe.advance_timers(IDLE_S - A_MOMENT_S) == 0
    assert probe.advance_timers(2 * A_MOMENT_S) == 1
    assert socket.closed_with() == GOING_AWAY
    assert disconnected_with(probe, connection_id) == GOING_AWAY


@MOVES_THE_CLOCK
@pytest.mark.parametrize("direction", ["from the client", "to the client"])
def test_L05_data_in_either_direction_starts_the_ten_minutes_again(stack_with, direction):
    probe = stack_with(BY_HAND)
    socket = probe.open()
    connection_id = socket.id
    for number in range(1, 4):
        assert probe.advance_timers(IDLE_S - A_MOMENT_S) == 0
        if direction == "from the client":
            socket.tell("tell")
            probe.records.message_events(connection_id, at_least=number)
        else:
            probe.management().post_to_connection(ConnectionId=connection_id, Data=b"still there?")
            socket.recv()
    assert probe.advance_timers(IDLE_S + A_MOMENT_S) == 1
    assert socket.closed_with() == GOING_AWAY


def test_L06_a_ping_is_answered_and_no_handler_hears_of_it(probe):
    wire, connection_id = probe.upgraded()
    for payload in (b"", b"hello", b"x" * 125):
        wire.send_frame(PING, payload)
        frame = wire.frame()
        assert (frame.opcode, frame.payload) == (PONG, payload)
    wire.send_frame(CLOSE)
    probe.records.disconnect_event(connection_id)
    kinds = [event["requestContext"]["eventType"] for event in probe.records.events(connection_id)]
    assert kinds == ["CONNECT", "DISCONNECT"]


@MOVES_THE_CLOCK
@pytest.mark.parametrize(("setting", "closed"), [("no", 1), ("yes", 0)])
def test_L06_whether_a_ping_counts_as_data_is_a_setting_and_no_by_default(stack_with, setting, closed):
    probe = stack_with(BY_HAND, *(["gateway.ping_resets_idle_timer=yes"] if setting == "yes" else []))
    wire, _ = probe.upgraded()
    assert probe.advance_timers(IDLE_S - A_MOMENT_S) == 0
    wire.send_frame(PING)
    assert wire.frame().opcode == PONG
    assert probe.advance_timers(2 * A_MOMENT_S) == closed


@MOVES_THE_CLOCK
def test_L07_a_silent_peer_is_asked_nothing_and_noticed_only_when_idle(stack_with):
    probe = stack_with(BY_HAND)
    wire, connection_id = probe.upgraded()
    assert probe.advance_timers(IDLE_S - A_MOMENT_S) == 0
    assert probe.connections("GET", quote(connection_id)).status == 200
    assert wire.nothing_to_read()
    assert probe.advance_timers(2 * A_MOMENT_S) == 1
    frame = wire.frame()
    assert (frame.opcode, frame.close_code) == (CLOSE, 1001)


@MOVES_THE_CLOCK
@pytest.mark.row("M19")
def test_L08_two_hours_end_a_connection_whatever_it_does(stack_with):
    probe = stack_with(BY_HAND)
    socket = probe.open()
    connection_id = socket.id
    step_s = 450
    for _ in range(AGE_S // step_s - 1):
        assert probe.advance_timers(step_s) == 0
        socket.still_works()
    assert probe.advance_timers(step_s - A_MOMENT_S) == 0
    assert probe.advance_timers(2 * A_MOMENT_S) == 1
    assert socket.closed_with()[0] == 1001
    assert disconnected_with(probe, connection_id)[0] == 1001


# -- quotas ------------------------------------------------------------------------------------------------------------


@NEEDS_SETTINGS
@pytest.mark.row("H14", "L11")
def test_L09_more_new_connections_than_allowed_are_429(stack_with):
    probe = stack_with("gateway.connects_burst=2", "gateway.connects_per_s=0")
    open_now = [probe.open(), probe.open()]
    assert probe.refused().status_code == 429
    # They are new connections that are counted: those that are open go on.
    for socket in open_now:
        socket.still_works()


@NEEDS_SETTINGS
@pytest.mark.row("H14", "C14")
def test_L10_L11_requests_messages_and_callbacks_share_one_allowance(stack_with):
    probe = stack_with("gateway.account_burst=20", "gateway.account_rate_per_s=0")
    socket = probe.open()
    connection_id = socket.id
    socket.still_works()
    assert probe.connections("GET", quote(connection_id)).status == 200
    answered = [probe.request("GET", "/two/x").status for _ in range(20)]
    assert answered[0] == 200
    assert answered[-1] == 429
    assert answered == sorted(answered)
    # The HTTP API has used up what was there for everybody.
    refused = probe.connections("POST", quote(connection_id), b"x")
    assert (refused.status, refused["x-amzn-errortype"]) == (429, "LimitExceededException")
    assert probe.refused().status_code == 429
    socket.tell("tell")
    assert socket.recv_json()["connectionId"] == connection_id


def test_H14_a_stage_that_lets_nobody_through_is_429(probe):
    for _ in range(3):
        assert probe.refused("Throttled").status_code == 429


def test_L11_a_throttled_message_shows_as_a_frame_and_the_connection_stays(probe):
    socket = probe.open()
    frame = json.loads(socket.ask("throttled"))
    assert (frame["message"], frame["connectionId"]) == ("Too Many Requests", socket.id)
    socket.still_works()


@pytest.mark.local_lever("asks tracker-sim for its settings")
@pytest.mark.row("L04", "L08", "L09", "L10")
def test_L09_L10_the_quotas_are_those_of_aws():
    said = subprocess.run(
        [sys.executable, "-P", "-m", "simulator", "settings", "--json"], capture_output=True, check=True
    )
    defaults = {each["name"]: each["default"] for each in json.loads(said.stdout)}
    expected = {
        "gateway.idle_timeout_s": 600,
        "gateway.max_age_s": 7200,
        "gateway.connects_per_s": 500,
        "gateway.connects_burst": 500,
        "gateway.account_rate_per_s": 10_000,
        "gateway.account_burst": 5_000,
    }
    assert {name: defaults[name] for name in expected} == expected


@READS_TEMPLATES
@pytest.mark.parametrize("timeout_ms", [49, 29_001])
def test_L12_an_integration_timeout_is_50_milliseconds_to_29_seconds(tmp_path, timeout_ms):
    route = "hasty:\n          FunctionArn: !GetAtt Probe.Arn\n          IntegrationTimeout: "
    assert "29000" in refusal_of(tmp_path, f"{route}300", f"{route}{timeout_ms}")


@READS_TEMPLATES
@pytest.mark.parametrize("name", ["has.dot", "a" * 129], ids=["a character", "its length"])
def test_L15_a_stage_name_must_be_one(tmp_path, name):
    assert "Stage" in refusal_of(tmp_path, "StageName: hasty", f"StageName: {name}")


@READS_TEMPLATES
def test_L15_an_api_has_300_routes_at_most(tmp_path):
    known = "        known:\n          FunctionArn: !GetAtt Probe.Arn\n"
    more = "".join(f"        known{number}:\n          FunctionArn: !GetAtt Probe.Arn\n" for number in range(300))
    assert "300" in refusal_of(tmp_path, known, more + known)


# -- close codes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("payload", "reported"),
    [
        pytest.param(b"", (1005, "Client-side close frame status not set"), id="no code"),
        pytest.param(struct.pack("!H", 1001), (1001, ""), id="tab closed"),
        pytest.param(struct.pack("!H", 1000) + b"done", (1000, "done"), id="normal, with a text"),
        pytest.param(struct.pack("!H", 4321) + "adiós".encode(), (4321, "adiós"), id="the application's own"),
    ],
)
def test_L13_disconnect_reports_what_the_client_closed_with(probe, payload, reported):
    wire, connection_id = probe.upgraded()
    wire.send_frame(CLOSE, payload)
    assert wire.frame().opcode == CLOSE
    assert disconnected_with(probe, connection_id) == reported


def test_L13_a_reset_is_reported_as_1006(probe):
    wire, connection_id = probe.upgraded()
    wire.reset()
    assert disconnected_with(probe, connection_id)[0] == 1006


def test_L13_L14_delete_always_closes_with_1000_whatever_is_asked_for(probe):
    socket = probe.open()
    connection_id = socket.id
    assert probe.connections("DELETE", f"{quote(connection_id)}?code=4321&reason=mine").status == 204
    assert socket.closed_with() == (1000, "Connection Closed Normally")
    assert disconnected_with(probe, connection_id) == (1000, "Connection Closed Normally")
