"""`view` against real servers that behave in all the ways servers do."""

import asyncio
import contextlib
import os

import pytest
from websockets.asyncio.server import serve

from simulator import viewer
from simulator.errors import EnvironmentFailure, InputError
from simulator.viewer import view


@pytest.fixture
async def server():
    """Serve with a handler; gives the URL."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(handler, **settings):
            listening = await stack.enter_async_context(serve(handler, "127.0.0.1", 0, **settings))
            return f"ws://127.0.0.1:{listening.sockets[0].getsockname()[1]}/"

        yield start


async def see(url, **settings):
    lines = []
    settings = {"stop": asyncio.Event(), "write": lines.append} | settings
    await asyncio.wait_for(view(url, **settings), 20)
    return lines


async def test_messages_go_out_and_frames_are_written_up_to_the_limit(server):
    async def echo(socket):
        async for message in socket:
            await socket.send(message)

    url = await server(echo)
    assert await see(url, messages=("1", "[2]", "x"), frame_limit=3) == ["1", "[2]", '"x"']


async def test_a_normal_close_is_the_end_and_no_error(server):
    async def say_and_leave(socket):
        await socket.send("{}")

    assert await see(await server(say_and_leave)) == ["{}"]


@pytest.mark.parametrize(("code", "reason", "said"), [(1001, "Going away", "1001 Going away"), (4000, "", "4000")])
async def test_any_other_close_is_an_error_that_names_it(server, code, reason, said):
    url = await server(lambda socket: socket.close(code, reason))
    with pytest.raises(EnvironmentFailure, match=rf"the server ended the connection with {said}\.$"):
        await see(url)


async def test_a_reader_that_has_gone_is_not_a_server_that_cannot_be_reached(server):
    async def talk(socket):
        await socket.send("{}")
        await socket.wait_closed()

    def broken(line):
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        await see(await server(talk), write=broken)


async def test_stop_ends_it(server):
    stop = asyncio.Event()

    async def wait(socket):
        stop.set()
        await socket.wait_closed()

    assert await see(await server(wait), stop=stop) == []


async def test_a_refused_handshake_names_the_status(server):
    url = await server(lambda socket: None, process_request=lambda socket, request: socket.respond(403, ""))
    with pytest.raises(EnvironmentFailure, match="refused the connection with HTTP status 403"):
        await see(url)


async def test_a_url_of_another_kind_is_refused():
    with pytest.raises(InputError, match="begins with ws://"):
        await see("http://127.0.0.1:1/")


@pytest.fixture
def stdin(monkeypatch):
    """A stdin of the test's own: the end to write to."""
    reading, writing = os.pipe()
    monkeypatch.setattr(viewer, "_STDIN", reading)
    with os.fdopen(reading, "rb"), os.fdopen(writing, "wb", buffering=0) as file:
        yield file


async def test_lines_of_stdin_are_sent_in_order_the_last_one_although_it_has_no_end(server, stdin):
    received = []

    async def collect(socket):
        async for message in socket:
            received.append(message)
            if message == "last":
                return

    stdin.write(b"one\ntw\xc3\xa9\n\xff\nlast")
    stdin.close()
    await see(await server(collect), read_stdin=True)
    assert received == ["one", "twé", "\ufffd", "last"]


async def test_without_a_stdin_frames_are_shown_all_the_same(server, monkeypatch):
    reading, writing = os.pipe()
    os.close(reading)
    os.close(writing)
    monkeypatch.setattr(viewer, "_STDIN", reading)

    async def say_and_leave(socket):
        await socket.send("{}")

    assert await see(await server(say_and_leave), read_stdin=True) == ["{}"]
