import base64
import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracker.cursor import decode_cursor, encode_cursor
from tracker.errors import InvalidRequestError

IDS = st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1, max_size=400)


def b64(text):
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


@settings(deadline=None)
@given(IDS)
def test_a_cursor_can_be_sent_back_exactly_as_it_came(twitter_id):
    cursor = encode_cursor({"twitterId": twitter_id})
    assert re.fullmatch(r"[A-Za-z0-9_-]+", cursor)
    assert decode_cursor(cursor) == {"twitterId": twitter_id}


@pytest.mark.parametrize("twitter_id", ["é" * 1_024, "\x01" * 1_000, '"' * 2_048], ids=["é", "control", "quotes"])
def test_the_cursor_of_a_long_key_can_be_sent_back(twitter_id):
    assert decode_cursor(encode_cursor({"twitterId": twitter_id})) == {"twitterId": twitter_id}


@settings(deadline=None)
@given(st.text(alphabet="ABCDabcd0189_-=", max_size=60) | st.text(max_size=20) | IDS.map(b64))
def test_whatever_is_sent_is_a_cursor_or_refused(text):
    try:
        key = decode_cursor(text)
    except InvalidRequestError:
        return
    assert encode_cursor(key) == text


@pytest.mark.parametrize(
    "cursor",
    [
        pytest.param("", id="empty"),
        pytest.param("null", id="null, as text"),
        pytest.param('{"twitterId":{"S":"1"}}', id="wire form"),
        pytest.param("A", id="not base64"),
        pytest.param(b64("[]"), id="a list"),
        pytest.param(b64('{"twitterId":""}'), id="an empty key"),
        pytest.param(b64('{"twitterId":17}'), id="a number as key"),
        pytest.param(b64('{"twitterId":"1","x":"2"}'), id="one key too many"),
        pytest.param(b64('{"connectionId":"1"}'), id="the key of another table"),
        pytest.param(b64('{"twitterId": "1"}'), id="other spelling"),
        pytest.param(b64('{"twitterId":"1"}') + "==", id="padding"),
        pytest.param(b64('{"twitterId":"\\ud800"}'), id="half a surrogate pair"),
        pytest.param(b64("[" * 2_000), id="nested deeply"),
        pytest.param(b64(json.dumps({"twitterId": "x" * 9_000})), id="too long"),
        pytest.param(b64('{"twitterId":"' + "é" * 1_025 + '"}'), id="a key longer than DynamoDB has them"),
    ],
)
def test_anything_else_is_refused(cursor):
    with pytest.raises(InvalidRequestError, match="lastEvaluatedKey"):
        decode_cursor(cursor)
