"""Lambda's Invoke operation on the wire: what a request asks for, and what an answer looks like.

`POST /2015-03-31/functions/{FunctionName}/invocations`, in the REST-JSON shapes that the SDKs turn into results and
exceptions (F15 to F17). A function is named by its name, its ARN or a part of it, with or without `:$LATEST`.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import Enum
from http import HTTPStatus
from urllib.parse import parse_qs, unquote

from simulator.http11 import Header
from simulator.invocation import InvocationResult, InvokeRefusedError

MAX_REQUEST_BYTES = 6 * 1024 * 1024
"""A synchronous payload (F15)."""
MAX_EVENT_BYTES = 1024 * 1024
"""An asynchronous one (F15; it was 256 KB)."""
MAX_CLIENT_CONTEXT_BYTES = 3_583
LATEST = "$LATEST"

_PATH = re.compile(r"/2015-03-31/functions/([^/]+)/invocations/?")
_NAME = re.compile(
    r"(?:(?:arn:(?P<partition>aws[a-z-]*):lambda:(?P<region>[a-z0-9-]+):)?(?:(?P<account>\d{12}):)?function:)?"
    r"(?P<name>[A-Za-z0-9_-]{1,64})(?::(?P<qualifier>\$LATEST|[A-Za-z0-9_-]{1,128}))?"
)
_JSON: Header = ("Content-Type", "application/json")
_MESSAGE_KEY = {"ResourceNotFoundException": "Message", "ServiceException": "Message"}
"""Lambda's model spells the key this way for some errors, and `message` for the others."""


class InvocationType(Enum):
    """How a call is made."""

    REQUEST_RESPONSE = "RequestResponse"
    EVENT = "Event"
    DRY_RUN = "DryRun"


@dataclass(frozen=True, slots=True)
class Account:
    """Whose functions there are."""

    region: str
    account_id: str
    functions: Collection[str]
    """Their names."""


@dataclass(frozen=True, slots=True)
class InvokeRequest:
    """What one request asks for."""

    function: str
    arn: str
    """As the caller names it: qualified only if the caller did so (F03)."""
    kind: InvocationType
    payload: bytes
    with_log: bool
    client_context: str | None
    """In ASCII; for synchronous calls only (F02)."""


def read_request(method: str, target: str, headers: Iterable[Header], body: bytes, account: Account) -> InvokeRequest:
    """Understand a request, or raise `InvokeRefusedError` as Lambda refuses it; the payload is not looked at yet."""
    path, _, query = target.partition("?")
    found = _PATH.fullmatch(path)
    if found is None or method != "POST":
        raise InvokeRefusedError(
            HTTPStatus.NOT_FOUND,
            "UnknownOperationException",
            f"{method} {path} is not simulated; of Lambda's API only Invoke is.",
        )
    function, arn = _function(unquote(found[1]), parse_qs(query).get("Qualifier", [None])[-1], account)
    values = {name.lower(): value for name, value in headers}
    kind = InvocationType(
        _one_of(values.get("x-amz-invocation-type"), "invocationType", ("RequestResponse", "Event", "DryRun"))
    )
    log_type = _one_of(values.get("x-amz-log-type"), "logType", ("None", "Tail"))
    client_context = _client_context(values.get("x-amz-client-context"))
    synchronous = kind is InvocationType.REQUEST_RESPONSE
    return InvokeRequest(
        function,
        arn,
        kind,
        body or b"{}",
        with_log=synchronous and log_type == "Tail",
        client_context=client_context if synchronous else None,
    )


def check_payload(payload: bytes, kind: InvocationType) -> None:
    """Raise `InvokeRefusedError` for a payload that is too large or not JSON (F15, F16)."""
    limit = MAX_EVENT_BYTES if kind is InvocationType.EVENT else MAX_REQUEST_BYTES
    if len(payload) > limit:
        raise InvokeRefusedError(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            "RequestTooLargeException",
            f"Request must be smaller than {limit} bytes for the InvokeFunction operation",
        )
    try:
        json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise InvokeRefusedError(
            HTTPStatus.BAD_REQUEST,
            "InvalidRequestContentException",
            f"Could not parse request body into json: {error}",
        ) from error


