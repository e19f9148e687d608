"""Section 4 of the contract: the @connections management API (C rows)."""

import re
from urllib.parse import quote

import pytest


def test_C04_a_post_that_succeeds_is_200_with_no_body(probe):
    socket = probe.open()
    answer = probe.connections("POST", quote(socket.id), b"hello")
    assert socket.recv() == "hello"
    assert (answer.status, answer.body) == (200, b"")
    assert answer["content-type"] == "application/json"
    assert answer["content-length"] == "0"
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", answer["x-amzn-requestid"])
    assert re.fullmatch(r"[A-Za-z0-9_-]{15}=", answer["x-amz-apigw-id"])
    assert answer["x-amzn-trace-id"]


def test_C08_C09_a_closed_connection_is_gone_and_boto3_says_so(probe):
    socket = probe.open()
    connection_id = socket.id
    socket.close()
    probe.records.disconnect_event(connection_id)
    answer = probe.connections("POST", quote(connection_id), b"too late")
    assert (answer.status, answer.body) == (410, b"")
    assert answer["x-amzn-errortype"] == "GoneException"
    management = probe.management()
    with pytest.raises(management.exceptions.GoneException) as caught:
        management.post_to_connection(ConnectionId=connection_id, Data=b"too late")
    assert caught.value.response["Error"] == {"Message": "", "Code": "GoneException"}
