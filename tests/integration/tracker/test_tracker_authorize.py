import json
import time

import pytest
from botocore.exceptions import ClientError

from tracker import authorize, aws, token_secrets
from tracker.errors import ConfigurationError
from tracker.vendor_token import make_token

CURRENT, PREVIOUS = "c" * 43, "p" * 43
PARAMETER = "/vendor-tracker/vendor-token-secrets"
METHOD_ARN = "arn:aws:execute-api:us-east-1:123456789012:k3v9q2d7xa/primary/$connect"


def result(effect, principal_id, **context):
    return {
        "principalId": principal_id,
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [{"Action": "execute-api:Invoke", "Effect": effect, "Resource": METHOD_ARN}],
        },
        **({"context": context} if context else {}),
    }


VIEWER, REFUSED = result("Allow", "viewer"), result("Deny", "nobody")
VENDOR = result("Allow", "vendor/17", vendorId="17")


def token(vendor_id="17", secret=CURRENT, left_s=900):
    return make_token(vendor_id, expires_at_s=int(time.time()) + left_s, secret=secret.encode())


@pytest.fixture
def request_with(sample):
    """A REQUEST event with query parameters `token` and headers `Authorization`, none by default."""

    def build(*tokens, **headers):
        event = sample("websocket_authorizer")
        event["queryStringParameters"] = {"token": tokens[-1]} if tokens else {}
        event["multiValueQueryStringParameters"] = {"token": list(tokens)} if tokens else {}
        event["headers"] |= headers
        event["multiValueHeaders"] |= {name: [value] for name, value in headers.items()}
        return event

    return build


@pytest.fixture(autouse=True)
def secret_in_the_environment(environment, monkeypatch):
    monkeypatch.setenv("VENDOR_TOKEN_SECRETS", f"{CURRENT} {PREVIOUS}")


def test_A02_without_a_token_one_is_a_viewer(request_with, context):
    assert authorize.handler(request_with(), context()) == VIEWER


def test_A04_an_event_without_query_is_a_viewers_too(request_with, context):
    event = request_with()
    del event["multiValueQueryStringParameters"], event["queryStringParameters"]
    assert authorize.handler(event, context()) == VIEWER
    assert authorize.handler({**event, "multiValueQueryStringParameters": None}, context()) == VIEWER


def test_a_viewer_needs_no_secrets(request_with, context, monkeypatch):
    monkeypatch.delenv("VENDOR_TOKEN_SECRETS")
    assert authorize.handler(request_with(), context()) == VIEWER


def test_A05_a_good_token_makes_a_vendor(request_with, context):
    assert authorize.handler(request_with(token()), context()) == VENDOR


@pytest.mark.parametrize("name", ["Authorization", "authorization", "AUTHORIZATION"])
@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", "BEARER  "])
def test_a_token_may_come_as_a_header_whatever_its_case(request_with, context, name, scheme):
    """(E08)"""
    assert authorize.handler(request_with(**{name: scheme + token()}), context()) == VENDOR


def test_a_token_of_the_previous_secret_is_good_for_as_long_as_that_is_kept(request_with, context, monkeypatch):
    event = request_with(token(secret=PREVIOUS))
    assert authorize.handler(event, context()) == VENDOR
    monkeypatch.setenv("VENDOR_TOKEN_SECRETS", CURRENT)
    assert authorize.handler(event, context()) == REFUSED


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param("", id="empty"),
        pytest.param("x", id="malformed"),
        pytest.param(token(left_s=-1), id="expired"),
        pytest.param(token(left_s=25 * 3_600), id="for too long"),
        pytest.param(token(secret="x" * 43), id="forged"),
        pytest.param(token().replace(".17.", ".18."), id="of another vendor"),
        pytest.param("\x00\ud800\u2028" * 1_000, id="hostile"),
    ],
)
def test_A03_a_bad_token_is_denied_and_never_a_viewer(request_with, context, capsys, bad):
    assert authorize.handler(request_with(bad), context()) == REFUSED
    assert authorize.handler(request_with(Authorization=f"Bearer {bad}"), context()) == REFUSED
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [record["TokensRefused"] for record in records if "_aws" in record] == [[1.0], [1.0]]
    assert not bad or all(bad not in json.dumps(record, ensure_ascii=False) for record in records if len(bad) > 1)


@pytest.mark.parametrize("header", ["Basic dXNlcjpwYXNz", "Bearer", "", "Token x"])
def test_a_header_that_is_no_bearer_token_is_denied(request_with, context, header):
    assert authorize.handler(request_with(Authorization=header), context()) == REFUSED


def test_of_several_tokens_none_is_believed(request_with, context):
    good = token()
    assert authorize.handler(request_with(good, good), context()) == REFUSED
    assert authorize.handler(request_with(good, Authorization=f"Bearer {good}"), context()) == REFUSED
    assert authorize.handler(request_with(Authorization=good, authorization=good), context()) == REFUSED


def test_no_token_is_logged(request_with, context, capsys):
    good = token()
    for event in (request_with(good), request_with(good + "x")):
        authorize.handler(event, context())
    out = capsys.readouterr().out
    assert good.rsplit(".", 1)[1] not in out
    assert '"vendor_id":"17"' in out


@pytest.fixture
def parameter_store(dynamodb, monkeypatch):
    """moto's, with the parameter set."""
    monkeypatch.delenv("VENDOR_TOKEN_SECRETS")
    monkeypatch.setenv("VENDOR_TOKEN_SECRETS_PARAMETER", PARAMETER)
    token_secrets.forget_secrets()
    store = aws.client("ssm")
    store.put_parameter(Name=PARAMETER, Type="SecureString", Value=CURRENT)
    yield store
    token_secrets.forget_secrets()


def test_the_secrets_come_decrypted_from_parameter_store(parameter_store, request_with, context):
    assert authorize.handler(request_with(token()), context()) == VENDOR


def test_A03_without_the_parameter_a_vendor_is_an_error_and_a_viewer_is_let_in(parameter_store, request_with, context):
    parameter_store.delete_parameter(Name=PARAMETER)
    assert authorize.handler(request_with(), context()) == VIEWER
    with pytest.raises(ClientError, match="ParameterNotFound"):
        authorize.handler(request_with(token()), context())


def test_A03_a_secret_that_is_too_weak_lets_no_vendor_in(request_with, context, monkeypatch):
    monkeypatch.setenv("VENDOR_TOKEN_SECRETS", "secret")
    with pytest.raises(ConfigurationError, match="fewer than 32"):
        authorize.handler(request_with(token(secret="secret")), context())
