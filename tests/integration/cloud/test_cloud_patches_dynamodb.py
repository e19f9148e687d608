"""What the DynamoDB patches change on purpose: order, start keys, sizes, capacity (D05, D07-D10)."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from moto.dynamodb.models import dynamodb_backends

from simulator.cloud.expiry import has_expired, sweep
from simulator.cloud.patches.item_size import item_bytes

Call = Callable[..., tuple[int, dict[str, Any]]]

KIB = 1024


@pytest.fixture
def call(patched_moto: Call) -> Call:
    create(patched_moto)
    return patched_moto


def create(call: Call, name: str = "rows", kind: str = "S", *, ranged: bool = False) -> None:
    parts = [("k", "HASH", kind)] + ([("r", "RANGE", "N")] if ranged else [])
    index = {
        "IndexName": "by-colour",
        "KeySchema": [{"AttributeName": "colour", "KeyType": "HASH"}],
        "Projection": {"ProjectionType": "ALL"},
    }
    status, _ = call(
        "dynamodb",
        "CreateTable",
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": each, "KeyType": role} for each, role, _ in parts],
        AttributeDefinitions=[
            {"AttributeName": each, "AttributeType": kind} for each, _, kind in [*parts, ("colour", "", "S")]
        ],
        GlobalSecondaryIndexes=[index],
    )
    assert status == 200


def put(call: Call, key: str, name: str = "rows", **attributes: Any) -> None:
    assert call("dynamodb", "PutItem", TableName=name, Item={"k": {"S": key}, **attributes})[0] == 200


def scan(call: Call, **parameters: Any) -> dict[str, Any]:
    status, body = call("dynamodb", "Scan", TableName="rows", **parameters)
    assert status == 200, body
    return body


def keys(answer: dict[str, Any]) -> list[str]:
    return [item["k"]["S"] for item in answer["Items"]]


def problem(answer: tuple[int, dict[str, Any]]) -> str:
    status, body = answer
    assert (status, body["__type"].rpartition("#")[2]) == (400, "ValidationException")
    return str(body.get("message") or body.get("Message"))


# -- order and start keys --------------------------------------------------------------------------------------------


def test_D09_order_is_neither_that_of_keys_nor_of_insertion_and_stays_the_same(call: Call) -> None:
    names = [f"{number:02}" for number in range(20)]
    for name in reversed(names):
        put(call, name)
    first = keys(scan(call))
    assert sorted(first) == names
    assert first not in (names, names[::-1])
    call("dynamodb", "DeleteTable", TableName="rows")
    create(call)
    scan(call)
    for name in names:
        put(call, name)
    assert keys(scan(call)) == first


def test_D09_rows_of_one_hash_key_stay_together_in_order_of_the_range_key(call: Call) -> None:
    create(call, "pairs", ranged=True)
    for number in (3, 1, 2):
        for key in "ab":
            put(call, key, "pairs", r={"N": str(number)})
    _, body = call("dynamodb", "Scan", TableName="pairs")
    found = [(item["k"]["S"], item["r"]["N"]) for item in body["Items"]]
    first = found[0][0]
    second = "b" if first == "a" else "a"
    assert found == [(key, str(number)) for key in (first, second) for number in (1, 2, 3)]


def test_D09_equal_numbers_are_one_key_however_they_are_written(call: Call) -> None:
    create(call, "numbers", "N")
    call("dynamodb", "Scan", TableName="numbers")
    for text in ("1", "1.0", "0", "-0", "10", "1e1"):
        call("dynamodb", "PutItem", TableName="numbers", Item={"k": {"N": text}})
    assert call("dynamodb", "Scan", TableName="numbers")[1]["Count"] == 3


@pytest.mark.parametrize(
    "start",
    [{"k": {"N": "1"}}, {"other": {"S": "a"}}, {"k": {"S": "a"}, "r": {"S": "b"}}, {"k": {"BOOL": True}}],
    ids=["another type", "another name", "too many", "no key type"],
)
@pytest.mark.parametrize("operation", ["Scan", "Query"])
def test_D05_a_start_key_that_is_no_key_is_refused(call: Call, start: dict[str, Any], operation: str) -> None:
    query = {"KeyConditionExpression": "k = :k", "ExpressionAttributeValues": {":k": {"S": "a"}}}
    parameters = query if operation == "Query" else {}
    answer = call("dynamodb", operation, TableName="rows", ExclusiveStartKey=start, **parameters)
    assert problem(answer).startswith("The provided starting key is invalid")


def test_D05_the_start_key_itself_is_left_out_and_need_not_exist(call: Call) -> None:
    for number in range(4):
        put(call, str(number))
    everything = keys(scan(call))
    for index, key in enumerate(everything):
        assert keys(scan(call, ExclusiveStartKey={"k": {"S": key}})) == everything[index + 1 :]
        call("dynamodb", "DeleteItem", TableName="rows", Key={"k": {"S": key}})
        assert keys(scan(call, ExclusiveStartKey={"k": {"S": key}})) == everything[index + 1 :]


def test_D07_a_key_goes_on_in_its_own_segment_only(call: Call) -> None:
    put(call, "a")
    start = {"k": {"S": "a"}}
    answers = [
        call("dynamodb", "Scan", TableName="rows", ExclusiveStartKey=start, Segment=segment, TotalSegments=2)
        for segment in (0, 1)
    ]
    assert sorted(status for status, _ in answers) == [200, 400]
    refused = next(answer for answer in answers if answer[0] == 400)
    assert "Please use ExclusiveStartKey with correct Segment" in problem(refused)


@pytest.mark.parametrize(
    "parameters",
    [
        {"Segment": 0},
        {"TotalSegments": 1},
        {"Segment": 2, "TotalSegments": 2},
        {"Segment": 0, "TotalSegments": 1_000_001},
    ],
    ids=["no total", "no segment", "beyond the last", "too many"],
)
def test_D07_segments_that_are_refused(call: Call, parameters: dict[str, int]) -> None:
    assert problem(call("dynamodb", "Scan", TableName="rows", **parameters))


def test_D06_consistent_reads_are_not_for_global_indexes(call: Call) -> None:
    put(call, "a", colour={"S": "red"})
    assert scan(call, ConsistentRead=True)["Count"] == 1
    assert scan(call, IndexName="by-colour")["Count"] == 1
    problem(call("dynamodb", "Scan", TableName="rows", IndexName="by-colour", ConsistentRead=True))


def test_D01_D02_a_page_ends_before_its_filter_runs(call: Call) -> None:
    for number in range(6):
        put(call, str(number), n={"N": str(number)})
    found = []
    start: dict[str, Any] = {}
    while True:
        page = scan(
            call,
            Limit=2,
            FilterExpression="n > :n",
            ExpressionAttributeValues={":n": {"N": "9"}},
            **start,
        )
        found.append((page["Count"], page["ScannedCount"], page["Items"]))
        if "LastEvaluatedKey" not in page:
            break
        start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}
    assert found == [(0, 2, [])] * 3 + [(0, 0, [])]


# -- sizes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("attributes", "size"),
    [
        pytest.param({}, 0, id="nothing"),
        pytest.param({"a": {"S": "x"}}, 2, id="a name and a letter"),
        pytest.param({"é": {"S": "€"}}, 5, id="bytes and not characters"),
        pytest.param({"a": {"N": "0"}}, 3, id="zero"),
        pytest.param({"a": {"N": "100000"}}, 3, id="zeros at the end are free"),
        pytest.param({"a": {"N": "-12345"}}, 6, id="two digits a byte, one for the sign and one more"),
        pytest.param({"a": {"N": "nonsense"}}, 9, id="no number"),
        pytest.param({"a": {"B": base64.b64encode(b"x" * 30).decode()}}, 31, id="binary as it is"),
        pytest.param({"a": {"B": b"xyz"}}, 4, id="binary as stored"),
        pytest.param({"a": {"BOOL": False}, "b": {"NULL": True}}, 4, id="true, false and null"),
        pytest.param({"a": {"SS": ["x", "yz"]}, "b": {"NS": ["1", "2"]}}, 9, id="sets"),
        pytest.param({"a": {"L": []}, "b": {"M": {}}}, 8, id="empty collections"),
        pytest.param({"a": {"L": [{"S": "x"}, {"M": {"k": {"S": "v"}}}]}}, 1 + 3 + 2 + 1 + (3 + 1 + 2), id="nested"),
        pytest.param({"a": {"S": 5}, "b": {}, "c": 7, "d": {"L": 5}}, 8, id="what is no value"),
    ],
)
def test_D08_size_of_an_item(attributes: dict[str, Any], size: int) -> None:
    assert item_bytes(attributes) == size


@pytest.mark.parametrize(
    ("length", "accepted"), [(400 * KIB - 3, True), (400 * KIB - 2, False)], ids=["400 KB", "one byte more"]
)
def test_D10_an_item_is_at_most_400_KB_names_included(call: Call, length: int, accepted: bool) -> None:
    item = {"k": {"S": "a"}, "v": {"S": "x" * length}}
    answer = call("dynamodb", "PutItem", TableName="rows", Item=item)
    assert item_bytes(item) == length + 3
    if accepted:
        assert answer[0] == 200
    else:
        assert problem(answer) == "Item size has exceeded the maximum allowed size"


def test_D10_binaries_count_as_what_they_are(call: Call) -> None:
    value = base64.b64encode(b"x" * 390 * KIB).decode()
    assert call("dynamodb", "PutItem", TableName="rows", Item={"k": {"S": "a"}, "v": {"B": value}})[0] == 200


@pytest.mark.parametrize("existing", [True, False], ids=["of an item", "that makes an item"])
def test_D10_an_update_that_would_be_too_large_changes_nothing(call: Call, existing: bool) -> None:
    if existing:
        put(call, "a", v={"S": "x" * 300 * KIB})
    before = scan(call)["Items"]
    answer = call(
        "dynamodb",
        "UpdateItem",
        TableName="rows",
        Key={"k": {"S": "a"}},
        UpdateExpression="SET small = :s, big = :b",
        ExpressionAttributeValues={":s": {"S": "s"}, ":b": {"S": "y" * (101 if existing else 401) * KIB}},
    )
    assert problem(answer) == "Item size to update has exceeded the maximum allowed size"
    assert scan(call)["Items"] == before


def test_D10_an_update_may_replace_a_large_value_by_another(call: Call) -> None:
    put(call, "a", v={"S": "x" * 300 * KIB})
    status, _ = call(
        "dynamodb",
        "UpdateItem",
        TableName="rows",
        Key={"k": {"S": "a"}},
        UpdateExpression="SET v = :v",
        ExpressionAttributeValues={":v": {"S": "y" * 300 * KIB}},
    )
    assert status == 200


def test_D10_one_item_that_is_too_large_refuses_the_whole_batch(call: Call) -> None:
    items = [{"k": {"S": "a"}}, {"k": {"S": "b"}, "v": {"S": "x" * 400 * KIB}}]
    puts = [{"PutRequest": {"Item": item}} for item in items]
    assert "maximum allowed size" in problem(call("dynamodb", "BatchWriteItem", RequestItems={"rows": puts}))
    assert scan(call)["Count"] == 0


@pytest.mark.parametrize("value", [{"S": 5}, {}, {"L": 5}, {"S": "a", "N": "1"}, 7], ids=json.dumps)
def test_what_is_no_value_is_refused_as_stock_moto_does(moto_of_both_kinds: Callable[..., Any], value: Any) -> None:
    answers = []
    for patched in (False, True):
        with moto_of_both_kinds(patched=patched) as call:
            create(call)
            answers.append(call("dynamodb", "PutItem", TableName="rows", Item={"k": {"S": "a"}, "v": value}))
    assert answers[0] == answers[1]


# -- capacity --------------------------------------------------------------------------------------------------------


def units(answer: tuple[int, dict[str, Any]]) -> Any:
    status, body = answer
    assert status == 200, body
    return body["ConsumedCapacity"]


FIVE_KB = {"k": {"S": "a"}, "v": {"S": "x" * 5 * KIB}}
KEY = {"k": {"S": "a"}}
SET = {"UpdateExpression": "SET w = :w", "ExpressionAttributeValues": {":w": {"S": "y" * 3 * KIB}}}


@pytest.mark.parametrize(
    ("operation", "parameters", "expected"),
    [
        pytest.param("GetItem", {"Key": KEY}, 1.0, id="get: two halves"),
        pytest.param("GetItem", {"Key": KEY, "ConsistentRead": True}, 2.0, id="consistent get"),
        pytest.param("GetItem", {"Key": KEY, "ProjectionExpression": "k"}, 1.0, id="a projection saves nothing"),
        pytest.param("GetItem", {"Key": {"k": {"S": "none"}}}, 0.5, id="get of nothing"),
        pytest.param("PutItem", {"Item": KEY}, 6.0, id="put over something larger"),
        pytest.param("PutItem", {"Item": {"k": {"S": "b"}}}, 1.0, id="put of little"),
        pytest.param("DeleteItem", {"Key": KEY}, 6.0, id="delete"),
        pytest.param("DeleteItem", {"Key": {"k": {"S": "none"}}}, 1.0, id="delete of nothing"),
        pytest.param("UpdateItem", {"Key": KEY, **SET}, 9.0, id="update"),
        pytest.param("Scan", {}, 1.0, id="scan"),
        pytest.param("Scan", {"ConsistentRead": True, "Select": "COUNT"}, 2.0, id="a count saves nothing"),
        pytest.param(
            "Scan",
            {"FilterExpression": "k = :k", "ExpressionAttributeValues": {":k": {"S": "none"}}},
            1.0,
            id="a filter saves nothing",
        ),
        pytest.param(
            "Query",
            {"KeyConditionExpression": "k = :k", "ExpressionAttributeValues": {":k": {"S": "a"}}},
            1.0,
            id="query",
        ),
        pytest.param(
            "Query",
            {"KeyConditionExpression": "k = :k", "ExpressionAttributeValues": {":k": {"S": "none"}}},
            0.5,
            id="query of nothing",
        ),
    ],
)
def test_D08_capacity_comes_from_what_is_stored(
    call: Call, operation: str, parameters: dict[str, Any], expected: float
) -> None:
    call("dynamodb", "PutItem", TableName="rows", Item=FIVE_KB)
    answer = call("dynamodb", operation, TableName="rows", ReturnConsumedCapacity="TOTAL", **parameters)
    assert units(answer) == {"TableName": "rows", "CapacityUnits": expected}


def test_D08_capacity_of_many_items_is_told_by_table(call: Call) -> None:
    create(call, "others")
    puts = [{"PutRequest": {"Item": FIVE_KB}}, {"PutRequest": {"Item": {"k": {"S": "b"}}}}]
    requests = {"rows": puts, "others": [{"PutRequest": {"Item": {"k": {"S": "c"}}}}]}
    answer = call("dynamodb", "BatchWriteItem", RequestItems=requests, ReturnConsumedCapacity="TOTAL")
    assert units(answer) == [{"TableName": "rows", "CapacityUnits": 7.0}, {"TableName": "others", "CapacityUnits": 1.0}]
    wanted = {"rows": {"Keys": [KEY, {"k": {"S": "none"}}], "ConsistentRead": True}}
    answer = call("dynamodb", "BatchGetItem", RequestItems=wanted, ReturnConsumedCapacity="TOTAL")
    assert units(answer) == [{"TableName": "rows", "CapacityUnits": 3.0}]


def test_D08_transactions_take_twice_as_much(call: Call) -> None:
    actions: list[dict[str, Any]] = [
        {"Put": {"TableName": "rows", "Item": FIVE_KB}},
        {"Delete": {"TableName": "rows", "Key": {"k": {"S": "none"}}}},
    ]
    answer = call("dynamodb", "TransactWriteItems", TransactItems=actions, ReturnConsumedCapacity="TOTAL")
    assert units(answer) == [{"TableName": "rows", "CapacityUnits": 14.0}]
    gets = [{"Get": {"TableName": "rows", "Key": KEY}}]
    answer = call("dynamodb", "TransactGetItems", TransactItems=gets, ReturnConsumedCapacity="INDEXES")
    assert units(answer) == [{"TableName": "rows", "CapacityUnits": 4.0, "Table": {"CapacityUnits": 4.0}}]


def test_D08_a_page_of_an_index_is_borne_by_the_index(call: Call) -> None:
    put(call, "a", colour={"S": "red"})
    answer = call("dynamodb", "Scan", TableName="rows", IndexName="by-colour", ReturnConsumedCapacity="INDEXES")
    assert units(answer) == {
        "TableName": "rows",
        "CapacityUnits": 0.5,
        "Table": {"CapacityUnits": 0.0},
        "GlobalSecondaryIndexes": {"by-colour": {"CapacityUnits": 0.5}},
    }


@pytest.mark.parametrize(
    ("operation", "parameters"),
    [
        ("UpdateItem", {"TableName": "rows", "Key": KEY, **SET}),
        ("DeleteItem", {"TableName": "rows", "Key": KEY}),
        ("BatchWriteItem", {"RequestItems": {"rows": [{"PutRequest": {"Item": KEY}}]}}),
    ],
)
def test_D08_capacity_is_not_told_unasked(call: Call, operation: str, parameters: dict[str, Any]) -> None:
    status, body = call("dynamodb", operation, **parameters)
    assert (status, body.get("ConsumedCapacity")) == (200, None)


def test_D15_delete_of_a_missing_key_succeeds_and_put_overwrites(call: Call) -> None:
    assert call("dynamodb", "DeleteItem", TableName="rows", Key=KEY) == (200, {})
    put(call, "a", n={"N": "1"})
    put(call, "a")
    assert scan(call)["Items"] == [KEY]


# -- time to live ----------------------------------------------------------------------------------------------------

NOW_S = 1_800_000_000


@pytest.mark.parametrize(
    ("value", "expired"),
    [
        pytest.param({"N": str(NOW_S - 1)}, True, id="a second ago"),
        pytest.param({"N": str(NOW_S)}, False, id="now"),
        pytest.param({"N": f"{NOW_S - 2}.5"}, True, id="with a fraction"),
        pytest.param({"N": str(NOW_S * 1000)}, False, id="milliseconds are far in the future"),
        pytest.param({"N": str(NOW_S - 6 * 365 * 86400)}, False, id="six years ago"),
        pytest.param({"S": str(NOW_S - 1)}, False, id="text"),
        pytest.param({"N": "soon"}, False, id="no number"),
    ],
)
def test_D12_what_has_expired(value: dict[str, str], expired: bool) -> None:
    assert has_expired(value, NOW_S) is expired


def test_D12_expired_items_are_there_until_they_are_swept(call: Call) -> None:
    put(call, "old", ttl={"N": str(NOW_S - 1)})
    put(call, "new", ttl={"N": str(NOW_S + 1)})
    put(call, "none")
    table = dynamodb_backends["123456789012"]["us-east-1"].get_table("rows")
    assert sweep([table], NOW_S) == 0
    specification = {"AttributeName": "ttl", "Enabled": True}
    call("dynamodb", "UpdateTimeToLive", TableName="rows", TimeToLiveSpecification=specification)
    assert sorted(keys(scan(call))) == ["new", "none", "old"]
    assert sweep([table], NOW_S) == 1
    assert sorted(keys(scan(call))) == ["new", "none"]
