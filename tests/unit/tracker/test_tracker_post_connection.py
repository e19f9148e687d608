"""The client connection on one end of a socket pair."""

import asyncio
import socket

import pytest

from tracker.fanout.post_connection import DETAIL_BYTES, MAX_ANSWER_BYTES, PostConnection

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 0\r\n\r\n"
GONE = b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\nx-amzn-errortype: GoneException\r\n\r\n"


class Hearing:
    """Hears what came of each post."""

    def __init__(self):
        self.heard = []
        self.something = asyncio.Event()

    def on_answer(self, connection, status, detail):
        self.heard.append((status, detail))
        self.something.set()

    def on_no_answer(self, connection, reason, *, untouched):
        self.heard.append((reason, untouched))
        self.something.set()


@pytest.fixture
def pair():
    ours, peer = socket.socketpair()
    ours.setblocking(False)
    peer.setblocking(False)
    yield ours, peer
    ours.close()
    peer.close()


@pytest.fixture
async def connection(pair):
    made = PostConnection(pair[0])
    yield made
    made.abort()


@pytest.fixture
def peer(pair):
    return pair[1]


@pytest.fixture
def owner():
    return Hearing()


def is_closed(peer):
    """After what was sent comes the end."""
    try:
        while peer.recv(1_000):
            pass
    except BlockingIOError:
        return False
    return True


@pytest.mark.parametrize("size", [1, 7, len(GONE)])
async def test_an_answer_may_come_in_pieces_of_any_size(connection, peer, owner, size):
    connection.post(b"POST", owner, 0.0)
    for start in range(0, len(GONE), size):
        assert owner.heard == []
        connection.received(GONE[start : start + size])
    assert owner.heard == [(410, "")]
    assert peer.recv(100) == b"POST"
    assert connection.reusable


async def test_a_connection_carries_one_post_after_the_other(connection, owner):
    for raw in (OK, GONE, OK):
        connection.post(b"POST", owner, 0.0)
        assert not connection.reusable
        connection.received(raw)
    assert owner.heard == [(200, ""), (410, ""), (200, "")]
    assert connection.posts == 3


async def test_whoever_hears_an_answer_may_post_again_at_once(connection, peer, owner):

    class PostsOnce(Hearing):
        def on_answer(self, connection, status, detail):
            super().on_answer(connection, status, detail)
            connection.post(b"AGAIN", owner, 0.0)

    connection.post(b"POST", PostsOnce(), 0.0)
    connection.received(OK)
    connection.received(GONE)
    assert owner.heard == [(410, "")]
    assert peer.recv(100) == b"POSTAGAIN"


