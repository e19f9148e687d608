"""The deployed package stands on its own: nothing of the simulator is needed or even installed."""

import importlib
import importlib.util

import pytest

MODULES = [
    "authorize", "aws", "connect", "default", "disconnect", "get_vendors", "publish_vendor", "send_vendor", "settings",
    "wire",
]  # fmt: skip


def test_the_simulators_dependencies_are_not_here():
    """Else this environment proves nothing."""
    for name in ("moto", "websockets", "faker", "samtranslator", "click"):
        assert importlib.util.find_spec(name) is None


@pytest.mark.parametrize("module", MODULES)
def test_module_imports(module):
    assert importlib.import_module(f"tracker.{module}")


def test_a_handler_answers(monkeypatch):
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    get_vendors = importlib.import_module("tracker.get_vendors")
    event = {"queryStringParameters": {"limit": "0"}, "requestContext": {"requestId": "r"}}

    class Context:
        function_name = "get-vendors"
        memory_limit_in_mb = "128"
        invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:get-vendors"
        aws_request_id = "00000000-0000-4000-8000-000000000000"

        def get_remaining_time_in_millis(self):
            return 3000

    assert get_vendors.handler(event, Context())["statusCode"] == 400
