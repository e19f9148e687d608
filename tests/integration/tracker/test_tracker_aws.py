import json

import boto3
import pytest
from botocore.exceptions import ClientError

from tracker import aws
from tracker.errors import ConfigurationError, ContestedRowError
from tracker.updates import MAX_UPDATE_BYTES


def record(update, now_ms=1_000, name="n", image="i", description="d"):
    aws.dynamodb_record_vendor_update("vendors", update, name=name, image=image, description=description, now_ms=now_ms)


def numbers(row):
    return [int(tweet["id"]) - 1_767_661_414_543_360_000 for tweet in row["tweets"]]


def test_a_first_update_makes_the_row(dynamodb, rows, make_update):
    record(make_update(1), now_ms=5, name="Señor Sisig", image="https://x/1.png", description="Tacos")
    assert rows("vendors", "twitterId") == {
        "17": {
            "twitterId": "17",
            "name": "Señor Sisig",
            "image": "https://x/1.png",
            "description": "Tacos",
            "tweets": [make_update(1)],
            "created": 5,
            "updated": 5,
        }
    }


def test_a_later_update_is_appended_and_the_row_brought_up_to_date(dynamodb, rows, make_update):
    record(make_update(1), now_ms=5)
    record(make_update(2), now_ms=9, name="new name")
    row = rows("vendors", "twitterId")["17"]
    assert (numbers(row), row["name"], row["created"], row["updated"]) == ([1, 2], "new name", 5, 9)


def test_the_tweets_of_a_vendor_stay_few_and_the_newest(dynamodb, rows, make_update, monkeypatch):
    monkeypatch.setattr(aws, "TWEETS_MAX", 6)
    monkeypatch.setattr(aws, "TWEETS_AFTER_TRIM", 3)
    sizes = []
    for number in range(20):
        record(make_update(number), now_ms=number)
        kept = numbers(rows("vendors", "twitterId")["17"])
        assert kept == list(range(kept[0], number + 1))
        sizes.append(len(kept))
    assert max(sizes) == aws.TWEETS_MAX
    assert min(sizes[aws.TWEETS_MAX :]) == aws.TWEETS_AFTER_TRIM


def test_a_row_that_has_grown_too_long_elsewhere_is_cut(dynamodb, rows, make_update):
    tweets = aws.to_wire([make_update(number) for number in range(300)])
    dynamodb.put_item(TableName="vendors", Item={"twitterId": {"S": "17"}, "tweets": tweets})
    record(make_update(300))
    assert numbers(rows("vendors", "twitterId")["17"]) == list(range(296, 301))


def test_the_longest_possible_list_fits_an_item():
    """(D10): with room to spare for name, image and description."""
    assert aws.TWEETS_MAX * MAX_UPDATE_BYTES < 350_000


def test_an_update_written_by_somebody_else_in_between_is_not_lost(dynamodb, rows, make_update, monkeypatch):
    monkeypatch.setattr(aws, "TWEETS_MAX", 6)
    monkeypatch.setattr(aws, "TWEETS_AFTER_TRIM", 3)
    for number in range(6):
        record(make_update(number))
    update_or_old_row, interrupted = aws._update_or_old_row, []

    def interrupt(*args):
        row = update_or_old_row(*args)
        if row is not None and not interrupted:
            interrupted.append(True)
            record(make_update(6))
        return row

    monkeypatch.setattr(aws, "_update_or_old_row", interrupt)
    record(make_update(7))
    assert numbers(rows("vendors", "twitterId")["17"]) == [4, 5, 6, 7]


def test_a_row_that_always_changes_in_between_is_an_error(dynamodb, make_update, monkeypatch):
    monkeypatch.setattr(aws, "_update_or_old_row", lambda *_: {"tweets": {"L": [{"S": "x"}] * 20}})
    with pytest.raises(ContestedRowError, match="'17' of table vendors"):
        record(make_update(1))


