"""`tracker-sim run --target`: the same scenario on a stack that runs already."""

import json

import pytest

SCENARIO = """\
question = "Does what is published reach everybody?"
seed = 7
[vendors]
source = "made"
count = 4
ping_interval_s = 0.5
[subscribers]
count = 5
[run]
duration_s = 3
[expect]
run = ["invocations.errors == 0"]
"""


@pytest.fixture
def scenario(tmp_path):
    file = tmp_path / "anywhere.toml"
    file.write_text(SCENARIO)
    return file


def test_the_stack_that_up_tells_of_is_loaded_and_goes_on(sim, up, scenario, tmp_path):
    running, endpoints = up()
    file = tmp_path / "up.json"
    file.write_text(json.dumps(endpoints))
    verdicts = [json.loads(sim("run", scenario, "--target", file, "--json", "-").stdout) for _ in range(2)]
    assert [verdict["failures"] for verdict in verdicts] == [[], []]
    assert all(verdict["deliveries"]["received"] == verdict["updates"]["published"] * 5 for verdict in verdicts)
    assert all(verdict["invocations"]["total"] > 0 for verdict in verdicts)
    assert running.process.poll() is None


def test_outputs_of_a_deployed_stack_are_enough_and_what_they_do_not_tell_is_unknown(sim, up, scenario, tmp_path):
    _, endpoints = up()
    queue = next(url for name, url in endpoints["queue_urls"].items() if not name.endswith("dead-letters"))
    outputs = {"WebSocketUrl": endpoints["websocket_url"], "VendorQueueUrl": queue, "VendorsTableName": "vendors"}
    file = tmp_path / "outputs.json"
    listed = [{"OutputKey": key, "OutputValue": value} for key, value in outputs.items()]
    file.write_text(json.dumps({"Stacks": [{"StackName": "tracker", "Outputs": listed}]}))
    result = sim(
        *("run", scenario, "--target", file, "--json", "-", "--region", "us-east-1"),
        AWS_ENDPOINT_URL=endpoints["aws_endpoint_url"],
        AWS_ACCESS_KEY_ID="local",
        AWS_SECRET_ACCESS_KEY="local",
    )
    verdict = json.loads(result.stdout)
    assert verdict["failures"] == []
    assert result.returncode == 0
    assert verdict["deliveries"]["received"] == verdict["updates"]["published"] * 5 > 0
    assert verdict["updates"]["dead_lettered"] == 0
    assert verdict["invocations"]["total"] is None
    assert [each["held"] for each in verdict["expectations"] if each["that"] == "invocations.errors == 0"] == [None]
    assert any("was not weighed" in note for note in verdict["notes"])


def test_what_would_change_the_stack_is_refused_before_anything_is_looked_for(sim, scenario):
    result = sim("run", scenario, "--target", "no-such-stack", "--set", "gateway.idle_timeout_s=5", "--port", "0")
    assert result.returncode == 2
    assert "--port, --set would change a stack that --target says is there already" in result.stderr
