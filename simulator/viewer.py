"""`tracker-sim connect`: one live viewer that prints each frame as a line of JSON; a wscat for people without one."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI
from websockets.frames import CloseCode
from websockets.typing import Subprotocol

from simulator.errors import EnvironmentFailure, InputError
from simulator.trust import tls_context

_STDIN = 0


def as_line(frame: str | bytes) -> str:
    """One frame as one line of JSON: a JSON text compactly, anything else as a JSON string.

    Only ASCII comes out, since frames are hostile input and this goes to a terminal.
    """
    text = frame.decode("utf-8", "replace") if isinstance(frame, bytes) else frame
    try:
        # `NaN` and 1e999 are not JSON, although Python reads and writes them.
        return json.dumps(json.loads(text), separators=(",", ":"), allow_nan=False)
    except (ValueError, RecursionError):
        return json.dumps(text)


async def view(
    url: str,
    *,
    stop: asyncio.Event,
    write: Callable[[str], None],
    messages: tuple[str, ...] = (),
    read_stdin: bool = False,
    frame_limit: int | None = None,
    headers: tuple[tuple[str, str], ...] = (),
    subprotocols: tuple[str, ...] = (),
    ca_bundle: str | None = None,
) -> None:
    """Connect to `url`, send `messages` and the lines of stdin, write each frame's line until told to stop.

    Returns when `stop` is set, after `frame_limit` frames, or when the server closes normally; raises
    EnvironmentFailure when the handshake is refused or the connection breaks. `ca_bundle` is for a `wss://` URL.
    """
    socket = await _connected(url, headers, subprotocols, ca_bundle)
    try:
        async with socket:
            for message in messages:
                await socket.send(message)
            if read_stdin:
                _forward_stdin(socket)
            await _print_frames(socket, stop, write, frame_limit)
    except ConnectionClosed as error:
        close = error.rcvd
        if close is not None and close.code == CloseCode.NORMAL_CLOSURE:
            return
        seen = "without a close frame" if close is None else f"with {close.code} {close.reason}".rstrip()
        raise EnvironmentFailure(f"the server ended the connection {seen}.") from error


async def _connected(
    url: str, headers: tuple[tuple[str, str], ...], subprotocols: tuple[str, ...], ca_bundle: str | None
) -> ClientConnection:
    try:
        return await connect(
            url,
            ssl=tls_context(url, ca_bundle),
            additional_headers=list(headers),
            subprotocols=[Subprotocol(name) for name in subprotocols] or None,
            max_size=None,
            ping_interval=None,
        )
    except InvalidURI as error:
        raise InputError(f"{url!r} is not a WebSocket URL; it begins with ws:// or wss://.") from error
    except InvalidStatus as error:
        status = error.response.status_code
        raise EnvironmentFailure(
            f"{url} refused the connection with HTTP status {status}; the output of the stack says why."
        ) from error
    except (OSError, InvalidHandshake) as error:
        raise EnvironmentFailure(
            f"cannot connect to {url} ({error or type(error).__name__}); is the stack up (`tracker-sim up`)?"
        ) from error


async def _print_frames(
    socket: ClientConnection, stop: asyncio.Event, write: Callable[[str], None], frame_limit: int | None
) -> None:
    stopping = asyncio.create_task(stop.wait())
    seen = 0
    try:
        while frame_limit is None or seen < frame_limit:
            receiving = asyncio.create_task(socket.recv())
            await asyncio.wait({receiving, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not receiving.done():
                receiving.cancel()
                return
            write(as_line(receiving.result()))
            seen += 1
    finally:
        stopping.cancel()


def _forward_stdin(socket: ClientConnection) -> None:
    """Send each line typed; a thread, because a terminal cannot be read without blocking on every platform."""
    loop = asyncio.get_running_loop()

    def read() -> None:
        for line in _lines_of_stdin():
            sending = socket.send(line)
            try:
                # One at a time: what is typed is sent in order, and a file is read no faster than it is sent.
                asyncio.run_coroutine_threadsafe(sending, loop).result()
            except (ConnectionClosed, CancelledError):
                return  # the reader of frames tells the user
            except RuntimeError:  # the loop has gone
                sending.close()
                return

    threading.Thread(target=read, name="stdin", daemon=True).start()


def _lines_of_stdin() -> Iterator[str]:
    """Each line without its end, the last one even if it has none; nothing when there is no stdin."""
    # Not through sys.stdin: a thread that waits in there holds its lock, and the interpreter cannot end.
    rest = b""
    with contextlib.suppress(OSError):
        while chunk := os.read(_STDIN, 65_536):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                yield line.decode("utf-8", "replace")
    if rest:
        yield rest.decode("utf-8", "replace")
