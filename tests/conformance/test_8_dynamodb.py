"""Section 8 of the contract: DynamoDB scans and the table of connections (D rows)."""

import contextlib
import time
from decimal import Decimal

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from harness.faults import fault
from harness.probe import new_run

KIB = 1024


class Rows:
    """The probe's table of rows."""

    def __init__(self, target):
        self.name = target.rows_table
        self.dynamodb = target.client("dynamodb")

    def clear(self):
        for key in self.ids(self.all(ProjectionExpression="id")):
            self.dynamodb.delete_item(TableName=self.name, Key=key_of(key))

    def put(self, *ids, **attributes):
        for each in ids:
            self.dynamodb.put_item(TableName=self.name, Item={"id": {"S": each}, **attributes})

    def get(self, name, **options):
        return self.dynamodb.get_item(TableName=self.name, Key=key_of(name), **options).get("Item")

    def scan(self, **options):
        return self.dynamodb.scan(TableName=self.name, **options)

    def pages(self, **options):
        """Every page of a scan, `LastEvaluatedKey` followed to the end."""
        found = [self.scan(**options)]
        while "LastEvaluatedKey" in found[-1]:
            found.append(self.scan(**options, ExclusiveStartKey=found[-1]["LastEvaluatedKey"]))
        return found

    def all(self, **options):
        return [item for page in self.pages(ConsistentRead=True, **options) for item in page["Items"]]

    @staticmethod
    def ids(items):
        return [item["id"]["S"] for item in items]

    def refused(self, operation, **parameters):
        """The message of a ValidationException."""
        with pytest.raises(ClientError) as caught:
            getattr(self.dynamodb, operation)(**parameters)
        assert caught.value.response["Error"]["Code"] == "ValidationException"
        return caught.value.response["Error"]["Message"]


def key_of(name):
    return {"id": {"S": name}}


@pytest.fixture
def rows(target):
    """The table, empty."""
    table = Rows(target)
    table.clear()
    yield table
    table.clear()


def numbered(count):
    return [f"{number:03}" for number in range(count)]


# -- pages -------------------------------------------------------------------------------------------------------------


def test_D01_D02_D04_the_filter_runs_on_a_page_that_is_already_cut(rows):
    for number, name in enumerate(numbered(7)):
        rows.put(name, n={"N": str(number)})
    nothing = {"FilterExpression": "n > :n", "ExpressionAttributeValues": {":n": {"N": "99"}}}
    found = [(page["Count"], page["ScannedCount"], page["Items"]) for page in rows.pages(Limit=3, **nothing)]
    assert found == [(0, 3, []), (0, 3, []), (0, 1, [])]
    some = {"FilterExpression": "n < :n", "ExpressionAttributeValues": {":n": {"N": "4"}}}
    pages = rows.pages(Limit=3, **some)
    assert sum(page["Count"] for page in pages) == 4
    assert all(page["Count"] <= page["ScannedCount"] <= 3 for page in pages)


def test_D01_a_page_ends_at_a_megabyte(rows):
    rows.put(*numbered(12), v={"S": "x" * 100_000})
    first, *rest = rows.pages(ProjectionExpression="id")
    assert 8 <= first["ScannedCount"] <= 11
    assert first["Count"] + sum(page["Count"] for page in rest) == 12


def test_D03_the_last_key_may_be_there_with_nothing_behind_it(rows):
    rows.put(*numbered(4))
    pages = rows.pages(Limit=2, ConsistentRead=True)
    assert [page["Count"] for page in pages] == [2, 2, 0]
    assert rows.scan(Limit=4, ConsistentRead=True)["LastEvaluatedKey"]


def test_D05_a_page_starts_behind_its_start_key_whether_or_not_that_is_still_there(rows):
    rows.put(*numbered(5))
    everything = rows.ids(rows.all())
    start = {"ExclusiveStartKey": key_of(everything[2]), "ConsistentRead": True}
    assert rows.ids(rows.scan(**start)["Items"]) == everything[3:]
    rows.dynamodb.delete_item(TableName=rows.name, Key=key_of(everything[2]))
    assert rows.ids(rows.scan(**start)["Items"]) == everything[3:]


