import dataclasses
import json

import pytest

from simulator.endpoints import Endpoints

ALL = Endpoints(
    websocket_url="ws://127.0.0.1:1/primary",
    http_url=None,
    management_url="http://127.0.0.1:1/primary",
    apis={"Api": "ws://127.0.0.1:1/primary"},
    aws_endpoint_url="http://127.0.0.1:2",
    lambda_url="http://127.0.0.1:3",
    region="us-east-1",
    queue_urls={"q": "http://127.0.0.1:2/123456789012/q"},
    tables=("a", "b"),
    functions=("f",),
    pid=7,
)


def test_endpoints_survive_json_whole():
    assert Endpoints.from_json(json.loads(json.dumps(ALL.to_json()))) == ALL


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(Endpoints)])
def test_a_document_without_one_of_them_is_refused(name):
    document = ALL.to_json()
    del document[name]
    with pytest.raises(KeyError, match=name):
        Endpoints.from_json(document)


def test_what_a_later_version_adds_is_passed_over():
    assert Endpoints.from_json({**ALL.to_json(), "new": 1}) == ALL
