"""Plain sockets: HTTP answers and WebSocket frames as they cross the wire."""

import base64
import hashlib
import os
import socket
import ssl
import struct
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlsplit

TEXT, BINARY, CLOSE, PING, PONG, CONTINUATION = 0x1, 0x2, 0x8, 0x9, 0xA, 0x0
_FIN = 0x80
_ACCEPT_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


@dataclass(frozen=True)
class Answer:
    """An HTTP answer as it came."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def __getitem__(self, name: str) -> str | None:
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        assert len(values) <= 1, (name, values)
        return values[0] if values else None

    def all(self, name: str) -> list[str]:
        """Every value of a header that may be repeated."""
        return [value for key, value in self.headers if key.lower() == name.lower()]

    @property
    def text(self) -> str:
        """The body."""
        return self.body.decode()


@dataclass(frozen=True)
class Frame:
    """A WebSocket frame from the server."""

    opcode: int
    payload: bytes
    fin: bool = True
    reserved: int = 0

    @property
    def close_code(self) -> int | None:
        """The code of a close frame; None when it has none."""
        return struct.unpack("!H", self.payload[:2])[0] if self.payload else None


class Wire:
    """One TCP (or TLS) connection; every read has a deadline."""

    def __init__(self, url: str, patience_s: float, *, tls: ssl.SSLContext | None = None) -> None:
        parts = urlsplit(url)
        secure = parts.scheme in ("wss", "https")
        port = parts.port or (443 if secure else 80)
        self.host = parts.netloc
        self.path = parts.path or "/"
        plain = socket.create_connection((parts.hostname or "", port), timeout=patience_s)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket: Any = plain
        if secure:
            self._socket = (tls or ssl.create_default_context()).wrap_socket(plain, server_hostname=parts.hostname)
        self._unread = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close our end."""
        self._socket.close()

    def reset(self) -> None:
        """Close so that the other end sees a reset."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    def send(self, data: bytes) -> None:
        """All of it."""
        self._socket.sendall(data)

    def read_exactly(self, count: int) -> bytes:
        """So many bytes; `EOFError` when the other end closes before."""
        while len(self._unread) < count:
            self._receive()
        data, self._unread = self._unread[:count], self._unread[count:]
        return data

    def read_until(self, mark: bytes) -> bytes:
        """Everything up to and with `mark`."""
        while mark not in self._unread:
            self._receive()
        end = self._unread.index(mark) + len(mark)
        data, self._unread = self._unread[:end], self._unread[end:]
        return data

    def rest(self) -> bytes:
        """Everything until the other end closes."""
        try:
            while True:
                self._receive()
        except EOFError:
            data, self._unread = self._unread, b""
            return data

    def nothing_to_read(self) -> bool:
        """Whether no byte has come so far."""
        if self._unread:
            return False
        patience_s = self._socket.gettimeout()
        self._socket.settimeout(0)
        try:
            self._receive()
        except (BlockingIOError, ssl.SSLWantReadError):
            return True
        finally:
            self._socket.settimeout(patience_s)
        return False

    # -- HTTP ----------------------------------------------------------------------------------------------------------

    def request(self, method: str, path: str, headers: list[tuple[str, str]], body: bytes = b"") -> Answer:
        """Send one request, exactly these headers, and read its answer."""
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers)]
        self.send(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body)
        return self.answer(method)

    def answer(self, method: str = "GET") -> Answer:
        """The next HTTP answer."""
        first, *lines = self.read_until(b"\r\n\r\n").decode("latin-1").rstrip("\r\n").split("\r\n")
        headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]
        answer = Answer(int(first.split()[1]), headers, b"")
        if answer.status in (101, 204, 304) or method == "HEAD":
            return answer
        length = answer["content-length"]
        if (answer["transfer-encoding"] or "").lower() == "chunked":
            return Answer(answer.status, headers, self._chunks())
        return Answer(answer.status, headers, self.rest() if length is None else self.read_exactly(int(length)))

    def _chunks(self) -> bytes:
        body = b""
        while size := int(self.read_until(b"\r\n").split(b";")[0], 16):
            body += self.read_exactly(size)
            self.read_exactly(2)
        self.read_until(b"\r\n")
        return body

    # -- WebSocket -----------------------------------------------------------------------------------------------------

    def ask_for_upgrade(self, query: str = "", headers: list[tuple[str, str]] | None = None) -> None:
        """Send a handshake with these headers besides the necessary ones."""
        self._key = base64.b64encode(os.urandom(16))
        lines = [
            f"GET {self.path}{query} HTTP/1.1",
            f"Host: {self.host}",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {self._key.decode()}",
            *(f"{name}: {value}" for name, value in headers or []),
        ]
        self.send(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))

    def upgraded(self, query: str = "", headers: list[tuple[str, str]] | None = None) -> Answer:
        """Open a WebSocket; fails unless the answer is 101 and proves that our key was read."""
        self.ask_for_upgrade(query, headers)
        answer = self.answer()
        assert answer.status == 101, (answer.status, answer.body)
        expected = base64.b64encode(hashlib.sha1(self._key + _ACCEPT_GUID).digest()).decode()
        assert answer["sec-websocket-accept"] == expected
        return answer

    def send_frame(self, opcode: int, payload: bytes = b"", *, fin: bool = True) -> None:
        """A client's frame, masked as it must be."""
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
        length = len(payload)
        if length < 126:
            size = bytes([0x80 | length])
        elif length < 1 << 16:
            size = b"\xfe" + struct.pack("!H", length)
        else:
            size = b"\xff" + struct.pack("!Q", length)
        self.send(bytes([(_FIN if fin else 0) | opcode]) + size + mask + masked)

    def frame(self) -> Frame:
        """The next frame from the server."""
        first, second = self.read_exactly(2)
        assert not second & 0x80, "a server's frame is never masked"
        length = second & 0x7F
        if length == 126:
            (length,) = struct.unpack("!H", self.read_exactly(2))
        elif length == 127:
            (length,) = struct.unpack("!Q", self.read_exactly(8))
        return Frame(first & 0x0F, self.read_exactly(length), bool(first & _FIN), first & 0x70)

    def _receive(self) -> None:
        try:
            data = self._socket.recv(65_536)
        except ConnectionResetError:
            data = b""
        if not data:
            raise EOFError(f"the other end closed; unread: {self._unread[:200]!r}")
        self._unread += data
