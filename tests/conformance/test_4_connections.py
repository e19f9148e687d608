"""Section 4 of the contract: the @connections management API (C rows)."""

import contextlib
import json
import re
import threading
import time
from datetime import datetime
from urllib.parse import quote, urlsplit

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ReadTimeoutError

from harness.faults import fault
from harness.probe import new_run
from harness.wire import TEXT

UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
REQUEST_ID = r"[A-Za-z0-9_-]{15}="
NEVER_CONNECTED = "JC1dgf9yoAMCK-g="
MAX_BYTES = 131_072


def gone(probe, connection_id):
    """Whether a POST finds nobody."""
    return probe.connections("POST", quote(connection_id), b"x").status == 410


def test_C01_post_get_and_delete_below_the_stage_of_the_api(probe):
    socket = probe.open()
    path = quote(socket.id)
    assert probe.connections("POST", path, b"hello").status == 200
    assert socket.recv() == "hello"
    assert probe.connections("GET", path).status == 200
    assert probe.connections("DELETE", path).status == 204
    assert socket.closed_with()[0] == 1000


@pytest.mark.parametrize("at_sign", ["@", "%40"])
@pytest.mark.parametrize(
    "encode",
    [
        pytest.param(lambda text: text, id="raw"),
        pytest.param(lambda text: quote(text, safe=""), id="encoded"),
        pytest.param(lambda text: "".join(f"%{ord(char):02X}" for char in text), id="every character"),
        pytest.param(lambda text: text.removesuffix("=") + "%3d", id="lower-case digits"),
    ],
)
def test_C02_every_mix_of_raw_and_encoded_finds_the_connection(probe, at_sign, encode):
    socket = probe.open()
    answer = probe.request("POST", f"/{at_sign}connections/{encode(socket.id)}", b"hello", api="Sockets", signed=True)
    assert answer.status == 200
    assert socket.recv() == "hello"


def signed_for(probe, canonical_path, secret=None):
    """Headers of a POST of `hello` that is signed over exactly this canonical path."""
    frozen = probe.target.credentials()
    credentials = Credentials(frozen.access_key, secret or frozen.secret_key, frozen.token)
    request = AWSRequest("POST", "http" + probe.target.urls["Sockets"].removeprefix("ws"), data=b"hello")

    class Signer(SigV4Auth):
        def _normalize_url_path(self, _path):
            return canonical_path

    Signer(credentials, "execute-api", probe.target.region).add_auth(request)
    return [(name, value) for name, value in request.headers.items() if name.lower() != "host"]


def test_C03_the_signed_path_is_the_one_on_the_wire_encoded_once_more(verifying):
    socket = verifying.open()
    stage = urlsplit(verifying.target.urls["Sockets"]).path
    wanted = f"{stage}/%40connections/{quote(quote(socket.id, safe=''), safe='')}"
    path = f"/@connections/{quote(socket.id, safe='')}"
    good = verifying.request("POST", path, b"hello", api="Sockets", headers=signed_for(verifying, wanted))
    assert (good.status, socket.recv()) == (200, "hello")
    once = f"{stage}/%40connections/{quote(socket.id, safe='')}"
    refused = verifying.request("POST", path, b"hello", api="Sockets", headers=signed_for(verifying, once))
    assert refused.status == 403
    message = json.loads(refused.body)["message"]
    assert message.startswith("The request signature we calculated does not match the signature you provided.")
    assert f"POST\n{wanted}\n" in message


def test_C03_a_wrong_secret_is_403_and_boto3_is_right(verifying):
    socket = verifying.open()
    verifying.management().post_to_connection(ConnectionId=socket.id, Data=b"hello")
    assert socket.recv() == "hello"
    stage = urlsplit(verifying.target.urls["Sockets"]).path
    wanted = f"{stage}/%40connections/{quote(quote(socket.id, safe=''), safe='')}"
    headers = signed_for(verifying, wanted, secret="another")
    answer = verifying.request(
        "POST", f"/@connections/{quote(socket.id, safe='')}", b"hello", api="Sockets", headers=headers
    )
    assert answer.status == 403
    socket.still_works()


