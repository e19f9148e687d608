from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from simulator.errors import InputError
from simulator.stack.intrinsics import REMOVED, Resolver
from simulator.stack.place import Place

PLACE = Place(Path("t.yaml"), "resource R")
REFS = {"A": "alpha", "L": ["x", "y", "z"], "AWS::Region": "us-east-1", "Q": "https://sqs/q", "N": 5, "T": True}
MAPPINGS = {"M": {"one": {"size": 3, "list": ["p", "q"]}}}
CONDITIONS: dict[str, Any] = {
    "Yes": {"Fn::Equals": ["a", "a"]},
    "No": {"Fn::Equals": [{"Ref": "A"}, "beta"]},
    "Both": {"Fn::And": [{"Condition": "Yes"}, {"Condition": "No"}]},
    "Either": {"Fn::Or": [{"Condition": "No"}, {"Condition": "Yes"}]},
    "Not": {"Fn::Not": [{"Condition": "No"}]},
    "Number": {"Fn::Equals": [5, "5"]},
    "Lists": {"Fn::Equals": [{"Ref": "L"}, ["x", "y", "z"]]},
    "Circle": {"Fn::Not": [{"Condition": "Circle"}]},
    "Odd": "true",
    "Missing": {"Condition": "Nowhere"},
}


class KnownNames:
    def ref(self, name: str, place: Place) -> Any:
        if name == "Self":
            return RESOLVER.resolve({"Ref": "Self"}, place)
        if name not in REFS:
            raise place.error(f"refers to {name}")
        return REFS[name]

    def attribute(self, logical_id: str, attribute: str, place: Place) -> Any:
        return f"{logical_id}/{attribute}"


RESOLVER = Resolver(KnownNames(), CONDITIONS, MAPPINGS)
NO_VALUE = {"Ref": "AWS::NoValue"}


@pytest.mark.parametrize(
    ("value", "resolved"),
    [
        pytest.param("plain", "plain", id="plain"),
        pytest.param({"Ref": "A"}, "alpha", id="ref"),
        pytest.param({"Fn::GetAtt": ["F", "Arn"]}, "F/Arn", id="get-att"),
        pytest.param({"Fn::GetAtt": "F.Arn"}, "F/Arn", id="get-att-text"),
        pytest.param({"Fn::GetAtt": ["F", {"Ref": "A"}]}, "F/alpha", id="get-att-of-ref"),
        pytest.param({"Fn::Sub": "${A}-${AWS::Region}"}, "alpha-us-east-1", id="sub"),
        pytest.param({"Fn::Sub": "${F.Arn}"}, "F/Arn", id="sub-get-att"),
        pytest.param({"Fn::Sub": "${F.Some.Thing}"}, "F/Some.Thing", id="sub-get-att-of-dotted"),
        pytest.param({"Fn::Sub": "${!A} $A {A}"}, "${A} $A {A}", id="sub-literal"),
        pytest.param({"Fn::Sub": ["${a}/${A}", {"a": {"Ref": "A"}}]}, "alpha/alpha", id="sub-own-names"),
        pytest.param({"Fn::Sub": ["${A}", {"A": "mine"}]}, "mine", id="sub-own-name-first"),
        pytest.param({"Fn::Sub": "${N}${T}"}, "5true", id="sub-scalars"),
        pytest.param({"Fn::Join": ["-", ["a", {"Ref": "A"}, 1, True]]}, "a-alpha-1-true", id="join"),
        pytest.param({"Fn::Join": [",", {"Ref": "L"}]}, "x,y,z", id="join-of-list"),
        pytest.param({"Fn::Select": [1, {"Ref": "L"}]}, "y", id="select"),
        pytest.param({"Fn::Select": ["2", {"Fn::Split": ["/", {"Ref": "Q"}]}]}, "sqs", id="select-of-split"),
        pytest.param({"Fn::Split": ["|", "a|b|"]}, ["a", "b", ""], id="split"),
        pytest.param({"Fn::If": ["Yes", {"Ref": "A"}, {"Fn::ImportValue": "x"}]}, "alpha", id="if-resolves-one-side"),
        pytest.param({"Fn::If": ["No", 1, 2]}, 2, id="if-else"),
        pytest.param({"Fn::If": ["Both", 1, 2]}, 2, id="and"),
        pytest.param({"Fn::If": ["Either", 1, 2]}, 1, id="or"),
        pytest.param({"Fn::If": ["Not", 1, 2]}, 1, id="not"),
        pytest.param({"Fn::If": ["Number", 1, 2]}, 1, id="equals-compares-as-text"),
        pytest.param({"Fn::If": ["Lists", 1, 2]}, 1, id="equals-of-lists"),
        pytest.param({"Fn::FindInMap": ["M", "one", "size"]}, 3, id="find-in-map"),
        pytest.param({"Fn::FindInMap": ["M", {"Fn::Sub": "one"}, "list"]}, ["p", "q"], id="find-list-in-map"),
        pytest.param(NO_VALUE, REMOVED, id="no-value"),
        pytest.param({"a": NO_VALUE, "b": 1}, {"b": 1}, id="no-value-takes-its-key-along"),
        pytest.param([1, NO_VALUE, 2], [1, 2], id="no-value-leaves-the-list"),
        pytest.param({"a": [{"b": {"Ref": "A"}}]}, {"a": [{"b": "alpha"}]}, id="inside"),
        pytest.param({"Ref": "A", "other": 1}, {"Ref": "A", "other": 1}, id="two-keys-are-data"),
        pytest.param({"Condition": {"StringEquals": {}}}, {"Condition": {"StringEquals": {}}}, id="policy-condition"),
    ],
)
def test_value(value: object, resolved: object) -> None:
    assert RESOLVER.resolve(value, PLACE) == resolved


