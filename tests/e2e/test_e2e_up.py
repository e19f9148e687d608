"""`tracker-sim up`: the stack that people keep open, and the one that CI starts."""

import contextlib
import json
import signal
import socket
import ssl
import subprocess
import sys
import urllib.request
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from websockets.sync.client import connect

KEYS = {
    "websocket_url",
    "http_url",
    "management_url",
    "apis",
    "aws_endpoint_url",
    "lambda_url",
    "region",
    "queue_urls",
    "tables",
    "functions",
    "pid",
    "ca_bundle",
}


def client(service, url):
    return boto3.client(
        service,
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}),
    )


def own_id(socket_):
    """A viewer learns its own connection id from any error frame of the gateway, or the tracker's refusal."""
    socket_.send("{}")
    return json.loads(socket_.recv(timeout=30))["connectionId"]


def test_json_is_one_line_with_every_address_and_stop_leaves_nothing(up):
    running, endpoints = up()
    assert set(endpoints) == KEYS
    assert endpoints["pid"] == running.process.pid
    with connect(endpoints["websocket_url"]):
        running.look()
    out, _, status = running.end()
    assert (out, status) == ("", 0)
    running.assert_nothing_is_left()


def test_stock_websocket_client_and_boto3_need_no_special_settings(up):
    _, endpoints = up()
    dynamodb = client("dynamodb", endpoints["aws_endpoint_url"])
    management = client("apigatewaymanagementapi", endpoints["management_url"])
    with connect(endpoints["websocket_url"]) as viewer:
        rows = dynamodb.scan(TableName="websocket-connections")["Items"]
        assert len(rows) == 1
        connection_id = rows[0]["connectionId"]["S"]
        management.post_to_connection(ConnectionId=connection_id, Data=b"from boto3")
        assert viewer.recv(timeout=30) == "from boto3"
    # The closing handshake has been answered, so the gateway knows.
    with pytest.raises(management.exceptions.GoneException):
        management.post_to_connection(ConnectionId=connection_id, Data=b"again")


def test_websockets_own_command_line_client_works(up, environment):
    _, endpoints = up()
    process = subprocess.Popen(
        [sys.executable, "-m", "websockets", endpoints["websocket_url"]],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
    )
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.stdin.write('{"action": "sendvendor"}\n')
        process.stdin.flush()
    seen = ""
    while "< {" not in seen:
        line = process.stdout.readline()
        assert line, seen
        seen += line
    process.kill()
    process.communicate()
    assert "sendvendor" in seen


def test_an_update_sent_by_hand_reaches_a_live_subscriber(up, start, sim):
    up()
    viewer = start("connect", "--no-stdin", "--count", "1")
    while "connecting" not in viewer.process.stderr.readline():
        pass
    # The viewer's row must be there before the scan: the row is written before the handshake is answered (H02).
    running_viewers = 0
    while not running_viewers:
        running_viewers = _open_connections(sim)
    sent = sim("send", "--vendor", "77", "--lat", "37.77", "--long", "-122.42", "--text", "hello map")
    assert sent.returncode == 0, sent.stderr
    out, err = viewer.process.communicate(timeout=60)
    frame = json.loads(out)
    assert frame["userId"] == "77"
    assert frame["geo"]["coordinates"] == {"lat": 37.77, "long": -122.42}
    assert viewer.process.returncode == 0, err


def _open_connections(sim):
    note = next(Path(sim.environment["XDG_RUNTIME_DIR"]).rglob("*.json"))
    url = json.loads(note.read_text())["http_url"].rsplit("/", 1)[0]
    with urllib.request.urlopen(f"{url}/.tracker-sim/stats") as answer:
        return json.load(answer)["connections"]["open"]


def test_get_vendors_answers_over_http_and_tls(up):
    _, endpoints = up()
    with urllib.request.urlopen(endpoints["http_url"] + "/vendors") as answer:
        assert json.load(answer) == {"Items": [], "count": 0, "lastEvaluatedKey": None}
    untrusting = ssl.create_default_context()
    url = endpoints["http_url"].replace("http:", "https:") + "/vendors"
    with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
        urllib.request.urlopen(url, context=untrusting)


def test_port_in_use_is_one_sentence(sim):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = sim("up", "--port", port)
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr.splitlines()[-1].startswith(f"Error: port {port} on 127.0.0.1 is in use")
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
def test_no_process_outlives_the_stack(up, number):
    running, endpoints = up()
    with connect(endpoints["websocket_url"]):
        assert len(running.look()) >= 2  # the cloud and the worker that ran $connect
        running.end(number)
    running.assert_nothing_is_left()


def test_the_stack_says_so_when_the_cloud_dies(up):
    running, _ = up()
    cloud = next(child for child in running.look() if "simulator.cloud" in " ".join(child.cmdline()))
    cloud.kill()
    _, err = running.process.communicate(timeout=60)
    assert running.process.returncode == 1
    assert err.splitlines()[-1] == "Error: the AWS process died (signal SIGKILL); start the stack again."


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_a_signal_while_the_stack_starts_leaves_nothing(start, tmp_path, number):
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    running = start("up", "--json", TMPDIR=str(temporary))
    while not running.look():
        assert running.process.poll() is None, running.process.communicate()
    out, err, status = running.end(number)
    assert (out, status) == ("", 130)
    assert err.splitlines()[-1] == "Error: stopped before anything was done."
    running.assert_nothing_is_left()
    assert list(temporary.iterdir()) == []
