"""Which part of moto answers a request: its handlers directly, or its whole server."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from simulator.cloud.http_server import Application, Environ, Reply
from simulator.cloud.patches import Patch, installed_moto

_log = logging.getLogger(__name__)

_DIRECT = Patch("direct")
"""Calling handlers directly leans on moto's insides as a patch does, so it is tied to versions in the same way."""


class WholeServer:
    """moto's complete WSGI application, built at its first request."""

    def __init__(self) -> None:
        self._application: Callable[..., Any] | None = None
        self._building = threading.Lock()

    def __call__(self, environ: Environ) -> Reply:
        """Answer anything moto can answer."""
        started: list[tuple[str, list[tuple[str, str]]]] = []

        def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            del exc_info
            started[:] = [(status, headers)]

        pieces = self._wsgi()(environ, start_response)
        try:
            body = b"".join(pieces)
        finally:
            close = getattr(pieces, "close", None)
            if close is not None:
                close()
        status, headers = started[0]
        return Reply(int(status.split(" ")[0]), headers, body)

    def _wsgi(self) -> Callable[..., Any]:
        with self._building:
            if self._application is None:
                from moto.moto_server.werkzeug_app import (  # noqa: PLC0415  the slow import this class puts off
                    DomainDispatcherApplication,
                    create_backend_app,
                )

                self._application = DomainDispatcherApplication(create_backend_app)
            return self._application


def front_door(*, stock: bool) -> Application:
    """The application to serve: moto's own for every request with `stock`, or when this moto is not a proved one."""
    whole = WholeServer()
    if stock:
        return whole
    if not _DIRECT.proved_on(installed_moto()):
        _log.warning("moto %s: every request goes through its whole server, which is slower", installed_moto())
        return whole
    from simulator.cloud.direct import direct  # noqa: PLC0415  other versions may lack what this imports

    def application(environ: Environ) -> Reply:
        reply = direct(environ)
        return whole(environ) if reply is None else reply

    return application
