"""Vendors publish through their own socket, and nobody else does."""

import json
import time
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tracker.vendor_token import make_token

HERE = {"action": "sendvendor", "lat": 37.77, "long": -122.42, "text": "Tacos until three", "userName": "Taco Wagon"}


@pytest.fixture
def stack(up, request):
    """The URL of a running stack."""
    _, endpoints = up("--quiet", *getattr(request, "param", ()))
    return endpoints["websocket_url"]


@pytest.fixture
def token(stack, sim):
    """Make a token by the command line."""

    def make(vendor, *arguments):
        made = sim("token", vendor, *arguments)
        assert made.returncode == 0, made.stderr
        return made.stdout.strip()

    return make


def say(socket, message):
    """Send, and read the answer, which may come before or after what is broadcast meanwhile."""
    socket.send(json.dumps(message))
    while True:
        frame = json.loads(socket.recv(timeout=30))
        if frame.get("action") == "sendvendor":
            return frame


def next_update(socket):
    while True:
        frame = json.loads(socket.recv(timeout=30))
        if "userId" in frame:
            return frame


def secret_of_the_stack(sim):
    (note,) = Path(sim.environment["XDG_RUNTIME_DIR"]).rglob("*.json")
    return json.loads(note.read_text())["vendor_token_secret"]


@pytest.mark.parametrize("stack", [(), ("--in-process",)], ids=["workers", "in process"], indirect=True)
def test_a_vendor_with_a_token_is_seen_by_a_viewer_and_nobody_else_can_do_that(stack, token):
    by_query = f"{stack}?token={token('17')}"
    by_header = {"Authorization": f"Bearer {token('18')}"}
    with connect(stack) as viewer, connect(by_query) as first, connect(stack, additional_headers=by_header) as second:
        refused = say(viewer, HERE)
        assert refused["status"] == "refused"
        assert "may only watch" in refused["message"]
        assert "userId must be '17'" in say(first, {**HERE, "userId": "18"})["message"]
        assert "lat must be a number from -90 to 90" in say(first, {**HERE, "lat": 91})["message"]
        accepted = {say(first, HERE)["id"]: "17", say(second, {**HERE, "userId": "18"})["id"]: "18"}
        # What was refused would have been broadcast before them.
        seen = [next_update(viewer), next_update(viewer)]
    assert {update["id"]: update["userId"] for update in seen} == accepted
    assert seen[0]["geo"]["coordinates"] == {"lat": 37.77, "long": -122.42}


def test_A03_a_bad_token_is_refused_at_the_handshake_and_none_is_a_viewer(stack, token, sim):
    secret = secret_of_the_stack(sim).encode()
    good = token("17")
    bad = {
        "empty": "",
        "malformed": good + "x",
        "another vendor's": good.replace(".17.", ".18."),
        "forged": make_token("17", expires_at_s=int(time.time()) + 60, secret=b"guess" * 8),
        "expired": make_token("17", expires_at_s=int(time.time()) - 1, secret=secret),
        "for a year": make_token("17", expires_at_s=int(time.time()) + 31_536_000, secret=secret),
    }
    statuses = {}
    for name, each in bad.items():
        with pytest.raises(InvalidStatus) as refused:
            connect(f"{stack}?token={each}")
        statuses[name] = refused.value.response.status_code
    assert statuses == dict.fromkeys(bad, 403)
    with connect(f"{stack}?token={good}"), connect(stack):
        pass


def test_two_commands_publish_from_a_terminal(stack, sim):
    """What README shows."""
    published = sim("connect", "--vendor", "Taco Wagon", "--no-stdin", "--count", "2", "--send", json.dumps(HERE))
    assert published.returncode == 0, published.stderr
    answer, update = sorted(map(json.loads, published.stdout.splitlines()), key=lambda frame: "userId" in frame)
    assert answer["status"] == "accepted"
    assert (update["id"], update["userName"]) == (answer["id"], "Taco Wagon")


def test_a_tokens_json_says_everything_that_is_needed(stack, token):
    document = json.loads(token("17", "--expires-in", "60", "--json"))
    assert set(document) == {"token", "vendor_id", "expires_at_s", "websocket_url"}
    assert document["expires_at_s"] <= time.time() + 60
    with connect(f"{document['websocket_url']}?token={document['token']}") as vendor:
        assert say(vendor, HERE)["status"] == "accepted"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("token", "17"), "no stack is running here"),
        (("connect", "ws://127.0.0.1:9/x", "--vendor", "17"), "--vendor is for the running stack"),
        (("connect", "--token", "v1", "--vendor", "17"), "--vendor is for the running stack"),
    ],
)
def test_wrong_usage_is_one_sentence(sim, arguments, sentence):
    result = sim(*arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert sentence in result.stderr


def test_the_secret_is_only_in_the_private_note(up, sim):
    """Not on stdout, not in the log of the stack."""
    running, endpoints = up()
    secret = secret_of_the_stack(sim)
    with connect(endpoints["websocket_url"]) as viewer:
        say(viewer, HERE)
    with pytest.raises(InvalidStatus):
        connect(f"{endpoints['websocket_url']}?token=x")
    out, err, _ = running.end()
    assert secret not in out + err + json.dumps(endpoints)
