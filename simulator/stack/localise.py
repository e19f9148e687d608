"""Turns addresses in AWS spelling into addresses on this machine, once those are known."""

from __future__ import annotations

from collections.abc import Mapping

from simulator.stack.arns import url_suffix
from simulator.stack.model import Function, Stack


def localise(
    value: str, *, stack: Stack, api_addresses: Mapping[str, str], aws_endpoint_url: str, tls: bool = False
) -> str:
    """`value` with every host of this stack's APIs and queues replaced.

    `api_addresses` maps API ids to `HOST:PORT`. WebSocket and HTTPS addresses of an API come out in plain text
    (`ws://`, `http://`), since that is what everything here speaks unless asked for `tls`; a bare host keeps no scheme.

    >>> # wss://k3v9q2d7xa.execute-api.us-east-1.amazonaws.com/primary  ->  ws://127.0.0.1:8080/primary
    """
    suffix = f"{stack.region}.{url_suffix(stack.region)}"
    for api_id, address in api_addresses.items():
        host = f"{api_id}.execute-api.{suffix}"
        if host in value:
            if not tls:
                value = value.replace(f"wss://{host}", f"ws://{host}").replace(f"https://{host}", f"http://{host}")
            value = value.replace(host, address)
    return value.replace(f"https://sqs.{suffix}", aws_endpoint_url.rstrip("/"))


def local_environment(
    function: Function, *, stack: Stack, api_addresses: Mapping[str, str], aws_endpoint_url: str, tls: bool = False
) -> dict[str, str]:
    """A function's variables with their addresses on this machine."""
    return {
        name: localise(value, stack=stack, api_addresses=api_addresses, aws_endpoint_url=aws_endpoint_url, tls=tls)
        for name, value in function.environment.items()
    }
