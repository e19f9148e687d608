"""A viewer's connection: the stock `websockets` client with a quick way through for the frames that a map gets.

Nearly every frame that reaches a viewer is a whole, unfragmented, uncompressed text frame. Those are cut out of the
stream by hand and handed on as bytes. Everything else (the handshake, control frames, fragments, compression, binary
frames, whatever breaks the protocol) is given to the library frame by frame, which knows what to do. The library
costs 28 µs of CPU for each frame and keeps a task per connection; the way through costs 1 to 2 µs and none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from websockets.asyncio.client import ClientConnection
from websockets.client import ClientProtocol
from websockets.frames import DATA_OPCODES, Frame, Opcode
from websockets.protocol import Event, State

_END_OF_HEAD = b"\r\n\r\n"
_SWITCHING = b"HTTP/1.1 101"
_FIN_TEXT = 0x81
_FIN = 0x80
_TWO_BYTES, _EIGHT_BYTES = 126, 127
LARGEST_FRAME_BYTES = 1024 * 1024
"""API Gateway sends 32 KB at most (M20); a longer one is the library's to refuse."""


class ViewerConnection(ClientConnection):
    """One viewer's socket.

    `on_open` is called when the handshake has succeeded, `on_text` with each text message, `on_binary` with the size of
    each binary one, and `on_lost` once when the connection is gone, however that happened.
    """

    def __init__(
        self,
        protocol: ClientProtocol,
        *,
        on_open: Callable[[ViewerConnection], None],
        on_text: Callable[[bytes], None],
        on_binary: Callable[[int], None],
        on_lost: Callable[[ViewerConnection], None],
        **settings: Any,
    ) -> None:
        super().__init__(protocol, **settings)
        self._on_open = on_open
        self._on_text = on_text
        self._on_binary = on_binary
        self._on_lost = on_lost
        self._is_switched = False
        """The handshake is over and what comes now is frames."""
        self._head = b""
        self._rest = b""
        """The beginning of a frame whose end has not come."""
        self._parts: list[bytes] = []
        """Of a fragmented message, as the library hands them on."""
        self._parts_are_text = False
        self._in_message = False
        """A fragmented message is under way: its frames, and all between them, are the library's."""
        self.bytes_read = 0
        self._head_bytes = 0

    @property
    def frame_bytes_read(self) -> int:
        """How many bytes of frames were read, whole ones or not."""
        return self.bytes_read - self._head_bytes

    # -- what the transport calls ------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        self.bytes_read += len(data)
        if not self._is_switched:
            self._read_head(data)
            return
        if self._rest:
            data = self._rest + data
            self._rest = b""
        self._read_frames(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        super().connection_lost(exc)
        self._on_lost(self)

    # -- inside ------------------------------------------------------------------------------------------------------

    def _read_head(self, data: bytes) -> None:
        """The answer to the handshake goes to the library whole; frames may follow it at once."""
        self._head += data
        end = self._head.find(_END_OF_HEAD)
        if not self._head.startswith(_SWITCHING[: len(self._head)]) or len(self._head) > LARGEST_FRAME_BYTES:
            super().data_received(data)  # a refusal, with a body; there will be no frames
            return
        if end < 0:
            # The library gets what is new, so that it can time out and complain as it likes.
            super().data_received(data)
            return
        end += len(_END_OF_HEAD)
        rest = self._head[end:]
        super().data_received(data[: len(data) - len(rest)])
        self._head = b""
        self._head_bytes = end
        if self.protocol.state is not State.OPEN:
            return
        self._is_switched = True
        self._on_open(self)
        if rest:
            self._read_frames(rest)

    def _read_frames(self, data: bytes) -> None:
        start, end = 0, len(data)
        while end - start >= 2:  # noqa: PLR2004  the shortest head of a frame
            first, second = data[start], data[start + 1]
            if second < _TWO_BYTES:
                body, size = start + 2, second
            elif second == _TWO_BYTES:
                if end - start < 4:  # noqa: PLR2004
                    break
                body, size = start + 4, data[start + 2] << 8 | data[start + 3]
            elif second == _EIGHT_BYTES:
                if end - start < 10:  # noqa: PLR2004
                    break
                body, size = start + 10, int.from_bytes(data[start + 2 : start + 10], "big")
            else:
                size, body = LARGEST_FRAME_BYTES + 1, start  # masked, which a server must not do
            if size > LARGEST_FRAME_BYTES:
                self._give_up(data[start:])
                return
            if end - body < size:
                break
            if first == _FIN_TEXT and not self._in_message:
                self._on_text(data[body : body + size])
            else:
                self._give_to_library(first, data[start : body + size])
            start = body + size
        self._rest = data[start:]

    def _give_to_library(self, first: int, frame: bytes) -> None:
        opcode = first & 0x0F
        if opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            self._in_message = not first & _FIN
        super().data_received(frame)

    def _give_up(self, data: bytes) -> None:
        """What follows breaks the protocol: from here on everything is the library's, which closes the connection."""
        self._in_message = True
        self._rest = b""
        super().data_received(data)

    def process_event(self, event: Event) -> None:
        """Data frames that the library has read are put together here; its own queue would want a reader."""
        if self.response is None or not isinstance(event, Frame) or event.opcode not in DATA_OPCODES:
            super().process_event(event)
            return
        if event.opcode is not Opcode.CONT:
            self._parts, self._parts_are_text = [], event.opcode is Opcode.TEXT
        self._parts.append(bytes(event.data))
        if event.fin:
            message, self._parts = b"".join(self._parts), []
            if self._parts_are_text:
                self._on_text(message)
            else:
                self._on_binary(len(message))
