import json
import logging
import sys
import time
from datetime import datetime
from types import SimpleNamespace

import pytest

from tracker.logs import MAX_LOGGED_CHARS, request_log

HOSTILE = ["line\nbreak", "\u2028", "\x1b[2J", '"}\n{"level":"FAKE"}', "%s %d", "{x}", "\ud800", "🌮", "\x00"]


def records(capsys):
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_record_carries_the_request_and_what_was_bound(capsys):
    log = request_log(SimpleNamespace(aws_request_id="r-1"), connection_id="c-1").bind(update_id="17")
    log.info("done", count=2)
    (record,) = records(capsys)
    expected = {"level": "INFO", "message": "done", "request_id": "r-1", "connection_id": "c-1", "update_id": "17"}
    assert record.items() >= {**expected, "count": 2, "service": "vendor-tracker"}.items()
    assert record["location"].startswith("test_a_record_carries")


def test_two_invocations_in_one_process_do_not_see_each_others_keys(capsys):
    first, second = request_log(None, connection_id="a"), request_log(None)
    first.warning("x")
    second.warning("y")
    assert "connection_id" not in records(capsys)[1]


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_hostile_text_stays_inside_one_line_of_ascii(capsys, text):
    request_log(None, connection_id=text).error("x", text=text)
    out = capsys.readouterr().out
    assert out.isascii()
    assert out.endswith("\n")
    assert len(out.splitlines()) == 1
    assert json.loads(out)["text"] == text


def test_long_text_is_cut(capsys):
    request_log(None).info("x", text="a" * 5_000)
    assert len(records(capsys)[0]["text"]) == MAX_LOGGED_CHARS


def test_an_error_carries_the_traceback_when_there_is_one(capsys):
    try:
        int("boom")
    except ValueError:
        request_log(None).error("failed")
    request_log(None).error("no exception here")
    first, second = records(capsys)
    assert "ValueError: invalid literal" in first["exception"]
    assert "exception" not in second


@pytest.mark.parametrize("key", ["name", "args", "module", "exc_info"])
def test_a_key_may_have_a_name_that_the_standard_library_uses(capsys, key):
    request_log(None).info("x", **{key: "y"})
    assert records(capsys)[0][key] == "y"


def test_a_timestamp_says_when_in_utc(capsys):
    before_ms = time.time_ns() // 1_000_000
    request_log(None).info("x")
    (record,) = records(capsys)
    assert record["timestamp"].endswith("Z")
    logged_ms = datetime.fromisoformat(record["timestamp"]).timestamp() * 1_000
    assert before_ms <= round(logged_ms) <= time.time_ns() // 1_000_000


def test_lambdas_own_handler_does_not_write_records_once_more(capsys):
    """The runtime has one at the root logger."""
    handler = logging.StreamHandler(sys.stdout)
    logging.getLogger().addHandler(handler)
    try:
        request_log(None).info("x")
    finally:
        logging.getLogger().removeHandler(handler)
    assert len(records(capsys)) == 1
