import json

import pytest
from botocore.exceptions import ClientError

from tracker import aws, get_vendors


@pytest.fixture
def vendors(dynamodb, make_update):
    def add(*twitter_ids):
        for number, twitter_id in enumerate(twitter_ids):
            aws.dynamodb_record_vendor_update(
                "vendors",
                make_update(number, twitter_id),
                name=f"Señor {twitter_id}",
                image="https://images.example.test/1.png",
                description="Tacos 🌮\u2028",
                now_ms=1_710_277_500_000,
            )

    return add


def ask(context, **query):
    event = {"version": "2.0", "routeKey": "GET /vendors"}
    if query:
        event["queryStringParameters"] = query
    answer = get_vendors.handler(event, context())
    return answer["statusCode"], json.loads(answer["body"])


def test_vendors_come_as_plain_json(vendors, context, make_update):
    vendors("17")
    answer = get_vendors.handler({}, context())
    assert (answer["statusCode"], answer["headers"]) == (200, {"content-type": "application/json"})
    assert json.loads(answer["body"]) == {
        "Items": [
            {
                "twitterId": "17",
                "name": "Señor 17",
                "image": "https://images.example.test/1.png",
                "description": "Tacos 🌮\u2028",
                "tweets": [make_update(0)],
                "created": 1_710_277_500_000,
                "updated": 1_710_277_500_000,
            }
        ],
        "count": 1,
        "lastEvaluatedKey": None,
    }


def test_the_sample_event_is_answered(vendors, sample, context):
    vendors("1", "2", "3")
    body = json.loads(get_vendors.handler(sample("http_get_vendors"), context())["body"])
    assert body["count"] == len(body["Items"]) == 2


def test_a_table_of_nobody(dynamodb, context):
    assert ask(context) == (200, {"Items": [], "count": 0, "lastEvaluatedKey": None})


def test_every_vendor_comes_once_when_the_cursor_is_sent_back_as_it_came(vendors, context):
    ids = [f"vendor {number}/ø=&+" for number in range(7)]
    vendors(*ids)
    seen, query = [], {"limit": "3"}
    for _ in range(5):
        status, body = ask(context, **query)
        assert status == 200
        seen += [item["twitterId"] for item in body["Items"]]
        if body["lastEvaluatedKey"] is None:
            break
        query["lastEvaluatedKey"] = body["lastEvaluatedKey"]
    assert sorted(seen) == sorted(ids)


def test_25_come_when_no_limit_is_given(vendors, context):
    vendors(*(str(number) for number in range(27)))
    _, body = ask(context)
    assert body["count"] == 25
    _, body = ask(context, limit="1000")
    assert body["count"] == 27


@pytest.mark.parametrize("limit", ["", "0", "-1", "1001", "ten", "1.5", "25,25", " 5", "٣", "NaN", "9" * 5000])
def test_a_bad_limit_is_refused(dynamodb, context, limit):
    assert ask(context, limit=limit) == (400, {"message": "limit must be a whole number from 1 to 1000"})


@pytest.mark.parametrize("cursor", ["", "null", "undefined", "%22", '{"twitterId":{"S":"1"}}', "x" * 10_000, "a,b"])
def test_a_bad_cursor_is_refused(dynamodb, context, cursor):
    status, body = ask(context, lastEvaluatedKey=cursor)
    assert status == 400
    assert "lastEvaluatedKey" in body["message"]


def test_a_table_that_cannot_be_read_is_an_error(dynamodb, context, monkeypatch):
    """(P08): the gateway makes a 500 of it."""
    monkeypatch.setenv("AWS_VENDOR_TABLE_NAME", "no-such-table")
    with pytest.raises(ClientError, match="ResourceNotFound"):
        ask(context)
