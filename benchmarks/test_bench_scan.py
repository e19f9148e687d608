"""The whole connections table, 1,000 and 5,000 rows, on the embedded moto: ours beside the reference's loop of 25.

Moto with the simulator's patches: stock moto sorts the whole table for each page, which would flatter us.
"""

import asyncio
from collections.abc import Iterator

import boto3
import pytest

from simulator.cloud.cloud import Cloud
from tracker import aws

SIZES = [1_000, 5_000]
REFERENCE_PAGE_ROWS = 25
ROUNDS = {"ours": {1_000: 25, 5_000: 10}, "reference": {1_000: 6, 5_000: 3}}
REGION = "us-east-1"
BATCH_ROWS = 25
"""As many as one BatchWriteItem takes."""
CONNECTED_AT_MS = 1_710_277_498_112
EXPIRES_AT_S = 1_710_285_298


def connection_id(number: int) -> str:
    return f"L0SM9cOF{number:07}="


def table_name(size: int) -> str:
    return f"connections-{size}"


def row(number: int) -> dict[str, dict[str, str]]:
    return {
        "connectionId": {"S": connection_id(number)},
        "connectedAt": {"N": str(CONNECTED_AT_MS + number)},
        "expiresAt": {"N": str(EXPIRES_AT_S + number)},
    }


@pytest.fixture(scope="module")
def cloud(environment: pytest.MonkeyPatch) -> Iterator[Cloud]:
    """Moto in its child process, holding one table of each size; the tracker is pointed at it."""
    embedded = Cloud(region=REGION)
    with asyncio.Runner() as runner:
        try:
            runner.run(embedded.start())
            for size in SIZES:
                fill(embedded.client("dynamodb"), size)
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("AWS_ENDPOINT_URL", embedded.endpoint_url)
                yield embedded
        finally:
            runner.run(embedded.stop())


def fill(dynamodb, size: int) -> None:
    dynamodb.create_table(
        TableName=table_name(size),
        AttributeDefinitions=[{"AttributeName": "connectionId", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "connectionId", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    for first in range(0, size, BATCH_ROWS):
        puts = [{"PutRequest": {"Item": row(number)}} for number in range(first, first + BATCH_ROWS)]
        answer = dynamodb.batch_write_item(RequestItems={table_name(size): puts})
        assert not answer["UnprocessedItems"]


def every_row_seen(rows, size: int) -> None:
    seen = sorted((each["connectionId"], int(each["connectedAt"]), int(each["expiresAt"])) for each in rows)
    assert seen == [(connection_id(n), CONNECTED_AT_MS + n, EXPIRES_AT_S + n) for n in range(size)]


@pytest.mark.parametrize("size", [pytest.param(n, marks=pytest.mark.benchmark(group=f"scan-{n}")) for n in SIZES])
def test_get_all_scan_results(measure, cloud, size):
    measure(
        lambda: aws.get_all_scan_results(table_name(size)),
        lambda rows: every_row_seen(rows, size),
        role="ours",
        unit="row",
        units=size,
        rounds=ROUNDS["ours"][size],
        server_pid=cloud.pid,
    )


@pytest.mark.parametrize("size", [pytest.param(n, marks=pytest.mark.benchmark(group=f"scan-{n}")) for n in SIZES])
def test_reference_loop_of_25(measure, cloud, size):
    """What the reference does, in boto3's terms: its document client, `Limit` 25, until there is no next key."""
    table = boto3.resource("dynamodb", endpoint_url=cloud.endpoint_url).Table(table_name(size))

    def work():
        rows = []
        request = {"Limit": REFERENCE_PAGE_ROWS}
        while True:
            page = table.scan(**request)
            rows += page["Items"]
            if "LastEvaluatedKey" not in page:
                return rows
            request["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    try:
        measure(
            work,
            lambda rows: every_row_seen(rows, size),
            role="reference",
            unit="row",
            units=size,
            rounds=ROUNDS["reference"][size],
            server_pid=cloud.pid,
        )
    finally:
        table.meta.client.close()
