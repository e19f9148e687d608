"""Ways of reading a whole table with boto3: the reference system's loop, larger pages, segments side by side."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
from botocore.config import Config

REFERENCE_PAGE_ROWS = 25


class TableScans:
    """One table at one endpoint."""

    def __init__(self, endpoint_url: str, table: str) -> None:
        self._name = table
        self._client = boto3.client("dynamodb", endpoint_url=endpoint_url, config=Config(max_pool_connections=16))
        self._table = boto3.resource("dynamodb", endpoint_url=endpoint_url).Table(table)

    def loop_of_25(self) -> list[dict[str, Any]]:
        """What the reference does, in boto3's terms: its document client, `Limit` 25, until there is no next key."""
        rows: list[dict[str, Any]] = []
        request: dict[str, Any] = {"Limit": REFERENCE_PAGE_ROWS}
        while True:
            page = self._table.scan(**request)
            rows += page["Items"]
            if "LastEvaluatedKey" not in page:
                return rows
            request["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    def pages(self, **request: Any) -> list[dict[str, Any]]:
        """Through boto3's paginator, rows left as they came."""
        found = self._client.get_paginator("scan").paginate(TableName=self._name, **request)
        return [item for page in found for item in page["Items"]]

    def segments(self, count: int) -> list[dict[str, Any]]:
        """A parallel scan, a thread for each segment."""
        with ThreadPoolExecutor(count) as pool:
            found = pool.map(lambda number: self.pages(Segment=number, TotalSegments=count), range(count))
            return [row for rows in found for row in rows]

    def close(self) -> None:
        self._client.close()
        self._table.meta.client.close()