def test_C04_a_post_that_succeeds_is_200_with_no_body(probe):
    socket = probe.open()
    answer = probe.connections("POST", quote(socket.id), b"hello")
    assert socket.recv() == "hello"
    assert (answer.status, answer.body) == (200, b"")
    assert answer["content-type"] == "application/json"
    assert answer["content-length"] == "0"
    assert re.fullmatch(UUID, answer["x-amzn-requestid"])
    assert re.fullmatch(REQUEST_ID, answer["x-amz-apigw-id"])
    assert answer["x-amzn-trace-id"]


def test_C05_delete_is_204_and_closes_with_1000(probe):
    socket = probe.open()
    connection_id = socket.id
    answer = probe.connections("DELETE", quote(connection_id))
    assert (answer.status, answer.body) == (204, b"")
    assert answer.all("content-type") == []
    assert socket.closed_with() == (1000, "Connection Closed Normally")
    context = probe.records.disconnect_event(connection_id)["requestContext"]
    assert (context["disconnectStatusCode"], context["disconnectReason"]) == (1000, "Connection Closed Normally")


def test_C06_get_tells_who_is_connected_since_when(probe):
    socket = probe.open(user_agent_header="probe/1.0")
    event = probe.records.connect_event(socket.id)["requestContext"]
    answer = probe.connections("GET", quote(socket.id))
    assert (answer.status, answer["content-type"]) == (200, "application/json")
    said = json.loads(answer.body)
    assert set(said) == {"connectedAt", "identity", "lastActiveAt"}
    assert said["identity"] == {"sourceIp": event["identity"]["sourceIp"], "userAgent": "probe/1.0"}
    for name in ("connectedAt", "lastActiveAt"):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", said[name])
    assert datetime.fromisoformat(said["connectedAt"]).timestamp() * 1000 == event["connectedAt"]
    assert len(answer.body.splitlines()) > 1, "pretty-printed"


def test_C06_without_a_user_agent_it_is_null_and_boto3_leaves_it_out(probe):
    socket = probe.open(user_agent_header=None)
    assert json.loads(probe.connections("GET", quote(socket.id)).body)["identity"]["userAgent"] is None
    assert set(probe.management().get_connection(ConnectionId=socket.id)["Identity"]) == {"SourceIp"}


@pytest.mark.parametrize("direction", ["from the client", "to the client"])
def test_C07_traffic_in_either_direction_moves_the_last_activity(probe, direction):
    socket = probe.open()
    connection_id = socket.id
    management = probe.management()
    before = after = management.get_connection(ConnectionId=connection_id)
    # Milliseconds are all that is told: one message may be too quick to be seen moving them, many are not.
    for number in range(1, 21):
        if direction == "from the client":
            socket.tell("tell")
            probe.records.message_events(connection_id, at_least=number)
        else:
            management.post_to_connection(ConnectionId=connection_id, Data=b"x")
            socket.recv()
        after = management.get_connection(ConnectionId=connection_id)
        if after["LastActiveAt"] != before["LastActiveAt"]:
            break
    assert after["LastActiveAt"] > before["LastActiveAt"]
    assert after["ConnectedAt"] == before["ConnectedAt"]


@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
@pytest.mark.parametrize("who", ["closed", "never connected"])
def test_C08_nobody_there_is_410_with_the_reason_in_a_header(probe, method, who):
    connection_id = NEVER_CONNECTED
    if who == "closed":
        socket = probe.open()
        connection_id = socket.id
        socket.close()
        probe.records.disconnect_event(connection_id)
    answer = probe.connections(method, quote(connection_id), b"too late" if method == "POST" else b"")
    assert (answer.status, answer.body) == (410, b"")
    assert answer["x-amzn-errortype"] == "GoneException"


def test_C08_C09_boto3_raises_gone(probe):
    management = probe.management()
    with pytest.raises(management.exceptions.GoneException) as caught:
        management.post_to_connection(ConnectionId=NEVER_CONNECTED, Data=b"too late")
    assert caught.value.response["Error"] == {"Message": "", "Code": "GoneException"}


