"""botocore clients for one endpoint, made once each.

`botocore` and not `boto3`: the clients are the same, and half of the import time is saved. Nothing of the user's own
AWS set-up is read: no profile, no credentials, no proxy.
"""

from __future__ import annotations

import os
import threading
from typing import Any

ACCESS_KEY = "test"
SECRET_KEY = "test"  # noqa: S105  moto and its like accept anything

_POOL_SIZE = 64
_CONNECT_TIMEOUT_S = 5
_READ_TIMEOUT_S = 60
"""Above the longest long poll (20 s)."""
_ATTEMPTS = 2


class Clients:
    """Thread-safe; the clients themselves are too."""

    def __init__(self, region: str) -> None:
        self._region = region
        self._lock = threading.Lock()
        self._session: Any = None
        self._clients: dict[tuple[str, str], Any] = {}

    def client(self, service: str, endpoint_url: str) -> Any:
        """The client of `service` for `endpoint_url`, with a large pool, few retries and dummy credentials."""
        with self._lock:
            key = (service, endpoint_url)
            if key not in self._clients:
                self._clients[key] = self._make(service, endpoint_url)
            return self._clients[key]

    def close(self) -> None:
        """Close every pool."""
        with self._lock:
            for client in self._clients.values():
                client.close()
            self._clients.clear()

    def _make(self, service: str, endpoint_url: str) -> Any:
        import botocore.config  # noqa: PLC0415  a third of a second, spent while the child process starts
        import botocore.session  # noqa: PLC0415

        if self._session is None:
            nowhere = (None, None, os.devnull, None)
            self._session = botocore.session.Session(
                session_vars={
                    "profile": (None, None, None, None),
                    "config_file": nowhere,
                    "credentials_file": nowhere,
                }
            )
        config = botocore.config.Config(
            connect_timeout=_CONNECT_TIMEOUT_S,
            read_timeout=_READ_TIMEOUT_S,
            max_pool_connections=_POOL_SIZE,
            retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
            proxies={},
        )
        return self._session.create_client(
            service,
            region_name=self._region,
            endpoint_url=endpoint_url,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            config=config,
        )
