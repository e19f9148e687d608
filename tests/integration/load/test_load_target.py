"""A stack that runs already: found by name in CloudFormation or by a file, and loaded from outside."""

import asyncio
import json
from dataclasses import replace

import boto3
import pytest

from simulator.deployed import find_stack
from simulator.endpoints import Endpoints
from simulator.errors import InputError
from simulator.load import Scenario, prepare, run_scenario
from simulator.load.audience import Group
from simulator.load.expectations import understand, with_defaults
from simulator.load.scenario import MadeVendors, RunSettings
from simulator.load.stack_view import StackView
from simulator.stack_outputs import addresses_of

REGION = "eu-central-1"
OUTPUTS = {
    "WebSocketUrl": "wss://abc.execute-api.eu-central-1.amazonaws.com/primary",
    "VendorQueueUrl": "https://sqs.eu-central-1.amazonaws.com/123456789012/vendor-queue",
    "VendorsTableName": "vendors",
}


def outputs_file(folder, outputs):
    file = folder / "outputs.json"
    file.write_text(json.dumps([{"OutputKey": key, "OutputValue": value} for key, value in outputs.items()]))
    return str(file)


@pytest.fixture
def aws(moto_url, monkeypatch):
    """The user's AWS settings lead to moto."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto_url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    return boto3.client("cloudformation", region_name=REGION)


def test_a_stack_is_found_by_its_name(aws):
    resources = {"Queue": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "by-name"}}}
    outputs = {**OUTPUTS, "VendorQueueUrl": {"Ref": "Queue"}}
    template = {"Resources": resources, "Outputs": {key: {"Value": value} for key, value in outputs.items()}}
    aws.create_stack(StackName="tracker", TemplateBody=json.dumps(template))
    try:
        found = find_stack("tracker", REGION)
    finally:
        aws.delete_stack(StackName="tracker")
    assert list(found.queue_urls) == ["by-name"]
    assert (found.websocket_url, found.tables, found.region) == (OUTPUTS["WebSocketUrl"], ("vendors",), REGION)
    assert found.aws_endpoint_url is None


@pytest.mark.parametrize(
    ("target", "words"),
    [
        pytest.param("no-such-stack", "does not exist", id="no such stack"),
        pytest.param("folder/outputs.json", "neither a file nor a stack's name", id="no such file"),
        pytest.param("two words", "neither a file nor a stack's name", id="no name"),
    ],
)
def test_what_cannot_be_found_is_refused_in_one_sentence(aws, target, words):
    with pytest.raises(InputError, match=words):
        find_stack(target, REGION)


def test_a_name_without_a_region_asks_for_one(aws, monkeypatch, tmp_path):
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(InputError, match="give --region"):
        find_stack("tracker")


def test_a_file_of_outputs_tells_the_region_too(tmp_path):
    assert find_stack(outputs_file(tmp_path, OUTPUTS)) == addresses_of(OUTPUTS, REGION)


def test_outputs_that_lack_something_are_refused_by_name(tmp_path):
    with pytest.raises(InputError, match=r"has no output WebSocketUrl \(wss://…\) or VendorsTableName"):
        find_stack(outputs_file(tmp_path, {"VendorQueueUrl": OUTPUTS["VendorQueueUrl"]}))


def test_what_up_prints_is_a_target_too(tmp_path):
    endpoints = Endpoints(
        "ws://127.0.0.1:1/primary",
        None,
        None,
        {},
        "http://127.0.0.1:2",
        "http://127.0.0.1:3",
        "us-east-1",
        {},
        (),
        (),
        4,
    )
    file = tmp_path / "up.json"
    file.write_text(json.dumps(endpoints.to_json()))
    assert find_stack(str(file)) == endpoints


@pytest.mark.parametrize("text", ["", "{", '{"queue_urls": {}}', '{"a": 1}', "[1]"])
def test_a_file_of_something_else_is_refused_by_name(tmp_path, text):
    file = tmp_path / "target.json"
    file.write_text(text)
    with pytest.raises(InputError, match=r"target\.json"):
        find_stack(str(file))


async def test_a_deployed_stack_tells_nothing_of_itself_and_the_verdict_says_so(fake_stack, aws):
    class Silent:
        def say(self, text): ...
        def note(self, sentence): ...
        def show(self, snapshot): ...
        def finish(self): ...

    expected = ("invocations.errors == 0", "stack.memory_mb.growth < 200")
    scenario = Scenario(
        name="tiny",
        seed=3,
        vendors=MadeVendors(count=3, model="gauss_markov", ping_interval_s=0.1, speed=1.0),
        groups=(Group(count=4, connect_rate_per_s=1_000),),
        run=RunSettings(duration_s=0.25, quiet_s=0.2),
        expect=with_defaults([understand(text, "run", groups=["viewer"]) for text in expected]),
    )
    async with fake_stack.running() as local:
        target = addresses_of(
            {
                "WebSocketUrl": local.websocket_url,
                "VendorQueueUrl": local.queue_urls["vendor-queue"],
                "VendorsTableName": "vendors",
            },
            local.region,
        )
        verdict = await run_scenario(prepare(scenario), target, progress=Silent(), stop=asyncio.Event())
    document = verdict.document
    assert verdict.failures == []
    assert document["deliveries"]["received"] == document["updates"]["published"] * 4
    assert document["updates"]["dead_lettered"] == 0
    assert document["queue"]["most_queued"] is not None
    assert document["invocations"] == {"total": None, "errors": None, "by_function": {}}
    assert document["stack"]["memory_mb"] == {"max": None, "growth": None}
    assert [each["that"] for each in document["expectations"] if each["held"] is None] == list(expected)
    assert len([each for each in document["notes"] if "unknown here, not zero" in each]) == 1
    assert len([each for each in document["notes"] if "was not weighed" in each]) == len(expected)


async def test_a_dead_letter_queue_that_may_not_be_looked_at_is_unknown_not_empty(fake_stack, aws, clients):
    async with fake_stack.running() as local:
        only_one = replace(local, queue_urls={"vendor-queue": local.queue_urls["vendor-queue"]})
        found = await asyncio.to_thread(StackView(only_one).vendor_queue)
        assert found.dead_letter_url == local.queue_urls["vendor-queue-dead"]
        clients[0].delete_queue(QueueUrl=local.queue_urls["vendor-queue-dead"])
        found = await asyncio.to_thread(StackView(only_one).vendor_queue)
        assert (found.dead_letter_queue, found.dead_letter_url) == ("vendor-queue-dead", None)
        clients[0].create_queue(QueueName="vendor-queue-dead")
