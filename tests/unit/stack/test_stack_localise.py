from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from simulator.stack.localise import local_environment, localise
from simulator.stack.model import Stack

HOST = "execute-api.us-east-1.amazonaws.com"


@pytest.fixture
def stack(load: Callable[..., Stack], make_function: Callable[..., Any]) -> Stack:
    variables = {"WS": f"wss://aaaaaaaaaa.{HOST}/primary", "QUEUE": {"Ref": "Q"}, "PLAIN": "x"}
    return load(
        {"F": make_function(Environment={"Variables": variables}), "Q": {"Type": "AWS::SQS::Queue"}},
    )


@pytest.mark.parametrize(
    ("value", "local"),
    [
        pytest.param(f"wss://aaaaaaaaaa.{HOST}/primary", "ws://127.0.0.1:81/primary", id="websocket"),
        pytest.param(f"https://aaaaaaaaaa.{HOST}/primary", "http://127.0.0.1:81/primary", id="https"),
        pytest.param(f"aaaaaaaaaa.{HOST}", "127.0.0.1:81", id="bare-host"),
        pytest.param(f"https://bbbbbbbbbb.{HOST}", "http://127.0.0.1:82", id="another-api"),
        pytest.param(f"wss://cccccccccc.{HOST}/x", f"wss://cccccccccc.{HOST}/x", id="an-api-we-do-not-run"),
        pytest.param(
            f"wss://aaaaaaaaaa.{HOST}/a,wss://bbbbbbbbbb.{HOST}/b", "ws://127.0.0.1:81/a,ws://127.0.0.1:82/b", id="two"
        ),
        pytest.param(
            "https://sqs.us-east-1.amazonaws.com/123456789012/q", "http://127.0.0.1:90/123456789012/q", id="queue"
        ),
        pytest.param(
            "https://sqs.eu-west-1.amazonaws.com/1/q", "https://sqs.eu-west-1.amazonaws.com/1/q", id="other-region"
        ),
        pytest.param("arn:aws:sqs:us-east-1:123456789012:q", "arn:aws:sqs:us-east-1:123456789012:q", id="arn"),
    ],
)
def test_addresses_of_this_stack_become_local(stack: Stack, value: str, local: str) -> None:
    addresses = {"aaaaaaaaaa": "127.0.0.1:81", "bbbbbbbbbb": "127.0.0.1:82"}
    assert localise(value, stack=stack, api_addresses=addresses, aws_endpoint_url="http://127.0.0.1:90/") == local


@pytest.mark.parametrize(
    ("value", "local"),
    [
        (f"wss://aaaaaaaaaa.{HOST}/primary", "wss://127.0.0.1:81/primary"),
        (f"https://aaaaaaaaaa.{HOST}/primary", "https://127.0.0.1:81/primary"),
        (f"aaaaaaaaaa.{HOST}", "127.0.0.1:81"),
        ("https://sqs.us-east-1.amazonaws.com/123456789012/q", "http://127.0.0.1:90/123456789012/q"),
    ],
)
def test_with_tls_the_addresses_of_apis_stay_secure(stack: Stack, value: str, local: str) -> None:
    """Queues are moto's, which speaks no TLS."""
    found = localise(
        value,
        stack=stack,
        api_addresses={"aaaaaaaaaa": "127.0.0.1:81"},
        aws_endpoint_url="http://127.0.0.1:90",
        tls=True,
    )
    assert found == local


def test_a_function_gets_all_its_variables_localised(stack: Stack) -> None:
    environment = local_environment(
        stack.functions[0],
        stack=stack,
        api_addresses={"aaaaaaaaaa": "127.0.0.1:81"},
        aws_endpoint_url="http://127.0.0.1:90",
    )
    assert environment == {
        "WS": "ws://127.0.0.1:81/primary",
        "QUEUE": "http://127.0.0.1:90/123456789012/local-Q",
        "PLAIN": "x",
    }
