"""Connections that are kept open from one broadcast to the next."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections import deque
from typing import TYPE_CHECKING

from tracker.fanout.post_connection import PostConnection
from tracker.fanout.tcp import connect

if TYPE_CHECKING:
    from tracker.fanout.endpoint import CallbackEndpoint

MAX_IDLE_S = 20.0
"""Older ones are not reused: a NAT or the peer may have dropped them without a word while the function was frozen."""
CONNECT_TIMEOUT_S = 2.0


class NoConnectionError(Exception):
    """No connection could be made; `str(error)` says why."""


class ConnectionPool:
    """Keeps idle connections. Lives on one event loop."""

    def __init__(self, max_idle: int) -> None:
        self._max_idle = max_idle
        self._idle: dict[tuple[str, int, bool], deque[tuple[PostConnection, float]]] = {}

    def take_idle(self, endpoint: CallbackEndpoint) -> PostConnection | None:
        """Return the most recently used idle connection, or None."""
        idle = self._idle.get(_key(endpoint))
        while idle:
            connection, since = idle.pop()
            # Wall time on purpose: the monotonic clock may stand still while Lambda has frozen us (F07).
            if connection.reusable and 0 <= time.time() - since <= MAX_IDLE_S:
                return connection
            connection.abort()
        return None

    async def open(self, endpoint: CallbackEndpoint, context: ssl.SSLContext | None) -> PostConnection:
        """Open a new connection; raises `NoConnectionError` when that fails or takes too long."""
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                connection = await connect(endpoint.host, endpoint.port, context)
        except TimeoutError as error:
            raise NoConnectionError(f"no connection within {CONNECT_TIMEOUT_S:.0f} s") from error
        except OSError as error:  # includes TLS errors and names that do not resolve
            raise NoConnectionError(f"no connection: {error}") from error
        return PostConnection(connection)

    def give_back(self, endpoint: CallbackEndpoint, connection: PostConnection) -> None:
        """Keep a connection that can be used again; close any other."""
        idle = self._idle.setdefault(_key(endpoint), deque())
        if connection.reusable and len(idle) < self._max_idle:
            idle.append((connection, time.time()))
        else:
            connection.abort()

    def close(self) -> None:
        """Close all idle connections."""
        for idle in self._idle.values():
            for connection, _ in idle:
                connection.abort()
        self._idle.clear()


def _key(endpoint: CallbackEndpoint) -> tuple[str, int, bool]:
    return endpoint.host, endpoint.port, endpoint.tls
