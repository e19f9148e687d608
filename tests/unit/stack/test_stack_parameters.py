from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from simulator.errors import InputError
from simulator.stack.parameters import parameter_values
from simulator.stack.place import Place

PLACE = Place(Path("t.yaml"))


@pytest.mark.parametrize(
    ("declaration", "given", "value"),
    [
        pytest.param({"Type": "String", "Default": "d"}, {}, "d", id="default"),
        pytest.param({"Type": "String", "Default": "d"}, {"P": "g"}, "g", id="override"),
        pytest.param({"Type": "String", "Default": ""}, {}, "", id="empty-default"),
        pytest.param({"Type": "Number", "Default": 5}, {}, "5", id="number"),
        pytest.param({"Type": "String", "Default": True}, {}, "true", id="truth-value"),
        pytest.param({"Type": "CommaDelimitedList", "Default": "a, b"}, {}, ["a", "b"], id="list"),
        pytest.param({"Type": "List<Number>", "Default": "1,2"}, {}, ["1", "2"], id="number-list"),
        pytest.param({"Type": "AWS::SSM::Parameter::Value<String>"}, {"P": "x"}, "x", id="looked-up-but-given"),
        pytest.param({"AllowedValues": [1, 2], "Default": 2}, {}, "2", id="allowed-number"),
        pytest.param({"AllowedPattern": "[a-z]+"}, {"P": "abc"}, "abc", id="pattern"),
    ],
)
def test_value(declaration: dict[str, Any], given: dict[str, str], value: object) -> None:
    values, _ = parameter_values({"P": declaration}, given, PLACE)
    assert values == {"P": value}


@pytest.mark.parametrize(
    ("declaration", "given", "said"),
    [
        pytest.param({"Type": "String"}, {}, "parameter P: has no default", id="no-value"),
        pytest.param({"Type": "String", "Default": "d"}, {"Q": "x"}, "no parameter 'Q' (it has P)", id="unknown"),
        pytest.param({"AllowedValues": ["a", "b"]}, {"P": "c"}, "must be one of a, b", id="not-allowed"),
        pytest.param({"AllowedPattern": "[a-z]+"}, {"P": "abc1"}, "must match [a-z]+", id="pattern-is-for-the-whole"),
        pytest.param({"AllowedPattern": "("}, {"P": "a"}, "is not a regular expression", id="bad-pattern"),
        pytest.param({"MinLength": 3}, {"P": "ab"}, "at least 3 characters", id="short"),
        pytest.param({"MaxLength": "3"}, {"P": "abcd"}, "at most 3 characters", id="long"),
        pytest.param({"Type": "Number", "MinValue": 2}, {"P": "1"}, "at least 2", id="low"),
        pytest.param({"Type": "Number", "MaxValue": 2}, {"P": "2.5"}, "at most 2", id="high"),
        pytest.param({"Type": "Number"}, {"P": "two"}, "must be a number", id="no-number"),
        pytest.param({"Type": "List<Number>"}, {"P": "1,x"}, "must be a number", id="no-number-in-list"),
        pytest.param({"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/a"}, {}, "looked up", id="ssm"),
        pytest.param({"MinLength": 3, "ConstraintDescription": "a word"}, {"P": "a"}, "(a word)", id="own-words"),
        pytest.param("String", {}, "must be a mapping", id="no-mapping"),
    ],
)
def test_refusal_names_the_parameter(declaration: Any, given: dict[str, str], said: str) -> None:
    with pytest.raises(InputError) as refusal:
        parameter_values({"P": declaration}, given, PLACE)
    assert said in str(refusal.value)
    assert "P" in str(refusal.value)


def test_an_override_without_any_parameters_says_so() -> None:
    with pytest.raises(InputError, match="it has none"):
        parameter_values({}, {"P": "x"}, PLACE)
