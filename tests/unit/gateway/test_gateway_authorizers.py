"""What an authorizer's answer means (A02, A03, A05, A06)."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.gateway.authorizers import (
    MAX_ANSWER_BYTES,
    Allowed,
    Refused,
    decide,
    error_message_of,
    identity,
    matches,
    read_answer,
    stringified,
    websocket_verdict,
)
from simulator.gateway.proxy_result import Failure
from simulator.stack.model import IdentitySource

ARN = "arn:aws:execute-api:us-east-1:123456789012:k3v9q2d7xa/primary/$connect"
API = "arn:aws:execute-api:us-east-1:123456789012:k3v9q2d7xa"


def statement(effect="Allow", action="execute-api:Invoke", resource=ARN, **more):
    return {"Effect": effect, "Action": action, "Resource": resource, **more}


def answer(*statements, **more):
    policy = {"Version": "2012-10-17", "Statement": list(statements or [statement()])}
    return {"principalId": "vendor-17", "policyDocument": policy, **more}


def verdict(document):
    return websocket_verdict(json.dumps(document).encode(), None, ARN)


def status(document):
    result = verdict(document)
    return result.status if isinstance(result, Refused) else 200


# -- who is asking -----------------------------------------------------------------------------------------------------

TOKEN = IdentitySource("header", "Auth")
QUERY = IdentitySource("querystring", "token")


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        pytest.param([], [], id="none configured"),
        pytest.param([TOKEN], ["secret"], id="header in another case"),
        pytest.param([QUERY], ["q"], id="query"),
        pytest.param([IdentitySource("stageVariables", "colour")], ["blue"], id="stage variable"),
        pytest.param([IdentitySource("context", "stage")], ["primary"], id="context"),
        pytest.param([IdentitySource("context", "identity.sourceIp")], ["198.51.100.7"], id="deeper context"),
        pytest.param([IdentitySource("context", "connectedAt")], ["5"], id="a number of the context"),
        pytest.param([QUERY, TOKEN], ["q", "secret"], id="in the order of the configuration"),
        pytest.param([IdentitySource("header", "Many")], ["a,b"], id="sent twice"),
        pytest.param([IdentitySource("querystring", "many")], ["1,,2"], id="sent thrice, once empty"),
        pytest.param([IdentitySource("header", "Absent")], None, id="no such header"),
        pytest.param([IdentitySource("header", "Empty")], None, id="empty header"),
        pytest.param([IdentitySource("querystring", "Token")], None, id="query names have a case"),
        pytest.param([IdentitySource("querystring", "empty")], None, id="empty query value"),
        pytest.param([IdentitySource("stageVariables", "absent")], None, id="no such stage variable"),
        pytest.param([IdentitySource("context", "absent.deeper")], None, id="nothing there in the context"),
        pytest.param([IdentitySource("context", "identity")], None, id="an object is not a value"),
        pytest.param([TOKEN, IdentitySource("header", "Absent")], None, id="one of two is absent"),
    ],
)
def test_A02_every_identity_source_must_be_there(sources, expected):
    headers = [("aUTH", "secret"), ("Many", "a"), ("many", "b"), ("Empty", "")]
    query = [("token", "q"), ("empty", ""), ("many", "1"), ("many", ""), ("many", "2")]
    context = {"stage": "primary", "connectedAt": 5, "identity": {"sourceIp": "198.51.100.7"}}
    assert identity(sources, headers, query, {"colour": "blue"}, context) == expected


# -- what was answered -------------------------------------------------------------------------------------------------


def test_A05_allow_passes_principal_and_context_on_as_texts():
    context = {"text": "é", "yes": True, "no": False, "whole": 17, "part": 1.5, "nothing": None}
    assert verdict(answer(context=context)) == Allowed(
        "vendor-17", {"text": "é", "yes": "true", "no": "false", "whole": "17", "part": "1.5"}
    )


def test_A05_allow_without_context():
    assert verdict(answer()) == Allowed("vendor-17", {})


@pytest.mark.parametrize("value", [{}, [], {"deep": 1}, ["a"]], ids=repr)
def test_A05_an_object_or_array_in_the_context_makes_the_answer_invalid(value):
    refused = stringified({"fine": "x", "odd": value})
    assert isinstance(refused, Refused)
    assert refused.status == 500
    assert "'odd'" in refused.reason
    assert verdict(answer(context={"odd": value})) == refused


@pytest.mark.parametrize(
    ("outcome", "message", "expected"),
    [
        pytest.param(Failure.ERROR, "Unauthorized", 401, id="raised Unauthorized"),
        pytest.param(Failure.ERROR, "unauthorized", 500, id="raised it in another case"),
        pytest.param(Failure.ERROR, "Unauthorized.", 500, id="raised nearly that"),
        pytest.param(Failure.ERROR, None, 500, id="an error without a message"),
        pytest.param(Failure.TIMEOUT, None, 500, id="timeout"),
        pytest.param(Failure.REFUSED, None, 500, id="Lambda refused"),
        pytest.param(Failure.TIMEOUT, "Unauthorized", 500, id="a message that came too late"),
    ],
)
def test_A03_without_an_answer(outcome, message, expected):
    refused = websocket_verdict(outcome, message, ARN)
    assert isinstance(refused, Refused)
    assert refused.status == expected


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        pytest.param(answer(), 200, id="allow"),
        pytest.param(answer(statement("Deny")), 403, id="deny"),
        pytest.param(answer(statement(resource=f"{API}/other/*")), 403, id="allows something else"),
        pytest.param(answer(statement(), statement("Deny")), 403, id="an explicit deny wins"),
        pytest.param(answer(statement("Deny"), statement()), 403, id="in either order"),
        pytest.param(answer(statement("Deny", resource=f"{API}/other/*"), statement()), 200, id="deny elsewhere"),
        pytest.param(
            answer(statement("Deny", "execute-api:ManageConnections"), statement()), 200, id="deny other action"
        ),
        pytest.param(answer(statement(resource=[f"{API}/x", f"{API}/*/$connect"])), 200, id="one of several resources"),
        pytest.param(answer(statement(action=["s3:*", "execute-api:*"])), 200, id="one of several actions"),
        pytest.param(answer(statement(action="*")), 200, id="any action"),
        pytest.param(answer(statement(action="EXECUTE-API:invoke")), 200, id="actions have no case"),
        pytest.param(answer(statement(action="execute-api:Inv?ke")), 200, id="a wildcard in the action"),
        pytest.param(answer(statement(action="execute-api:ManageConnections")), 403, id="another action"),
        pytest.param(answer(statement(action="invoke")), 403, id="an action without service"),
        pytest.param(answer(statement(resource="*")), 200, id="any resource"),
        pytest.param(answer(statement(resource="arn:aws:execute-api")), 200, id="a short ARN is completed"),
        pytest.param(answer(statement(resource="arn:aws:execute-api:eu-west-1")), 403, id="completed, other region"),
        pytest.param(answer(statement(resource=ARN.upper())), 403, id="resources have a case"),
        pytest.param(answer(statement(resource="nonsense")), 403, id="a resource that is no ARN"),
        pytest.param(answer({"Effect": "Allow", "NotAction": "s3:*", "Resource": "*"}), 200, id="NotAction"),
        pytest.param(
            answer({"Effect": "Allow", "NotAction": "execute-api:*", "Resource": "*"}), 403, id="NotAction, ours"
        ),
        pytest.param(
            answer({"Effect": "Allow", "Action": "*", "NotResource": f"{API}/other/*"}),
            200,
            id="NotResource, elsewhere",
        ),
        pytest.param(
            answer({"Effect": "Allow", "Action": "*", "NotResource": [ARN, "x"]}), 403, id="NotResource, ours"
        ),
        pytest.param(answer(statement(Sid="One", Condition={})), 200, id="an empty condition says nothing"),
    ],
)
def test_A03_the_policy_decides(document, expected):
    assert status(document) == expected


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        pytest.param(None, "not an object", id="null"),
        pytest.param("Allow", "not an object", id="a text"),
        pytest.param([answer()], "not an object", id="a list"),
        pytest.param({"policyDocument": answer()["policyDocument"]}, "no principalId", id="no principalId"),
        pytest.param(answer(principalId=None), "no principalId", id="null principalId"),
        pytest.param(answer(principalId={"id": 1}), "no principalId", id="principalId an object"),
        pytest.param({"principalId": "me"}, "no policyDocument", id="no policy"),
        pytest.param(answer(policyDocument="{}"), "no policyDocument", id="policy as a text"),
        pytest.param(
            answer(policyDocument={"Version": "2020-01-01", "Statement": statement()}), "version", id="version"
        ),
        pytest.param(answer(policyDocument={"Version": "2012-10-17"}), "no Statement", id="no statement"),
        pytest.param(answer(policyDocument={"Statement": []}), "no Statement", id="empty statement"),
        pytest.param(answer("Allow"), "no Effect", id="a statement that is a text"),
        pytest.param(answer(statement("allow")), "no Effect", id="effect in lower case"),
        pytest.param(answer({"Effect": "Allow", "Resource": "*"}), "either Action or NotAction", id="no action"),
        pytest.param(answer({"Effect": "Allow", "Action": "*"}), "either Resource or NotResource", id="no resource"),
        pytest.param(answer(statement(NotAction="x")), "either Action or NotAction", id="both actions"),
        pytest.param(answer(statement(resource=[])), "Resource of its policy", id="empty list"),
        pytest.param(answer(statement(resource=[7])), "Resource of its policy", id="a number for an ARN"),
        pytest.param(answer(statement(action={"a": 1})), "Action of its policy", id="an object for an action"),
        pytest.param(answer(statement(Efect="x")), "unknown element Efect", id="unknown element"),
        pytest.param(
            answer(statement(Condition={"IpAddress": {}})), "Condition, which is not simulated", id="condition"
        ),
        pytest.param(answer(statement(), statement("Deny", Efect=1)), "unknown element", id="one good, one bad"),
        pytest.param(answer(context="x"), "context is not an object", id="context a text"),
    ],
)
def test_A03_an_answer_that_cannot_be_understood_is_500(document, reason):
    refused = verdict(document)
    assert isinstance(refused, Refused)
    assert refused.status == 500
    assert reason in refused.reason


@pytest.mark.parametrize("payload", [b"", b"{", b"\xff", b"[" * 5_000, b'{"principalId": NaN}', b"Unauthorized"])
def test_A03_an_answer_that_is_not_json_is_500(payload):
    assert websocket_verdict(payload, None, ARN) == Refused(500, "its answer is not JSON")


def test_A03_a_policy_may_be_one_statement_without_version_and_the_principal_a_number():
    assert verdict({"principalId": 17, "policyDocument": {"Statement": statement()}}) == Allowed("17", {})


def test_A06_an_answer_may_have_8_kb_and_no_more():
    def padded(size):
        payload = json.dumps(answer(context={"pad": ""})).encode()
        return payload.replace(b'"pad": ""', b'"pad": "' + b"x" * (size - len(payload)) + b'"')

    assert len(padded(MAX_ANSWER_BYTES)) == 8_192
    assert isinstance(websocket_verdict(padded(MAX_ANSWER_BYTES), None, ARN), Allowed)
    refused = websocket_verdict(padded(MAX_ANSWER_BYTES + 1), None, ARN)
    assert refused == Refused(500, "its answer has 8193 bytes and 8192 are allowed")


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (b'{"errorMessage": "Unauthorized", "errorType": "Exception"}', "Unauthorized"),
        (b'{"errorType": "Exception"}', None),
        (b'{"errorMessage": 7}', None),
        (b'"Unauthorized"', None),
        (b"{", None),
        (b"[" * 5_000, None),
    ],
)
def test_error_message_of(payload, expected):
    assert error_message_of(payload) == expected


# -- simple responses (HTTP APIs) --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        pytest.param({"isAuthorized": True}, 200, id="yes"),
        pytest.param({"isAuthorized": False}, 403, id="no"),
        pytest.param({"isAuthorized": "true"}, 500, id="a text"),
        pytest.param({}, 500, id="nothing"),
        pytest.param(answer(), 500, id="a policy"),
        pytest.param(True, 500, id="a bare truth"),
        pytest.param({"isAuthorized": True, "context": []}, 500, id="context a list"),
    ],
)
def test_a_simple_response_decides(document, expected):
    read = read_answer(json.dumps(document).encode(), None, simple_responses=True)
    decided = read if isinstance(read, Refused) else decide(read, ARN, read.context)
    assert (decided.status if isinstance(decided, Refused) else 200) == expected


def test_an_http_api_passes_the_context_on_as_it_is():
    context = {"number": 1, "list": ["a"], "map": {"b": None}}
    read = read_answer(json.dumps({"isAuthorized": True, "context": context}).encode(), None, simple_responses=True)
    assert not isinstance(read, Refused)
    assert decide(read, ARN, read.context) == Allowed("", context)


def test_one_answer_can_be_held_against_several_methods():
    read = read_answer(json.dumps(answer(statement(resource=f"{API}/primary/GET/*"))).encode(), None)
    assert not isinstance(read, Refused)
    assert isinstance(decide(read, f"{API}/primary/GET/vendors", {}), Allowed)
    assert isinstance(decide(read, f"{API}/primary/POST/vendors", {}), Refused)


# -- wildcards ---------------------------------------------------------------------------------------------------------


def matches_by_definition(pattern, text):
    """The definition, letter by letter: what is true of each pair of prefixes."""
    row = [True] + [False] * len(text)
    for wanted in pattern:
        before = row
        row = [wanted == "*" and before[0]]
        for index, letter in enumerate(text):
            if wanted == "*":
                row.append(before[index + 1] or row[index])
            else:
                row.append(before[index] and wanted in (letter, "?"))
    return row[-1]


@given(st.text("ab/*?.[\n", max_size=10), st.text("ab/.[\n", max_size=12))
def test_wildcards_match_as_defined(pattern, text):
    assert matches(pattern, text) == matches_by_definition(pattern, text)


@given(st.text(max_size=20), st.data())
def test_a_pattern_made_from_the_text_matches_it(text, data):
    pattern = ""
    for letter in text:
        pattern += data.draw(st.sampled_from(["", "*", "**"])) + data.draw(st.sampled_from([letter, "?"]))
    assert matches(pattern + data.draw(st.sampled_from(["", "*"])), text)


def test_a_hostile_pattern_takes_no_exponential_time():
    assert not matches("*a" * 2_000 + "b", "a" * 4_000)
