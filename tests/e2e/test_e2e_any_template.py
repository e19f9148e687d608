"""Any SAM project runs here, not only the tracker."""

import json
import urllib.error
import urllib.request
from pathlib import Path

import boto3
import pytest
from websockets.sync.client import connect

APP = Path(__file__).parent / "app"
WORKER_MODES = pytest.mark.parametrize("mode", [(), ("--in-process",)], ids=["workers", "in process"])


def get(url):
    try:
        with urllib.request.urlopen(url) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


@WORKER_MODES
def test_handlers_reach_the_stack_as_they_would_reach_aws(up, mode):
    running, endpoints = up("--template", APP / "template.yaml", *mode)
    assert set(endpoints["apis"]) == {"Chat", "PlainApi", "ServerlessHttpApi"}
    assert len(endpoints["functions"]) == 3
    with connect(endpoints["apis"]["Chat"]) as client:
        client.send('{"action": "echo", "note": "n1", "text": "hello"}')
        answer = json.loads(client.recv(timeout=60))
    assert answer["echo"]["text"] == "hello"
    assert answer["url"] == endpoints["apis"]["Chat"].replace("ws:", "https:")
    status = 404
    while status == 404:  # the queue, the trigger and the function are on their way
        assert running.process.poll() is None
        status, note = get(endpoints["http_url"] + "/notes/n1")
    assert (status, note) == (200, {"id": "n1", "text": "hello"})


def test_a_second_websocket_api_has_an_address_of_its_own(up):
    _, endpoints = up("--template", APP / "template.yaml")
    plain, chat = endpoints["apis"]["PlainApi"], endpoints["apis"]["Chat"]
    assert plain.endswith("/live")
    assert plain.split("/")[2] != chat.split("/")[2]
    with connect(plain) as client:
        client.send('{"anything": 1}')
        assert json.loads(client.recv(timeout=60))["url"] == plain.replace("ws:", "https:")


def test_a_renamed_table_is_followed_by_both_sides(up):
    _, endpoints = up("--parameter", "ConnectionsTableName=renamed")
    dynamodb = boto3.client(
        "dynamodb",
        endpoint_url=endpoints["aws_endpoint_url"],
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    with connect(endpoints["websocket_url"]):
        assert dynamodb.scan(TableName="renamed")["Count"] == 1
