"""The outputs of a deployed stack: from the shapes they come in to the addresses in them.

Pure. Outputs are read as `aws cloudformation describe-stacks` prints them, with or without `--query`. What an output is
for is told by the end of its name, so that any stack works whose outputs are named like those of `template.yaml`:
`…Url` of a WebSocket address, `HttpUrl`, `…QueueUrl`, `…TableName`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

_WEBSOCKET = ("ws", "wss")
_HTTP = ("http", "https")
_REGION_IN_HOST = re.compile(r"(?:execute-api|sqs)\.([a-z]{2,}(?:-[a-z]+)+-\d+)\.")


@dataclass(frozen=True, slots=True)
class StackAddresses:
    """What the load has to know of a stack that runs already; a `simulator.load.stack_view.Target`."""

    websocket_url: str | None
    """`wss://host/stage`; None when no output is one."""
    http_url: str | None
    """`https://host/stage` of the HTTP API; None when no output is called so."""
    management_url: str | None
    """boto3's `endpoint_url` for the connections, where there is one."""
    queue_urls: Mapping[str, str]
    """Queue name to URL."""
    tables: tuple[str, ...]
    region: str
    aws_endpoint_url: str | None = None
    """None: where the user's AWS settings say, which is AWS."""
    ca_bundle: str | None = None


def read_outputs(document: Any) -> dict[str, str]:
    """Output key to value, from one stack of DescribeStacks or its list of outputs.

    Raises ValueError, half a sentence, for anything else.
    """
    found = document
    if isinstance(found, Mapping) and "Stacks" in found:
        stacks = found["Stacks"]
        if not isinstance(stacks, list) or len(stacks) != 1:
            raise ValueError("has not exactly one stack in it; name it with --stack-name")
        found = stacks[0]
    if isinstance(found, Mapping) and "StackName" in found:
        found = found.get("Outputs", [])
    if not isinstance(found, list):
        raise ValueError(  # noqa: TRY004  of a file's content, like the others
            "is not what `aws cloudformation describe-stacks` prints, nor what `tracker-sim up --json` does"
        )
    try:
        return {str(output["OutputKey"]): str(output["OutputValue"]) for output in found}
    except (KeyError, TypeError):
        raise ValueError("has outputs without OutputKey and OutputValue") from None


def region_of(outputs: Mapping[str, str]) -> str | None:
    """The region that the addresses of AWS name; None when none does."""
    hosts = [urlsplit(value).hostname or "" for value in outputs.values() if "://" in value]
    return next((match[1] for host in hosts if (match := _REGION_IN_HOST.search(f"{host}."))), None)


def addresses_of(outputs: Mapping[str, str], region: str) -> StackAddresses:
    """Sort the outputs by what they are for."""
    queues = {key: value for key, value in outputs.items() if key.endswith("QueueUrl") and _scheme(value) in _HTTP}
    sockets = [value for value in outputs.values() if _scheme(value) in _WEBSOCKET]
    websocket_url = outputs["WebSocketUrl"] if outputs.get("WebSocketUrl") in sockets else next(iter(sockets), None)
    return StackAddresses(
        websocket_url=websocket_url,
        http_url=next((url for key, url in outputs.items() if key.endswith("HttpUrl") and _scheme(url) in _HTTP), None),
        management_url=None if websocket_url is None else "http" + websocket_url.removeprefix("ws"),
        queue_urls=MappingProxyType({_last_part(url): url for url in queues.values()}),
        tables=tuple(value for key, value in outputs.items() if key.endswith("TableName")),
        region=region,
    )


def _scheme(value: str) -> str:
    return value.partition("://")[0] if "://" in value else ""


def _last_part(url: str) -> str:
    return urlsplit(url).path.rpartition("/")[2]
