"""Filter criteria on records, by table (Q23)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from simulator.errors import InputError
from simulator.triggers.filters import accepts, check_patterns


def record(body: Any = "text", **attributes: str) -> dict[str, Any]:
    return {
        "messageId": "m1",
        "body": body if isinstance(body, str) else json.dumps(body),
        "attributes": {"ApproximateReceiveCount": "1"},
        "messageAttributes": {
            name: {"stringValue": value, "stringListValues": [], "binaryListValues": [], "dataType": "String"}
            for name, value in attributes.items()
        },
    }


@pytest.mark.parametrize(
    ("rules", "value", "fits"),
    [
        pytest.param(["a"], "a", True, id="equal"),
        pytest.param(["a"], "A", False, id="case counts"),
        pytest.param(["a", "b"], "b", True, id="one of several"),
        pytest.param([""], "", True, id="empty"),
        pytest.param([None], None, True, id="null"),
        pytest.param([None], "", False, id="null is not empty"),
        pytest.param([1], 1.0, True, id="numbers by value"),
        pytest.param([1], "1", False, id="a number is no text"),
        pytest.param([1], True, False, id="true is not one"),
        pytest.param([True], True, True, id="true"),
        pytest.param([{"prefix": "ab"}], "abc", True, id="prefix"),
        pytest.param([{"prefix": "b"}], "abc", False, id="not its prefix"),
        pytest.param([{"prefix": "1"}], 12, False, id="prefix of a number"),
        pytest.param([{"suffix": "bc"}], "abc", True, id="suffix"),
        pytest.param([{"suffix": "b"}], "abc", False, id="not its suffix"),
        pytest.param([{"equals-ignore-case": "aBc"}], "AbC", True, id="case does not count"),
        pytest.param([{"prefix": {"equals-ignore-case": "AB"}}], "abc", True, id="prefix without case"),
        pytest.param([{"anything-but": ["a", "b"]}], "c", True, id="anything but two"),
        pytest.param([{"anything-but": ["a", "b"]}], "a", False, id="one of the two"),
        pytest.param([{"anything-but": "a"}], "b", True, id="anything but one"),
        pytest.param([{"anything-but": [1]}], 1, False, id="anything but a number"),
        pytest.param([{"anything-but": {"prefix": "a"}}], "abc", False, id="anything but a prefix"),
        pytest.param([{"anything-but": {"prefix": ["a", "x"]}}], "bc", True, id="anything but two prefixes"),
        pytest.param([{"numeric": ["=", 5]}], 5, True, id="numeric equal"),
        pytest.param([{"numeric": [">", 0, "<=", 5]}], 5, True, id="in a range"),
        pytest.param([{"numeric": [">", 0, "<=", 5]}], 5.1, False, id="above a range"),
        pytest.param([{"numeric": [">=", 0]}], "5", False, id="numeric on text"),
        pytest.param([{"numeric": ["<", 5]}], True, False, id="numeric on true"),
        pytest.param([{"exists": True}], 0, True, id="exists"),
        pytest.param([{"exists": False}], 0, False, id="exists but should not"),
        pytest.param([{"exists": True}], {"x": 1}, False, id="only leaves exist"),
        pytest.param(["a"], ["b", "a"], True, id="an element of a list"),
        pytest.param(["a"], ["b"], False, id="no element of a list"),
        pytest.param(["a"], [], False, id="an empty list"),
        pytest.param(["a"], {"a": 1}, False, id="an object is no leaf"),
    ],
)
def test_Q23_rules_on_a_leaf(rules: list[Any], value: Any, fits: bool) -> None:
    pattern = {"body": {"k": rules}}
    check_patterns([pattern], "here")
    assert accepts([pattern], record({"k": value})) is fits


@pytest.mark.parametrize(
    ("pattern", "body", "fits"),
    [
        pytest.param({"k": [{"exists": False}]}, {}, True, id="absent and should be"),
        pytest.param({"k": [{"exists": True}]}, {}, False, id="absent"),
        pytest.param({"k": [{"anything-but": "a"}]}, {}, False, id="what is absent is not anything else"),
        pytest.param({"k": [None]}, {}, False, id="what is absent is not null"),
        pytest.param({"a": {"b": [1]}}, {"a": {"b": 1}}, True, id="nested"),
        pytest.param({"a": {"b": [1]}}, {"a": 1}, False, id="nested in a leaf"),
        pytest.param({"a": {"b": [1]}}, {}, False, id="nested in nothing"),
        pytest.param({"a": {"b": [{"exists": False}]}}, {}, True, id="absent in nothing"),
        pytest.param({"a": {"b": [1]}}, {"a": [{"b": 0}, {"b": 1}]}, True, id="nested in an element of a list"),
        pytest.param({"a": [1], "b": [2]}, {"a": 1, "b": 2}, True, id="all fields"),
        pytest.param({"a": [1], "b": [2]}, {"a": 1, "b": 3}, False, id="not all fields"),
        pytest.param({"$or": [{"a": [1]}, {"b": [2]}]}, {"a": 0, "b": 2}, True, id="either field"),
        pytest.param({"$or": [{"a": [1]}, {"b": [2]}]}, {"a": 0, "b": 0}, False, id="neither field"),
    ],
)
def test_Q23_fields_of_a_json_body(pattern: dict[str, Any], body: dict[str, Any], fits: bool) -> None:
    check_patterns([{"body": pattern}], "here")
    assert accepts([{"body": pattern}], record(body)) is fits


@pytest.mark.parametrize(
    ("pattern", "body", "fits"),
    [
        pytest.param({"body": ["Hello"]}, "Hello", True, id="text for a text pattern"),
        pytest.param({"body": [{"prefix": "Result: "}]}, "Result: 5", True, id="text with a prefix"),
        pytest.param({"body": ["Hello"]}, "Goodbye", False, id="another text"),
        pytest.param({"body": {"k": [1]}}, "Hello", False, id="text for a JSON pattern is dropped"),
        pytest.param({"body": {"k": [{"exists": False}]}}, "Hello", False, id="even when it lacks the field"),
        pytest.param({"body": ['{"k":1}']}, '{"k":1}', False, id="JSON for a text pattern is dropped"),
        pytest.param({"body": [{"anything-but": "x"}]}, "[1]", False, id="an array for a text pattern is dropped"),
        pytest.param({"body": {"k": [1]}}, "[" * 100_000, False, id="nested beyond reading"),
        pytest.param({"attributes": {"ApproximateReceiveCount": ["1"]}}, "Hello", True, id="text, no body pattern"),
        pytest.param({"attributes": {"ApproximateReceiveCount": ["1"]}}, '{"k":1}', True, id="JSON, no body pattern"),
        pytest.param({"$or": [{"body": ["Hello"]}, {"messageId": ["m2"]}]}, "Hello", True, id="body in an alternative"),
        pytest.param({"$or": [{"body": ["Hello"]}, {"messageId": ["m2"]}]}, "Bye", False, id="no alternative"),
        pytest.param({}, "Hello", True, id="no field at all"),
    ],
)
def test_Q23_kinds_of_body(pattern: dict[str, Any], body: str, fits: bool) -> None:
    assert accepts([pattern], record(body)) is fits


@pytest.mark.parametrize(("colour", "fits"), [("red", True), ("blue", False)])
def test_Q23_message_attributes(colour: str, fits: bool) -> None:
    pattern = {"messageAttributes": {"colour": {"stringValue": ["red"]}}}
    assert accepts([pattern], record(colour=colour)) is fits


def test_Q23_of_several_patterns_one_is_enough_and_without_any_all_pass() -> None:
    patterns = [{"body": {"k": [1]}}, {"body": {"k": [2]}}]
    assert [accepts(patterns, record({"k": k})) for k in (1, 2, 3)] == [True, True, False]
    assert accepts([], record())


def test_Q23_a_pattern_that_is_refused_names_the_trigger_and_the_spot() -> None:
    """What else is refused stands in the tests of `simulator.stack.filter_patterns`."""
    patterns = [{"body": {"k": [1]}}, {"body": {"k": [{"exists": "yes"}]}}]
    with pytest.raises(InputError) as caught:
        check_patterns(patterns, "here")
    assert str(caught.value) == (
        "here: Invalid filter pattern definition: $.body.k[0].exists must be true or false; correct it."
    )