@pytest.mark.parametrize(
    "connection_id",
    [
        "WDGT8fY4joECJrQ=test",
        "ckopqwvih000001l63x2p8q5d",
        "7c9e6679-7425-40de-944b-e07fc1f90ae7",
        "bot_1",
        "JC1dgf9yoAMCK-gA",
    ],
    ids=["too long", "cuid", "uuid", "a name", "no equals sign"],
)
@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
def test_C10_a_malformed_id_is_400_and_not_410(probe, method, connection_id):
    answer = probe.connections(method, quote(connection_id, safe=""), b"x" if method == "POST" else b"")
    assert answer.status == 400
    assert json.loads(answer.body) == {"message": f"Invalid connectionId: {connection_id}"}
    assert answer["x-amzn-errortype"] == "BadRequestException"


def test_C10_boto3_does_not_take_it_for_gone(probe):
    management = probe.management()
    with pytest.raises(management.exceptions.ClientError) as caught:
        management.post_to_connection(ConnectionId="bot_1", Data=b"x")
    assert not isinstance(caught.value, management.exceptions.GoneException)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_C11_an_unsigned_call_is_403(verifying):
    socket = verifying.open()
    answer = verifying.connections("POST", quote(socket.id), b"hello", signed=False)
    assert (answer.status, json.loads(answer.body)) == (403, {"message": "Missing Authentication Token"})
    socket.still_works()


def test_C11_a_wrong_stage_is_403(probe):
    socket = probe.open()
    base = "http" + probe.target.urls["Sockets"].removeprefix("ws").removesuffix("probe")
    management = probe.target.client("apigatewaymanagementapi", f"{base}elsewhere")
    with pytest.raises(management.exceptions.ForbiddenException):
        management.post_to_connection(ConnectionId=socket.id, Data=b"hello")
    socket.still_works()


def test_C11_a_wrong_host_is_403(probe):
    socket = probe.open()
    parts = urlsplit("http" + probe.target.urls["Sockets"].removeprefix("ws"))
    with probe.wire() as wire:
        headers = [("Host", "nobody.execute-api.us-east-1.amazonaws.com"), ("Content-Length", "5")]
        answer = wire.request("POST", f"{parts.path}/@connections/{quote(socket.id)}", headers, b"hello")
    assert answer.status == 403
    socket.still_works()


@pytest.mark.parametrize("path", ["/@connections/", "/again/@connections/{id}", "/@connections/{id}/more"])
def test_C12_a_path_with_a_segment_too_many_or_too_few_names_what_was_not_found(probe, path):
    connection_id = quote(probe.open().id, safe="")
    answer = probe.request("POST", path.format(id=connection_id), b"x", api="Sockets", signed=True)
    assert answer.status in (403, 404)
    stage = urlsplit(probe.target.urls["Sockets"]).path.strip("/")
    message = json.loads(answer.body)["message"]
    assert message.startswith(f"No method found matching route {stage}/")
    assert message.endswith(" for http method POST")


def test_C13_128_kilobytes_are_one_message_and_a_byte_more_is_413(probe):
    socket = probe.open(max_size=None)
    management = probe.management()
    management.post_to_connection(ConnectionId=socket.id, Data=b"x" * MAX_BYTES)
    assert socket.recv() == "x" * MAX_BYTES
    answer = probe.connections("POST", quote(socket.id), b"x" * (MAX_BYTES + 1))
    assert answer.status == 413
    assert answer["x-amzn-errortype"] == "PayloadTooLargeException"
    with pytest.raises(management.exceptions.PayloadTooLargeException):
        management.post_to_connection(ConnectionId=socket.id, Data=b"x" * (MAX_BYTES + 1))
    socket.still_works()


def test_C14_a_client_that_does_not_read_is_429_for_itself_alone(probe):
    other = probe.open()
    _, connection_id = probe.upgraded()
    path = quote(connection_id)
    answers = [probe.connections("POST", path, b"x" * MAX_BYTES)]
    while answers[-1].status == 200 and len(answers) < 1000:
        answers.append(probe.connections("POST", path, b"x" * MAX_BYTES))
    assert (answers[-1].status, answers[-1]["x-amzn-errortype"]) == (429, "LimitExceededException")
    management = probe.management()
    with pytest.raises(management.exceptions.LimitExceededException):
        management.post_to_connection(ConnectionId=connection_id, Data=b"x")
    other.still_works()


