from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from moto.dynamodb.models import dynamodb_backends
from moto.sqs.models import sqs_backends

from simulator.cloud.direct import direct
from simulator.cloud.patches import apply_patches
from simulator.cloud.settings import CloudSettings

Call = Callable[..., tuple[int, dict[str, Any]]]

SERVICES = {"dynamodb": "DynamoDB_20120810", "sqs": "AmazonSQS"}


def environ(service: str, operation: str, body: bytes) -> dict[str, Any]:
    return {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/",
        "QUERY_STRING": "",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "1",
        "HTTP_HOST": "127.0.0.1:1",
        "HTTP_X_AMZ_TARGET": f"{SERVICES[service]}.{operation}",
        "HTTP_AUTHORIZATION": f"AWS4-HMAC-SHA256 Credential=test/20240101/us-east-1/{service}/aws4_request",
        "CONTENT_TYPE": "application/x-amz-json-1.0",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
    }


def call_moto(service: str, operation: str, **parameters: Any) -> tuple[int, dict[str, Any]]:
    """One request to moto's handler as the server makes it, without a socket: status and decoded body."""
    reply = direct(environ(service, operation, json.dumps(parameters).encode()))
    assert reply is not None
    return reply.status, json.loads(reply.body or b"{}")


def forget_everything() -> None:
    dynamodb_backends.reset()
    sqs_backends.reset()


@contextmanager
def moto(*, patched: bool, settings: CloudSettings | None = None) -> Iterator[Call]:
    """Empty moto, stock or patched. The patches are taken back, since other tests of this process use stock moto."""
    forget_everything()
    try:
        if patched:
            with apply_patches(settings=settings):
                yield call_moto
        else:
            yield call_moto
    finally:
        forget_everything()


@pytest.fixture
def patched_moto() -> Iterator[Call]:
    with moto(patched=True) as call:
        yield call


@pytest.fixture
def stock_moto() -> Iterator[Call]:
    with moto(patched=False) as call:
        yield call


@pytest.fixture(scope="session")
def moto_of_both_kinds() -> Callable[..., Any]:
    return moto
