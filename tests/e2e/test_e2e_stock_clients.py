"""Stock clients in two languages and two SDKs, as they are out of the box, on a stack that they have never heard of.

Python: `websockets` and boto3. JavaScript: `ws`, `wscat` and the AWS SDK, in Node processes (`clients/node`).
"""

import base64
import contextlib
import functools
import json
import os
import shutil
import subprocess
import threading
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

CLIENTS = Path(__file__).parent / "clients"
WAIT_S = 60
INSTALL_TIMEOUT_S = 300
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "AKIDSIMULATED0000000", "AWS_SECRET_ACCESS_KEY": "simulated-secret"}
"""Those that functions have here, so that strict signatures can be checked."""
UPDATE = {"action": "sendvendor", "lat": 37.77, "long": -122.42}


class RefusedError(Exception):
    """The handshake was answered with this status."""


class PythonSocket:
    """`websockets`."""

    def __init__(self, leaving, url, *, protocols=(), headers=None):
        try:
            self._socket = leaving.enter_context(
                connect(url, subprotocols=list(protocols) or None, additional_headers=headers)
            )
        except InvalidStatus as error:
            raise RefusedError(error.response.status_code) from None
        self.protocol = self._socket.subprotocol or ""
        self.extensions = self._socket.response.headers.get("Sec-WebSocket-Extensions", "")

    def send(self, message):
        self._socket.send(message)

    def receive(self):
        return self._socket.recv(timeout=WAIT_S)

    def close(self, *code_and_reason):
        self._socket.close(*code_and_reason)

    def closed(self):
        """Code and reason of the end, which must be the next thing that comes."""
        with pytest.raises(ConnectionClosed) as ended:
            self.receive()
        return ended.value.rcvd.code, ended.value.rcvd.reason


class NodeSocket:
    """`ws`; the same surface as `PythonSocket`."""

    def __init__(self, start, url, *, protocols=(), headers=None):
        self._process = start("socket.mjs", url, json.dumps({"protocols": list(protocols), "headers": headers or {}}))
        opened = self._next()
        if "refused" in opened:
            raise RefusedError(opened["refused"])
        self.protocol, self.extensions = opened["open"]["protocol"], opened["open"]["extensions"]

    def send(self, message):
        binary = isinstance(message, bytes)
        self._ask({"sendBinary": base64.b64encode(message).decode()} if binary else {"send": message})

    def receive(self):
        return self._next()["message"]

    def close(self, *code_and_reason):
        self._ask({"close": code_and_reason})

    def closed(self):
        return tuple(self._next()["closed"])

    def _ask(self, what):
        self._process.stdin.write(json.dumps(what) + "\n")
        self._process.stdin.flush()

    def _next(self):
        line = self._process.stdout.readline()
        assert line, self._process.stderr.read()
        return json.loads(line)


class Boto:
    """boto3's `apigatewaymanagementapi`: outcomes as `{"status", "answer"}` or `{"status", "gone"}`."""

    def __init__(self, url):
        self._client = boto3.client(
            "apigatewaymanagementapi",
            endpoint_url=url,
            region_name="us-east-1",
            aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
            config=Config(retries={"total_max_attempts": 1}),
        )
        self.path = ""
        self._client.meta.events.register("before-send", self._see)

    def post(self, connection_id, data):
        return self._call(self._client.post_to_connection, ConnectionId=connection_id, Data=data)

    def get(self, connection_id):
        return self._call(self._client.get_connection, ConnectionId=connection_id)

    def delete(self, connection_id):
        return self._call(self._client.delete_connection, ConnectionId=connection_id)

    def _see(self, request, **_):
        self.path = "/" + request.url.split("/", 3)[3]

    def _call(self, call, **arguments):
        try:
            answer = call(**arguments)
        except ClientError as error:
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            return {"status": status, "gone": isinstance(error, self._client.exceptions.GoneException)}
        return {"status": answer.pop("ResponseMetadata")["HTTPStatusCode"], "answer": sorted(answer)}


