"""The stack over TLS, as AWS speaks it: under an authority that nobody but its own functions and clients trusts."""

import json
import ssl
import urllib.error
import urllib.request
from pathlib import Path

import boto3
import psutil
import pytest
from websockets.sync.client import connect

TLS = ("--set", "gateway.tls=on")

RUN = """\
question = "Does everything arrive over TLS?"
seed = 7

[vendors]
source = "made"
count = 5
ping_interval_s = 0.5

[[subscribers]]
name = "viewer"
count = 5

[[subscribers]]
name = "slow"
kind = "slow"
read_bytes_per_s = 1000000
count = 1

[run]
duration_s = 4

[expect]
run = ["deliveries.lost == 0", "final_positions.wrong == 0", "connections.refused == 0"]
"""


@pytest.fixture
def temporary(tmp_path):
    folder = tmp_path / "temporary"
    folder.mkdir()
    return folder


def test_addresses_are_secure_and_clients_need_the_bundle(up, temporary):
    running, endpoints = up(*TLS, TMPDIR=str(temporary))
    assert endpoints["websocket_url"].startswith("wss://127.0.0.1:")
    assert endpoints["http_url"].startswith("https://127.0.0.1:")
    assert endpoints["management_url"].startswith("https://127.0.0.1:")
    trusting = ssl.create_default_context(cafile=endpoints["ca_bundle"])
    with urllib.request.urlopen(endpoints["http_url"] + "/vendors", context=trusting) as answer:
        assert json.load(answer)["Items"] == []
    with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
        urllib.request.urlopen(endpoints["http_url"] + "/vendors")
    management = boto3.client(
        "apigatewaymanagementapi",
        endpoint_url=endpoints["management_url"],
        verify=endpoints["ca_bundle"],
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    with connect(endpoints["websocket_url"], ssl=trusting) as viewer:
        viewer.send("{}")
        management.post_to_connection(ConnectionId=json.loads(viewer.recv())["connectionId"], Data=b"from boto3")
        assert viewer.recv(timeout=30) == "from boto3"
    assert [file for file in temporary.rglob("*") if file.is_file() and b"PRIVATE KEY" in file.read_bytes()] == []
    assert Path(endpoints["ca_bundle"]).is_relative_to(temporary)
    running.end()
    assert not Path(endpoints["ca_bundle"]).parent.exists()
    running.assert_nothing_is_left()


def test_the_tracker_and_our_own_viewer_speak_it_unasked(up, start, sim):
    running, _ = up(*TLS)
    assert sim("clock", "--advance", "1").returncode == 0
    viewer = start("connect", "--no-stdin", "--count", "1", "--send", "{}")
    refused = json.loads(viewer.process.communicate(timeout=60)[0])  # by the function of `$default`, with a post
    assert refused["connectionId"]
    viewer = start("connect", "--no-stdin", "--count", "1")
    while "connecting" not in viewer.process.stderr.readline():
        pass
    vendor = ("send", "--vendor", "77", "--lat", "37.77", "--long", "-122.42", "--text", "hello map")
    while viewer.process.poll() is None:  # whoever connects at this moment gets the next one
        assert sim(*vendor).returncode == 0
    assert json.loads(viewer.process.communicate()[0])["userId"] == "77"
    [environment] = [each.environ() for each in running.look() if _runs(each, "tracker.send_vendor.handler")]
    assert environment["AWS_WEBSOCKET_URL"].startswith("wss://127.0.0.1:")


def _runs(process, handler):
    try:
        return handler in " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return False


def test_a_run_over_tls_delivers_everything(sim, tmp_path):
    scenario = tmp_path / "tls.toml"
    scenario.write_text(RUN)
    result = sim("run", scenario, *TLS, "--json", "-")
    verdict = json.loads(result.stdout)
    assert (verdict["failures"], result.returncode) == ([], 0), result.stderr
    assert verdict["connections"]["opened"] == 6
    assert verdict["deliveries"]["received"] >= verdict["updates"]["published"] * 5 > 0


@pytest.mark.parametrize("mode", [(), ("--in-process",)], ids=["workers", "in process"])
def test_any_handler_trusts_the_addresses_it_is_given(up, mode):
    running, endpoints = up("--template", Path(__file__).parent / "app" / "template.yaml", *TLS, *mode)
    trusting = ssl.create_default_context(cafile=endpoints["ca_bundle"])
    with connect(endpoints["apis"]["Chat"], ssl=trusting) as client:
        client.send('{"action": "echo", "text": "hello"}')
        answer = json.loads(client.recv(timeout=60))
    assert answer["url"] == endpoints["apis"]["Chat"].replace("wss:", "https:")
    assert running.end()[2] == 0
