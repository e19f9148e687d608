from __future__ import annotations

import json

import pytest

from simulator.functions.log_text import (
    MAX_LINE_CHARS,
    MAX_MESSAGE_CHARS,
    LineSplitter,
    failure_entry,
    load_failure_sentence,
    printable,
)


def error(message: str, trace: list[str] | None = None) -> bytes:
    return json.dumps({"errorType": "ValueError", "errorMessage": message, "stackTrace": trace or []}).encode()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("plain é 漢 🚚", "plain é 漢 🚚", id="ordinary text stays"),
        pytest.param("a\tb", "a\tb", id="tab stays"),
        pytest.param("a\nb\rc", r"a\nb\rc", id="line breaks"),
        pytest.param("\x1b[2Jgone", r"\x1b[2Jgone", id="terminal escape"),
        pytest.param("\x00\x7f\x9b", r"\x00\x7f\x9b", id="control characters of both sets"),
        pytest.param("a\u2028b\u202ec", r"a\u2028b\u202ec", id="unicode line break and direction override"),
        pytest.param("\ud800", r"\ud800", id="half a surrogate pair"),
    ],
)
def test_control_characters_are_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_failure_entry_names_everything_and_shows_the_traceback_indented() -> None:
    entry = failure_entry(
        "send_vendor",
        "r-1",
        "route=$connect connectionId=c=",
        error("no", ['  File "app.py", line 3, in f\n    x()\n']),
    )
    assert entry == (
        "function=send_vendor requestId=r-1 route=$connect connectionId=c= ValueError: no\n"
        '      File "app.py", line 3, in f\n'
        "        x()"
    )


def test_hostile_message_and_origin_cannot_forge_a_log_line() -> None:
    entry = failure_entry("f", "r", "route=x\nERROR forged", error("m\r\nERROR forged \x1b[31m", ["t\x1b[0m"]))
    assert entry.splitlines() == [
        r"function=f requestId=r route=x\nERROR forged ValueError: m\r\nERROR forged \x1b[31m",
        r"    t\x1b[0m",
    ]


def test_long_messages_and_traces_are_shortened() -> None:
    entry = failure_entry("f", "r", "", error("m" * 5000, ["line"] * 500))
    lines = entry.splitlines()
    assert len(lines) == 102
    assert lines[0].endswith("m… (5000 characters)")
    assert len(lines[0]) < MAX_MESSAGE_CHARS + 100
    assert lines[1] == "    … 400 earlier lines"


@pytest.mark.parametrize(
    "payload", [b"", b"not json", b"[]", b"{}", b'{"stackTrace": 5}', b"\xff\xfe", b'{"errorMessage": {"a": 1}}']
)
def test_a_malformed_error_object_is_still_logged(payload: bytes) -> None:
    assert failure_entry("f", "r", "o", payload).startswith("function=f requestId=r o ")


def test_load_failure_names_function_handler_folder_and_error() -> None:
    assert load_failure_sentence("f", "app.go", "/code", error("No module named 'x'")) == (
        "Function f cannot be loaded (handler app.go in /code): ValueError: No module named 'x'. "
        "Correct the code; the next invocation loads it again."
    )


@pytest.mark.parametrize("piece", [1, 2, 3, 100], ids=lambda n: f"{n} bytes at a time")
def test_lines_are_the_same_however_the_stream_is_cut(piece: int) -> None:
    data = "one\ntwo é🚚\r\n[ERROR] x\rTraceback\r\u00a0\u00a0File\n\ntail".encode()
    splitter = LineSplitter()
    lines = [line for i in range(0, len(data), piece) for line in splitter.feed(data[i : i + piece])]
    assert [*lines, *splitter.end()] == ["one", "two é🚚", "[ERROR] x", "Traceback", "  File", "tail"]


def test_endless_line_arrives_in_bounded_pieces() -> None:
    splitter = LineSplitter()
    lines = [line for _ in range(3) for line in splitter.feed(b"x" * MAX_LINE_CHARS)]
    assert [len(line) for line in [*lines, *splitter.end()]] == [MAX_LINE_CHARS] * 3


def test_bytes_that_are_not_utf8_do_not_stop_the_log() -> None:
    assert list(LineSplitter().feed(b"a\xffb\n")) == ["a\ufffdb"]