@pytest.mark.parametrize("key", [{"id": {"N": "1"}}, {"other": {"S": "x"}}, {"id": {"BOOL": True}}], ids=str)
def test_D05_a_start_key_must_be_a_key(rows, key):
    assert "starting key is invalid" in rows.refused("scan", TableName=rows.name, ExclusiveStartKey=key)


def test_D06_a_consistent_scan_sees_what_was_just_put_and_a_global_index_has_none(rows):
    rows.put("a", colour={"S": "red"})
    assert rows.ids(rows.scan(ConsistentRead=True)["Items"]) == ["a"]
    options = {"TableName": rows.name, "IndexName": "by-colour"}
    assert "Consistent reads are not supported" in rows.refused("scan", ConsistentRead=True, **options)


@pytest.mark.local_lever("needs a replica that lags behind")
def test_D06_a_scan_may_miss_what_was_just_put_and_a_consistent_one_does_not(rows, target):
    rows.put("old")
    with fault(target, "dynamodb_stale_scan", target=rows.name, attributes={"lag_ms": 60_000}):
        rows.put("new")
        assert rows.ids(rows.scan()["Items"]) == ["old"]
        assert sorted(rows.ids(rows.scan(ConsistentRead=True)["Items"])) == ["new", "old"]
    assert sorted(rows.ids(rows.scan()["Items"])) == ["new", "old"]


def test_D07_segments_are_disjoint_and_complete(rows):
    rows.put(*numbered(40))
    by_segment = [
        rows.ids(item for page in rows.pages(Segment=segment, TotalSegments=4, Limit=7) for item in page["Items"])
        for segment in range(4)
    ]
    assert sorted(name for names in by_segment for name in names) == numbered(40)
    assert sum(bool(names) for names in by_segment) > 1


def test_D07_a_key_of_one_segment_goes_on_in_that_segment_only(rows):
    rows.put(*numbered(20))
    pages = [rows.scan(Segment=segment, TotalSegments=2, Limit=1) for segment in (0, 1)]
    start = {"ExclusiveStartKey": pages[0]["LastEvaluatedKey"], "TotalSegments": 2}
    assert rows.scan(Segment=0, **start)["Count"]
    assert "correct Segment" in rows.refused("scan", TableName=rows.name, Segment=1, **start)


@pytest.mark.parametrize(
    "segments",
    [
        {"Segment": 0},
        {"TotalSegments": 2},
        {"Segment": 2, "TotalSegments": 2},
        {"Segment": 0, "TotalSegments": 1_000_001},
    ],
    ids=str,
)
def test_D07_segments_that_are_refused(rows, segments):
    assert rows.refused("scan", TableName=rows.name, **segments)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"ProjectionExpression": "id"},
        {"Select": "COUNT"},
        {"FilterExpression": "id = :i", "ExpressionAttributeValues": {":i": {"S": "none"}}},
    ],
    ids=["all", "projection", "count", "filter"],
)
def test_D08_a_projection_or_filter_saves_nothing(rows, options):
    rows.put(*numbered(4), v={"S": "x" * 3 * KIB})
    page = rows.scan(ReturnConsumedCapacity="TOTAL", ConsistentRead=True, **options)
    # Four times somewhat more than 3 KB, in units of 4 KB.
    assert page["ConsumedCapacity"] == {"TableName": rows.name, "CapacityUnits": 4.0}


def test_D09_order_is_that_of_a_hash(rows):
    names = numbered(30)
    rows.put(*reversed(names))
    found = rows.ids(rows.all())
    assert sorted(found) == names
    assert found not in (names, names[::-1])


def test_D09_what_is_put_and_deleted_during_a_scan_may_or_may_not_appear_and_the_rest_appears_once(rows):
    names = numbered(20)
    rows.put(*names)
    first = rows.scan(Limit=5)
    gone = rows.ids(first["Items"])[0]
    rows.dynamodb.delete_item(TableName=rows.name, Key=key_of(gone))
    rows.put("new")
    rest = rows.scan(ExclusiveStartKey=first["LastEvaluatedKey"])
    found = [name for name in rows.ids(first["Items"] + rest["Items"]) if name != "new"]
    assert sorted(found) == names


# -- items -------------------------------------------------------------------------------------------------------------