@pytest.mark.parametrize(
    ("value", "said"),
    [
        pytest.param({"Ref": "Nope"}, "refers to Nope", id="unknown-ref"),
        pytest.param({"Ref": ["A"]}, "Ref takes a name", id="ref-of-list"),
        pytest.param({"Fn::GetAtt": "F"}, "Fn::GetAtt takes a list of 2", id="get-att-without-attribute"),
        pytest.param({"Fn::Sub": 5}, "Fn::Sub takes a text", id="sub-of-number"),
        pytest.param({"Fn::Sub": "${}"}, "cannot put a value in the place of ${}", id="sub-of-nothing"),
        pytest.param({"Fn::Sub": "${L}"}, "needs a single value", id="sub-of-list"),
        pytest.param({"Fn::Sub": "${AWS::NoValue}"}, "cannot put a value", id="sub-of-no-value"),
        pytest.param({"Fn::Join": ["-"]}, "Fn::Join takes a list of 2", id="join-of-one"),
        pytest.param({"Fn::Join": ["-", "text"]}, "Fn::Join needs a list", id="join-of-text"),
        pytest.param({"Fn::Select": [3, {"Ref": "L"}]}, "entry 3 of a list of 3", id="select-too-far"),
        pytest.param({"Fn::Select": ["x", {"Ref": "L"}]}, "entry x", id="select-no-number"),
        pytest.param({"Fn::Split": ["", "ab"]}, "needs a separator", id="split-at-nothing"),
        pytest.param({"Fn::If": ["Nowhere", 1, 2]}, "uses the condition 'Nowhere'", id="unknown-condition"),
        pytest.param({"Fn::If": ["Missing", 1, 2]}, "condition Missing", id="condition-on-unknown"),
        pytest.param({"Fn::If": ["Circle", 1, 2]}, "refers to itself", id="condition-circle"),
        pytest.param({"Fn::If": ["Odd", 1, 2]}, "must be Fn::Equals", id="no-condition"),
        pytest.param({"Fn::FindInMap": ["M", "two", "size"]}, "M / two / size", id="not-in-map"),
        pytest.param({"Fn::ImportValue": "x"}, "no other stack here to import from", id="import-value"),
        pytest.param({"Fn::Transform": {"Name": "AWS::Include"}}, "includes other files", id="include"),
        pytest.param({"Fn::Cidr": ["10.0.0.0/8", 1]}, "Fn::Cidr, which the simulator does not", id="unsupported"),
        pytest.param({"Ref": "Self"}, "refers to itself", id="circle"),
    ],
)
def test_refusal_names_the_place(value: object, said: str) -> None:
    with pytest.raises(InputError) as refusal:
        RESOLVER.resolve(value, PLACE)
    assert str(refusal.value).startswith("t.yaml: ")
    assert said in str(refusal.value)
