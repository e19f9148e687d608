from __future__ import annotations

import base64
import json

import pytest

from simulator.functions.invoke_wire import (
    MAX_EVENT_BYTES,
    MAX_REQUEST_BYTES,
    Account,
    InvocationType,
    InvokeRequest,
    accepted_answer,
    check_payload,
    dry_run_answer,
    read_request,
    refusal_answer,
    result_answer,
)
from simulator.invocation import InvocationResult, InvokeRefusedError

ACCOUNT = Account("eu-west-1", "123456789012", {"greet"})
ARN = "arn:aws:lambda:eu-west-1:123456789012:function:greet"


def read(
    name: str = "greet", query: str = "", headers: dict[str, str] | None = None, body: bytes = b"{}"
) -> InvokeRequest:
    target = f"/2015-03-31/functions/{name}/invocations{query}"
    return read_request("POST", target, list((headers or {}).items()), body, ACCOUNT)


def refused(*args: object, **options: object) -> InvokeRefusedError:
    with pytest.raises(InvokeRefusedError) as error:
        read(*args, **options)  # type: ignore[arg-type]
    return error.value


def test_a_plain_request_is_synchronous_and_without_a_log() -> None:
    assert read(body=b"[1]") == InvokeRequest("greet", ARN, InvocationType.REQUEST_RESPONSE, b"[1]", False, None)


def test_no_payload_is_an_empty_object() -> None:
    assert read(body=b"").payload == b"{}"


@pytest.mark.parametrize(
    ("name", "query", "arn"),
    [
        pytest.param("greet", "", ARN, id="name"),
        pytest.param("greet", "?Qualifier=%24LATEST", f"{ARN}:$LATEST", id="name and qualifier"),
        pytest.param("greet:$LATEST", "", f"{ARN}:$LATEST", id="qualified name"),
        pytest.param("greet%3A%24LATEST", "?Qualifier=$LATEST", f"{ARN}:$LATEST", id="the same qualifier twice"),
        pytest.param(ARN, "", ARN, id="ARN"),
        pytest.param(ARN.replace(":", "%3A"), "", ARN, id="encoded ARN"),
        pytest.param(f"{ARN}:$LATEST", "", f"{ARN}:$LATEST", id="qualified ARN"),
        pytest.param("123456789012:function:greet", "", ARN, id="partial ARN"),
        pytest.param("function:greet", "", ARN, id="shorter partial ARN"),
    ],
)
def test_F03_F16_a_function_can_be_named_in_many_ways_and_its_arn_is_qualified_as_the_caller_did(
    name: str, query: str, arn: str
) -> None:
    request = read(name, query)
    assert (request.function, request.arn) == ("greet", arn)


@pytest.mark.parametrize(
    ("name", "query", "arn"),
    [
        pytest.param("absent", "", ARN.replace("greet", "absent"), id="no such function"),
        pytest.param("greet", "?Qualifier=7", f"{ARN}:7", id="no such version"),
        pytest.param("greet:live", "", f"{ARN}:live", id="no such alias"),
        pytest.param(ARN.replace("eu-west", "us-east"), "", ARN.replace("eu-west", "us-east"), id="other region"),
        pytest.param(
            "210987654321:function:greet", "", ARN.replace("123456789012", "210987654321"), id="other account"
        ),
    ],
)
def test_F16_unknown_functions(name: str, query: str, arn: str) -> None:
    error = refused(name, query)
    assert (error.status, error.error_type, str(error)) == (
        404,
        "ResourceNotFoundException",
        f"Function not found: {arn}",
    )


@pytest.mark.parametrize(
    ("name", "query", "headers", "error_type"),
    [
        pytest.param("a b", "", {}, "ValidationException", id="not a name"),
        pytest.param("greet:live", "?Qualifier=$LATEST", {}, "InvalidParameterValueException", id="two qualifiers"),
        pytest.param("greet", "", {"X-Amz-Invocation-Type": "Sync"}, "ValidationException", id="unknown type"),
        pytest.param("greet", "", {"X-Amz-Log-Type": "Head"}, "ValidationException", id="unknown log type"),
        pytest.param(
            "greet", "", {"X-Amz-Client-Context": "?"}, "InvalidRequestContentException", id="context not base64"
        ),
        pytest.param(
            "greet", "", {"X-Amz-Client-Context": "WzFd"}, "InvalidRequestContentException", id="context no object"
        ),
        pytest.param(
            "greet",
            "",
            {"X-Amz-Client-Context": base64.b64encode(b'{"a": "' + b"x" * 3_000 + b'"}').decode()},
            "InvalidRequestContentException",
            id="context too long",
        ),
    ],
)
def test_bad_requests(name: str, query: str, headers: dict[str, str], error_type: str) -> None:
    error = refused(name, query, headers)
    assert (error.status, error.error_type) == (400, error_type)


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", "/2015-03-31/functions/greet/invocations"),
        ("GET", "/2015-03-31/functions"),
        ("POST", "/2021-11-15/functions/greet/response-streaming-invocations"),
    ],
)
def test_other_operations_are_refused_by_name(method: str, target: str) -> None:
    with pytest.raises(InvokeRefusedError, match=f"{method} {target} is not simulated") as error:
        read_request(method, target, [], b"", ACCOUNT)
    assert error.value.status == 404


