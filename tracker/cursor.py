"""The page cursor of `GET /vendors`: a DynamoDB key as text that can be sent back exactly as it came.

Base64url of `{"twitterId": "…"}`, without padding, so that it needs no escaping in a URL.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from typing import Any

from tracker.errors import InvalidRequestError

KEY = "twitterId"
MAX_KEY_BYTES = 2_048
"""DynamoDB's hash keys are no longer; a longer one would be an error of the table's, not of the client's."""
MAX_CURSOR_CHARS = 10_240
"""No longer request line comes through an HTTP API (P15)."""

_ALPHABET = re.compile(r"[A-Za-z0-9_-]+")


def encode_cursor(key: dict[str, Any]) -> str:
    """Return a last evaluated key as a cursor."""
    text = json.dumps({KEY: key[KEY]}, separators=(",", ":"), ensure_ascii=False)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode_cursor(cursor: str) -> dict[str, Any]:
    """Return the key in a cursor; raises `InvalidRequestError` for anything that `encode_cursor` did not make."""
    problem = "lastEvaluatedKey is not a cursor of this API: send it back exactly as it came"
    if len(cursor) > MAX_CURSOR_CHARS or not _ALPHABET.fullmatch(cursor):
        raise InvalidRequestError(problem)
    try:
        key = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError, RecursionError) as error:
        raise InvalidRequestError(problem) from error
    if not isinstance(key, dict) or list(key) != [KEY] or not isinstance(key[KEY], str) or not key[KEY]:
        raise InvalidRequestError(problem)
    try:
        canonical = encode_cursor(key)
    except UnicodeEncodeError as error:  # half a surrogate pair
        raise InvalidRequestError(problem) from error
    if canonical != cursor or len(key[KEY].encode()) > MAX_KEY_BYTES:
        raise InvalidRequestError(problem)
    return key
