"""The client connection on a transport that is only a list of writes."""

import asyncio

import pytest

from tracker.fanout.http_client import DETAIL_BYTES, MAX_ANSWER_BYTES, Answer, HttpClientConnection, NoAnswerError

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


async def connected():
    connection = HttpClientConnection()
    transport = RecordingTransport(connection)
    connection.connection_made(transport)
    return connection, transport


async def begin(connection, timeout_s=60.0):
    task = asyncio.create_task(connection.exchange(b"POST", timeout_s))
    await asyncio.sleep(0)
    return task


@pytest.mark.parametrize("size", [1, 7, len(GONE)])
async def test_an_answer_may_come_in_pieces_of_any_size(size):
    connection, transport = await connected()
    task = await begin(connection)
    for start in range(0, len(GONE), size):
        connection.data_received(GONE[start : start + size])
    assert await task == Answer(410, "")
    assert transport.written == [b"POST"]
    assert connection.reusable


async def test_a_connection_carries_one_exchange_after_the_other():
    connection, _ = await connected()
    for raw, status in ((OK, 200), (GONE, 410), (OK, 200)):
        task = await begin(connection)
        assert not connection.reusable
        connection.data_received(raw)
        assert (await task).status == status


async def test_chunked_answers_are_read_and_the_beginning_of_the_body_kept():
    connection, _ = await connected()
    task = await begin(connection)
    connection.data_received(b"HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(30):
        connection.data_received(b"a\r\n0123456789\r\n")
    connection.data_received(b"0\r\n\r\n")
    assert await task == Answer(403, "0123456789" * (DETAIL_BYTES // 10))


async def test_an_interim_answer_is_not_the_answer():
    connection, _ = await connected()
    task = await begin(connection)
    connection.data_received(b"HTTP/1.1 100 Continue\r\n\r\n")
    await asyncio.sleep(0)
    assert not task.done()
    connection.data_received(OK)
    assert (await task).status == 200


async def test_a_connection_that_the_peer_closes_after_the_answer_is_not_reused():
    connection, transport = await connected()
    task = await begin(connection)
    connection.data_received(OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    assert (await task).status == 200
    assert not connection.reusable
    await connection.closed
    assert transport.closing


async def test_without_a_length_the_end_of_the_connection_is_the_end_of_the_answer():
    connection, _ = await connected()
    task = await begin(connection)
    connection.data_received(b"HTTP/1.1 500 Oops\r\n\r\nbad")
    connection.connection_lost(None)
    assert await task == Answer(500, "bad")


@pytest.mark.parametrize(
    ("received", "untouched"),
    [
        pytest.param(b"", True, id="nothing"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-", False, id="half the headers"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", False, id="half the body"),
    ],
)
async def test_a_connection_lost_before_the_answer_says_whether_anything_came(received, untouched):
    connection, _ = await connected()
    task = await begin(connection)
    if received:
        connection.data_received(received)
    connection.connection_lost(None)
    with pytest.raises(NoAnswerError) as caught:
        await task
    assert caught.value.untouched is untouched


@pytest.mark.parametrize(
    "received",
    [
        pytest.param(b"SSH-2.0-OpenSSH_9.6\r\n", id="not HTTP"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX: " + b"a" * MAX_ANSWER_BYTES, id="headers without end"),
        pytest.param(b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n", id="an upgrade"),
    ],
)
async def test_a_peer_that_does_not_answer_as_http_is_dropped(received):
    connection, transport = await connected()
    task = await begin(connection)
    connection.data_received(received)
    with pytest.raises(NoAnswerError):
        await task
    assert transport.closing
    assert not connection.reusable


async def test_an_answer_that_nobody_asked_for_ends_the_connection():
    connection, transport = await connected()
    connection.data_received(OK)
    assert transport.closing
    with pytest.raises(NoAnswerError) as caught:
        await connection.exchange(b"POST", 60.0)
    assert caught.value.untouched


@pytest.mark.parametrize("at_once", [True, False], ids=["with the answer", "right after it"])
async def test_what_comes_after_an_answer_is_not_taken_for_the_next_one(at_once):
    connection, transport = await connected()
    task = await begin(connection)
    surplus = b"HTTP/1.1 410 Gone\r\nX: "
    for received in [OK + surplus] if at_once else [OK, surplus]:
        connection.data_received(received)
    assert (await task).status == 200
    assert transport.closing
    assert not connection.reusable


async def test_a_peer_that_does_not_answer_in_time_is_dropped():
    """(C20)"""
    connection, transport = await connected()
    with pytest.raises(NoAnswerError, match="no answer within") as caught:
        await connection.exchange(b"POST", 0.0)
    assert not caught.value.untouched
    assert transport.closing


async def test_giving_up_on_an_answer_ends_the_connection():
    connection, transport = await connected()
    task = await begin(connection)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert transport.closing
