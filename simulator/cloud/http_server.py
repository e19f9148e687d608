"""A small threaded HTTP/1.1 server with keep-alive for the WSGI world, one thread for each connection.

moto's own server closes every connection after one answer, which costs each boto3 call a new one. Threads and not
asyncio: moto computes in Python and its long polls block, so each call needs a thread of its own anyway.
"""

from __future__ import annotations

import io
import logging
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote_to_bytes

import httptools

_log = logging.getLogger(__name__)

MAX_BODY_BYTES = 64 * 1024 * 1024
"""Above what any DynamoDB or SQS call may carry (16 MB)."""
_READ_BYTES = 262_144
_BACKLOG = 1_024
_RETRY_S = 0.1
_REASONS = {status.value: status.phrase for status in HTTPStatus}

Environ = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer."""

    status: int
    headers: Iterable[tuple[str, str]] = ()
    body: bytes = b""


Application = Callable[[Environ], Reply]


@dataclass(slots=True)
class _Request:
    target: bytes = b""
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: list[bytes] = field(default_factory=list)
    body_bytes: int = 0


class _TooLargeError(Exception):
    """The body is beyond `MAX_BODY_BYTES`."""


class HttpServer:
    """Serves one listening socket until `close`."""

    def __init__(self, listener: socket.socket, application: Application) -> None:
        self._listener = listener
        self._application = application
        self.address: tuple[str, int] = listener.getsockname()[:2]

    def serve_forever(self) -> None:
        """Accept connections; each gets a daemon thread. Returns once the listener is closed."""
        while True:
            try:
                connection, peer = self._listener.accept()
            except OSError as error:
                if self._listener.fileno() < 0:
                    return
                _log.warning("no connection can be accepted at the moment: %s", error.strerror)
                time.sleep(_RETRY_S)  # out of descriptors: accepting again at once would only spin
                continue
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            handler = _Connection(connection, self._application, self.address, str(peer[0]))
            threading.Thread(target=handler.serve, name="http", daemon=True).start()

    def close(self) -> None:
        """Stop accepting."""
        self._listener.close()


def listen_on_loopback(port: int = 0) -> socket.socket:
    """A listening socket that only this machine can reach; port 0 takes a free one."""
    return socket.create_server(("127.0.0.1", port), backlog=_BACKLOG)


class _Connection:
    """Reads requests from one socket and answers them in order."""

    def __init__(self, connection: socket.socket, application: Application, server: tuple[str, int], peer: str) -> None:
        self._socket = connection
        self._application = application
        self._server = server
        self._peer = peer
        self._parser = httptools.HttpRequestParser(self)
        self._request = _Request()
        self._open = True

    def serve(self) -> None:
        """Until the peer closes, or breaks the protocol."""
        with self._socket:
            while self._open:
                try:
                    data = self._socket.recv(_READ_BYTES)
                except OSError:
                    return
                if not data:
                    return
                try:
                    self._parser.feed_data(data)
                except OSError:
                    return  # the peer went away while it was being answered
                except httptools.HttpParserCallbackError as error:
                    self._refuse(error.__context__)
                except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
                    self._refuse(error)

    def _refuse(self, cause: BaseException | None) -> None:
        self._open = False
        if isinstance(cause, OSError):
            return
        too_large = isinstance(cause, _TooLargeError)
        status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE if too_large else HTTPStatus.BAD_REQUEST
        try:
            self._send(Reply(status), keep_alive=False)
        except OSError:
            _log.debug("the peer left before it could be refused")

    # -- httptools callbacks ---------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """A request starts."""
        self._request = _Request()

    def on_url(self, url: bytes) -> None:
        """A piece of the target."""
        self._request.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        self._request.headers.append((name.decode("latin-1"), value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        """The head is there; a client that asked before sending its body is told to go on."""
        if any(name.lower() == "expect" for name, _ in self._request.headers):
            self._socket.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._request.body_bytes += len(body)
        if self._request.body_bytes > MAX_BODY_BYTES:
            raise _TooLargeError
        self._request.body.append(body)

    def on_message_complete(self) -> None:
        """The request is whole: answer it."""
        method = self._parser.get_method().decode("latin-1")
        keep_alive = self._parser.should_keep_alive()
        try:
            reply = self._application(self._environ(method))
        except Exception:  # noqa: BLE001  logged, and answered; one bad request must not end the connection
            _log.exception("%s %s failed", method, self._request.target.decode("latin-1"))
            reply = Reply(500, [("Content-Type", "application/x-amz-json-1.0")], b'{"__type": "InternalServerError"}')
        self._open = self._open and keep_alive
        self._send(reply, keep_alive=keep_alive, head_only=method == "HEAD")

    # -- both ways -------------------------------------------------------------------------------------------------

    def _send(self, reply: Reply, *, keep_alive: bool, head_only: bool = False) -> None:
        lines = [f"HTTP/1.1 {reply.status} {_REASONS.get(reply.status, 'Status')}"]
        length = str(len(reply.body))
        for name, value in reply.headers:
            if name.lower() == "content-length":
                # Only a HEAD answer may announce what it does not carry.
                length = value if head_only else length
            elif name.lower() not in ("connection", "transfer-encoding"):
                lines.append(f"{name}: {value}")
        lines.append(f"Content-Length: {length}")
        lines.append("Connection: keep-alive" if keep_alive else "Connection: close")
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")
        self._socket.sendall(head if head_only else head + reply.body)

    def _environ(self, method: str) -> Environ:
        raw_path, _, query = self._request.target.partition(b"?")
        body = b"".join(self._request.body)
        environ: Environ = {
            "REQUEST_METHOD": method,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote_to_bytes(raw_path).decode("latin-1"),
            "QUERY_STRING": query.decode("latin-1"),
            "RAW_URI": self._request.target.decode("latin-1"),
            "REQUEST_URI": self._request.target.decode("latin-1"),
            "SERVER_NAME": self._server[0],
            "SERVER_PORT": str(self._server[1]),
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": self._peer,
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        for name, value in self._request.headers:
            key = name.upper().replace("-", "_")
            if key == "CONTENT_TYPE":
                environ[key] = value
            elif key not in ("CONTENT_LENGTH", "TRANSFER_ENCODING"):
                key = f"HTTP_{key}"
                environ[key] = f"{environ[key]},{value}" if key in environ else value
        environ["CONTENT_LENGTH"] = str(len(body))
        return environ
