"""Every difference between stock and patched moto that random operations may show."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Answer = tuple[int, dict[str, Any]]
"""Status and body."""


@dataclass(frozen=True, slots=True)
class Difference:
    """What a patched answer may have that stock moto's has not."""

    row: str
    """Of the contract."""
    what: str
    seen: Callable[[str, dict[str, Any], Answer, Answer], bool]
    """From operation, request, stock and patched answer: whether this is it, and nothing else."""


def _names_an_empty_page(operation: str, request: dict[str, Any], stock: Answer, patched: Answer) -> bool:
    if operation not in ("Scan", "Query") or stock[1].get("ScannedCount") != request.get("Limit"):
        return False
    more = dict(patched[1])
    return (
        "LastEvaluatedKey" not in stock[1]
        and "LastEvaluatedKey" in more
        and ((patched[0], {name: value for name, value in more.items() if name != "LastEvaluatedKey"}) == stock)
    )


def _names_no_page_beyond_the_range(operation: str, request: dict[str, Any], stock: Answer, patched: Answer) -> bool:
    less = {name: value for name, value in stock[1].items() if name != "LastEvaluatedKey"}
    return operation == "Query" and "AND" in request["KeyConditionExpression"] and (stock[0], less) == patched


def _refuses(*operations: str, saying: str) -> Callable[[str, dict[str, Any], Answer, Answer], bool]:
    def seen(operation: str, _request: dict[str, Any], _stock: Answer, patched: Answer) -> bool:
        return operation in operations and patched[0] == 400 and saying in json.dumps(patched[1])

    return seen


def _tells_the_source(operation: str, _request: dict[str, Any], stock: Answer, patched: Answer) -> bool:
    if operation != "ReceiveMessage" or (stock[0], patched[0]) != (200, 200):
        return False
    found = json.loads(json.dumps(patched[1]))
    told = [each.get("Attributes", {}).pop("DeadLetterQueueSourceArn", None) for each in found.get("Messages", [])]
    return any(told) and found == stock[1]


def _tells_no_capacity(_operation: str, request: dict[str, Any], stock: Answer, patched: Answer) -> bool:
    if request.get("ReturnConsumedCapacity", "NONE") != "NONE" or stock[0] != 200:
        return False
    less = {name: value for name, value in stock[1].items() if not name.startswith("ConsumedCapacity")}
    return less != stock[1] and (200, less) == patched


DIFFERENCES = (
    Difference("D03", "a page as long as Limit names a next page, though nothing follows", _names_an_empty_page),
    Difference(
        "D01",
        "a query's full page names no next one when only rows outside of its range follow",
        _names_no_page_beyond_the_range,
    ),
    Difference(
        "D05",
        "a start key that is no key of the table is refused, before anything else is looked at",
        _refuses("Scan", "Query", saying="The provided starting key is invalid: The provided key element"),
    ),
    Difference(
        "D07",
        "a start key that is of another segment is refused, before anything else is looked at",
        _refuses("Scan", saying="Please use ExclusiveStartKey with correct Segment"),
    ),
    Difference("D08", "consumed capacity is told to those only who ask", _tells_no_capacity),
    Difference(
        "D10",
        "a batch of more than 25 items is refused",
        _refuses("BatchWriteItem", saying="Too many items requested for the BatchWriteItem call"),
    ),
    Difference("Q13", "a dead letter tells the queue it came from", _tells_the_source),
)
"""All that random operations may show. Where AWS is known to differ from stock moto in ways that would tear the two
sides apart, the operations leave it out, and it has a test of its own:

- D08, how much capacity; D09, rows in the order of a hash (here both go by key); D10, items between 400 and 405 KB;
- Q18, Q19, FIFO queues after a visibility timeout, with several groups, and duplicates of messages that are gone;
- Q20, a stale receipt handle of a FIFO queue; Q22, sizes in bytes, and the limit of messages in flight;
- messages past their retention, which stock moto keeps.
"""
