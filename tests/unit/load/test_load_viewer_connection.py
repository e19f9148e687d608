"""The quick way through: whatever way the bytes come, what is read is what the library alone would read."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory, PerMessageDeflate
from websockets.frames import Close, CloseCode, Frame, Opcode
from websockets.uri import parse_uri

from simulator.load.viewer_connection import LARGEST_FRAME_BYTES, ViewerConnection

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Transport(asyncio.Transport):
    def __init__(self) -> None:
        self.written = b""
        self.closing = False

    def write(self, data: Any) -> None:
        self.written += bytes(data)

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        self.closing = True

    def abort(self) -> None:
        self.closing = True

    def write_eof(self) -> None:
        self.closing = True

    def can_write_eof(self) -> bool:
        return True

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass


class Viewer:
    """A connection without a socket, and what it has told."""

    def __init__(self, *, compression: bool = False) -> None:
        self.texts: list[bytes] = []
        self.binaries: list[int] = []
        self.opened = self.lost = 0
        protocol = ClientProtocol(
            parse_uri("ws://127.0.0.1/primary"),
            extensions=[ClientPerMessageDeflateFactory()] if compression else None,
        )
        self.connection = ViewerConnection(
            protocol,
            on_open=lambda _: self._count("opened"),
            on_text=self.texts.append,
            on_binary=self.binaries.append,
            on_lost=lambda _: self._count("lost"),
            ping_interval=None,
            close_timeout=2.0,
        )
        self.transport = Transport()
        self.connection.connection_made(self.transport)
        request = protocol.connect()
        protocol.send_request(request)
        protocol.data_to_send()
        self._key = request.headers["Sec-WebSocket-Key"]

    def _count(self, name: str) -> None:
        setattr(self, name, getattr(self, name) + 1)

    def acceptance(self, extra: str = "") -> bytes:
        accept = base64.b64encode(hashlib.sha1((self._key + GUID).encode()).digest()).decode()
        return (
            f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept}\r\n{extra}\r\n"
        ).encode()

    def feed(self, data: bytes, cuts: list[int] | None = None) -> None:
        start = 0
        for cut in [*sorted(cuts or []), len(data)]:
            if cut > start:
                self.connection.data_received(data[start:cut])
                start = cut

    @property
    def close_code(self) -> int | None:
        """What the viewer says as it closes."""
        return self.connection.protocol.close_sent.code if self.connection.protocol.close_sent else None


def frame(opcode: Opcode, data: bytes, *, fin: bool = True) -> bytes:
    return Frame(opcode, data, fin=fin).serialize(mask=False)


TEXT = st.text(max_size=300).map(lambda text: text.encode())
MESSAGES = st.lists(
    st.one_of(
        TEXT.map(lambda data: ("text", data, frame(Opcode.TEXT, data))),
        st.just(("text", b"x" * 70_000, frame(Opcode.TEXT, b"x" * 70_000))),
        st.binary(max_size=20).map(lambda data: ("binary", data, frame(Opcode.BINARY, data))),
        st.binary(max_size=20).map(lambda data: ("ping", data, frame(Opcode.PING, data))),
        st.tuples(TEXT, st.binary(max_size=5)).map(
            lambda both: (
                "text",
                both[0],
                frame(Opcode.TEXT, b"", fin=False)
                + frame(Opcode.PING, both[1])
                + frame(Opcode.CONT, both[0], fin=False)
                + frame(Opcode.CONT, b""),
            )
        ),
    ),
    max_size=8,
)


@settings(max_examples=150, deadline=None)
@given(MESSAGES, st.lists(st.integers(0, 1_000), max_size=12))
def test_whole_in_pieces_and_mixed_the_same_messages_come_in_order(
    messages: list[tuple[str, bytes, bytes]], cuts: list[int]
) -> None:
    async def play() -> None:
        viewer = Viewer()
        viewer.feed(viewer.acceptance() + b"".join(raw for _, _, raw in messages), cuts)
        assert viewer.opened == 1
        assert viewer.texts == [data for kind, data, _ in messages if kind == "text"]
        assert viewer.binaries == [len(data) for kind, data, _ in messages if kind == "binary"]
        pongs = viewer.transport.written.count(b"\x8a")
        assert pongs >= sum(kind == "ping" for kind, _, _ in messages)

    asyncio.run(play())


async def test_a_compressed_message_is_inflated_by_the_library() -> None:
    viewer = Viewer(compression=True)
    viewer.feed(viewer.acceptance("Sec-WebSocket-Extensions: permessage-deflate\r\n"))
    deflate = PerMessageDeflate(False, False, 15, 15)
    compressed = Frame(Opcode.TEXT, b"hello " * 50).serialize(mask=False, extensions=[deflate])
    viewer.feed(compressed + frame(Opcode.TEXT, b"plain") + compressed[:3])
    assert viewer.texts == [b"hello " * 50, b"plain"]


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        pytest.param(b"\x81\x85abcdhello", CloseCode.PROTOCOL_ERROR, id="masked"),
        pytest.param(b"\xc1\x01x", CloseCode.PROTOCOL_ERROR, id="reserved bit"),
        pytest.param(b"\x83\x00", CloseCode.PROTOCOL_ERROR, id="reserved opcode"),
        pytest.param(frame(Opcode.CONT, b"x"), CloseCode.PROTOCOL_ERROR, id="continues nothing"),
        pytest.param(
            frame(Opcode.TEXT, b"a", fin=False) + frame(Opcode.TEXT, b"b"), CloseCode.PROTOCOL_ERROR, id="between"
        ),
        pytest.param(
            b"\x81\x7f" + (LARGEST_FRAME_BYTES + 1).to_bytes(8, "big"), CloseCode.MESSAGE_TOO_BIG, id="too big"
        ),
    ],
)
async def test_what_breaks_the_protocol_closes_the_connection_as_the_library_says(raw: bytes, code: int) -> None:
    viewer = Viewer()
    viewer.feed(viewer.acceptance() + frame(Opcode.TEXT, b"good") + raw)
    assert viewer.texts[0] == b"good"
    assert viewer.close_code == code


async def test_a_close_is_answered_and_the_loss_of_the_connection_told_once() -> None:
    viewer = Viewer()
    viewer.feed(viewer.acceptance() + frame(Opcode.CLOSE, Close(1001, "Going away").serialize()))
    viewer.connection.connection_lost(None)
    assert (viewer.lost, viewer.connection.close_code, viewer.connection.close_reason) == (1, 1001, "Going away")


@pytest.mark.parametrize(
    "answer",
    [
        b'HTTP/1.1 403 Forbidden\r\nContent-Length: 23\r\n\r\n{"message":"Forbidden"}',
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x81\x01x",
        b"SSH-2.0-OpenSSH\r\n",
    ],
    ids=["refused", "half a handshake", "not HTTP"],
)
async def test_a_handshake_that_fails_opens_nothing(answer: bytes) -> None:
    viewer = Viewer()
    viewer.feed(answer, list(range(len(answer))))
    viewer.connection.connection_lost(None)
    assert (viewer.opened, viewer.texts) == (0, [])
    assert viewer.connection.protocol.handshake_exc is not None
