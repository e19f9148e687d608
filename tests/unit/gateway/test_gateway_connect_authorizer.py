"""An authorizer on `$connect` (A01–A07), driven without a socket."""

import json

import pytest

from simulator.gateway.actions import InvokeAuthorizer, InvokeRoute, Refuse
from simulator.gateway.authorizers import Allowed, Refused
from simulator.gateway.core import ABNORMAL, NO_STATUS, Handshake
from simulator.gateway.moment import Moment
from simulator.gateway.proxy_result import ProxyResult
from simulator.stack.model import Authorizer, IdentitySource

TOKEN = Authorizer("Gate", "gate", (IdentitySource("querystring", "token"),), timeout_ms=7_000)
ROUTES = {"$connect": {"authorizer": TOKEN}, "$disconnect": {}, "$default": {}}
ASKING = Handshake(headers=[("Host", "a")], query=[("token", "t")], source_ip="198.51.100.7")
SAID = Allowed("vendor-7", {"vendorId": "7", "admin": "false"})


def at(ms):
    return Moment(ms, ms / 1000)


def context_of(action):
    return json.loads(action.payload)["requestContext"]


@pytest.fixture
def asked(make_core):
    """A core and a client whose authorizer has been asked."""
    core = make_core(ROUTES)
    connection_id, (invoke,) = core.handshake(ASKING, at(1_000))
    assert isinstance(invoke, InvokeAuthorizer)
    return core, connection_id, invoke


def test_A01_the_authorizer_runs_before_connect(asked):
    core, connection_id, invoke = asked
    event = json.loads(invoke.payload)
    assert (invoke.function, invoke.timeout_ms) == ("gate", 7_000)
    assert invoke.method_arn == event["methodArn"]
    assert event["requestContext"]["connectionId"] == connection_id
    (connect,) = core.authorizer_returned(connection_id, SAID, 31, at(1_031))
    assert isinstance(connect, InvokeRoute)
    assert connect.route_key == "$connect"


def test_A02_without_the_identity_the_answer_is_401_and_nobody_is_asked(make_core):
    core = make_core(ROUTES)
    nobody = Handshake(headers=[("Host", "a")], query=[], source_ip="198.51.100.7")
    connection_id, actions = core.handshake(nobody, at(1_000))
    assert actions == [Refuse(connection_id, 401, b'{"message":"Unauthorized"}')]
    assert core.find(connection_id) is None


@pytest.mark.parametrize("status", [401, 403, 500])
def test_A03_a_refusal_is_the_handshakes_and_nothing_else_runs(asked, status):
    core, connection_id, _ = asked
    (refusal,) = core.authorizer_returned(connection_id, Refused(status, "because"), 5, at(1_005))
    assert isinstance(refusal, Refuse)
    assert refusal.status == status
    assert core.find(connection_id) is None
    assert core.gone(connection_id, *ABNORMAL, at(1_006)) == []


def test_A05_what_it_said_is_in_every_later_event_as_strings(asked):
    core, connection_id, _ = asked
    (connect,) = core.authorizer_returned(connection_id, SAID, 31, at(1_031))
    core.connect_returned(connection_id, ProxyResult(200), at(1_040))
    (message,) = core.message(connection_id, "hello", at(2_000))
    (disconnect,) = core.gone(connection_id, *NO_STATUS, at(3_000))
    expected = {"principalId": "vendor-7", "vendorId": "7", "admin": "false", "integrationLatency": "31"}
    for event in (connect, message, disconnect):
        assert context_of(event)["authorizer"] == expected


def test_A05_without_an_authorizer_no_event_has_the_key(make_core, open_connection):
    core = make_core({"$connect": {}, "$default": {}})
    (message,) = core.message(open_connection(core), "hello", at(2_000))
    assert "authorizer" not in context_of(message)


def test_A07_messages_are_not_authorised_again(asked):
    core, connection_id, _ = asked
    core.authorizer_returned(connection_id, SAID, 31, at(1_031))
    core.connect_returned(connection_id, ProxyResult(200), at(1_040))
    (invoke,) = core.message(connection_id, "hello", at(2_000))
    assert isinstance(invoke, InvokeRoute)


def test_a_client_that_leaves_while_the_authorizer_runs_is_forgotten_and_connect_never_runs(asked):
    core, connection_id, _ = asked
    core.gone(connection_id, *ABNORMAL, at(1_010))
    assert core.authorizer_returned(connection_id, SAID, 31, at(1_031)) == []
    assert core.find(connection_id) is None
    assert (core.opened, core.refused) == (0, 0)


def test_an_answer_for_a_client_that_nobody_knows_does_nothing(make_core):
    assert make_core(ROUTES).authorizer_returned("Uz7QaeXyoAMCJ5g=", SAID, 1, at(1)) == []