def test_C15_a_connection_whose_connect_handler_runs_is_gone(probe):
    run, go_on = new_run(), new_run()
    url = probe.url(do=[{"wait_for": go_on}], run=run)
    wire = probe.wire()
    wire.ask_for_upgrade(url[url.index("?") :])
    connection_id = probe.records.connect_event(run)["requestContext"]["connectionId"]
    for method in ("POST", "GET"):
        assert probe.connections(method, quote(connection_id), b"x" if method == "POST" else b"").status == 410
    probe.records.put(go_on)
    assert wire.answer().status == 101
    assert probe.connections("POST", quote(connection_id), b"x").status == 200


def test_C15_a_greeting_comes_from_a_later_asynchronous_invocation(probe):
    connected = new_run()
    greeting = [{"wait_for": connected}, {"post": {"to": "self", "data": "welcome"}}]
    later = {"function": probe.target.function_name("direct"), "do": greeting}
    socket = probe.open(do=[{"invoke_later": later}])
    probe.records.put(connected)
    assert socket.recv() == "welcome"


def test_C16_connect_may_post_to_another_connection(probe):
    other = probe.open()
    newcomer = probe.open(do=[{"post": {"to": other.id, "data": "welcome them"}}])
    assert other.recv() == "welcome them"
    (posted,) = probe.records.wait(newcomer.id, "posted")
    assert posted["outcome"] == "sent"


def test_C17_a_post_that_races_a_close_is_sent_or_gone_and_nothing_else(probe):
    statuses = []

    def post(connection_id):
        statuses.append(probe.connections("POST", quote(connection_id), b"x").status)

    for _ in range(10):
        socket = probe.open()
        connection_id = socket.id
        posting = threading.Thread(target=post, args=[connection_id])
        posting.start()
        socket.close()
        posting.join()
        probe.records.disconnect_event(connection_id)
        assert gone(probe, connection_id)
    assert len(statuses) == 10
    assert set(statuses) <= {200, 410}


def test_C18_what_is_posted_arrives_as_one_text_frame(probe):
    wire, connection_id = probe.upgraded()
    probe.management().post_to_connection(ConnectionId=connection_id, Data="né €".encode())
    frame = wire.frame()
    assert (frame.opcode, frame.payload.decode()) == (TEXT, "né €")


def test_C19_an_empty_post_is_400(probe):
    socket = probe.open()
    assert probe.connections("POST", quote(socket.id), b"").status == 400
    socket.still_works()


# -- on order ----------------------------------------------------------------------------------------------------------


@pytest.mark.local_lever("needs a peer that vanishes without a word at the right moment")
def test_C20_a_post_to_a_half_open_peer_may_hang_until_the_caller_gives_up_and_others_do_not(probe):
    socket, other = probe.open(), probe.open()
    bounded = probe.target.session().client(
        "apigatewaymanagementapi",
        endpoint_url=probe.target.management_url(),
        config=Config(retries={"total_max_attempts": 1}, read_timeout=0.5),
    )
    attributes = {"hang_ms": 60_000}
    with contextlib.closing(bounded), fault(probe.target, "callback_hang", target=socket.id, attributes=attributes):
        with pytest.raises(ReadTimeoutError):
            bounded.post_to_connection(ConnectionId=socket.id, Data=b"lost")
        assert probe.connections("POST", quote(other.id), b"x").status == 200
        assert other.recv() == "x"
    socket.still_works()


@pytest.mark.local_lever("needs a peer that vanishes without a word at the right moment")
def test_C20_a_post_that_has_hung_fails_in_the_end(probe):
    socket = probe.open()
    with fault(probe.target, "callback_hang", target=socket.id, attributes={"hang_ms": 50, "status": 500}):
        began_s = time.monotonic()
        assert probe.connections("POST", quote(socket.id), b"lost").status == 500
        assert time.monotonic() - began_s >= 0.05
    socket.still_works()


@pytest.mark.local_lever("needs a close at the right moment")
@pytest.mark.parametrize(("answer", "status", "arrives"), [("ok", 200, False), ("gone", 410, True)])
def test_C17_a_post_that_races_a_close_may_be_answered_wrongly(probe, answer, status, arrives):
    socket = probe.open()
    with fault(probe.target, "callback_race", target=socket.id, attributes={"answer": answer, "closes": False}):
        assert probe.connections("POST", quote(socket.id), b"x").status == status
    if arrives:
        assert socket.recv() == "x"
    socket.still_works()