def test_D10_an_item_has_400_kilobytes_at_most_names_included(rows):
    rows.put("a", value={"S": "x" * (400 * KIB - len("id") - len("a") - len("value"))})
    item = {"id": {"S": "b"}, "value": {"S": "x" * (400 * KIB - len("id") - len("value"))}}
    assert "Item size" in rows.refused("put_item", TableName=rows.name, Item=item)
    assert rows.ids(rows.all(ProjectionExpression="id")) == ["a"]


def test_D10_a_batch_has_25_items_at_most(rows):
    puts = [{"PutRequest": {"Item": key_of(name)}} for name in numbered(26)]
    assert rows.refused("batch_write_item", RequestItems={rows.name: puts})
    assert rows.all() == []
    answer = rows.dynamodb.batch_write_item(RequestItems={rows.name: puts[:25]})
    assert answer["UnprocessedItems"] == {}
    assert len(rows.all()) == 25


THROTTLED = ("ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded")


@pytest.mark.local_lever("needs a table without capacity")
@pytest.mark.parametrize("error", THROTTLED)
def test_D11_a_scan_may_be_throttled_and_the_sdk_tries_again_first(rows, target, error):
    rows.put("a")
    patient = target.session().client(
        "dynamodb",
        endpoint_url=target.aws_endpoint_url,
        config=Config(retries={"total_max_attempts": 3, "mode": "standard"}),
    )
    attributes = {"operation": "Scan", "error": error}
    with contextlib.closing(patient), fault(target, "dynamodb_throttle", target=rows.name, attributes=attributes):
        with pytest.raises(ClientError) as caught:
            patient.scan(TableName=rows.name)
        assert rows.get("a") is not None
    answer = caught.value.response
    assert (answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]) == (error, 400)
    assert answer["ResponseMetadata"]["RetryAttempts"] == 2
    assert rows.scan()["Count"] == 1


def test_D12_expired_items_are_still_there(rows):
    rows.put("old", expires={"N": str(int(time.time()) - 3600)})
    assert rows.get("old", ConsistentRead=True)
    ttl = rows.dynamodb.describe_time_to_live(TableName=rows.name)["TimeToLiveDescription"]
    assert ttl == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires"}


@pytest.mark.local_lever("AWS sweeps when it likes")
def test_D12_expired_items_go_at_some_time(stack_with):
    table = Rows(stack_with("cloud.ttl_sweep_s=0.1").target)
    table.put("old", expires={"N": str(int(time.time()) - 3600)})
    table.put("in milliseconds", expires={"N": str(int(time.time() - 3600) * 1000)})
    table.put("text", expires={"S": str(int(time.time()) - 3600)})
    while table.get("old"):
        pass
    assert sorted(table.ids(table.all())) == ["in milliseconds", "text"]
    table.clear()


def test_D13_a_row_outlives_its_socket(probe, rows):
    socket = probe.open()
    rows.put(socket.id)
    socket.close()
    probe.records.disconnect_event(socket.id)
    assert rows.get(socket.id)
    with pytest.raises(probe.management().exceptions.GoneException):
        probe.management().post_to_connection(ConnectionId=socket.id, Data=b"x")


def test_D14_numbers_are_decimals_to_resources_and_texts_to_clients(rows, target):
    session = boto3.Session("test", "test", region_name=target.region) if target.local else boto3.Session()
    table = session.resource("dynamodb", endpoint_url=target.aws_endpoint_url).Table(rows.name)
    table.put_item(Item={"id": "a", "n": 1, "m": Decimal("2.5")})
    assert table.get_item(Key={"id": "a"})["Item"] == {"id": "a", "n": Decimal(1), "m": Decimal("2.5")}
    assert rows.get("a") == {"id": {"S": "a"}, "n": {"N": "1"}, "m": {"N": "2.5"}}
    with pytest.raises(TypeError, match="Float types are not supported"):
        table.put_item(Item={"id": "b", "n": 1.5})
    table.meta.client.close()


def test_D15_deleting_nothing_succeeds_and_a_put_replaces_the_whole_item(rows):
    rows.dynamodb.delete_item(TableName=rows.name, Key=key_of(new_run()))
    rows.put("a", n={"N": "1"})
    rows.put("a", m={"N": "2"})
    assert rows.get("a", ConsistentRead=True) == {"id": {"S": "a"}, "m": {"N": "2"}}
