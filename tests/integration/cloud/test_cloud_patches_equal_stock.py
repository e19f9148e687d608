"""The patched moto answers what stock moto answers, on random operations; and differs where AWS differs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simulator.cloud.patches import dynamodb_pages, key_order

Call = Callable[..., tuple[int, dict[str, Any]]]
Page = tuple[int, dict[str, Any]]

FEW = settings(
    max_examples=15, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

SCHEMAS = {
    "text-key": [("k", "HASH", "S")],
    "number-key": [("k", "HASH", "N")],
    "binary-key": [("k", "HASH", "B")],
    "text-and-number-key": [("k", "HASH", "S"), ("r", "RANGE", "N")],
}
VALUES = {"S": ["a", "b", "B", "ä", "10", "9"], "N": ["9", "10", "-1", "2.5"], "B": ["YQ==", "Yg==", "/w=="]}

ATTRIBUTES = st.fixed_dictionaries(
    {},
    optional={
        "n": st.integers(0, 5).map(lambda number: {"N": str(number)}),
        "s": st.sampled_from(["x", "€" * 40]).map(lambda text: {"S": text}),
        "m": st.just({"M": {"in": {"L": [{"BOOL": True}, {"NULL": True}, {"SS": ["p", "q"]}]}}}),
        "b": st.just({"B": "aGk="}),
        "big": st.integers(1, 3).map(lambda hundreds: {"S": "y" * hundreds * 100_000}),
    },
)


def keys_of(schema: str) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {
            name: st.sampled_from(VALUES[kind]).map(lambda value, kind=kind: {kind: value})
            for name, _, kind in SCHEMAS[schema]
        }
    )


def scans(schema: str) -> st.SearchStrategy[tuple[str, dict[str, Any]]]:
    shapes = st.sampled_from(
        [
            {},
            {"FilterExpression": "n > :n", "ExpressionAttributeValues": {":n": {"N": "2"}}},
            {"ProjectionExpression": "k, m.in"},
            {"Select": "COUNT"},
            {"ScanFilter": {"n": {"ComparisonOperator": "GT", "AttributeValueList": [{"N": "1"}]}}},
        ]
    )
    segments = (
        [{}] if schema == "binary-key" else [{}, {"Segment": 0, "TotalSegments": 2}, {"Segment": 1, "TotalSegments": 2}]
    )
    limits = st.sampled_from([{}, {"Limit": 1}, {"Limit": 2}, {"Limit": 3}, {"Limit": 50}])
    return st.builds(
        lambda shape, segment, limit: ("Scan", {**shape, **segment, **limit}), shapes, st.sampled_from(segments), limits
    )


def queries(schema: str) -> st.SearchStrategy[tuple[str, dict[str, Any]]]:
    def query(
        key: dict[str, Any], bound: int, forward: bool, limit: int | None, how: str
    ) -> tuple[str, dict[str, Any]]:
        values: dict[str, Any] = {":k": key["k"]}
        condition = "k = :k"
        if "r" in key and how:
            condition += f" AND r {how} :r"
            values[":r"] = {"N": str(bound)}
        parameters = {
            "KeyConditionExpression": condition,
            "ExpressionAttributeValues": values,
            "ScanIndexForward": forward,
        }
        return "Query", parameters if limit is None else {**parameters, "Limit": limit}

    return st.builds(
        query,
        keys_of(schema),
        st.integers(-2, 10),
        st.booleans(),
        st.sampled_from([None, 1, 2]),
        st.sampled_from(["", ">", "<="]),
    )


def steps(schema: str) -> st.SearchStrategy[list[tuple[str, dict[str, Any]]]]:
    key = keys_of(schema)
    put = st.builds(lambda k, a: ("PutItem", {"Item": {**a, **k}, "ReturnValues": "ALL_OLD"}), key, ATTRIBUTES)
    delete = key.map(lambda k: ("DeleteItem", {"Key": k, "ReturnValues": "ALL_OLD"}))
    get = key.map(lambda k: ("GetItem", {"Key": k}))
    update = key.map(
        lambda k: (
            "UpdateItem",
            {
                "Key": k,
                "UpdateExpression": "ADD n :one",
                "ExpressionAttributeValues": {":one": {"N": "1"}},
                "ReturnValues": "ALL_NEW",
            },
        )
    )
    once = st.builds(
        lambda k, a: ("PutItem", {"Item": {**a, **k}, "ConditionExpression": "attribute_not_exists(k)"}),
        key,
        ATTRIBUTES,
    )
    return st.lists(st.one_of(put, put, put, delete, get, update, once, scans(schema), queries(schema)), max_size=24)


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


def as_stock_would(patched: list[Page], limit: int | None) -> list[Page]:
    """Takes back the one intended difference (D03): a full last page names a next one, which is empty."""
    if len(patched) > 1 and patched[-1][1].get("ScannedCount") == 0 and patched[-2][1]["ScannedCount"] == limit:
        status, body = patched[-2]
        return [*patched[:-2], (status, {key: value for key, value in body.items() if key != "LastEvaluatedKey"})]
    return patched


def answers(call: Call, schema: str, todo: list[tuple[str, dict[str, Any]]], *, patched: bool) -> list[Any]:
    create_table(call, schema)
    found: list[Any] = []
    for operation, parameters in todo:
        if operation in ("Scan", "Query"):
            all_pages = pages(call, operation, parameters)
            found.append(as_stock_would(all_pages, parameters.get("Limit")) if patched else all_pages)
        else:
            status, body = call("dynamodb", operation, TableName="rows", **parameters)
            body.pop("ConsumedCapacity", None)  # stock moto tells it unasked (D08)
            found.append((status, body))
    return found


@pytest.mark.parametrize("schema", SCHEMAS)
def test_dynamodb_answers(moto_of_both_kinds: Callable[..., Any], schema: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the order of keys, which stock moto has; another order is a test of its own."""
    monkeypatch.setattr(key_order, "place", lambda hash_key: hash_key.cast_value)
    monkeypatch.setattr(dynamodb_pages, "place", lambda hash_key: hash_key.cast_value)

    @FEW
    @given(todo=steps(schema))
    def same(todo: list[tuple[str, dict[str, Any]]]) -> None:
        with moto_of_both_kinds(patched=False) as call:
            stock = answers(call, schema, todo, patched=False)
        with moto_of_both_kinds(patched=True) as call:
            assert answers(call, schema, todo, patched=True) == stock

    same()


