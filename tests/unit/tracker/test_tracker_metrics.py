import json
import time

from tracker.metrics import MAX_VALUES, Metrics


def test_an_invocation_is_one_line_that_cloudwatch_reads(capsys):
    before_ms = time.time_ns() // 1_000_000
    metrics = Metrics("send_vendor")
    metrics.count("Deliveries", 3)
    metrics.milliseconds("BroadcastLatency", 12.5)
    metrics.milliseconds("BroadcastLatency", 7.25)
    metrics.flush()
    (line,) = capsys.readouterr().out.splitlines()
    document = json.loads(line)
    assert before_ms <= document["_aws"].pop("Timestamp") <= time.time_ns() // 1_000_000
    assert document == {
        "_aws": {
            "CloudWatchMetrics": [
                {
                    "Namespace": "VendorTracker",
                    "Dimensions": [["service"]],
                    "Metrics": [
                        {"Name": "Deliveries", "Unit": "Count"},
                        {"Name": "BroadcastLatency", "Unit": "Milliseconds"},
                    ],
                }
            ]
        },
        "service": "send_vendor",
        "Deliveries": [3],
        "BroadcastLatency": [12.5, 7.25],
    }


def test_no_more_values_than_cloudwatch_takes(capsys):
    metrics = Metrics("send_vendor")
    for number in range(MAX_VALUES + 5):
        metrics.milliseconds("BroadcastLatency", number)
    metrics.flush()
    assert json.loads(capsys.readouterr().out)["BroadcastLatency"] == list(range(MAX_VALUES))


def test_what_was_flushed_is_not_written_again(capsys):
    metrics = Metrics("send_vendor")
    metrics.count("Deliveries", 3)
    metrics.flush()
    capsys.readouterr()
    metrics.flush()
    assert not capsys.readouterr().out