def test_other_errors_of_the_table_pass_through(dynamodb, make_update):
    with pytest.raises(ClientError, match="ResourceNotFound"):
        aws.dynamodb_record_vendor_update("none", make_update(1), name="", image="", description="", now_ms=1)


def test_a_scan_returns_every_row_whatever_the_page(viewers, dynamodb):
    ids = {f"c{number}=" for number in range(11)}
    viewers(*ids)
    for limit in (None, 1, 4, 11, 100):
        found = aws.get_all_scan_results("websocket-connections", limit=limit, projection=["connectionId"])
        assert {row["connectionId"] for row in found} == ids
        assert all(row.keys() == {"connectionId"} for row in found)


def test_a_scan_goes_on_after_a_key(viewers):
    viewers("a=", "b=", "c=")
    first, *_ = aws.dynamodb_scan_table("websocket-connections", limit=1)
    rest = list(aws.dynamodb_scan_table("websocket-connections", start_key=first.last_evaluated_key))
    assert [row["connectionId"] for page in rest for row in page.items] == ["b=", "c="]


def test_a_reserved_word_may_be_projected(dynamodb, make_update):
    record(make_update(1), name="Ming")
    (row,) = aws.get_all_scan_results("vendors", projection=["name", "twitterId"])
    assert row == {"name": "Ming", "twitterId": "17"}


def test_a_table_is_described(dynamodb):
    assert aws.dynamodb_describe_table("vendors")["TableStatus"] == "ACTIVE"


def test_a_message_is_deleted(dynamodb):
    sqs = aws.client("sqs")
    url = sqs.create_queue(QueueName="q")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="x")
    (message,) = sqs.receive_message(QueueUrl=url)["Messages"]
    aws.sqs_delete_message(url, message["ReceiptHandle"])
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert attributes["ApproximateNumberOfMessagesNotVisible"] == "0"


def test_a_client_is_made_once_for_a_region_and_endpoint(environment, monkeypatch):
    first = aws.client("sqs")
    assert aws.client("sqs") is first
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    other = aws.client("sqs")
    assert other is not first
    assert other.meta.endpoint_url == "http://127.0.0.1:1"


def test_one_frame_goes_to_many(viewers, connections_api):
    connections_api.script["gone="] = [410]
    outcome = aws.broadcast_message_websocket(
        connections_api.websocket_url, ["a=", "gone=", "b="], json.dumps({"ø": 1}), time_left_s=10
    )
    assert (outcome.delivered, outcome.gone) == (2, 1)
    assert connections_api.bodies("a=") == [b'{"\\u00f8": 1}']


def test_missing_credentials_are_a_configuration_error(environment, monkeypatch):
    class Empty:
        def get_credentials(self):
            return None

    monkeypatch.setattr(aws, "_session", Empty())
    with pytest.raises(ConfigurationError, match="AWS_ACCESS_KEY_ID"):
        aws.current_credentials()


def test_boto3_posts_as_we_do(viewers, connections_api, monkeypatch):
    """The same request line and signed headers from both, so that whoever takes one takes the other (C02)."""
    aws.broadcast_message_websocket(connections_api.websocket_url, ["L0SM9cOFvHcCIhw="], "x", time_left_s=10)
    (ours,) = connections_api.posts
    url = connections_api.websocket_url.replace("ws:", "http:")
    client = boto3.client("apigatewaymanagementapi", endpoint_url=url)
    seen = []
    client.meta.events.register_last("before-send.*.*", lambda request, **_: seen.append(request))
    client.post_to_connection(ConnectionId="L0SM9cOFvHcCIhw=", Data=b"x")
    client.close()
    assert seen[0].url.endswith(ours.target)
    assert "SignedHeaders=host;x-amz-date;x-amz-security-token" in seen[0].headers["Authorization"].decode()
    assert "SignedHeaders=host;x-amz-date;x-amz-security-token" in ours.headers["Authorization"]