def sqs_steps(*, fifo: bool) -> st.SearchStrategy[list[tuple[str, Any]]]:
    """For FIFO queues what stock moto does right: one group, and no message that becomes visible again."""
    steps: list[st.SearchStrategy[tuple[str, Any]]] = [
        st.just(("send", "a")) if fifo else st.sampled_from(["a", "b", "€"]).map(lambda body: ("send", body)),
        st.integers(1, 10).map(lambda count: ("receive", count)),
        st.just(("delete", 0)),
        st.just(("attributes", 0)),
    ]
    if not fifo:
        steps += [st.just(("receive-visible", 1)), st.just(("give-back", 0))]
    return st.lists(st.one_of(*steps), max_size=24)


def sqs_answers(call: Call, todo: list[tuple[str, Any]], *, fifo: bool) -> list[Any]:
    name = "work.fifo" if fifo else "work"
    attributes = {"FifoQueue": "true", "ContentBasedDeduplication": "true"} if fifo else {"DelaySeconds": "0"}
    call("sqs", "CreateQueue", QueueName="dead" + (".fifo" if fifo else ""), Attributes=attributes if fifo else {})
    arn = f"arn:aws:sqs:us-east-1:123456789012:dead{'.fifo' if fifo else ''}"
    redrive = f'{{"deadLetterTargetArn": "{arn}", "maxReceiveCount": 2}}'
    url = call("sqs", "CreateQueue", QueueName=name, Attributes={**attributes, "RedrivePolicy": redrive})[1]["QueueUrl"]
    handles: list[str] = []
    found: list[Any] = []
    for number, (kind, value) in enumerate(todo):
        if kind == "send":
            extra = {"MessageGroupId": value, "MessageDeduplicationId": str(number)} if fifo else {}
            attribute = {"colour": {"DataType": "String", "StringValue": value}}
            status, body = call(
                "sqs", "SendMessage", QueueUrl=url, MessageBody=value, MessageAttributes=attribute, **extra
            )
            found.append((status, body["MD5OfMessageBody"], body["MD5OfMessageAttributes"]))
        elif kind.startswith("receive"):
            visibility = {"VisibilityTimeout": 0} if kind == "receive-visible" else {"VisibilityTimeout": 300}
            parameters = {"MaxNumberOfMessages": value, "MessageAttributeNames": ["All"], "AttributeNames": ["All"]}
            status, body = call("sqs", "ReceiveMessage", QueueUrl=url, **parameters, **visibility)
            messages = body.get("Messages", [])
            handles += [message["ReceiptHandle"] for message in messages]
            found.append(
                (
                    status,
                    [(m["Body"], m["Attributes"]["ApproximateReceiveCount"], m["MessageAttributes"]) for m in messages],
                )
            )
        elif kind == "attributes":
            status, body = call("sqs", "GetQueueAttributes", QueueUrl=url, AttributeNames=["All"])
            body["Attributes"] = {k: v for k, v in body["Attributes"].items() if not k.endswith("Timestamp")}
            found.append((status, body))
            names = ["QueueArn", "ApproximateNumberOfMessages", "RedrivePolicy", "KmsMasterKeyId"]
            found.append(call("sqs", "GetQueueAttributes", QueueUrl=url, AttributeNames=names))
        elif kind == "delete":
            found.append(call("sqs", "DeleteMessage", QueueUrl=url, ReceiptHandle=handles.pop(0)) if handles else None)
        else:
            found.append(
                call("sqs", "ChangeMessageVisibility", QueueUrl=url, ReceiptHandle=handles[-1], VisibilityTimeout=0)[0]
                if handles
                else None
            )
    return found


@pytest.mark.parametrize("fifo", [False, True], ids=["standard", "fifo"])
def test_sqs_answers(moto_of_both_kinds: Callable[..., Any], fifo: bool) -> None:
    @FEW
    @given(todo=sqs_steps(fifo=fifo))
    def same(todo: list[tuple[str, Any]]) -> None:
        with moto_of_both_kinds(patched=False) as call:
            stock = sqs_answers(call, todo, fifo=fifo)
        with moto_of_both_kinds(patched=True) as call:
            assert sqs_answers(call, todo, fifo=fifo) == stock

    same()


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
