"""Where the callback API (@connections) of a WebSocket API is."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from tracker.errors import ConfigurationError

_DEFAULT_PORTS = {True: 443, False: 80}
_HOST = re.compile(r"([A-Za-z0-9-]{1,63}\.)*[A-Za-z0-9-]{1,63}|[0-9A-Fa-f.]*:[0-9A-Fa-f:.]+")
_BASE_PATH = re.compile(r"(/[A-Za-z0-9_.~-]+)*")


class CallbackEndpoint(NamedTuple):
    """Host and stage of `https://{host}/{stage}/@connections/{id}` (C01)."""

    tls: bool
    host: str
    port: int
    base_path: str
    """`/{stage}`; empty behind a custom domain that drops the stage (H01)."""

    @classmethod
    def from_websocket_url(cls, url: str) -> CallbackEndpoint:
        """Read the value of `AWS_WEBSOCKET_URL`: `wss://host/stage`, or `ws://…` for a gateway on this machine.

        Raises `ConfigurationError` naming the variable.
        """
        problem = "must look like wss://host/stage"
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise ConfigurationError(f"AWS_WEBSOCKET_URL {problem}, not {url[:200]!r}") from error
        base_path = parts.path.rstrip("/")
        well_formed = (
            parts.scheme in {"ws", "wss"}
            and _HOST.fullmatch(parts.hostname or "")
            and _BASE_PATH.fullmatch(base_path)
            and parts.username is None
            and not parts.query
            and not parts.fragment
        )
        if not well_formed:
            raise ConfigurationError(f"AWS_WEBSOCKET_URL {problem}, not {url[:200]!r}")
        # A custom domain has no stage in its path; the API's own host name always has one.
        if not base_path and ".execute-api." in (parts.hostname or ""):
            raise ConfigurationError(f"AWS_WEBSOCKET_URL {problem}, but {url[:200]!r} names no stage")
        tls = parts.scheme == "wss"
        return cls(tls=tls, host=parts.hostname or "", port=port or _DEFAULT_PORTS[tls], base_path=base_path)

    @classmethod
    def from_event(cls, domain_name: str, stage: str) -> CallbackEndpoint:
        """Build it as handlers in the wild do, from an event's `domainName` and `stage` (E13)."""
        return cls.from_websocket_url(f"wss://{domain_name}/{stage}")

    @property
    def authority(self) -> str:
        """The `Host` header: the port only where it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.tls] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """`https://host/stage`, for messages."""
        return f"{'https' if self.tls else 'http'}://{self.authority}{self.base_path}"

    def connection_path(self, connection_id: str) -> str:
        """Return the request target of one connection as botocore writes it: `@` raw, the id encoded (C02)."""
        return f"{self.base_path}/@connections/{quote(connection_id, safe='~')}"
