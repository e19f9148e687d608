from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from simulator.errors import InputError
from simulator.stack.place import Place
from simulator.stack.template_file import parse_template

PLACE = Place(Path("t.yaml"))


def parse(text: str) -> dict[str, Any]:
    return parse_template(text.encode(), PLACE)


@pytest.mark.parametrize(
    ("short", "long"),
    [
        pytest.param("!Ref A", {"Ref": "A"}, id="ref"),
        pytest.param("!GetAtt A.Arn", {"Fn::GetAtt": ["A", "Arn"]}, id="get-att"),
        pytest.param("!GetAtt [A, Arn]", {"Fn::GetAtt": ["A", "Arn"]}, id="get-att-list"),
        pytest.param("!GetAtt A.B.C", {"Fn::GetAtt": ["A", "B.C"]}, id="get-att-nested-attribute"),
        pytest.param("!Sub 'x-${A}'", {"Fn::Sub": "x-${A}"}, id="sub"),
        pytest.param("!Sub ['${a}', {a: !Ref B}]", {"Fn::Sub": ["${a}", {"a": {"Ref": "B"}}]}, id="sub-with-map"),
        pytest.param("!Join [',', [a, !Ref B]]", {"Fn::Join": [",", ["a", {"Ref": "B"}]]}, id="join-nested"),
        pytest.param("!If [C, !Ref A, !Ref B]", {"Fn::If": ["C", {"Ref": "A"}, {"Ref": "B"}]}, id="if"),
        pytest.param("!Condition C", {"Condition": "C"}, id="condition"),
        pytest.param("!Equals [a, b]", {"Fn::Equals": ["a", "b"]}, id="equals"),
        pytest.param("2010-09-09", "2010-09-09", id="a-date-is-a-text"),
        pytest.param("'012345678901'", "012345678901", id="account-id"),
        pytest.param("yes", True, id="yaml-1.1-truth"),
    ],
)
def test_values_come_out_in_long_form(short: str, long: object) -> None:
    assert parse(f"x: {short}\n") == {"x": long}


def test_short_and_long_form_and_json_say_the_same() -> None:
    yaml_text = "Resources:\n  A: {Type: T, Properties: {N: !Sub 'a-${B}'}}\n"
    json_text = '{"Resources": {"A": {"Type": "T", "Properties": {"N": {"Fn::Sub": "a-${B}"}}}}}'
    assert parse(yaml_text) == parse(json_text)


def test_aliases_and_merge_keys_are_understood() -> None:
    text = "base: &base {Runtime: python3.12}\nf: {<<: *base, Handler: a.b}\n"
    assert parse(text)["f"] == {"Runtime": "python3.12", "Handler": "a.b"}


def test_a_byte_order_mark_is_no_part_of_the_first_key() -> None:
    assert parse_template(b"\xef\xbb\xbfa: 1\n", PLACE) == {"a": 1}


BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{new}: &{new} [{','.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("a: [1, 2\nb: 3\n", "line 2", id="malformed-yaml-names-the-line"),
        pytest.param('{"a": 1,\n "b" 2}', "line 2", id="malformed-json-names-the-line"),
        pytest.param("a: 1\nb: 2\na: 3\n", "line 3: the key 'a' stands twice", id="key-twice"),
        pytest.param('{"a": 1, "a": 2}', "the key 'a' stands twice", id="json-key-twice"),
        pytest.param("a: !Rfe B\n", "!Rfe is not a CloudFormation function", id="unknown-function"),
        pytest.param("a: !!python/object/apply:os.system [id]\n", "line 1", id="python-object"),
        pytest.param("a: !!binary aGk=\n", "line 1", id="binary"),
        pytest.param("- a\n- b\n", "must be a mapping", id="a-list"),
        pytest.param("", "must be a mapping", id="empty"),
        pytest.param("just words", "must be a mapping", id="a-word"),
        pytest.param(BOMB, "aliases are expanded", id="alias-bomb"),
        pytest.param("a: &a [*a]\n", "recursive", id="alias-of-itself"),
        pytest.param("a: " + "[" * 300_000, "nested too deeply", id="deep"),
        pytest.param("[" * 300_000, "nested too deeply", id="deep-from-the-start"),
        pytest.param("{" * 300_000, "nested too deeply", id="deep-like-json"),
        pytest.param("? [a, b]\n: 1\n", "a key must be a plain value", id="list-as-key"),
    ],
)
def test_what_cannot_be_read_is_one_sentence_naming_file_and_spot(text: str, said: str) -> None:
    with pytest.raises(InputError) as refusal:
        parse(text)
    assert str(refusal.value).startswith("t.yaml: ")
    assert said in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_text_that_is_not_utf_8_names_the_line() -> None:
    with pytest.raises(InputError, match="line 2"):
        parse_template(b"a: 1\nb: \xff\n", PLACE)


def test_more_than_cloudformation_takes_is_refused() -> None:
    with pytest.raises(InputError, match="at most 1000000"):
        parse_template(b"a: " + b"x" * 1_000_000, PLACE)


def test_the_loader_leaves_no_mark_on_yaml_itself() -> None:
    # Before and after, not what is there: the translator, once imported, does leave its mark.
    before = dict(yaml.SafeLoader.yaml_constructors), dict(yaml.SafeLoader.yaml_multi_constructors)
    parse("a: !Ref B")
    assert (yaml.SafeLoader.yaml_constructors, yaml.SafeLoader.yaml_multi_constructors) == before
