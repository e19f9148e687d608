"""Lambda REQUEST authorizers: who is asking, and what the authorizer's answer means. Pure.

Rows: A02 (`identity`), A03 and A06 (`read_answer`, `decide`), A05 (`stringified`); the same rules serve the
authorizers of HTTP APIs, whose answer may be `{"isAuthorized": …}` instead of a policy. The policy is evaluated as IAM
does it: an explicit Deny wins, no match denies. A `Condition` is not evaluated; rather than guess, the answer counts
as malformed, which is also what the log then says.

Sources: API Gateway Developer Guide, "Use API Gateway Lambda authorizers", "Output from an API Gateway Lambda
authorizer", "Control access to HTTP APIs with AWS Lambda authorizers"; IAM User Guide, "IAM JSON policy elements".
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from simulator.gateway.proxy_result import Failure
from simulator.http11 import Header
from simulator.stack.model import IdentitySource

MAX_ANSWER_BYTES = 8_192
"""An authorizer's answer may have this many (A06)."""

_VERSIONS = ("2012-10-17", "2008-10-17")
_STATEMENT_KEYS = {"Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition"}
_INVOKE = "execute-api:invoke"
_ARN_FIELDS = 6


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of a policy."""

    allows: bool
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    all_actions_but: bool = False
    """`NotAction`: the statement is about every action that is not in `actions`."""
    all_resources_but: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What an authorizer said, before it is held against a method: this is what an HTTP API keeps for a while."""

    principal_id: str
    context: Mapping[str, Any]
    statements: tuple[Statement, ...] = ()
    simple: bool | None = None
    """`isAuthorized` of a simple response; None when `statements` decide."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """The caller may go on."""

    principal_id: str
    context: Mapping[str, Any] = field(default_factory=dict)
    """What the authorizer passes on: strings for a WebSocket API (A05), any JSON for an HTTP API."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The caller is turned away."""

    status: int
    """401, 403 or 500 (A03)."""
    reason: str
    """Half a sentence for the log; the client is not told."""


Verdict = Allowed | Refused


def identity(
    sources: Iterable[IdentitySource],
    headers: Sequence[Header],
    query: Sequence[tuple[str, str]],
    stage_variables: Mapping[str, str],
    context: Mapping[str, Any],
) -> list[str] | None:
    """The values of all identity sources, in order; None when one is absent or empty: the answer is 401 (A02).

    Header names match in any case. What was sent several times is joined with commas. `context` is the event's
    `requestContext`; a source like `identity.sourceIp` looks deeper into it.
    """
    values: list[str] = []
    for source in sources:
        match source.kind:
            case "header":
                found = [text for name, text in headers if name.lower() == source.name.lower()]
            case "querystring":
                found = [text for name, text in query if name == source.name]
            case "stageVariables":
                found = [stage_variables.get(source.name, "")]
            case "context":
                found = [_from_context(context, source.name)]
        if not any(found):
            return None
        values.append(",".join(found))
    return values


def websocket_verdict(outcome: bytes | Failure, error_message: str | None, method_arn: str) -> Verdict:
    """What an authorizer on `$connect` decided; see `read_answer` for the arguments."""
    answer = read_answer(outcome, error_message)
    if isinstance(answer, Refused):
        return answer
    context = stringified(answer.context)
    return context if isinstance(context, Refused) else decide(answer, method_arn, context)


def read_answer(
    outcome: bytes | Failure, error_message: str | None, *, simple_responses: bool = False
) -> Answer | Refused:
    """The authorizer's answer, or the refusal when there is none that can be used (A03, A06).

    `outcome` is the invocation's payload or why there is none, `error_message` the `errorMessage` of the error object
    after `Failure.ERROR` (see `error_message_of`). Raising exactly "Unauthorized" gives 401; anything else 500.
    """
    if isinstance(outcome, Failure):
        if outcome is Failure.ERROR and error_message == "Unauthorized":
            return Refused(401, "the authorizer raised Unauthorized")
        return Refused(500, outcome.value)
    if len(outcome) > MAX_ANSWER_BYTES:
        return Refused(500, f"its answer has {len(outcome)} bytes and {MAX_ANSWER_BYTES} are allowed")
    try:
        document = json.loads(outcome, parse_constant=_no_such_number)
    except (ValueError, RecursionError):
        return Refused(500, "its answer is not JSON")
    try:
        return _simple_answer(document) if simple_responses else _policy_answer(document)
    except _MalformedError as malformed:
        return Refused(500, str(malformed))


def error_message_of(payload: bytes) -> str | None:
    """The `errorMessage` of a function's error object (F11), None when it has none."""
    try:
        error = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    message = error.get("errorMessage") if isinstance(error, dict) else None
    return message if isinstance(message, str) else None


def decide(answer: Answer, method_arn: str, context: Mapping[str, Any]) -> Verdict:
    """Hold an answer against the method that the caller wants; `context` is what an allowed caller takes along."""
    allowed = _permits(answer.statements, method_arn) if answer.simple is None else answer.simple
    if allowed:
        return Allowed(answer.principal_id, context)
    reason = "isAuthorized is not true" if answer.simple is not None else f"its policy does not allow {method_arn}"
    return Refused(403, reason)


