"""The syntax of filter patterns (Q23)."""

from __future__ import annotations

from typing import Any

import pytest

from simulator.stack.filter_patterns import PatternError, check_pattern


@pytest.mark.parametrize(
    "pattern",
    [
        pytest.param({"body": {"kind": ["move", "stop"]}}, id="one of two texts"),
        pytest.param({"a": [1, 1.5, True, None, ""]}, id="every simple value"),
        pytest.param({"a": [{"prefix": "x"}, {"suffix": "y"}]}, id="prefix, suffix"),
        pytest.param({"a": [{"prefix": {"equals-ignore-case": "x"}}]}, id="prefix without case"),
        pytest.param({"a": [{"equals-ignore-case": "x"}]}, id="text without case"),
        pytest.param({"a": [{"anything-but": "x"}]}, id="anything but a text"),
        pytest.param({"a": [{"anything-but": ["x", 5]}]}, id="anything but several"),
        pytest.param({"a": [{"anything-but": {"prefix": "x"}}]}, id="anything but a prefix"),
        pytest.param({"a": [{"anything-but": {"suffix": ["x", "y"]}}]}, id="anything but two suffixes"),
        pytest.param({"a": [{"numeric": ["=", 5]}]}, id="a number"),
        pytest.param({"a": [{"numeric": [">", -1, "<=", 2.5]}]}, id="a range"),
        pytest.param({"a": [{"exists": False}]}, id="absence"),
        pytest.param({"$or": [{"a": ["x"]}, {"b": {"c": [1]}}]}, id="or"),
        pytest.param({"body": {"$or": [{"a": ["x"]}, {"b": [1]}], "c": [2]}}, id="or beside others"),
    ],
)
def test_Q23_a_pattern_that_can_be_evaluated(pattern: Any) -> None:
    check_pattern(pattern)


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        pytest.param([], "$ must be an object", id="a list"),
        pytest.param({}, "$ is empty", id="nothing"),
        pytest.param({"body": {}}, "$.body is empty", id="nothing inside"),
        pytest.param({"a": "x"}, "$.a must be a list", id="a leaf that is no list"),
        pytest.param({"a": []}, "$.a is an empty list", id="an empty leaf"),
        pytest.param({"a": [["x"]]}, "$.a[0] must be a text", id="a list in a list"),
        pytest.param({"a": ["x", {}]}, "$.a[1] must be a text", id="an operator without a name"),
        pytest.param({"a": [{"prefix": "x", "suffix": "y"}]}, "one operator", id="two operators"),
        pytest.param({"a": [{"wildcard": "x*"}]}, "the operator 'wildcard'", id="an operator of EventBridge alone"),
        pytest.param({"a": [{"prefix": 5}]}, "$.a[0].prefix must be a text", id="prefix a number"),
        pytest.param({"a": [{"prefix": {"x": "y"}}]}, "$.a[0].prefix must be a text", id="prefix an object"),
        pytest.param({"a": [{"equals-ignore-case": None}]}, "must be a text", id="nothing without case"),
        pytest.param({"a": [{"anything-but": None}]}, "must be a text or a number", id="anything but null"),
        pytest.param({"a": [{"anything-but": []}]}, "must be a text or a number", id="anything but nothing"),
        pytest.param({"a": [{"anything-but": [True]}]}, "must be a text or a number", id="anything but true"),
        pytest.param({"a": [{"anything-but": {"numeric": [1]}}]}, "or one of prefix", id="anything but a range"),
        pytest.param({"a": [{"anything-but": {"prefix": [1]}}]}, "prefix must be a text", id="but a numeric prefix"),
        pytest.param({"a": [{"numeric": []}]}, "must be a list like", id="numeric of nothing"),
        pytest.param({"a": [{"numeric": "5"}]}, "must be a list like", id="numeric of a text"),
        pytest.param({"a": [{"numeric": ["=", "5"]}]}, "compare with numbers", id="numeric against a text"),
        pytest.param({"a": [{"numeric": ["=", True]}]}, "compare with numbers", id="numeric against a truth value"),
        pytest.param({"a": [{"numeric": ["=", float("nan")]}]}, "compare with numbers", id="not a number"),
        pytest.param({"a": [{"numeric": ["!=", 5]}]}, "must compare by", id="unknown comparison"),
        pytest.param({"a": [{"numeric": [["="], 5]}]}, "must compare by", id="comparison a list"),
        pytest.param({"a": [{"numeric": [">", 5, ">", 6]}]}, "must be a range", id="two lower bounds"),
        pytest.param({"a": [{"numeric": [">", 5, "<", 5]}]}, "must be a range", id="an empty range"),
        pytest.param({"a": [{"exists": "true"}]}, "must be true or false", id="exists a text"),
        pytest.param({"$or": [{"a": [1]}]}, "at least two", id="or of one"),
        pytest.param({"$or": {"a": [1]}}, "at least two", id="or an object"),
        pytest.param({"$or": [{"a": [1]}, 5]}, "$.$or[1] must be an object", id="or of a number"),
    ],
)
def test_Q23_a_pattern_that_aws_would_refuse(pattern: Any, said: str) -> None:
    with pytest.raises(PatternError) as refusal:
        check_pattern(pattern)
    assert said in str(refusal.value)


def test_Q23_a_pattern_without_end_is_refused() -> None:
    pattern: dict[str, Any] = {"a": [1]}
    for _ in range(10_000):
        pattern = {"a": pattern}
    with pytest.raises(PatternError, match="nested too deep"):
        check_pattern(pattern)
