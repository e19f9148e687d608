import json
from types import SimpleNamespace

import pytest

from tracker.logs import MAX_LOGGED_CHARS, MetricUnit, new_metrics, request_log

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


def test_metrics_are_one_line_that_cloudwatch_reads(capsys):
    metrics = new_metrics("send_vendor")
    metrics.add_metric("Deliveries", MetricUnit.Count, 3)
    metrics.flush_metrics()
    (line,) = records(capsys)
    assert line["Deliveries"] == [3.0]
    assert line["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "VendorTracker"
    assert line["service"] == "send_vendor"
