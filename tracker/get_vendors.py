"""A browser asks for the vendors, page by page.

Trigger: `GET /vendors` of the HTTP API. Event: payload 2.0 (P01).
Query: `limit`, rows per page, 1–1000, default 25; `lastEvaluatedKey`, the cursor of the page before.
Result: 200 with `{"Items": […], "count": n, "lastEvaluatedKey": cursor|null}`; null, and only null, says that there
is no more: a page may be empty and yet be followed by others (D02). 400 with `{"message": …}` for a bad query. When the
table cannot be read the handler raises, and the gateway answers 500 (P08). CORS headers are the gateway's work (P12).
"""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from tracker.aws import dynamodb_scan_table
from tracker.cursor import decode_cursor, encode_cursor
from tracker.errors import InvalidRequestError
from tracker.logs import request_log
from tracker.settings import read_settings

if TYPE_CHECKING:
    from tracker.events import Context, HttpApiEvent, ProxyResult

DEFAULT_LIMIT = 25
MAX_LIMIT = 1_000

_WHOLE_NUMBER = re.compile(r"[0-9]{1,9}")


def handler(event: HttpApiEvent, context: Context | None) -> ProxyResult:
    """Answer one page of the vendors table."""
    log = request_log(context)
    query = event.get("queryStringParameters") or {}
    try:
        limit = _limit(query.get("limit"))
        cursor = query.get("lastEvaluatedKey")
        start_key = None if cursor is None else decode_cursor(cursor)
    except InvalidRequestError as error:
        log.info("bad request", reason=str(error))
        return _answer(error.status, {"message": str(error)})
    page = next(dynamodb_scan_table(read_settings().vendors_table, limit=limit, start_key=start_key))
    last_key = page.last_evaluated_key
    log.info("answered a page of vendors", count=len(page.items), more=last_key is not None)
    return _answer(
        HTTPStatus.OK,
        {
            "Items": page.items,
            "count": len(page.items),
            "lastEvaluatedKey": encode_cursor(last_key) if last_key else None,
        },
    )


def _limit(text: str | None) -> int:
    if text is None:
        return DEFAULT_LIMIT
    if not _WHOLE_NUMBER.fullmatch(text) or not 1 <= int(text) <= MAX_LIMIT:
        raise InvalidRequestError(f"limit must be a whole number from 1 to {MAX_LIMIT}")
    return int(text)


def _answer(status: HTTPStatus, body: dict[str, Any]) -> ProxyResult:
    return {
        "statusCode": status,
        "headers": {"content-type": "application/json"},
        # UTF-8 as it is: escapes would swell a page of 1 MB towards Lambda's 6 MB limit (F15).
        "body": json.dumps(body, ensure_ascii=False, separators=(",", ":")),
    }
