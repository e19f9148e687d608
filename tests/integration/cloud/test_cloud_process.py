"""The child process: life, death, and what a stack finds in it."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio

from simulator.cloud.cloud import Cloud
from simulator.cloud.provisioning import Provisioned, provision
from simulator.cloud.settings import CloudSettings
from simulator.errors import EnvironmentFailure
from simulator.stack import load_stack
from simulator.stack.model import Stack

ROOT = Path(__file__).parents[3]
REGION = "eu-central-1"

pytestmark = pytest.mark.asyncio(loop_scope="module")


def write_stack(folder: Path, key: str = "id") -> Stack:
    redrive = {"deadLetterTargetArn": {"Fn::GetAtt": ["Dead", "Arn"]}, "maxReceiveCount": 1}
    rows = {
        "TableName": "rows",
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": key, "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": key, "KeyType": "HASH"}],
        "TimeToLiveSpecification": {"AttributeName": "expiresAt", "Enabled": True},
    }
    resources = {
        "Rows": {"Type": "AWS::DynamoDB::Table", "Properties": rows},
        "Work": {
            "Type": "AWS::SQS::Queue",
            "Properties": {"QueueName": "work", "VisibilityTimeout": 0, "RedrivePolicy": redrive},
        },
        "Dead": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "dead"}},
    }
    template = folder / "t.json"
    template.write_text(json.dumps({"Resources": resources}))
    return load_stack(template, region=REGION, cache_dir=folder / "cache")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    return write_stack(tmp_path_factory.mktemp("stack"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cloud() -> AsyncIterator[Cloud]:
    async with Cloud(region=REGION) as started:
        yield started


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def provisioned(cloud: Cloud, stack: Stack) -> Provisioned:
    return await cloud.provision(stack)


def address(cloud: Cloud) -> tuple[str, int]:
    parts = urlsplit(cloud.endpoint_url)
    assert parts.hostname is not None
    assert parts.port is not None
    return parts.hostname, parts.port


def listening_addresses(port: int) -> set[str]:
    """The local addresses (as the kernel writes them) on which something listens at `port`."""
    rows = [line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]]
    return {row[1].split(":")[0] for row in rows if row[3] == "0A" and int(row[1].split(":")[1], 16) == port}


async def test_it_listens_on_loopback_only(cloud: Cloud) -> None:
    host, port = address(cloud)
    assert host == "127.0.0.1"
    if sys.platform == "linux":
        assert listening_addresses(port) == {"0100007F"}


async def test_the_table_is_there_with_its_time_to_live(cloud: Cloud, provisioned: Provisioned) -> None:
    dynamodb = cloud.client("dynamodb")
    assert provisioned.table_names == ("rows",)
    assert dynamodb.describe_time_to_live(TableName="rows")["TimeToLiveDescription"] == {
        "TimeToLiveStatus": "ENABLED",
        "AttributeName": "expiresAt",
    }


async def test_answers_carry_what_boto3_wants_of_them(cloud: Cloud, provisioned: Provisioned) -> None:
    """botocore checks the CRC of DynamoDB answers and retries when it is wrong."""
    answer = cloud.client("dynamodb").put_item(TableName="rows", Item={"id": {"S": "a"}})["ResponseMetadata"]
    assert answer["RetryAttempts"] == 0
    assert len(answer["RequestId"]) == 52
    assert {"x-amzn-requestid", "x-amz-crc32"} <= set(answer["HTTPHeaders"])


async def test_a_message_that_is_received_too_often_moves_to_the_dead_letters(
    cloud: Cloud, provisioned: Provisioned
) -> None:
    """(Q13)"""
    sqs = cloud.client("sqs")
    work, dead = provisioned.queue_urls["work"], provisioned.queue_urls["dead"]
    message_id = sqs.send_message(QueueUrl=work, MessageBody="poison")["MessageId"]
    first = await asyncio.to_thread(sqs.receive_message, QueueUrl=work)
    assert [message["Body"] for message in first["Messages"]] == ["poison"]
    assert "Messages" not in await asyncio.to_thread(sqs.receive_message, QueueUrl=work)
    moved = await asyncio.to_thread(sqs.receive_message, QueueUrl=dead)
    assert [(message["MessageId"], message["Body"]) for message in moved["Messages"]] == [(message_id, "poison")]


async def test_a_client_is_made_once(cloud: Cloud) -> None:
    assert cloud.client("dynamodb") is cloud.client("dynamodb")


async def test_other_services_are_answered_too(cloud: Cloud) -> None:
    """What is neither DynamoDB nor SQS in JSON goes through moto's whole server."""
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="photos", CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_object(Bucket="photos", Key="a b/c", Body=b"content")
    assert s3.get_object(Bucket="photos", Key="a b/c")["Body"].read() == b"content"