def stringified(context: Mapping[str, Any]) -> dict[str, str] | Refused:
    """A context with every value as text (A05); refused when one is an object or an array.

    A null is left out (inferred).
    """
    result: dict[str, str] = {}
    for name, value in context.items():
        if isinstance(value, dict | list):
            return Refused(
                500, f"'{name}' of its context is an object or an array, and only simple values can be passed on"
            )
        if value is not None:
            result[name] = _as_text(value)
    return result


def matches(pattern: str, text: str) -> bool:
    """Whether a pattern of IAM (`*` any text, `?` any one character) matches the whole of `text`, case and all."""
    return _compiled(pattern).fullmatch(text) is not None


# -- inside ------------------------------------------------------------------------------------------------------------


class _MalformedError(Exception):
    """The answer cannot be understood; the text says why, as half a sentence."""


def _no_such_number(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _from_context(context: Mapping[str, Any], path: str) -> str:
    value: Any = context
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return "" if value is None or isinstance(value, dict | list) else _as_text(value)


def _context_of(document: Mapping[str, Any]) -> dict[str, Any]:
    context = document.get("context")
    if context is None:
        return {}
    if not isinstance(context, dict):
        raise _MalformedError("its context is not an object")
    return context


def _simple_answer(document: Any) -> Answer:
    if not isinstance(document, dict) or not isinstance(document.get("isAuthorized"), bool):
        raise _MalformedError("its answer lacks isAuthorized, true or false, as a simple response has it")
    return Answer("", _context_of(document), simple=document["isAuthorized"])


def _policy_answer(document: Any) -> Answer:
    if not isinstance(document, dict):
        raise _MalformedError("its answer is not an object with principalId and policyDocument")
    principal_id = document.get("principalId")
    if principal_id is None or isinstance(principal_id, bool | dict | list):
        raise _MalformedError("its answer has no principalId")
    policy = document.get("policyDocument")
    if not isinstance(policy, dict) or policy.get("Version", _VERSIONS[0]) not in _VERSIONS:
        raise _MalformedError("its answer has no policyDocument of a version that there is")
    statements = policy.get("Statement")
    if isinstance(statements, dict):
        statements = [statements]
    if not isinstance(statements, list) or not statements:
        raise _MalformedError("its policy has no Statement")
    return Answer(_as_text(principal_id), _context_of(document), tuple(map(_statement, statements)))


def _statement(statement: Any) -> Statement:
    if not isinstance(statement, dict) or statement.get("Effect") not in ("Allow", "Deny"):
        raise _MalformedError("a statement of its policy has no Effect, Allow or Deny")
    unknown = sorted(set(statement) - _STATEMENT_KEYS)
    if unknown:
        raise _MalformedError(f"a statement of its policy has the unknown element {unknown[0]}")
    if statement.get("Condition"):
        raise _MalformedError("a statement of its policy has a Condition, which is not simulated")
    actions, all_actions_but = _patterns(statement, "Action")
    resources, all_resources_but = _patterns(statement, "Resource")
    return Statement(
        allows=statement["Effect"] == "Allow",
        actions=tuple(action.lower() for action in actions),
        resources=tuple(map(_whole_arn, resources)),
        all_actions_but=all_actions_but,
        all_resources_but=all_resources_but,
    )


def _patterns(statement: Mapping[str, Any], element: str) -> tuple[list[str], bool]:
    """The patterns of `Action` or `NotAction` (or the same of Resource), and whether it was the latter."""
    given = [name for name in (element, f"Not{element}") if name in statement]
    if len(given) != 1:
        raise _MalformedError(f"a statement of its policy must have either {element} or Not{element}")
    patterns = statement[given[0]]
    if isinstance(patterns, str):
        patterns = [patterns]
    if not isinstance(patterns, list) or not patterns or not all(isinstance(pattern, str) for pattern in patterns):
        raise _MalformedError(f"{given[0]} of its policy is neither a text nor a list of texts")
    return patterns, given[0] != element


def _whole_arn(pattern: str) -> str:
    """IAM completes an ARN of fewer than six fields with wildcards."""
    missing = _ARN_FIELDS - len(pattern.split(":"))
    return pattern + ":*" * missing if pattern.startswith("arn:") and missing > 0 else pattern


def _permits(statements: Iterable[Statement], method_arn: str) -> bool:
    permitted = False
    for statement in statements:
        about_action = any(matches(pattern, _INVOKE) for pattern in statement.actions) != statement.all_actions_but
        about_arn = any(matches(pattern, method_arn) for pattern in statement.resources) != statement.all_resources_but
        if about_action and about_arn:
            if not statement.allows:
                return False
            permitted = True
    return permitted


def _compiled(pattern: str) -> re.Pattern[str]:
    """Each piece between two `*` is taken at its first chance and never reconsidered.

    That is enough to find a match when there is one, and keeps a hostile pattern from taking exponential time.
    """
    first, *rest = ("".join("." if each == "?" else re.escape(each) for each in piece) for piece in pattern.split("*"))
    if not rest:
        return re.compile(first, re.DOTALL)
    *middle, last = rest
    return re.compile(first + "".join(f"(?>.*?{piece})" for piece in middle) + ".*" + last, re.DOTALL)
