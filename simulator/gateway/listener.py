"""Accepting sockets on a port that speaks plain and TLS: the first byte tells which.

A TLS client begins with a handshake record (0x16), which no HTTP method starts with. The byte is only peeked at, so
that asyncio then sees the whole stream.

From being accepted on, a client has one deadline for everything up to the end of its first request: the first byte, the
TLS handshake, and the request itself, however slowly they trickle in. The protocol that takes over is told how much of
it is left.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import functools
import logging
import socket
import ssl
from collections.abc import Callable

from simulator.errors import EnvironmentFailure, InputError
from simulator.gateway.newcomers import Newcomers

_LOG = logging.getLogger("simulator.gateway")

_TLS_HANDSHAKE = 0x16
_TLS_SHUTDOWN_TIMEOUT_S = 10.0
"""How long a TLS client may take to read what is left for it when its connection is closed."""
_BACKLOG = 4096
_ACCEPTS_PER_WAKE = 64
_PAUSE_WHEN_FULL_S = 0.2


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; `port` 0 takes a free one."""
    if not 0 <= port <= 65_535:  # noqa: PLR2004
        raise InputError(f"{port} is not a port; give --port a number from 0 (any free port) to 65535.")
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listening = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise InputError(f"{host!r} is not an address of this machine ({error}); try --host 127.0.0.1.") from error
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(_BACKLOG)
        listening.setblocking(False)
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRINUSE:
            raise EnvironmentFailure(
                f"port {port} on {host} is in use; stop what listens there or give another --port (0: any free one)."
            ) from error
        raise EnvironmentFailure(
            f"cannot listen on {host}:{port} ({error.strerror or error}); give another --host or --port."
        ) from error
    return listening


class Listener:
    """Hands each accepted socket to a fresh protocol, over TLS when the client speaks it."""

    def __init__(
        self,
        listening: socket.socket,
        protocol_factory: Callable[[float], asyncio.BaseProtocol],
        tls: ssl.SSLContext | None,
        newcomers: Newcomers,
        *,
        first_request_timeout_s: float,
    ) -> None:
        self._socket = listening
        self._factory = protocol_factory
        """Takes the seconds that are left for the first request."""
        self._tls = tls
        self._newcomers = newcomers
        self._timeout_s = first_request_timeout_s
        self._loop = asyncio.get_running_loop()
        self._silent: dict[socket.socket, asyncio.TimerHandle] = {}
        self._admitting: set[asyncio.Task[None]] = set()
        self._pause: asyncio.TimerHandle | None = None

    @property
    def port(self) -> int:
        """The port in use."""
        port: int = self._socket.getsockname()[1]
        return port

    def start(self) -> None:
        """Begin to accept."""
        self._loop.add_reader(self._socket, self._on_acceptable)

    async def stop(self) -> None:
        """Accept no more and drop sockets that have not said anything yet. Harmless when stopped already."""
        if self._socket.fileno() < 0:
            return
        if self._pause is not None:
            self._pause.cancel()
        self._loop.remove_reader(self._socket)
        self._socket.close()
        for accepted in list(self._silent):
            self._drop(accepted)
        admitting = list(self._admitting)
        for task in admitting:
            task.cancel()
        await asyncio.gather(*admitting, return_exceptions=True)

    def _on_acceptable(self) -> None:
        for _ in range(_ACCEPTS_PER_WAKE):
            try:
                accepted, _address = self._socket.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                    raise
                _LOG.error(
                    "no free file descriptor for a new connection (%s); raise the limit with `ulimit -n`",
                    error.strerror,
                )
                self._loop.remove_reader(self._socket)
                self._pause = self._loop.call_later(_PAUSE_WHEN_FULL_S, self.start)
                return
            accepted.setblocking(False)
            self._silent[accepted] = self._loop.call_later(self._timeout_s, self._drop, accepted)
            self._loop.add_reader(accepted, self._on_first_byte, accepted)
            self._newcomers.add(accepted, functools.partial(self._drop, accepted))

    def _drop(self, accepted: socket.socket) -> None:
        self._forget(accepted)
        accepted.close()

    def _on_first_byte(self, accepted: socket.socket) -> None:
        try:
            first = accepted.recv(1, socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            first = b""
        left_s = self._silent[accepted].when() - self._loop.time()
        self._forget(accepted)
        secure = bool(first) and first[0] == _TLS_HANDSHAKE
        if not first or left_s <= 0 or (secure and self._tls is None):
            accepted.close()
            return
        task = self._loop.create_task(self._admit(accepted, self._tls if secure else None, left_s))
        self._admitting.add(task)
        task.add_done_callback(self._admitting.discard)
        if secure:
            self._newcomers.add(task, task.cancel)
            task.add_done_callback(self._newcomers.discard)

    async def _admit(self, accepted: socket.socket, tls: ssl.SSLContext | None, left_s: float) -> None:
        until = self._loop.time() + left_s
        timeouts = (
            {} if tls is None else {"ssl_handshake_timeout": left_s, "ssl_shutdown_timeout": _TLS_SHUTDOWN_TIMEOUT_S}
        )
        # A client that breaks off the TLS handshake is its own problem, not an error of ours.
        with contextlib.suppress(OSError, ssl.SSLError):
            await self._loop.connect_accepted_socket(
                lambda: self._factory(until - self._loop.time()), accepted, ssl=tls, **timeouts
            )

    def _forget(self, accepted: socket.socket) -> None:
        self._newcomers.discard(accepted)
        self._loop.remove_reader(accepted)
        timer = self._silent.pop(accepted, None)
        if timer is not None:
            timer.cancel()
