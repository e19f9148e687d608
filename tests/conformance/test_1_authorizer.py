"""Section 1.2 of the contract: the authorizer on `$connect` (A rows)."""

import json

import pytest

from harness.events import context_of, settled, single
from harness.probe import new_run

WHO = {"X-Who": "me"}


def address(probe, run, authorize, *, token="t"):
    """A URL of the guarded API with a program for its authorizer."""
    query = {"run": run, "authorize": json.dumps(authorize)}
    return probe.url("Guarded", **query, **({} if token is None else {"token": token}))


def let_in(probe, policy=None):
    """A socket that the authorizer let in, and its run."""
    run = new_run()
    url = address(probe, run, [{"policy": policy or {}}])
    return probe.open_url(url, additional_headers=WHO), run


def turned_away(probe, authorize, *, token="t", headers=WHO):
    """The status of a handshake that is refused, and what ran for it."""
    run = new_run()
    url = address(probe, run, authorize, token=token)
    status = probe.refused_url(url, additional_headers=headers).status_code
    # Whatever ran for it has been kept by now: a later connection has been through both functions.
    later, later_run = let_in(probe)
    probe.records.connect_event(later_run)
    later.close()
    return status, [kind_of(event) for event in (record["event"] for record in probe.records.of(run))]


def kind_of(event):
    return event.get("type") or event["requestContext"]["eventType"]


def test_A01_it_runs_once_before_connect_and_never_for_a_message(probe):
    socket, run = let_in(probe)
    connection_id = probe.records.connect_event(run)["requestContext"]["connectionId"]
    for number in (1, 2):
        socket.tell("tell", number=number)
        probe.records.message_events(connection_id, at_least=number)
    socket.close()
    probe.records.disconnect_event(connection_id)
    kinds = [kind_of(event) for event in probe.records.events(connection_id, at_least=5)]
    assert kinds == ["REQUEST", "CONNECT", "MESSAGE", "MESSAGE", "DISCONNECT"]


@pytest.mark.parametrize(
    "missing",
    [
        pytest.param({"token": None}, id="query"),
        pytest.param({"headers": {}}, id="header"),
        pytest.param({"headers": {"X-Other": "me"}}, id="another header"),
    ],
)
def test_A02_without_an_identity_source_it_is_401_and_nobody_is_asked(probe, missing):
    assert turned_away(probe, [{"policy": {}}], **missing) == (401, [])


@pytest.mark.parametrize(
    ("authorize", "status"),
    [
        pytest.param([{"raise": "Unauthorized"}], 401, id="raises Unauthorized"),
        pytest.param([{"policy": {"effect": "Deny"}}], 403, id="denies"),
        pytest.param([{"raise": "unauthorized"}], 500, id="raises another text"),
        pytest.param([{"raise": "broken"}], 500, id="raises"),
        pytest.param([{"policy": {"principalId": None}}], 500, id="names no principal"),
        pytest.param([{"return": {"principalId": "someone"}}], 500, id="returns no policy"),
    ],
)
def test_A03_what_it_says_decides_the_status_and_connect_does_not_run(probe, authorize, status):
    assert turned_away(probe, authorize) == (status, ["REQUEST"])


def test_A04_the_whole_event(probe):
    run = new_run()
    authorize = json.dumps([{"policy": {}}])
    url = probe.url("Guarded", run=run, authorize=authorize, token="t")
    wire = probe.wire("Guarded")
    wire.upgraded(url[url.index("?") :], [("User-Agent", "probe/1.0"), ("X-Who", "me"), ("X-Who", "you")])
    event = probe.records.event(run, where=lambda each: each.get("type") == "REQUEST")
    region, account, rest = event["methodArn"].removeprefix("arn:aws:execute-api:").split(":")
    assert (region, len(account), account.isdigit()) == (probe.target.region, 12, True)
    assert rest == f"{event['requestContext']['apiId']}/guarded/$connect"
    lower = {name.lower(): name for name in event["headers"]}
    headers = {
        lower["connection"]: [event["headers"][lower["connection"]]],
        lower["upgrade"]: ["websocket"],
        "content-length": ["0"],
        "Host": ["<domainName>"],
        "Sec-WebSocket-Version": ["13"],
        "Sec-WebSocket-Key": [event["headers"]["Sec-WebSocket-Key"]],
        "User-Agent": ["probe/1.0"],
        "X-Who": ["me", "you"],
        "X-Amzn-Trace-Id": ["<trace>"],
        "X-Forwarded-For": ["<sourceIp>"],
        "X-Forwarded-Port": ["443"],
        "X-Forwarded-Proto": ["https"],
    }
    assert event["headers"][lower["connection"]].lower() == "upgrade"
    query = {"run": [run], "authorize": [authorize], "token": ["t"]}
    assert settled(event, probe.target, "Guarded") == {
        "type": "REQUEST",
        "methodArn": event["methodArn"],
        "headers": single(headers),
        "multiValueHeaders": headers,
        "queryStringParameters": single(query),
        "multiValueQueryStringParameters": query,
        "stageVariables": {"colour": "red"},
        "requestContext": context_of("$connect", "CONNECT", stage="guarded"),
    }


def test_A05_its_context_is_in_every_later_event_as_text(probe):
    given = {"text": "né", "number": 7, "fraction": 1.5, "yes": True}
    socket, run = let_in(probe, {"context": given, "principalId": "p-1"})
    connection_id = probe.records.connect_event(run)["requestContext"]["connectionId"]
    socket.tell("tell")
    probe.records.message_events(connection_id)
    socket.close()
    probe.records.disconnect_event(connection_id)
    later = [event for event in probe.records.events(connection_id) if "type" not in event]
    assert [kind_of(event) for event in later] == ["CONNECT", "MESSAGE", "DISCONNECT"]
    for event in later:
        context = dict(event["requestContext"]["authorizer"])
        assert str(context.pop("integrationLatency")).isdigit()
        assert context == {"principalId": "p-1", "text": "né", "number": "7", "fraction": "1.5", "yes": "true"}


@pytest.mark.parametrize("not_simple", [{"a": 1}, ["a"]], ids=["object", "list"])
def test_A05_a_context_that_is_not_simple_is_refused(probe, not_simple):
    assert turned_away(probe, [{"policy": {"context": {"key": not_simple}}}]) == (500, ["REQUEST"])


def test_A06_a_result_of_more_than_8_kilobytes_is_refused(probe):
    let_in(probe, {"filler": 7000})[0].close()
    assert turned_away(probe, [{"policy": {"filler": 8192}}]) == (500, ["REQUEST"])


def test_A07_allowed_to_connect_is_allowed_to_use_every_route(probe):
    socket, run = let_in(probe, {"deny_route": "tell"})
    connection_id = probe.records.connect_event(run)["requestContext"]["connectionId"]
    socket.tell("tell")
    (event,) = probe.records.message_events(connection_id)
    assert event["requestContext"]["routeKey"] == "tell"
