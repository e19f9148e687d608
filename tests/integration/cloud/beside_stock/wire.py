"""Requests to moto's handlers as the server makes them, without a socket."""

from __future__ import annotations

import io
import json
import sys
from typing import Any

from simulator.cloud.direct import direct

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