def test_F02_client_context_comes_in_ascii_and_with_synchronous_calls_only() -> None:
    context = base64.b64encode('{"custom": {"truck": "é🚚"}}'.encode()).decode()
    headers = {"x-amz-client-context": context}
    text = read(headers=headers).client_context
    assert text is not None
    assert text.isascii()
    assert json.loads(text) == {"custom": {"truck": "é🚚"}}
    assert read(headers=headers | {"X-Amz-Invocation-Type": "Event"}).client_context is None


def test_the_log_is_for_synchronous_calls_only() -> None:
    assert read(headers={"X-Amz-Log-Type": "Tail"}).with_log
    assert not read(headers={"X-Amz-Log-Type": "Tail", "X-Amz-Invocation-Type": "Event"}).with_log
    assert not read(headers={"X-Amz-Log-Type": "None"}).with_log


@pytest.mark.parametrize(
    ("kind", "limit"), [(InvocationType.REQUEST_RESPONSE, MAX_REQUEST_BYTES), (InvocationType.EVENT, MAX_EVENT_BYTES)]
)
def test_F15_payload_limits(kind: InvocationType, limit: int) -> None:
    check_payload(b'"' + b"x" * (limit - 2) + b'"', kind)
    with pytest.raises(InvokeRefusedError, match=f"Request must be smaller than {limit} bytes") as error:
        check_payload(b'"' + b"x" * (limit - 1) + b'"', kind)
    assert (error.value.status, error.value.error_type) == (413, "RequestTooLargeException")


@pytest.mark.parametrize("payload", [b"", b"{", b"\xff", b"[" * 100_000], ids=["empty", "open", "not UTF-8", "deep"])
def test_F16_payload_that_is_not_json(payload: bytes) -> None:
    with pytest.raises(InvokeRefusedError, match="Could not parse request body into json: ") as error:
        check_payload(payload, InvocationType.EVENT)
    assert (error.value.status, error.value.error_type) == (400, "InvalidRequestContentException")


def test_F11_answer_of_a_handler_that_raised() -> None:
    answer = result_answer(InvocationResult("r1", b'{"errorType": "E"}', "Unhandled", b"a log"))
    assert (answer.status, answer.body) == (200, b'{"errorType": "E"}')
    assert dict(answer.headers) == {
        "Content-Type": "application/json",
        "x-amzn-RequestId": "r1",
        "X-Amz-Executed-Version": "$LATEST",
        "X-Amz-Function-Error": "Unhandled",
        "X-Amz-Log-Result": base64.b64encode(b"a log").decode(),
    }


def test_answer_of_a_handler_that_returned_has_neither_error_nor_log() -> None:
    names = {name for name, _ in result_answer(InvocationResult("r1", b"1")).headers}
    assert names == {"Content-Type", "x-amzn-RequestId", "X-Amz-Executed-Version"}


def test_F17_answers_without_a_body() -> None:
    assert (accepted_answer("r").status, accepted_answer("r").body) == (202, b"")
    assert (dry_run_answer("r").status, dry_run_answer("r").body) == (204, b"")


@pytest.mark.parametrize(
    ("refusal", "body"),
    [
        pytest.param(
            InvokeRefusedError(429, "TooManyRequestsException", "Rate Exceeded.", reason="R"),
            {"Type": "User", "Reason": "R", "message": "Rate Exceeded."},
            id="throttled",
        ),
        pytest.param(
            InvokeRefusedError(404, "ResourceNotFoundException", "no"), {"Type": "User", "Message": "no"}, id="unknown"
        ),
        pytest.param(
            InvokeRefusedError(500, "ServiceException", "no"), {"Type": "Service", "Message": "no"}, id="our fault"
        ),
    ],
)
def test_F16_refusals_have_the_shape_that_the_sdks_read(refusal: InvokeRefusedError, body: dict[str, str]) -> None:
    answer = refusal_answer(refusal, "r1")
    assert answer.status == refusal.status
    assert json.loads(answer.body) == body
    assert dict(answer.headers)["x-amzn-ErrorType"] == refusal.error_type
