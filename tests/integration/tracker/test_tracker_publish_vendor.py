import json

import pytest
from botocore.exceptions import ClientError

from tracker import aws, publish_vendor, send_vendor
from tracker.errors import InvalidEventError


@pytest.fixture
def queue(dynamodb, monkeypatch):
    """The bodies on the vendor queue, in order."""
    client = aws.client("sqs")
    url = client.create_queue(QueueName="vendor-twitter-queue")["QueueUrl"]
    monkeypatch.setenv("AWS_SQS_URL", url)

    def bodies():
        received = client.receive_message(QueueUrl=url, MaxNumberOfMessages=10)
        return [message["Body"] for message in received.get("Messages", ())]

    return bodies


@pytest.fixture
def message(sample):
    """A MESSAGE on the route, from a connection with this authorizer context."""

    said = '{"action":"sendvendor","lat":37.7749,"long":-122.4194,"text":"Tacos until three 🌮"}'

    def build(body=said, **authorizer):
        event = sample("websocket_message_sendvendor")
        event["body"] = body
        if authorizer:
            event["requestContext"]["authorizer"] = authorizer
        return event

    return build


VENDOR = {"principalId": "vendor/17", "vendorId": "17", "integrationLatency": "41"}
VIEWER = {"principalId": "viewer", "integrationLatency": "3"}
IDS = {"connectionId": "Uz7QaeXyoAMCJ5g=", "requestId": "Uz7RBGmNoAMFqPA="}


def frame_of(answer):
    assert set(answer) == {"statusCode", "body"}
    assert answer["statusCode"] == 200
    return json.loads(answer["body"])


def test_a_vendors_update_is_put_on_the_queue_and_the_vendor_told(queue, message, context):
    frame = frame_of(publish_vendor.handler(message(**VENDOR), context()))
    (body,) = queue()
    update = json.loads(body)
    assert (update["userId"], update["text"]) == ("17", "Tacos until three 🌮")
    assert update["date"] == "2024-03-12T21:05:02.431+00:00"  # when API Gateway took it
    assert frame == {"action": "sendvendor", "status": "accepted", "id": update["id"], **IDS}


def test_what_is_on_the_queue_is_broadcast_as_it_is(queue, message, viewers, connections_api, context):
    publish_vendor.handler(message(**VENDOR), context())
    viewers("a=")
    (body,) = queue()
    assert send_vendor.handler({"Records": [{"messageId": "m", "body": body}]}, context()) == {"batchItemFailures": []}
    assert connections_api.bodies("a=") == [body.encode()]


@pytest.mark.parametrize("authorizer", [{}, VIEWER, {**VIEWER, "vendorId": ""}], ids=["none", "viewer", "empty"])
def test_A07_who_is_no_vendor_is_told_so_and_nothing_is_sent(queue, message, context, authorizer):
    frame = frame_of(publish_vendor.handler(message(**authorizer), context()))
    assert (frame["action"], frame["status"]) == ("sendvendor", "refused")
    assert "may only watch" in frame["message"]
    assert frame.items() >= IDS.items()
    assert queue() == []


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ('{"action":"sendvendor","userId":"18","lat":1,"long":1}', "userId must be '17'"),
        ('{"action":"sendvendor","lat":91,"long":1}', "lat must be a number from -90 to 90"),
        ('{"action":"sendvendor","lat":1}', "long must be a number"),
        ('{"action":"sendvendor","id":"1","lat":1,"long":1}', "'id' is no key of this message"),
        ("not json", "body is not JSON text"),
        ("", "body is not JSON text"),
    ],
)
def test_an_update_that_is_none_is_refused_saying_why(queue, message, context, body, why):
    frame = frame_of(publish_vendor.handler(message(body, **VENDOR), context()))
    assert frame["status"] == "refused"
    assert why in frame["message"]
    assert queue() == []


def test_E09_a_message_without_body_is_refused(queue, message, context):
    event = message(**VENDOR)
    del event["body"]
    assert frame_of(publish_vendor.handler(event, context()))["status"] == "refused"


def test_answers_are_ascii_whatever_was_sent(queue, message, context):
    answer = publish_vendor.handler(message('{"action":"sendvendor","\u2028\x7f\ud83c":1}', **VENDOR), context())
    assert answer["body"].isascii()
    assert answer["body"].isprintable()


def test_M07_an_update_that_the_queue_does_not_take_is_an_error(queue, message, context, monkeypatch):
    monkeypatch.setenv("AWS_SQS_URL", "https://sqs.us-east-1.amazonaws.com/123456789012/no-such-queue")
    with pytest.raises(ClientError, match="NonExistentQueue"):
        publish_vendor.handler(message(**VENDOR), context())


@pytest.mark.parametrize("name", ["websocket_connect", "websocket_disconnect"])
def test_another_kind_of_event_is_refused(environment, sample, context, name):
    with pytest.raises(InvalidEventError):
        publish_vendor.handler(sample(name), context())
