"""`@connections` without a socket (C rows)."""

import json
import uuid

import pytest

from simulator.gateway import management
from simulator.gateway.actions import Close, Send
from simulator.gateway.core import NORMAL_CLOSE, Handshake
from simulator.gateway.ids import is_connection_id
from simulator.gateway.life import State
from simulator.gateway.moment import Moment

UNKNOWN = "L0SM9cOFvHcCIhw="


@pytest.fixture
def ask(ids):
    def ask(core, method, connection_id, body=b"", now_ms=5_000, **more):
        return management.answer(core, ids, method, connection_id, body, now=Moment(now_ms, now_ms / 1000), **more)

    return ask


def header(answer, name):
    values = [value for key, value in answer.headers if key == name]
    assert len(values) <= 1
    return values[0] if values else None


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("/primary/@connections/L0SM9cOFvHcCIhw=", id="all raw"),
        pytest.param("/primary/@connections/L0SM9cOFvHcCIhw%3D", id="botocore"),
        pytest.param("/primary/%40connections/L0SM9cOFvHcCIhw%3D", id="JavaScript SDK"),
        pytest.param("/primary/%40connections/L0SM9cOFvHcCIhw=", id="at encoded only"),
        pytest.param("/primary/%40connections/L0SM9cOFvHcCIhw%3d", id="lower-case hex"),
        pytest.param("/primary/@connections/%4C0SM9cOFvHcCIhw%3D", id="more than needed"),
        pytest.param("/%70rimary/@connections/L0SM9cOFvHcCIhw=", id="stage encoded"),
    ],
)
def test_C02_raw_and_encoded_may_be_mixed(path):
    assert management.is_management_path(path)
    assert management.connection_in_path(path, "primary") == UNKNOWN


@pytest.mark.parametrize(
    ("path", "mine"),
    [
        pytest.param("/primary/@connections/", True, id="empty id"),
        pytest.param("/primary/@connections", True, id="no id"),
        pytest.param("/@connections/L0SM9cOFvHcCIhw=", True, id="no stage"),
        pytest.param("/dev/@connections/L0SM9cOFvHcCIhw=", True, id="other stage"),
        pytest.param("/primary/primary/@connections/L0SM9cOFvHcCIhw=", True, id="a segment too many"),
        pytest.param("/primary/@connections/L0SM/cOFvHcCIhw=", True, id="raw slash in the id"),
        pytest.param("/primary/vendors", False, id="another path"),
        pytest.param("/primary/my@connections", False, id="part of a segment"),
        pytest.param("/primary", False, id="the stage"),
    ],
)
def test_C12_another_path_names_no_connection(path, mine):
    assert management.connection_in_path(path, "primary") is None
    assert management.is_management_path(path) is mine


def test_C02_an_encoded_slash_belongs_to_the_id():
    assert management.connection_in_path("/primary/@connections/L0SM9cOFvHc%2FIhw%3D", "primary") == "L0SM9cOFvHc/Ihw="


def test_C04_post_answers_200_without_a_body_and_sends_the_text(make_core, open_connection, ask):
    core = make_core()
    connection_id = open_connection(core)
    answer = ask(core, "POST", connection_id, "né".encode())
    assert (answer.status, answer.body) == (200, b"")
    assert answer.actions == (Send(connection_id, "né".encode()),)
    assert {name for name, _ in answer.headers} == {
        "content-type",
        "x-amzn-requestid",
        "x-amz-apigw-id",
        "x-amzn-trace-id",
    }
    assert header(answer, "content-type") == "application/json"
    assert uuid.UUID(header(answer, "x-amzn-requestid"))
    assert is_connection_id(header(answer, "x-amz-apigw-id"))
    assert header(answer, "x-amzn-trace-id").startswith("Root=1-00000005-")


def test_C18_bytes_that_are_no_utf8_are_still_text(make_core, open_connection, ask):
    core = make_core()
    connection_id = open_connection(core)
    assert ask(core, "POST", connection_id, b"a\xffb").actions == (Send(connection_id, "a\ufffdb".encode()),)


def test_C05_delete_answers_204_without_a_content_type_and_closes(make_core, open_connection, ask):
    core = make_core()
    connection_id = open_connection(core)
    answer = ask(core, "DELETE", connection_id)
    assert (answer.status, answer.body, header(answer, "content-type")) == (204, b"", None)
    assert answer.actions == (Close(connection_id, *NORMAL_CLOSE),)
    assert core.find(connection_id).state is State.CLOSING


