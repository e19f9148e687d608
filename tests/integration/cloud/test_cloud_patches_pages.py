"""Pages, segments and batches of the patched moto, where AWS differs from stock moto or a kept order could go wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Call = Callable[..., tuple[int, dict[str, Any]]]
Page = tuple[int, dict[str, Any]]

SCHEMAS = {"text-key": [("k", "HASH", "S")]}


def create_table(call: Call, schema: str) -> None:
    parts = SCHEMAS[schema]
    status, _ = call(
        "dynamodb",
        "CreateTable",
        TableName="rows",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": name, "KeyType": role} for name, role, _ in parts],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": kind} for name, _, kind in parts],
    )
    assert status == 200


def pages(call: Call, operation: str, parameters: dict[str, Any]) -> list[Page]:
    """All pages of a Scan or Query, LastEvaluatedKey followed to the end."""
    found: list[Page] = []
    start: dict[str, Any] = {}
    while True:
        status, body = call("dynamodb", operation, TableName="rows", **parameters, **start)
        found.append((status, body))
        if "LastEvaluatedKey" not in body:
            return found
        start = {"ExclusiveStartKey": body["LastEvaluatedKey"]}


def put_rows(call: Call, count: int) -> None:
    for number in range(count):
        assert call("dynamodb", "PutItem", TableName="rows", Item={"k": {"S": f"{number:04}"}})[0] == 200


def test_a_full_last_page_names_a_next_one_which_is_empty(patched_moto: Call) -> None:
    """(D03)"""
    create_table(patched_moto, "text-key")
    put_rows(patched_moto, 4)
    assert [body["Count"] for _, body in pages(patched_moto, "Scan", {"Limit": 2})] == [2, 2, 0]


def test_stock_moto_leaves_that_page_out(stock_moto: Call) -> None:
    create_table(stock_moto, "text-key")
    put_rows(stock_moto, 4)
    assert [body["Count"] for _, body in pages(stock_moto, "Scan", {"Limit": 2})] == [2, 2]


def test_segments_of_a_parallel_scan_are_disjoint_and_complete(patched_moto: Call) -> None:
    """(D07)"""
    create_table(patched_moto, "text-key")
    put_rows(patched_moto, 60)
    found = [
        item["k"]["S"]
        for segment in range(4)
        for _, body in pages(patched_moto, "Scan", {"Segment": segment, "TotalSegments": 4, "Limit": 7})
        for item in body["Items"]
    ]
    assert sorted(found) == [f"{number:04}" for number in range(60)]


def test_a_scan_goes_on_behind_a_key_that_was_deleted_meanwhile(patched_moto: Call) -> None:
    create_table(patched_moto, "text-key")
    put_rows(patched_moto, 6)
    _, first = patched_moto("dynamodb", "Scan", TableName="rows", Limit=2)
    patched_moto("dynamodb", "DeleteItem", TableName="rows", Key=first["LastEvaluatedKey"])
    _, rest = patched_moto("dynamodb", "Scan", TableName="rows", ExclusiveStartKey=first["LastEvaluatedKey"])
    found = [item["k"]["S"] for item in first["Items"] + rest["Items"]]
    assert sorted(found) == [f"{number:04}" for number in range(6)]


def test_a_table_made_again_starts_empty(patched_moto: Call) -> None:
    create_table(patched_moto, "text-key")
    put_rows(patched_moto, 3)
    patched_moto("dynamodb", "Scan", TableName="rows")
    patched_moto("dynamodb", "DeleteTable", TableName="rows")
    create_table(patched_moto, "text-key")
    assert patched_moto("dynamodb", "Scan", TableName="rows")[1]["Count"] == 0


def test_a_rolled_back_transaction_leaves_the_scan_as_it_was(patched_moto: Call) -> None:
    create_table(patched_moto, "text-key")
    put_rows(patched_moto, 2)
    patched_moto("dynamodb", "Scan", TableName="rows")
    put = {"Put": {"TableName": "rows", "Item": {"k": {"S": "new"}}}}
    refuse = {
        "ConditionCheck": {
            "TableName": "rows",
            "Key": {"k": {"S": "0000"}},
            "ConditionExpression": "attribute_not_exists(k)",
        }
    }
    status, _ = patched_moto("dynamodb", "TransactWriteItems", TransactItems=[put, refuse])
    assert status == 400
    assert patched_moto("dynamodb", "Scan", TableName="rows")[1]["Count"] == 2
    put_rows(patched_moto, 3)
    assert patched_moto("dynamodb", "Scan", TableName="rows")[1]["Count"] == 3


def test_more_than_25_items_in_a_batch_are_refused(patched_moto: Call) -> None:
    """(D10)"""
    create_table(patched_moto, "text-key")
    puts = [{"PutRequest": {"Item": {"k": {"S": str(number)}}}} for number in range(26)]
    status, body = patched_moto("dynamodb", "BatchWriteItem", RequestItems={"rows": puts})
    assert (status, body["__type"].split("#")[-1]) == (400, "ValidationException")
    assert patched_moto("dynamodb", "BatchWriteItem", RequestItems={"rows": puts[:25]})[0] == 200
    assert patched_moto("dynamodb", "Scan", TableName="rows")[1]["Count"] == 25
