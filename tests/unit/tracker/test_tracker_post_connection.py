"""The client connection on a transport that is only a list of writes."""

import asyncio

import pytest

from tracker.fanout.post_connection import DETAIL_BYTES, MAX_ANSWER_BYTES, PostConnection

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 0\r\n\r\n"
GONE = b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\nx-amzn-errortype: GoneException\r\n\r\n"


class RecordingTransport(asyncio.Transport):
    def __init__(self, protocol):
        super().__init__()
        self.protocol, self.written, self.closing = protocol, [], False

    def write(self, data):
        self.written.append(data)

    def is_closing(self):
        return self.closing

    def close(self):
        if not self.closing:
            self.closing = True
            asyncio.get_running_loop().call_soon(self.protocol.connection_lost, None)

    abort = close


class Hearing:
    """Hears what came of each post."""

    def __init__(self):
        self.heard = []

    def on_answer(self, connection, status, detail):
        self.heard.append((status, detail))

    def on_no_answer(self, connection, reason, *, untouched):
        self.heard.append((reason, untouched))


async def connected():
    connection = PostConnection()
    transport = RecordingTransport(connection)
    connection.connection_made(transport)
    return connection, transport, Hearing()


@pytest.mark.parametrize("size", [1, 7, len(GONE)])
async def test_an_answer_may_come_in_pieces_of_any_size(size):
    connection, transport, owner = await connected()
    connection.post(b"POST", owner, 0.0)
    for start in range(0, len(GONE), size):
        assert owner.heard == []
        connection.data_received(GONE[start : start + size])
    assert owner.heard == [(410, "")]
    assert transport.written == [b"POST"]
    assert connection.reusable


async def test_a_connection_carries_one_post_after_the_other():
    connection, _, owner = await connected()
    for raw in (OK, GONE, OK):
        connection.post(b"POST", owner, 0.0)
        assert not connection.reusable
        connection.data_received(raw)
    assert owner.heard == [(200, ""), (410, ""), (200, "")]
    assert connection.posts == 3


async def test_whoever_hears_an_answer_may_post_again_at_once():
    connection, transport, owner = await connected()

    class PostsOnce(Hearing):
        def on_answer(self, connection, status, detail):
            super().on_answer(connection, status, detail)
            connection.post(b"AGAIN", owner, 0.0)

    connection.post(b"POST", PostsOnce(), 0.0)
    connection.data_received(OK)
    connection.data_received(GONE)
    assert owner.heard == [(410, "")]
    assert transport.written == [b"POST", b"AGAIN"]


async def test_chunked_answers_are_read_and_the_beginning_of_the_body_kept():
    connection, _, owner = await connected()
    connection.post(b"POST", owner, 0.0)
    connection.data_received(b"HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(30):
        connection.data_received(b"a\r\n0123456789\r\n")
    connection.data_received(b"0\r\n\r\n")
    assert owner.heard == [(403, "0123456789" * (DETAIL_BYTES // 10))]


async def test_an_interim_answer_is_not_the_answer():
    connection, _, owner = await connected()
    connection.post(b"POST", owner, 0.0)
    connection.data_received(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert owner.heard == []
    connection.data_received(OK)
    assert owner.heard == [(200, "")]


async def test_a_connection_that_the_peer_closes_after_the_answer_is_not_reused():
    connection, transport, owner = await connected()
    connection.post(b"POST", owner, 0.0)
    connection.data_received(OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    assert owner.heard == [(200, "")]
    assert not connection.reusable
    await connection.closed
    assert transport.closing
    assert owner.heard == [(200, "")]


async def test_without_a_length_the_end_of_the_connection_is_the_end_of_the_answer():
    connection, _, owner = await connected()
    connection.post(b"POST", owner, 0.0)
    connection.data_received(b"HTTP/1.1 500 Oops\r\n\r\nbad")
    connection.connection_lost(None)
    assert owner.heard == [(500, "bad")]


@pytest.mark.parametrize(
    ("received", "untouched"),
    [pytest.param(b"", True, id="nothing"), pytest.param(b"HTTP/1.1 200 OK\r\nContent-", False, id="half the headers")],
)
async def test_a_connection_lost_before_the_answer_says_whether_anything_came(received, untouched):
    connection, _, owner = await connected()
    connection.post(b"POST", owner, 0.0)
    if received:
        connection.data_received(received)
    connection.connection_lost(None)
    assert owner.heard == [("the connection was closed before the answer", untouched)]


async def test_a_connection_lost_in_the_middle_of_a_body_has_told_its_status():
    connection, _, owner = await connected()
    connection.post(b"POST", owner, 0.0)
    connection.data_received(b"HTTP/1.1 410 Gone\r\nContent-Length: 5\r\n\r\nab")
    connection.connection_lost(None)
    assert owner.heard == [(410, "ab")]


@pytest.mark.parametrize(
    "received",
    [
        pytest.param(b"SSH-2.0-OpenSSH_9.6\r\n", id="not HTTP"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX: " + b"a" * MAX_ANSWER_BYTES, id="headers without end"),
        pytest.param(b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n", id="an upgrade"),
    ],
)
async def test_a_peer_that_does_not_answer_as_http_is_dropped(received):
    connection, transport, owner = await connected()
    connection.post(b"POST", owner, 0.0)
    connection.data_received(received)
    ((reason, untouched),) = owner.heard
    assert "answer" in reason or "HTTP/1.1" in reason
    assert not untouched
    assert transport.closing
    assert not connection.reusable


async def test_an_answer_that_nobody_asked_for_ends_the_connection():
    connection, transport, _ = await connected()
    connection.data_received(OK)
    assert transport.closing
    assert not connection.reusable


@pytest.mark.parametrize("at_once", [True, False], ids=["with the answer", "right after it"])
async def test_what_comes_after_an_answer_is_not_taken_for_the_next_one(at_once):
    connection, transport, owner = await connected()
    connection.post(b"POST", owner, 0.0)
    surplus = b"HTTP/1.1 410 Gone\r\nX: "
    for received in [OK + surplus] if at_once else [OK, surplus]:
        connection.data_received(received)
    assert owner.heard == [(200, "")]
    assert transport.closing
    assert not connection.reusable


async def test_giving_up_on_an_answer_ends_the_connection_and_the_peer_may_have_acted():
    """(C20)"""
    connection, transport, owner = await connected()
    connection.post(b"POST", owner, 0.0)
    connection.give_up("no answer within 3.0 s")
    assert owner.heard == [("no answer within 3.0 s", False)]
    assert transport.closing
    await connection.closed
    assert len(owner.heard) == 1


async def test_aborting_tells_nobody():
    connection, transport, owner = await connected()
    connection.post(b"POST", owner, 0.0)
    connection.abort()
    await connection.closed
    assert owner.heard == []
    assert transport.closing
