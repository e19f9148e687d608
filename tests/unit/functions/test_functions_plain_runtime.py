"""The stand-ins for AWS's runtime classes behave as those do."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import pytest

from simulator.functions.plain_runtime import PLAIN, best_runtime

aws = best_runtime()
pytestmark = pytest.mark.skipif(aws is PLAIN, reason="awslambdaric is not installed here")

RESULTS: dict[str, Any] = {
    "F14 none": None,
    "object": {"a": [1, 2.5, True, None], "b": {"c": "d"}},
    "F14 decimal": {"n": Decimal("12345678901234567890.123456789")},
    "F14 whole decimal": [Decimal(7)],
    "F14 exponent": Decimal("1E+3"),
    "non-ascii": "é🚚",
    "text that looks like a number": ["1.5", "decimal:7"],
    "tuple": (1, 2),
    "F14 bytes as they are": b"raw",
}


@pytest.mark.parametrize("execution_env", ["AWS_Lambda_python3.11", "AWS_Lambda_python3.12"])
@pytest.mark.parametrize("result", RESULTS.values(), ids=RESULTS)
def test_F14_results_are_encoded_as_aws_encodes_them(
    result: Any, execution_env: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_EXECUTION_ENV", execution_env)
    assert PLAIN.marshaller().marshal_response(result) == aws.marshaller().marshal_response(result)


@pytest.mark.parametrize("number", [Decimal("NaN"), Decimal("-NaN"), math.nan])
def test_F14_nan_is_allowed(number: Any) -> None:
    assert PLAIN.marshaller().marshal_response([number]) == ("[NaN]", "application/json")


@pytest.mark.parametrize("result", [{1, 2}, object(), {"when": ...}], ids=["set", "object", "nested"])
def test_F13_what_is_not_json_is_a_marshal_error(result: Any) -> None:
    with pytest.raises(PLAIN.fault) as plain:
        PLAIN.marshaller().marshal_response(result)
    with pytest.raises(aws.fault) as theirs:
        aws.marshaller().marshal_response(result)
    assert plain.value.exception_type == theirs.value.exception_type == "Runtime.MarshalError"  # type: ignore[attr-defined]
    assert plain.value.msg.startswith("Unable to marshal response: ")  # type: ignore[attr-defined]
    assert theirs.value.msg.startswith("Unable to marshal response: ")  # type: ignore[attr-defined]


def test_F01_context_has_every_attribute_of_the_aws_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "f")
    arguments = ("r-1", None, None, 0, "arn", None)
    ours, theirs = PLAIN.context(*arguments), aws.context(*arguments)
    facts = [name for name in vars(theirs) if not name.startswith("_") and name != "identity"]
    assert {name: getattr(ours, name) for name in facts} == {name: getattr(theirs, name) for name in facts}
    assert ours.memory_limit_in_mb == "128"
    assert ours.identity.cognito_identity_id is theirs.identity.cognito_identity_id is None
    assert ours.get_remaining_time_in_millis() == theirs.get_remaining_time_in_millis() == 0
