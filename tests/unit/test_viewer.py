import json

import pytest

from simulator.viewer import as_line

HOSTILE = {
    "terminal escape": "\x1b]0;owned\x07\x1b[2J",
    "line breaks of all kinds": "a\nb\r\nc\u2028d\u2029e\x85f",
    "direction override": "\u202egnp.exe",
    "delete and c1 controls": "\x7f\x9b2J",
    "half a surrogate pair": "\ud800",
    "not a number": "NaN",
    "number beyond all": "[1e999]",
    "number of many digits": "9" * 10_000,
    "deep nesting": "[" * 200_000,
    "empty": "",
    "two values": "1 2",
    "byte order mark": "\ufeff{}",
}


@pytest.mark.parametrize("frame", HOSTILE.values(), ids=HOSTILE)
def test_what_is_not_json_is_one_harmless_line_that_says_it_whole(frame):
    line = as_line(frame)
    assert all(" " <= character <= "~" for character in line)
    assert json.loads(line) == frame


@pytest.mark.parametrize(
    ("frame", "line"),
    [
        pytest.param('{ "a": [1, 2.5, null],\n "b": "é" }', '{"a":[1,2.5,null],"b":"\\u00e9"}', id="compact and ascii"),
        pytest.param(b'{"a": 1}', '{"a":1}', id="bytes"),
        pytest.param(b"\xff\x00", '"\\ufffd\\u0000"', id="bytes that are not text"),
        pytest.param('"\\u001b[2J"', '"\\u001b[2J"', id="escape inside json"),
        pytest.param('"\\ud800"', '"\\ud800"', id="half a surrogate pair inside json"),
    ],
)
def test_json_is_one_compact_line(frame, line):
    assert as_line(frame) == line


@pytest.mark.parametrize("frame", ["NaN", "-Infinity", '{"a": 1e999}'])
def test_every_line_is_json_to_others_than_python(frame):
    def refuse(name):
        raise AssertionError(name)

    json.loads(as_line(frame), parse_constant=refuse)
