"""Whose name a request may call: AWS answers 403 to a host that is not the API's (C11).

It also keeps a web page that points a name of its own at this machine from reading what is meant for its user.

On one machine an API has no name, so what cannot be anybody's public name passes: addresses, single labels, and the
domains that are reserved for such use (RFC 6761, RFC 9476).
"""

from __future__ import annotations

import functools
import ipaddress

_PRIVATE = ("localhost", "local", "internal", "test", "example", "invalid")


def is_ours(host_header: str | None, allowed: frozenset[str] = frozenset()) -> bool:
    """Whether a request with this Host header is meant for this gateway. `allowed` names further hosts, lower case.

    Without the header (HTTP/1.0) nothing is claimed, and the request passes.
    """
    return host_header is None or _is_ours(host_header, allowed)


@functools.lru_cache(maxsize=256)
def _is_ours(host_header: str, allowed: frozenset[str]) -> bool:
    """Kept for the few hosts that clients really use: it is asked for every callback."""
    host = _without_port(host_header.strip().lower()).rstrip(".")
    if not host or "." not in host or host in allowed:
        return True
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return host.rpartition(".")[2] in _PRIVATE
    return True


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdigit() else host
