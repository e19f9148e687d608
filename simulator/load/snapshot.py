"""The picture with which a map opens: every vendor as `GET /vendors` of the HTTP API has it, page by page."""

from __future__ import annotations

import contextlib
import http.client
import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from simulator.trust import tls_context

TIMEOUT_S = 30.0
"""For one page: API Gateway gives the function 29 s."""
_ROWS_OF_A_PAGE = 1_000
_MOST_PAGES = 1_000


class SnapshotError(Exception):
    """Why there is no picture, in a few words."""


def vendors_of(http_url: str, ca_bundle: str | None) -> list[Mapping[str, Any]]:
    """Return the rows of all pages, whatever they hold. Blocks; raises SnapshotError when a page cannot be had."""
    address, tls = urlsplit(http_url), tls_context(http_url, ca_bundle)
    host, port = address.hostname or "", address.port
    connection = (
        http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
        if tls is None
        else http.client.HTTPSConnection(host, port, timeout=TIMEOUT_S, context=tls)
    )
    with contextlib.closing(connection):
        return list(_rows(connection, f"{address.path.rstrip('/')}/vendors?limit={_ROWS_OF_A_PAGE}"))


def _rows(connection: http.client.HTTPConnection, path: str) -> Iterator[Mapping[str, Any]]:
    cursor = None
    for _ in range(_MOST_PAGES):
        page = _page(connection, path if cursor is None else f"{path}&lastEvaluatedKey={quote(cursor, safe='')}")
        rows = page.get("Items")
        yield from (row for row in rows if isinstance(row, dict)) if isinstance(rows, list) else ()
        cursor = page.get("lastEvaluatedKey")
        if not isinstance(cursor, str):
            return
    raise SnapshotError("there is no end of its pages")


def _page(connection: http.client.HTTPConnection, path: str) -> Mapping[str, Any]:
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
    except TimeoutError:
        raise SnapshotError(f"no answer within {TIMEOUT_S:g} s") from None
    except (OSError, http.client.HTTPException) as error:
        raise SnapshotError(f"no connection: {error}") from None
    if answer.status != http.HTTPStatus.OK:
        raise SnapshotError(f"HTTP {answer.status}")
    try:
        page = json.loads(body)
    except (ValueError, RecursionError):
        raise SnapshotError("the answer is not JSON") from None
    if not isinstance(page, dict):
        raise SnapshotError("the answer is no page")
    return page
