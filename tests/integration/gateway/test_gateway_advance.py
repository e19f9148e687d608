"""`tracker-sim clock` against a gateway (and against nothing)."""

import asyncio
import contextlib
import socket

import pytest
from websockets.exceptions import ConnectionClosed

from simulator.advance import advance_timers
from simulator.endpoints import Endpoints
from simulator.errors import EnvironmentFailure, InputError


def endpoints(url):
    return Endpoints(url, None, None, {}, "http://127.0.0.1:1", "http://127.0.0.1:2", "us-east-1", {}, (), (), 0)


async def test_it_tells_how_many_connections_were_closed(serve):
    served = await serve({"$default": {}})
    client = await served.client()
    assert await asyncio.to_thread(advance_timers, endpoints(served.websocket_url), 599.5) == 0
    assert await asyncio.to_thread(advance_timers, endpoints(served.websocket_url), 1.0) == 1
    with pytest.raises(ConnectionClosed):
        await client.recv()


def test_a_stack_that_is_gone_is_one_sentence():
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(EnvironmentFailure, match="does not answer"):
        advance_timers(endpoints(f"ws://127.0.0.1:{port}/primary"), 1.0)


def test_a_stack_without_websockets_is_one_sentence():
    with pytest.raises(InputError, match="no WebSocket API"):
        advance_timers(endpoints(None), 1.0)