async def test_chunked_answers_are_read_and_the_beginning_of_the_body_kept(connection, owner):
    connection.post(b"POST", owner, 0.0)
    connection.received(b"HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(30):
        connection.received(b"a\r\n0123456789\r\n")
    connection.received(b"0\r\n\r\n")
    assert owner.heard == [(403, "0123456789" * (DETAIL_BYTES // 10))]


async def test_an_interim_answer_is_not_the_answer(connection, owner):
    connection.post(b"POST", owner, 0.0)
    connection.received(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert owner.heard == []
    connection.received(OK)
    assert owner.heard == [(200, "")]


async def test_a_connection_that_the_peer_closes_after_the_answer_is_not_reused(connection, peer, owner):
    connection.post(b"POST", owner, 0.0)
    connection.received(OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    assert owner.heard == [(200, "")]
    assert not connection.reusable
    assert is_closed(peer)
    assert owner.heard == [(200, "")]


async def test_without_a_length_the_end_of_the_connection_is_the_end_of_the_answer(connection, owner):
    connection.post(b"POST", owner, 0.0)
    connection.received(b"HTTP/1.1 500 Oops\r\n\r\nbad")
    connection.ended()
    assert owner.heard == [(500, "bad")]


@pytest.mark.parametrize(
    ("received", "untouched"),
    [pytest.param(b"", True, id="nothing"), pytest.param(b"HTTP/1.1 200 OK\r\nContent-", False, id="half the headers")],
)
async def test_a_connection_lost_before_the_answer_says_whether_anything_came(connection, owner, received, untouched):
    connection.post(b"POST", owner, 0.0)
    if received:
        connection.received(received)
    connection.ended()
    assert owner.heard == [("the connection was closed before the answer", untouched)]


async def test_a_connection_lost_in_the_middle_of_a_body_has_told_its_status(connection, owner):
    connection.post(b"POST", owner, 0.0)
    connection.received(b"HTTP/1.1 410 Gone\r\nContent-Length: 5\r\n\r\nab")
    connection.ended()
    assert owner.heard == [(410, "ab")]


@pytest.mark.parametrize(
    "received",
    [
        pytest.param(b"SSH-2.0-OpenSSH_9.6\r\n", id="not HTTP"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX: " + b"a" * MAX_ANSWER_BYTES, id="headers without end"),
        pytest.param(b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n", id="an upgrade"),
    ],
)
async def test_a_peer_that_does_not_answer_as_http_is_dropped(connection, peer, owner, received):
    connection.post(b"POST", owner, 0.0)
    connection.received(received)
    ((reason, untouched),) = owner.heard
    assert "answer" in reason or "HTTP/1.1" in reason
    assert not untouched
    assert is_closed(peer)
    assert not connection.reusable


async def test_an_answer_that_nobody_asked_for_ends_the_connection(connection, peer):
    connection.received(OK)
    assert is_closed(peer)
    assert not connection.reusable


@pytest.mark.parametrize("at_once", [True, False], ids=["with the answer", "right after it"])
async def test_what_comes_after_an_answer_is_not_taken_for_the_next_one(connection, peer, owner, at_once):
    connection.post(b"POST", owner, 0.0)
    surplus = b"HTTP/1.1 410 Gone\r\nX: "
    for received in [OK + surplus] if at_once else [OK, surplus]:
        connection.received(received)
    assert owner.heard == [(200, "")]
    assert is_closed(peer)
    assert not connection.reusable


async def test_giving_up_on_an_answer_ends_the_connection_and_the_peer_may_have_acted(connection, peer, owner):
    """(C20)"""
    connection.post(b"POST", owner, 0.0)
    connection.give_up("no answer within 3.0 s")
    assert owner.heard == [("no answer within 3.0 s", False)]
    assert is_closed(peer)
    assert len(owner.heard) == 1


async def test_aborting_tells_nobody(connection, peer, owner):
    connection.post(b"POST", owner, 0.0)
    connection.abort()
    assert owner.heard == []
    assert is_closed(peer)


# -- on the event loop -------------------------------------------------------------------------------------------------


async def test_an_answer_is_read_when_it_comes(connection, peer, owner):
    connection.post(b"POST", owner, 0.0)
    peer.send(GONE)
    await asyncio.wait_for(owner.something.wait(), 10)
    assert owner.heard == [(410, "")]
    assert connection.reusable


async def test_the_end_of_a_kept_connection_is_seen_while_nobody_posts(connection, peer):
    peer.close()
    while connection.reusable:  # noqa: ASYNC110  turns of the loop, until it has looked
        await asyncio.sleep(0)


async def test_a_peer_that_is_gone_is_heard_of_after_posting_and_not_meanwhile(connection, peer, owner):
    peer.close()
    connection.post(b"POST", owner, 0.0)
    assert owner.heard == []
    await asyncio.wait_for(owner.something.wait(), 10)
    ((reason, untouched),) = owner.heard
    assert "connection" in reason
    assert untouched
    assert not connection.reusable


async def test_a_post_larger_than_the_sockets_buffer_goes_out_whole(connection, peer, owner):
    request = bytes(range(256)) * 20_000
    connection.post(request, owner, 0.0)
    loop, got = asyncio.get_running_loop(), b""
    while len(got) < len(request):
        got += await asyncio.wait_for(loop.sock_recv(peer, 1_000_000), 10)
    assert got == request
    peer.send(OK)
    await asyncio.wait_for(owner.something.wait(), 10)
    assert owner.heard == [(200, "")]


async def test_giving_up_while_a_post_is_still_going_out_leaves_nothing_behind(connection, peer, owner):
    connection.post(bytes(5_000_000), owner, 0.0)
    connection.give_up("no time")
    assert is_closed(peer)
    await asyncio.sleep(0)
    assert owner.heard == [("no time", False)]
