"""This machine is reached directly, whatever proxy the user's environment names."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping

_LOOPBACK = ("127.0.0.1", "localhost", "::1", "[::1]")


def is_loopback(host: str) -> bool:
    """Whether an address or name is this machine's own, which no other machine reaches."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def without_proxy(environment: Mapping[str, str]) -> dict[str, str]:
    """`NO_PROXY` in both its spellings: what `environment` excepts already, and loopback.

    Both, because Python prefers the lower-case one and other programs know only one of them.
    """
    given = ",".join(filter(None, (environment.get(name) for name in ("no_proxy", "NO_PROXY"))))
    excepted = [name.strip() for name in given.split(",") if name.strip()]
    # "*" must stand alone.
    value = "*" if "*" in excepted else ",".join(dict.fromkeys([*excepted, *_LOOPBACK]))
    return {"NO_PROXY": value, "no_proxy": value}
