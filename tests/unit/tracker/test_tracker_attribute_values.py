import json
import math
from decimal import Decimal

import pytest
from boto3.dynamodb.types import TypeDeserializer
from hypothesis import given, settings
from hypothesis import strategies as st

from tracker.attribute_values import LARGEST, from_wire, row_from_wire, row_to_wire, to_wire

NUMBERS = st.integers(-(10**37), 10**37) | st.floats(-1e100, 1e100).filter(lambda x: x == 0 or abs(x) > 1e-120)
VALUES = st.recursive(
    st.none() | st.booleans() | st.text() | NUMBERS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=6,
)


def as_decimals(value):
    """Numbers as boto3 gives them."""
    match value:
        case bool():
            return value
        case int() | float():
            return Decimal(repr(value))
        case list():
            return [as_decimals(item) for item in value]
        case dict():
            return {name: as_decimals(item) for name, item in value.items()}
    return value


@settings(max_examples=50, deadline=None)
@given(VALUES)
def test_json_values_survive_the_way_there_and_back(value):
    assert from_wire(to_wire(value)) == value


@settings(max_examples=50, deadline=None)
@given(VALUES)
def test_boto3_reads_what_is_written(value):
    assert TypeDeserializer().deserialize(to_wire(value)) == as_decimals(value)


@settings(deadline=None)
@given(st.floats(-180, 180))
def test_a_position_is_unchanged(degrees):
    assert from_wire(to_wire(degrees)) == (0 if abs(degrees) < 1e-130 else degrees)


@pytest.mark.parametrize(
    ("wire", "plain"),
    [
        ({"N": "1"}, 1),
        ({"N": "-122.4194"}, -122.4194),
        ({"N": "1E+2"}, 100.0),
        ({"SS": ["b", "a"]}, ["a", "b"]),
        ({"NS": ["2", "1.5"]}, [1.5, 2]),
        ({"B": b"\x00\xff"}, "AP8="),
        ({"BS": [b"b", b"a"]}, ["YQ==", "Yg=="]),
        ({"NULL": True}, None),
    ],
)
def test_every_type_becomes_a_json_value(wire, plain):
    assert from_wire(wire) == plain
    assert json.dumps(from_wire(wire))


def test_whole_rows():
    row = {"connectionId": "a=", "connectedAt": 1710277498112}
    wire = {"connectionId": {"S": "a="}, "connectedAt": {"N": "1710277498112"}}
    assert row_to_wire(row) == wire
    assert row_from_wire(wire) == row


@pytest.mark.parametrize(
    "value", [math.nan, math.inf, -math.inf, LARGEST * 10, 10**200, 10**400, 10**38 + 1, object(), {1, 2}, b"x"]
)
def test_what_dynamodb_cannot_hold_is_refused(value):
    with pytest.raises(ValueError, match=r"hold|attribute type"):
        to_wire(value)


@pytest.mark.parametrize("value", [10**38, -(10**125), 10**38 - 1])
def test_a_large_number_of_few_digits_is_held(value):
    assert from_wire(to_wire(value)) == value


@pytest.mark.parametrize("wire", [{}, {"S": "a", "N": "1"}, {"X": "a"}, {"N": "one"}])
def test_rubbish_is_refused(wire):
    with pytest.raises(ValueError, match=r"type|float"):
        from_wire(wire)
