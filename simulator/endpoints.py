"""Where a running stack can be reached: what `tracker-sim up --json` prints and everything else is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The addresses and names of one running stack."""

    websocket_url: str | None
    """`ws://host:port/stage` of the first WebSocket API (`wss://` with TLS); None when the template has none."""
    http_url: str | None
    """`http://host:port/stage` (or without stage; `https://` with TLS) of the first HTTP API; None without one."""
    management_url: str | None
    """`http://host:port/stage`: boto3's `endpoint_url` for `apigatewaymanagementapi`."""
    apis: Mapping[str, str]
    """Logical id to URL, all APIs."""
    aws_endpoint_url: str
    """For `AWS_ENDPOINT_URL`: DynamoDB and SQS."""
    lambda_url: str
    """For `AWS_ENDPOINT_URL_LAMBDA`: the Invoke API of the functions."""
    region: str
    queue_urls: Mapping[str, str]
    """Queue name to URL."""
    tables: tuple[str, ...]
    """Table names."""
    functions: tuple[str, ...]
    """Function names."""
    pid: int
    """The process to stop (SIGTERM)."""
    ca_bundle: str | None = None
    """File of certificates (PEM) that trusts this stack's own beside the public ones; gone when the stack is."""

    def to_json(self) -> dict[str, Any]:
        """As JSON-serialisable values, keys as above."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Endpoints:
        """The reverse of `to_json`; raises KeyError or TypeError for another document."""
        return cls(
            **{
                **{name: document[name] for name in cls.__slots__},
                "tables": tuple(document["tables"]),
                "functions": tuple(document["functions"]),
            }
        )
