"""Strict SigV4 on callbacks (C03, C11): botocore's signatures pass, and every change to them fails."""

import dataclasses
from datetime import UTC, datetime

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from simulator.gateway.signatures import Signatures
from simulator.http11 import HttpRequest
from tracker.fanout.endpoint import CallbackEndpoint
from tracker.fanout.plan import Message
from tracker.fanout.requests import PostRequests

SECRETS = {"AKIDEXAMPLE": "wJalrXUtnFEMI", "AKIDOTHER": "other"}
PATH = "/primary/@connections/L0SM9cOFvHcCIhw%3D"
BODY = b'{"id":"1"}'
CALLBACKS = CallbackEndpoint.from_websocket_url("wss://127.0.0.1:8080/primary")
checker = Signatures(SECRETS, region="us-east-1", unsigned_message="Missing Authentication Token")


def signed(
    path=PATH,
    *,
    key="AKIDEXAMPLE",
    secret="wJalrXUtnFEMI",
    service="execute-api",
    region="us-east-1",
    token=None,
    **more,
):
    request = AWSRequest(method="POST", url=f"https://127.0.0.1:8080{path}", data=BODY, headers=more)
    SigV4Auth(Credentials(key, secret, token), service, region).add_auth(request)
    headers = [("Host", "127.0.0.1:8080"), *request.headers.items(), ("Content-Length", str(len(BODY)))]
    return HttpRequest("POST", path, tuple(headers), BODY, keep_alive=True, upgrade=False)


def with_header(request, name, value):
    rest = [header for header in request.headers if header[0].lower() != name.lower()]
    return dataclasses.replace(request, headers=(*rest, *([(name, value)] if value is not None else [])))


def signed_at_ms(request):
    moment = datetime.strptime(request.header("x-amz-date"), "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    return round(moment.timestamp() * 1000)


def fault(request, later_ms=0):
    found = checker.fault(request, signed_at_ms(request) + later_ms)
    return None if found is None else found.error_type


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(signed(), id="botocore's path"),
        pytest.param(signed("/primary/%40connections/L0SM9cOFvHcCIhw%3D"), id="the JavaScript SDK's path"),
        pytest.param(signed("/primary/@connections/L0SM9cOFvHcCIhw="), id="nothing encoded"),
        pytest.param(signed(token="session"), id="with a session token"),
        pytest.param(signed(**{"X-Custom": "  two   words "}), id="with another signed header"),
        pytest.param(signed(key="AKIDOTHER", secret="other"), id="with another key"),
    ],
)
def test_C03_a_good_signature_passes(request_):
    assert fault(request_) is None


def test_C03_signatures_of_two_days_and_two_keys_pass_in_turns():
    """A key is good for a day; it is not made anew for each request."""
    signers = [PostRequests(CALLBACKS, Credentials(key, secret), "us-east-1") for key, secret in SECRETS.items()]
    for day in (0, 1, 0):
        for signer in (*signers, *signers):
            now_s = 1_700_000_000 + day * 86_400
            head, _, body = signer.encode("L0SM9cOFvHcCIhw=", Message("vendor", BODY), now_s).partition(b"\r\n\r\n")
            lines = [line.partition(": ") for line in head.decode().split("\r\n")[1:]]
            headers = tuple((name, value) for name, _, value in lines)
            request = HttpRequest("POST", PATH, headers, body, keep_alive=True, upgrade=False)
            assert checker.fault(request, now_s * 1000) is None


def test_C03_a_mismatch_is_told_with_the_canonical_string_double_encoded():
    found = checker.fault(signed(secret="wrong"), signed_at_ms(signed()))
    assert found.error_type == "InvalidSignatureException"
    assert "The Canonical String for this request should have been" in found.message
    assert "/primary/%40connections/L0SM9cOFvHcCIhw%253D" in found.message


@pytest.mark.parametrize(
    ("changed", "error_type"),
    [
        pytest.param(dataclasses.replace(signed(), body=b"other"), "InvalidSignatureException", id="body"),
        pytest.param(dataclasses.replace(signed(), method="DELETE"), "InvalidSignatureException", id="method"),
        pytest.param(dataclasses.replace(signed(), target=PATH + "?a=1"), "InvalidSignatureException", id="query"),
        pytest.param(
            dataclasses.replace(signed(), target="/primary/@connections/M0SM9cOFvHcCIhw%3D"),
            "InvalidSignatureException",
            id="connection",
        ),
        pytest.param(with_header(signed(), "Host", "127.0.0.1:1"), "InvalidSignatureException", id="host"),
        pytest.param(signed(service="sqs"), "InvalidSignatureException", id="service"),
        pytest.param(signed(region="eu-west-1"), "InvalidSignatureException", id="region"),
        pytest.param(signed(key="AKIDNOBODY"), "UnrecognizedClientException", id="unknown key"),
        pytest.param(
            with_header(signed(), "Authorization", "Bearer x"), "IncompleteSignatureException", id="another scheme"
        ),
        pytest.param(
            with_header(signed(), "Authorization", None), "MissingAuthenticationTokenException", id="C11 unsigned"
        ),
        pytest.param(
            signed(**{"X-Amz-Content-SHA256": "0" * 64}), "InvalidSignatureException", id="hash of another body"
        ),
    ],
)
def test_C03_anything_changed_is_refused(changed, error_type):
    assert fault(changed) == error_type


@pytest.mark.parametrize(
    ("later_s", "error_type"),
    [(299, None), (-299, None), (301, "InvalidSignatureException"), (-301, "InvalidSignatureException")],
)
def test_C03_a_signature_is_good_for_five_minutes(later_s, error_type):
    assert fault(signed(), later_s * 1000) == error_type


@pytest.mark.parametrize("date", ["", "yesterday", "2024-03-12T21:04:58Z"])
def test_C03_a_date_that_is_none_is_refused(date):
    found = checker.fault(with_header(signed(), "X-Amz-Date", date), 0)
    assert found.error_type == "IncompleteSignatureException"