def test_C06_get_tells_who_is_connected_and_since_when(make_core, ask):
    core = make_core({"$default": {}})
    shaking = Handshake(headers=[("user-agent", "sim/1.0")], query=[], source_ip="198.51.100.7")
    connection_id, _ = core.handshake(shaking, Moment(1_710_277_498_112, 0.0))
    core.message(connection_id, "hello", Moment(1_710_277_499_000, 1.0))
    answer = ask(core, "GET", connection_id)
    assert answer.status == 200
    assert json.loads(answer.body) == {
        "connectedAt": "2024-03-12T21:04:58.112Z",
        "identity": {"sourceIp": "198.51.100.7", "userAgent": "sim/1.0"},
        "lastActiveAt": "2024-03-12T21:04:59.000Z",
    }
    assert b"\n" in answer.body


def test_C06_the_user_agent_is_null_when_there_was_none(make_core, open_connection, ask):
    core = make_core()
    answer = ask(core, "GET", open_connection(core))
    assert json.loads(answer.body)["identity"] == {"sourceIp": "198.51.100.7", "userAgent": None}


def test_C07_a_post_counts_as_activity_and_a_get_does_not(make_core, open_connection, ask):
    core = make_core()
    connection_id = open_connection(core, now_ms=1_000)
    ask(core, "GET", connection_id, now_ms=2_000)
    assert core.find(connection_id).last_active_ms == 1_000
    ask(core, "POST", connection_id, b"x", now_ms=3_000)
    assert core.find(connection_id).last_active_ms == 3_000


@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
def test_C08_an_unknown_connection_is_gone(make_core, ask, method):
    answer = ask(make_core(), method, UNKNOWN, b"x")
    assert (answer.status, answer.body, answer.actions) == (410, b"", ())
    assert header(answer, "x-amzn-errortype") == "GoneException"


@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
def test_C08_a_connection_that_is_closing_is_gone(make_core, open_connection, ask, method):
    core = make_core()
    connection_id = open_connection(core)
    core.closing(connection_id)
    assert ask(core, method, connection_id, b"x").status == 410


@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
def test_C15_a_connection_whose_connect_has_not_returned_is_gone(make_core, ask, method):
    core = make_core()
    connection_id, _ = core.handshake(Handshake(headers=[], query=[], source_ip="198.51.100.7"), Moment(1_000, 0.0))
    answer = ask(core, method, connection_id, b"x")
    assert (answer.status, answer.actions) == (410, ())


@pytest.mark.parametrize(
    "connection_id", ["WDGT8fY4joECJrQ=test", "bot_1", "6f1c2a54-0b0e-4d59-9f27-3a8d5c1e7b10", '"']
)
@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
def test_C10_a_malformed_id_is_a_bad_request(make_core, ask, method, connection_id):
    answer = ask(make_core(), method, connection_id, b"x")
    assert answer.status == 400
    assert json.loads(answer.body) == {"message": f"Invalid connectionId: {connection_id}"}
    assert answer.body.startswith(b'{"message":"')
    assert header(answer, "x-amzn-errortype") == "BadRequestException"


def test_C11_a_method_that_does_not_exist_is_forbidden(make_core, open_connection, ask):
    core = make_core()
    answer = ask(core, "PUT", open_connection(core), b"x")
    assert (answer.status, header(answer, "x-amzn-errortype")) == (403, "ForbiddenException")


def test_C12_a_path_of_another_form_is_named_in_the_error(ids):
    answer = management.no_such_route(ids, 1_000, "POST", "/a/b/@connections/x")
    expected = "No method found matching route a/b/@connections/x for http method POST"
    assert json.loads(answer.body) == {"message": expected}


@pytest.mark.parametrize(("size", "status"), [(131_072, 200), (131_073, 413)])
def test_C13_a_payload_may_have_128_kilobytes(make_core, open_connection, ask, size, status):
    core = make_core()
    answer = ask(core, "POST", open_connection(core), b"x" * size)
    assert answer.status == status
    assert header(answer, "x-amzn-errortype") == ("PayloadTooLargeException" if status == 413 else None)
    assert len(answer.actions) == (1 if status == 200 else 0)


def test_C14_a_client_that_does_not_drain_is_not_sent_more(make_core, open_connection, ask):
    core = make_core()
    connection_id = open_connection(core, now_ms=1_000)
    answer = ask(core, "POST", connection_id, b"x", backlogged=True)
    assert (answer.status, answer.actions) == (429, ())
    assert header(answer, "x-amzn-errortype") == "LimitExceededException"
    assert core.find(connection_id).last_active_ms == 1_000
    assert ask(core, "GET", connection_id, backlogged=True).status == 200
    assert ask(core, "DELETE", connection_id, backlogged=True).status == 204


def test_C19_a_post_without_data_is_a_bad_request(make_core, open_connection, ask):
    core = make_core()
    answer = ask(core, "POST", open_connection(core), b"")
    assert (answer.status, answer.actions) == (400, ())
    assert header(answer, "x-amzn-errortype") == "BadRequestException"
