import json

import pytest

from tracker import connect, default, disconnect
from tracker.errors import ConfigurationError, PostFailedError, PostForbiddenError


def test_connecting_writes_the_row(dynamodb, sample, context, rows):
    assert connect.handler(sample("websocket_connect"), context()) == {"statusCode": 200}
    assert rows() == {
        "Uz7QaeXyoAMCJ5g=": {
            "connectionId": "Uz7QaeXyoAMCJ5g=",
            "connectedAt": 1_710_277_498_112,
            "expiresAt": 1_710_277_498 + 2 * 3_600 + 600,
        }
    }


def test_the_table_is_the_one_that_the_environment_names(dynamodb, sample, context, rows, monkeypatch):
    dynamodb.create_table(
        TableName="other",
        AttributeDefinitions=[{"AttributeName": "connectionId", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "connectionId", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    monkeypatch.setenv("AWS_TABLE_NAME", "other")
    connect.handler(sample("websocket_connect"), context())
    assert (set(rows()), set(rows("other"))) == (set(), {"Uz7QaeXyoAMCJ5g="})
    disconnect.handler(sample("websocket_disconnect"), context())
    assert rows("other") == {}


def test_a_handshake_whose_row_cannot_be_written_is_refused(dynamodb, sample, context, monkeypatch, capsys):
    """(H04)"""
    monkeypatch.setenv("AWS_TABLE_NAME", "no-such-table")
    assert connect.handler(sample("websocket_connect"), context()) == {"statusCode": 500}
    record = json.loads(capsys.readouterr().out)
    assert (record["request_id"], record["connection_id"]) == ("r-1", "Uz7QaeXyoAMCJ5g=")
    assert "ResourceNotFoundException" in record["exception"]


def test_an_environment_without_region_fails_loudly(environment, sample, context, monkeypatch):
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    with pytest.raises(ConfigurationError, match="AWS_REGION"):
        connect.handler(sample("websocket_connect"), context())


def test_disconnecting_removes_the_row_and_only_that(dynamodb, sample, context, rows, viewers):
    viewers("other=")
    connect.handler(sample("websocket_connect"), context())
    assert disconnect.handler(sample("websocket_disconnect"), context()) == {"statusCode": 200}
    assert set(rows()) == {"other="}


def test_disconnecting_twice_is_the_same_as_once(dynamodb, sample, context):
    for _ in range(2):
        assert disconnect.handler(sample("websocket_disconnect"), context()) == {"statusCode": 200}


def test_a_row_that_cannot_be_deleted_is_logged(dynamodb, sample, context, monkeypatch, capsys):
    monkeypatch.setenv("AWS_TABLE_NAME", "no-such-table")
    assert disconnect.handler(sample("websocket_disconnect"), context()) == {"statusCode": 500}
    assert json.loads(capsys.readouterr().out)["connection_id"] == "Uz7QaeXyoAMCJ5g="


def test_a_message_without_a_route_is_answered_with_what_there_is(viewers, connections_api, sample, context):
    event = sample("websocket_message_default")
    assert default.handler(event, context()) == {"statusCode": 200}
    (post,) = connections_api.posts
    assert post.connection_id == "Uz7QaeXyoAMCJ5g="
    frame = json.loads(post.body)
    assert frame["actions"] == ["sendvendor"]
    assert frame["requestId"] == "Uz7RBGnNoAMFqPA="


@pytest.mark.parametrize("body", ["", "x" * 131_072, "<script>", '{"action":"$connect"}', "\u2028\x00"])
def test_nothing_of_what_was_sent_comes_back(viewers, connections_api, sample, context, body):
    event = sample("websocket_message_default")
    default.handler({**event, "body": body}, context())
    default.handler({key: value for key, value in event.items() if key != "body"}, context())
    first, second = connections_api.posts
    assert first.body == second.body
    assert len(first.body) < 1_000


def test_without_the_variable_the_answer_goes_where_the_event_says(
    environment, tls_connections_api, certificate_authority, sample, context, monkeypatch, tmp_path
):
    """(E13)"""
    bundle = tmp_path / "ca.pem"
    certificate_authority.cert_pem.write_to_path(str(bundle))
    monkeypatch.setenv("AWS_CA_BUNDLE", str(bundle))
    event = sample("websocket_message_default")
    event["requestContext"]["domainName"] = f"127.0.0.1:{tls_connections_api.port}"
    assert default.handler(event, context()) == {"statusCode": 200}
    assert tls_connections_api.posts[0].target.startswith("/primary/@connections/")


def test_a_client_that_left_before_the_answer_is_no_error(viewers, connections_api, sample, context):
    connections_api.fallback = 410
    assert default.handler(sample("websocket_message_default"), context()) == {"statusCode": 200}


def test_an_answer_that_cannot_be_posted_is_an_error(viewers, connections_api, sample, context, at_once):
    connections_api.fallback = 500
    with pytest.raises(PostFailedError, match="status 500"):
        default.handler(sample("websocket_message_default"), context())


def test_a_reply_that_is_forbidden_fails_loudly(viewers, connections_api, sample, context):
    connections_api.fallback = 403
    with pytest.raises(PostForbiddenError):
        default.handler(sample("websocket_message_default"), context())