async def test_what_exists_at_an_endpoint_is_used_and_not_changed(
    cloud: Cloud, provisioned: Provisioned, stack: Stack
) -> None:
    cloud.client("dynamodb").put_item(TableName="rows", Item={"id": {"S": "kept"}})
    url = provisioned.queue_urls["work"]
    cloud.client("sqs").set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "77"})
    other = Cloud(region=REGION, endpoint_url=cloud.endpoint_url)
    again = await other.provision(stack)
    assert again.queue_urls == provisioned.queue_urls
    assert "Item" in other.client("dynamodb").get_item(TableName="rows", Key={"id": {"S": "kept"}})
    attributes = other.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout"])
    assert attributes["Attributes"] == {"VisibilityTimeout": "77"}
    cloud.client("sqs").set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "0"})
    await other.stop()


async def test_an_existing_table_with_another_key_is_an_error(
    cloud: Cloud, provisioned: Provisioned, tmp_path: Path
) -> None:
    with pytest.raises(EnvironmentFailure, match="table rows already exists with another key"):
        await cloud.provision(write_stack(tmp_path, key="other"))


async def test_an_endpoint_that_nobody_serves_is_one_sentence(stack: Stack) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and never listens: nobody else can have the port, and connections are refused
        cloud = Cloud(region=REGION, endpoint_url=f"http://127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(EnvironmentFailure) as failure:
            await cloud.provision(stack)
    # Tables and queues are created side by side, so either may be the first to fail.
    assert re.match(
        r"the (table rows|queue dead) could not be created \(Could not connect to the endpoint URL", str(failure.value)
    )
    assert "\n" not in str(failure.value)
    await cloud.stop()


async def test_its_death_is_noticed_and_stopping_afterwards_is_harmless() -> None:
    cloud = Cloud(region=REGION)
    await cloud.spawn()
    assert cloud.pid is not None
    watch = asyncio.create_task(cloud.died())
    os.kill(cloud.pid, signal.SIGKILL)
    failure = await watch
    assert isinstance(failure, EnvironmentFailure)
    assert "died (signal SIGKILL" in str(failure)
    with pytest.raises(EnvironmentFailure, match="ended before it was ready"):
        await cloud.ready()
    await cloud.stop()


async def test_a_stop_is_not_a_death() -> None:
    cloud = Cloud(region=REGION)
    await cloud.spawn()
    watch = asyncio.create_task(cloud.died())
    await asyncio.wait_for(cloud.stop(), 30)
    done, _ = await asyncio.wait([watch], timeout=0)
    assert not done
    watch.cancel()


@pytest.mark.parametrize(
    ("executable", "said"),
    [
        pytest.param("/bin/false", "ended before it was ready (status 1)", id="ends-at-once"),
        pytest.param("/nowhere/python", "could not be started (No such file or directory)", id="not-there"),
    ],
)
async def test_a_process_that_does_not_come_up_is_one_sentence(
    executable: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", executable)
    cloud = Cloud(region=REGION)
    with pytest.raises(EnvironmentFailure) as failure:
        await cloud.start()
    assert said in str(failure.value)
    await cloud.stop()


PARENT = """
import asyncio
from simulator.cloud.cloud import Cloud

async def main():
    cloud = Cloud(region="us-east-1")
    print(await cloud.start(), flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_the_child_dies_with_its_parent() -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PARENT, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    url = urlsplit((await parent.stdout.readline()).decode())
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    parent.kill()
    assert await reader.read() == b""  # the child's end of the connection is gone, and so is the child
    writer.close()
    await parent.wait()


async def test_sigterm_ends_the_child_cleanly() -> None:
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "simulator.cloud.server", cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe
    )
    assert child.stdout is not None
    assert "port" in json.loads(await child.stdout.readline())
    child.terminate()
    _, errors = await child.communicate()
    assert (child.returncode, errors) == (0, b"")


async def test_stock_moto_can_be_had(stack: Stack) -> None:
    """It gives itself away by a full last page without LastEvaluatedKey (D03)."""
    async with Cloud(region=REGION, stock_moto=True) as cloud:
        await cloud.provision(stack)
        dynamodb: Any = cloud.client("dynamodb")
        dynamodb.put_item(TableName="rows", Item={"id": {"S": "a"}})
        assert "LastEvaluatedKey" not in dynamodb.scan(TableName="rows", Limit=1)


async def test_patched_moto_is_what_one_gets_otherwise(cloud: Cloud, provisioned: Provisioned) -> None:
    dynamodb: Any = cloud.client("dynamodb")
    count = dynamodb.scan(TableName="rows")["Count"]
    dynamodb.put_item(TableName="rows", Item={"id": {"S": "last"}})
    count = dynamodb.scan(TableName="rows")["Count"]
    assert dynamodb.scan(TableName="rows", Limit=count)["LastEvaluatedKey"]


async def test_neither_the_current_folder_nor_the_developers_aws_settings_reach_the_child(
    stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "httptools.py").write_text("raise SystemExit('imported from the current folder')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AWS_PROFILE", "no-such-profile")
    async with Cloud(region=REGION) as cloud:
        assert (await cloud.provision(stack)).table_names == ("rows",)


class Strange:
    """An endpoint that is not AWS's, and answers everything with an empty object."""

    exceptions = SimpleNamespace(QueueNameExists=FileExistsError)

    def create_table(self, **_: Any) -> dict[str, Any]:
        return {}

    def create_queue(self, **_: Any) -> dict[str, Any]:
        return {}

    def get_queue_attributes(self, **_: Any) -> dict[str, Any]:
        return {}


async def test_an_endpoint_that_answers_something_else_is_one_sentence(stack: Stack) -> None:
    with pytest.raises(EnvironmentFailure, match=r"could not be created \(its answer has no '\w+'\)"):
        await provision(stack, Strange(), Strange())


async def test_settings_reach_the_process() -> None:
    async with Cloud(region=REGION, settings=CloudSettings(in_flight_messages=1)) as cloud:
        sqs = cloud.client("sqs")

        def receive_twice() -> None:
            url = sqs.create_queue(QueueName="narrow")["QueueUrl"]
            sqs.send_message(QueueUrl=url, MessageBody="a")
            assert len(sqs.receive_message(QueueUrl=url)["Messages"]) == 1
            sqs.receive_message(QueueUrl=url)

        with pytest.raises(sqs.exceptions.OverLimit):
            await asyncio.to_thread(receive_twice)


async def test_D12_a_process_that_is_told_to_removes_expired_items(stack: Stack) -> None:
    async with Cloud(region=REGION, settings=CloudSettings(ttl_sweep_s=0.05)) as cloud:
        await cloud.provision(stack)
        dynamodb = cloud.client("dynamodb")

        def until_gone() -> None:
            item = {"id": {"S": "a"}, "expiresAt": {"N": str(int(time.time()) - 60)}}
            dynamodb.put_item(TableName="rows", Item=item)
            while "Item" in dynamodb.get_item(TableName="rows", Key={"id": {"S": "a"}}):
                pass

        await asyncio.wait_for(asyncio.to_thread(until_gone), 10)