class NodeSdk:
    """`@aws-sdk/client-apigatewaymanagementapi`; the same surface as `Boto`."""

    def __init__(self, start, url):
        self._start, self._url, self.path = start, url, ""

    def post(self, connection_id, data):
        return self._call("post", connection_id, data)

    def get(self, connection_id):
        return self._call("get", connection_id)

    def delete(self, connection_id):
        return self._call("delete", connection_id)

    def _call(self, *arguments):
        out, err = self._start("management.mjs", self._url, *arguments).communicate()
        assert out, err
        outcome = json.loads(out)
        self.path = outcome.pop("path")
        return {**outcome, "answer": sorted(outcome["answer"])} if "answer" in outcome else outcome


# -- what they need ----------------------------------------------------------------------------------------------------


def unavailable(reason):
    """A developer without Node can do without; CI must not pass because something is missing."""
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def node_folder(tmp_path_factory):
    """The scripts of `clients/node` beside the packages that they import."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            unavailable(f"{program} is not installed")
    folder = tmp_path_factory.mktemp("clients") / "node"
    shutil.copytree(CLIENTS / "node", folder, ignore=shutil.ignore_patterns("node_modules"))
    command = [shutil.which("npm"), "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    installed = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=INSTALL_TIMEOUT_S, check=False
    )
    if installed.returncode != 0:
        unavailable(f"npm ci failed: {installed.stderr[-500:]}")
    return folder


@pytest.fixture
def node(node_folder):
    """Start a script; whatever still runs after the test, or for too long, is killed."""
    started, alarms = [], []

    def start(script, *arguments):
        process = subprocess.Popen(
            ["node", script, *arguments],
            cwd=node_folder,
            env={**os.environ, **CREDENTIALS},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        alarms.append(threading.Timer(WAIT_S, process.kill))
        alarms[-1].start()
        started.append(process)
        return process

    yield start
    for alarm, process in zip(alarms, started, strict=True):
        alarm.cancel()
        process.kill()
        process.communicate()


@pytest.fixture(params=["websockets", "ws"])
def open_socket(request):
    """Open a connection with the one client or the other."""
    if request.param == "ws":
        # Asked for here and not in the signature: Python's client needs no Node.
        yield functools.partial(NodeSocket, request.getfixturevalue("node"))
        return
    with contextlib.ExitStack() as leaving:
        yield functools.partial(PythonSocket, leaving)


@pytest.fixture(params=["boto3", "aws-sdk for JavaScript"])
def sdk(request):
    """The one SDK or the other, for a management URL."""
    if request.param == "boto3":
        return Boto
    start = request.getfixturevalue("node")
    return lambda url: NodeSdk(start, url)


@pytest.fixture
def stack(up):
    """The endpoints of a running `clients/template.yaml`."""

    def begin(*arguments):
        _, endpoints = up("--quiet", "--template", CLIENTS / "template.yaml", *arguments)
        return endpoints

    return begin


def own_id(socket):
    socket.send("who am I")
    return json.loads(socket.receive())["connectionId"]


def next_end(endpoints):
    """What the next `$disconnect` said."""
    (url,) = endpoints["queue_urls"].values()
    sqs = boto3.client(
        "sqs",
        endpoint_url=endpoints["aws_endpoint_url"],
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    received = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20)["Messages"]
    sqs.delete_message(QueueUrl=url, ReceiptHandle=received[0]["ReceiptHandle"])
    return json.loads(received[0]["Body"])


# -- sockets -----------------------------------------------------------------------------------------------------------


def test_H03_H04_H10_H15_a_handshake_is_what_the_handler_and_the_client_make_of_it(stack, open_socket):
    url = stack()["websocket_url"]
    plain = open_socket(url)
    assert plain.protocol == ""
    assert "permessage-deflate" in plain.extensions  # both offer it unasked
    assert open_socket(url, protocols=["chat.v1", "chat.v2"]).protocol == "chat.v2"
    for status in (401, 418):
        with pytest.raises(RefusedError, match=str(status)):
            open_socket(url, headers={"X-Refuse": str(status)})


def test_M12_L01_messages_go_both_ways_and_a_frame_that_is_too_large_ends_it(stack, open_socket):
    endpoints = stack()
    socket = open_socket(endpoints["websocket_url"])
    for text in ("{}", "Señor 🌮 \u2028", "x" * 32_768):
        socket.send(text)
        assert json.loads(socket.receive())["body"] == text
    management = Boto(endpoints["management_url"])
    assert management.post(own_id(socket), "🌮" * 20_000)["status"] == 200
    assert socket.receive() == "🌮" * 20_000
    socket.send("x" * 32_769)
    assert socket.closed()[0] == 1009


def test_M14_L04_L13_both_sides_learn_how_a_connection_ended(stack, open_socket, sim):
    endpoints = stack()
    url, management = endpoints["websocket_url"], Boto(endpoints["management_url"])

    def by_the_client(*code_and_reason):
        open_socket(url).close(*code_and_reason)

    def by_delete():
        socket = open_socket(url)
        management.delete(own_id(socket))
        assert socket.closed() == (1000, "Connection Closed Normally")

    def by_a_binary_frame():
        socket = open_socket(url)
        socket.send(b"\x00")
        assert socket.closed()[0] == 1003

    def by_ten_minutes_of_silence():
        socket = open_socket(url)
        assert sim("clock", "--advance", "601").returncode == 0
        assert socket.closed() == (1001, "Going away")

    ends = []
    for end in (
        lambda: by_the_client(4001, "lunch is over"),
        lambda: by_the_client(1000),
        by_delete,
        by_a_binary_frame,
        by_ten_minutes_of_silence,
    ):
        end()
        told = next_end(endpoints)
        ends.append((told["code"], told["reason"]))
    assert ends[0] == (4001, "lunch is over")
    assert ends[2] == (1000, "Connection Closed Normally")
    assert [code for code, _ in ends] == [4001, 1000, 1000, 1003, 1001]


def test_a_vendor_publishes_and_a_viewer_sees_it(up, open_socket, sim):
    _, endpoints = up("--quiet")
    url = endpoints["websocket_url"]
    token = sim("token", "17").stdout.strip()
    with pytest.raises(RefusedError, match="403"):
        open_socket(f"{url}?token={token}x")
    viewer = open_socket(url)
    vendor = open_socket(url, headers={"Authorization": f"Bearer {token}"})
    vendor.send(json.dumps(UPDATE))
    first, second = json.loads(vendor.receive()), json.loads(vendor.receive())
    answer = first if "status" in first else second
    assert answer["status"] == "accepted"
    seen = json.loads(viewer.receive())
    assert (seen["id"], seen["userId"]) == (answer["id"], "17")


def test_wscat_gets_its_answer(stack, node_folder, node):
    url = stack()["websocket_url"]
    process = node("node_modules/wscat/bin/wscat", "--no-color", "-c", url, "-w", "-1", "-x", "hello")
    assert json.loads(process.stdout.readline())["body"] == "hello"


# -- SDKs --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [(), ("--set", "gateway.verify_signatures=yes")], ids=["lenient", "strict"])
def test_C02_C03_C04_C05_C06_C08_C10_an_sdk_posts_gets_deletes_and_learns_of_the_gone(stack, sdk, arguments):
    endpoints = stack(*arguments)
    management = sdk(endpoints["management_url"])
    with connect(endpoints["websocket_url"]) as client:
        client.send("who am I")
        connection_id = json.loads(client.recv(timeout=WAIT_S))["connectionId"]
        assert management.post(connection_id, "from the SDK 🌮") == {"status": 200, "answer": []}
        assert client.recv(timeout=WAIT_S) == "from the SDK 🌮"
        assert management.path == f"/dev/@connections/{connection_id.removesuffix('=')}%3D"  # "@" as it is, in both
        assert management.get(connection_id) == {"status": 200, "answer": ["ConnectedAt", "Identity", "LastActiveAt"]}
        assert management.delete(connection_id) == {"status": 204, "answer": []}
        with pytest.raises(ConnectionClosed) as ended:
            client.recv(timeout=WAIT_S)
        assert (ended.value.rcvd.code, ended.value.rcvd.reason) == (1000, "Connection Closed Normally")
    for call in (lambda: management.post(connection_id, "x"), lambda: management.get(connection_id)):
        outcome = call()
        assert (outcome["status"], outcome["gone"]) == (410, True)
    malformed = management.post("not-an-id", "x")
    assert (malformed["status"], malformed["gone"]) == (400, False)


def test_the_lock_file_names_no_registry():
    """Whoever installs from it uses the registry that their npm is set to."""
    lock = json.loads((CLIENTS / "node" / "package-lock.json").read_text())
    assert [name for name, package in lock["packages"].items() if "resolved" in package] == []
    assert all("integrity" in package for name, package in lock["packages"].items() if name)
