import pytest

from simulator.stack_outputs import StackAddresses, addresses_of, read_outputs, region_of

SOCKETS = "wss://k3v9q2d7xa.execute-api.eu-west-1.amazonaws.com/primary"
QUEUE = "https://sqs.eu-west-1.amazonaws.com/123456789012/vendor-twitter-queue"
OUTPUTS = {
    "WebSocketUrl": SOCKETS,
    "HttpUrl": "https://abc.execute-api.eu-west-1.amazonaws.com/primary",
    "ManagementUrl": "https://k3v9q2d7xa.execute-api.eu-west-1.amazonaws.com/primary",
    "VendorQueueUrl": QUEUE,
    "VendorDeadLetterQueueUrl": f"{QUEUE}-dead-letters",
    "ConnectionsTableName": "websocket-connections",
    "VendorsTableName": "vendors",
}


def as_listed(outputs):
    return [{"OutputKey": key, "OutputValue": value, "Description": "…"} for key, value in outputs.items()]


@pytest.mark.parametrize(
    "document",
    [
        pytest.param(as_listed(OUTPUTS), id="outputs alone"),
        pytest.param({"StackName": "tracker", "Outputs": as_listed(OUTPUTS)}, id="one stack"),
        pytest.param({"Stacks": [{"StackName": "tracker", "Outputs": as_listed(OUTPUTS)}]}, id="describe-stacks"),
    ],
)
def test_outputs_are_read_in_every_shape_the_aws_cli_prints(document):
    assert read_outputs(document) == OUTPUTS


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"Stacks": []}, "not exactly one stack"),
        ({"Stacks": [{"StackName": "a"}, {"StackName": "b"}]}, "not exactly one stack"),
        ({"websocket": "ws://…"}, "is not what"),
        ("wss://…", "is not what"),
        ([{"OutputKey": "WebSocketUrl"}], "without OutputKey and OutputValue"),
        (["WebSocketUrl"], "without OutputKey and OutputValue"),
    ],
)
def test_anything_else_is_refused(document, words):
    with pytest.raises(ValueError, match=words):
        read_outputs(document)


def test_outputs_are_sorted_by_what_they_are_for():
    assert addresses_of(OUTPUTS, "eu-west-1") == StackAddresses(
        websocket_url=SOCKETS,
        http_url="https://abc.execute-api.eu-west-1.amazonaws.com/primary",
        management_url="https://k3v9q2d7xa.execute-api.eu-west-1.amazonaws.com/primary",
        queue_urls={
            "vendor-twitter-queue": QUEUE,
            "vendor-twitter-queue-dead-letters": f"{QUEUE}-dead-letters",
        },
        tables=("websocket-connections", "vendors"),
        region="eu-west-1",
        aws_endpoint_url=None,
    )


def test_the_output_named_for_it_is_the_address_where_there_are_several():
    outputs = {"AdminUrl": "wss://admin.example/one", **OUTPUTS}
    assert addresses_of(outputs, "eu-west-1").websocket_url == SOCKETS


@pytest.mark.parametrize(
    ("value", "region"),
    [
        (SOCKETS, "eu-west-1"),
        (QUEUE, "eu-west-1"),
        ("https://sqs.us-gov-west-1.amazonaws.com/1/q", "us-gov-west-1"),
        ("wss://live.example.com", None),
        ("ws://127.0.0.1:4000/primary", None),
        ("vendors", None),
    ],
)
def test_the_region_is_that_of_the_addresses(value, region):
    assert region_of({"Some": value}) == region
