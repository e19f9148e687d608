"""Values and expressions are copied, measured, compared and parsed as by stock moto, on random values."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from moto.dynamodb.exceptions import MockValidationException
from moto.dynamodb.models.dynamo_type import DynamoType, Item
from moto.dynamodb.parsing.expressions import UpdateExpressionParser

from simulator.cloud.patches import PATCHES, apply_patches

MANY = settings(max_examples=150, deadline=None, derandomize=True)

NAMES = st.sampled_from(["a", "b", "ä", "a.b", "list"])
NUMBERS = st.sampled_from(["0", "-1", "10", "2.50", "1E3", "123456789012345678901234567890"])
TEXTS = st.sampled_from(["", "x", "€uro", "y" * 300])
BYTES = st.sampled_from(["", "YQ==", "/w=="])
SCALARS = st.one_of(
    TEXTS.map(lambda text: {"S": text}),
    NUMBERS.map(lambda number: {"N": number}),
    BYTES.map(lambda text: {"B": text}),
    st.booleans().map(lambda truth: {"BOOL": truth}),
    st.just({"NULL": True}),
    st.lists(TEXTS, min_size=1, max_size=3, unique=True).map(lambda texts: {"SS": texts}),
    st.lists(NUMBERS, min_size=1, max_size=3, unique=True).map(lambda numbers: {"NS": numbers}),
    st.lists(BYTES, min_size=1, max_size=3, unique=True).map(lambda texts: {"BS": texts}),
)
VALUES: st.SearchStrategy[dict[str, Any]] = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).map(lambda values: {"L": values}),
        st.dictionaries(NAMES, inner, max_size=4).map(lambda values: {"M": values}),
    ),
    max_leaves=12,
)


@pytest.fixture(scope="module")
def patched() -> Iterator[Any]:
    """Turns the patches on for a while."""

    def on() -> Any:
        return apply_patches(tuple(patch for patch in PATCHES if patch.module.startswith("dynamodb_")))

    return on


def seen(wire: dict[str, Any]) -> list[Any]:
    value = DynamoType(wire)
    item = Item(DynamoType({"S": "k"}), None, {"v": wire})
    copied = copy.deepcopy(value)
    return [
        value.size(),
        item.size(),
        value.cast_value,
        value.to_regular_json(),
        item.to_json(),
        copied == value,
        copied.to_regular_json(),
    ]


def parts_of(value: DynamoType) -> Iterator[int]:
    """The identities of what can be changed in place."""
    yield id(value)
    if isinstance(value.value, list | dict):
        yield id(value.value)
        for each in value.value.values() if isinstance(value.value, dict) else value.value:
            if isinstance(each, DynamoType):
                yield from parts_of(each)


@MANY
@given(wire=VALUES)
def test_a_value_is_what_it_is_to_stock_moto(patched: Any, wire: dict[str, Any]) -> None:
    stock = seen(wire)
    with patched():
        assert seen(wire) == stock


@MANY
@given(wire=VALUES)
def test_a_copy_shares_nothing_with_the_value(patched: Any, wire: dict[str, Any]) -> None:
    with patched():
        value = DynamoType(wire)
        assert set(parts_of(value)).isdisjoint(parts_of(copy.deepcopy(value)))


def test_a_value_that_is_twice_in_something_is_once_in_its_copy_too(patched: Any) -> None:
    with patched():
        value = DynamoType({"L": [{"S": "x"}]})
        first, second = copy.deepcopy([value, value])
        assert first is second
        assert first is not value


def test_a_projection_shares_no_list_of_attributes_with_its_item(patched: Any) -> None:
    item = Item(DynamoType({"S": "k"}), None, {"a": {"S": "x"}, "b": {"N": "1E3"}})
    with patched():
        projected = item.project([["b"], ["missing"]])
    assert {name: value.to_json() for name, value in projected.attrs.items()} == {"b": {"N": "1E3"}}
    projected.attrs["new"] = DynamoType({"S": "y"})
    assert set(item.attrs) == {"a", "b"}


def test_an_expression_is_parsed_once_and_stays_as_it_was_parsed(patched: Any) -> None:
    with patched():
        first = UpdateExpressionParser.make("SET a = :a REMOVE b[1], b[2]")
        own = copy.deepcopy(first)
        own.normalize()
        assert UpdateExpressionParser.make("SET a = :a REMOVE b[1], b[2]") is first
        assert [child.type for child in first.children] != [child.type for child in own.children]
        other = copy.deepcopy(first)
        assert all(child.parent is other for child in other.children)


@pytest.mark.parametrize("text", ["SET", "SET a =", "WRONG a"])
def test_a_wrong_expression_is_refused_each_time(patched: Any, text: str) -> None:
    with patched():
        for _ in range(2):
            with pytest.raises(MockValidationException):
                UpdateExpressionParser.make(text)
