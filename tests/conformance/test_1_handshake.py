"""Section 1.1 of the contract: URL, routing and the status of a handshake (H rows)."""

import json
import re
import ssl

import pytest

from harness.probe import new_run

REQUEST_ID = r"[A-Za-z0-9_-]{15}="


def query_of(probe, **query):
    """`?…` with a program in it, for a plain socket."""
    url = probe.url(**query)
    return url[url.index("?") :]


@pytest.mark.parametrize("slash", ["", "/"], ids=["no slash", "trailing slash"])
def test_H01_the_stage_is_the_path_and_a_trailing_slash_is_optional(probe, slash):
    run = new_run()
    probe.open_url(f"{probe.target.urls['Sockets']}{slash}?run={run}")
    assert probe.records.connect_event(run)["requestContext"]["stage"] == "probe"


def secure_wire(probe, version):
    """A TLS socket that speaks one version only. The local certificate is a throwaway, so it is not asked for here."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    # Level 0 lets our own side speak old versions, so that a refusal is the other side's.
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    address = probe.target.urls["Sockets"].partition("://")[2]
    return probe.wire(url=f"wss://{address}", tls=context)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_H01_tls_is_spoken(probe, version):
    assert secure_wire(probe, version).upgraded().status == 101


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated:DeprecationWarning")
def test_H01_tls_before_1_2_is_refused_by_the_server(probe):
    with pytest.raises((ssl.SSLError, ConnectionError), match=r"(?i)alert protocol version|eof occurred|reset"):
        secure_wire(probe, ssl.TLSVersion.TLSv1_1)


def url_of(probe, characters, run):
    """An address of exactly so many characters, counted as AWS would have it: with `wss`, whatever is spoken here."""
    url = f"{probe.target.urls['Sockets']}?run={run}&filler="
    return url + "x" * (characters - len("wss") - len(url[url.index("://") :]))


def test_H01_a_url_may_have_4096_characters(probe):
    run = new_run()
    probe.open_url(url_of(probe, 4096, run))
    assert set(probe.records.connect_event(run)["queryStringParameters"]) == {"run", "filler"}


def test_H01_a_longer_url_is_refused_and_no_handler_runs(probe):
    run = new_run()
    assert 400 <= probe.refused_url(url_of(probe, 4097, run)).status_code < 500
    probe.open().still_works()
    assert probe.records.of(run) == []


def test_H02_no_byte_of_the_answer_leaves_before_the_handler_returns(probe):
    run, go_on = new_run(), new_run()
    wire = probe.wire()
    wire.ask_for_upgrade(query_of(probe, do=[{"wait_for": go_on}], run=run))
    probe.records.connect_event(run)
    assert wire.nothing_to_read()
    probe.records.put(go_on)
    assert wire.answer().status == 101


@pytest.mark.parametrize("status", [200, 201, 204])
def test_H03_any_2xx_of_the_handler_opens_the_connection(probe, status):
    socket = probe.open(do=[{"return": {"statusCode": status}}])
    assert socket.client.response.status_code == 101
    socket.still_works()


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 429, 501, 503])
def test_H04_a_status_outside_2xx_is_the_status_of_the_handshake(probe, status):
    assert probe.refused(do=[{"return": {"statusCode": status, "body": "no"}}]).status_code == status


def test_H05_a_handler_that_raises_is_502(probe):
    assert probe.refused(do=[{"raise": "broken"}]).status_code == 502


def test_H05_a_handler_that_exceeds_its_own_timeout_is_502(probe):
    assert probe.refused("BriefConnect", do=[{"sleep_ms": 4000}]).status_code == 502


@pytest.mark.parametrize(
    "result", ["ok", 7, ["statusCode", 200], {"statusCode": "fine"}], ids=["text", "number", "list", "status no number"]
)
def test_H05_a_malformed_result_is_502(probe, result):
    assert probe.refused(do=[{"return": result}]).status_code == 502


def test_H06_a_function_that_lambda_refuses_to_invoke_is_500(probe):
    assert probe.refused("BlockedConnect").status_code == 500


def test_H07_a_handler_slower_than_the_integration_timeout_is_504(probe):
    go_on = new_run()
    assert probe.refused("HastyConnect", do=[{"wait_for": go_on}]).status_code == 504
    probe.records.put(go_on)


def test_H08_without_a_connect_route_every_client_is_let_in_and_has_an_id(probe):
    run = new_run()
    socket = probe.open("Bare", query={"run": run})
    socket.send({"service": {"do": "known"}, "run": run, "do": [{"return_event": True}]})
    connection_id = json.loads(socket.recv())["requestContext"]["connectionId"]
    assert re.fullmatch(r"[A-Za-z0-9_-]{15}=", connection_id)
    (only,) = probe.records.events(run)
    assert only["requestContext"]["eventType"] == "MESSAGE"


def test_H09_of_what_the_handler_returns_only_the_subprotocol_reaches_the_client(probe):
    returned = {
        "statusCode": 200,
        "headers": {"Set-Cookie": "a=b", "X-Custom": "seen", "Sec-WebSocket-Protocol": "chat.v1"},
        "multiValueHeaders": {"X-Many": ["seen"]},
        "body": "dropped",
    }
    wire = probe.wire()
    answer = wire.upgraded(query_of(probe, do=[{"return": returned}]), [("Sec-WebSocket-Protocol", "chat.v1")])
    assert answer["sec-websocket-protocol"] == "chat.v1"
    for name in ("set-cookie", "x-custom", "x-many"):
        assert answer.all(name) == []
    # Nothing of the body either: the first thing after the headers is the frame that was asked for.
    wire.send_frame(1, json.dumps({"action": "reply", "do": [{"return": {"statusCode": 200, "body": "x"}}]}).encode())
    assert wire.frame().payload == b"x"


def test_H10_the_gateway_negotiates_no_subprotocol_by_itself(probe):
    wire = probe.wire()
    answer = wire.upgraded(headers=[("Sec-WebSocket-Protocol", "chat.v1, chat.v2")])
    assert answer.all("sec-websocket-protocol") == []


@pytest.mark.parametrize("name", ["Sec-WebSocket-Protocol", "sec-websocket-protocol", "SEC-WEBSOCKET-PROTOCOL"])
def test_H10_the_handler_chooses_the_subprotocol_in_a_header_of_any_case(probe, name):
    returned = {"statusCode": 200, "headers": {name: "chat.v2"}}
    socket = probe.open(do=[{"return": returned}], subprotocols=["chat.v1", "chat.v2"])
    assert socket.client.subprotocol == "chat.v2"


def test_H11_what_the_client_offers_arrives_verbatim_as_one_string(probe):
    run = new_run()
    probe.wire().upgraded(f"?run={run}", [("Sec-WebSocket-Protocol", "chat.v1,  chat.v2 ,other")])
    event = probe.records.connect_event(run)
    assert event["headers"]["Sec-WebSocket-Protocol"] == "chat.v1,  chat.v2 ,other"


@pytest.mark.parametrize("stage", ["nowhere", ""], ids=["unknown", "missing"])
def test_H12_an_unknown_stage_is_403_and_no_handler_runs(probe, stage):
    run = new_run()
    base = probe.target.urls["Sockets"].removesuffix("probe")
    assert probe.refused_url(f"{base}{stage}?run={run}").status_code == 403
    probe.open().still_works()
    assert probe.records.of(run) == []


@pytest.mark.parametrize("path", ["", "/", "/below", "/below/deep"])
def test_H13_a_get_without_upgrade_is_426_and_no_handler_runs(probe, path):
    run = new_run()
    assert probe.request("GET", f"{path}?run={run}", api="Composite").status == 426
    probe.open("Composite").close()
    assert probe.records.of(run) == []


def test_H15_permessage_deflate_is_negotiated_with_a_stock_client(probe):
    socket = probe.open()
    assert socket.client.response.headers["Sec-WebSocket-Extensions"].startswith("permessage-deflate")
    text = "a long text that repeats itself, " * 200
    assert socket.ask("reply", {"return": {"statusCode": 200, "body": text}}, text=text) == text


def test_H15_a_client_that_does_not_offer_it_gets_plain_frames(probe):
    wire, _ = probe.upgraded()
    wire.send_frame(1, json.dumps({"action": "reply", "do": [{"return": {"statusCode": 200, "body": "x"}}]}).encode())
    frame = wire.frame()
    assert (frame.payload, frame.reserved) == (b"x", 0)


def test_H16_a_refusal_carries_the_headers_of_the_gateway(probe):
    headers = probe.refused(do=[{"return": {"statusCode": 401}}]).headers
    assert headers["content-type"] == "application/json"
    assert re.fullmatch(REQUEST_ID, headers["x-amz-apigw-id"])
    assert headers["x-amzn-requestid"]