def not_found(arn: str) -> InvokeRefusedError:
    """There is no such function (F16)."""
    return InvokeRefusedError(HTTPStatus.NOT_FOUND, "ResourceNotFoundException", f"Function not found: {arn}")


# -- answers -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP response."""

    status: int
    headers: tuple[Header, ...]
    body: bytes = b""


def result_answer(result: InvocationResult) -> Answer:
    """A handler came to an end, well or not: 200 either way (F11)."""
    headers = [_JSON, ("x-amzn-RequestId", result.request_id), ("X-Amz-Executed-Version", LATEST)]
    if result.function_error is not None:
        headers.append(("X-Amz-Function-Error", result.function_error))
    if result.log is not None:
        headers.append(("X-Amz-Log-Result", base64.b64encode(result.log).decode()))
    return Answer(HTTPStatus.OK, tuple(headers), result.payload)


def accepted_answer(request_id: str) -> Answer:
    """An asynchronous event is in the queue (F17)."""
    return Answer(HTTPStatus.ACCEPTED, (("x-amzn-RequestId", request_id),))


def dry_run_answer(request_id: str) -> Answer:
    """The function is there and may be called."""
    return Answer(HTTPStatus.NO_CONTENT, (("x-amzn-RequestId", request_id),))


def refusal_answer(refusal: InvokeRefusedError, request_id: str) -> Answer:
    """Lambda itself turned the call down."""
    body = {"Type": "User" if refusal.status < HTTPStatus.INTERNAL_SERVER_ERROR else "Service"}
    if refusal.reason is not None:
        body["Reason"] = refusal.reason
    body[_MESSAGE_KEY.get(refusal.error_type, "message")] = str(refusal)
    headers = (_JSON, ("x-amzn-RequestId", request_id), ("x-amzn-ErrorType", refusal.error_type))
    return Answer(refusal.status, headers, json.dumps(body).encode())


# -- parts of a request ------------------------------------------------------------------------------------------------


def _function(reference: str, qualifier: str | None, account: Account) -> tuple[str, str]:
    """The name, and the ARN as the caller gives it."""
    parts = _NAME.fullmatch(reference)
    if parts is None:
        raise _invalid("functionName", reference, f"satisfy regular expression pattern: {_NAME.pattern}")
    named = parts["qualifier"]
    if named is not None and qualifier is not None and named != qualifier:
        raise InvokeRefusedError(
            HTTPStatus.BAD_REQUEST,
            "InvalidParameterValueException",
            "The derived qualifier from the function name does not match the specified qualifier.",
        )
    region, account_id = parts["region"] or account.region, parts["account"] or account.account_id
    partition = parts["partition"] or _partition(account.region)
    qualifier = named or qualifier
    arn = f"arn:{partition}:lambda:{region}:{account_id}:function:{parts['name']}"
    if qualifier is not None:
        arn += f":{qualifier}"
    here = (region, account_id) == (account.region, account.account_id)
    if not here or parts["name"] not in account.functions or qualifier not in (None, LATEST):
        raise not_found(arn)
    return parts["name"], arn


def _partition(region: str) -> str:
    if region.startswith("cn-"):
        return "aws-cn"
    return "aws-us-gov" if region.startswith("us-gov-") else "aws"


def _one_of(value: str | None, name: str, allowed: tuple[str, ...]) -> str:
    """`value`, the first of `allowed` when it is absent."""
    if value is None:
        return allowed[0]
    if value not in allowed:
        raise _invalid(name, value, f"satisfy enum value set: [{', '.join(allowed)}]")
    return value


def _invalid(name: str, value: str, constraint: str) -> InvokeRefusedError:
    return InvokeRefusedError(
        HTTPStatus.BAD_REQUEST,
        "ValidationException",
        f"1 validation error detected: Value '{value}' at '{name}' failed to satisfy constraint: Member must "
        f"{constraint}",
    )


def _client_context(value: str | None) -> str | None:
    if value is None:
        return None
    try:
        context = json.loads(base64.b64decode(value, validate=True)) if len(value) <= MAX_CLIENT_CONTEXT_BYTES else None
    except (ValueError, RecursionError):
        context = None
    if not isinstance(context, dict):
        raise InvokeRefusedError(
            HTTPStatus.BAD_REQUEST,
            "InvalidRequestContentException",
            "Client context must be a valid Base64-encoded JSON object.",
        )
    return json.dumps(context)
