"""SQS on the event loop: the same answers as botocore's client has, and what becomes of connections that end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import uvloop

from simulator.cloud.cloud import Cloud
from simulator.cloud.http_client import HttpClient
from simulator.cloud.sqs_calls import SqsError

HEADERS = {"Host": "queue"}
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def test_a_message_goes_its_way_as_it_does_by_botocore() -> None:
    async with Cloud(region="eu-west-1") as cloud:
        sqs = cloud.sqs
        url = (await sqs("CreateQueue", {"QueueName": "q"}))["QueueUrl"]
        text = {"DataType": "String", "StringValue": "é"}
        attributes = {"a": text, "b": {"DataType": "Binary", "BinaryValue": "AP8="}}
        sent = await sqs("SendMessage", {"QueueUrl": url, "MessageBody": "🚚", "MessageAttributes": attributes})
        everything = {"AttributeNames": ["All"], "MessageAttributeNames": ["All"], "VisibilityTimeout": 0}
        client = cloud.client("sqs")
        [by_botocore] = (await asyncio.to_thread(client.receive_message, QueueUrl=url, **everything))["Messages"]
        [received] = (await sqs("ReceiveMessage", {"QueueUrl": url, **everything}))["Messages"]
        # Each receive has its own handle and count.
        handle = received.pop("ReceiptHandle")
        assert by_botocore.pop("ReceiptHandle") != handle
        assert received["Attributes"].pop("ApproximateReceiveCount") == "2"
        by_botocore["Attributes"].pop("ApproximateReceiveCount")
        by_botocore["MessageAttributes"]["b"]["BinaryValue"] = "AP8="
        assert received == by_botocore
        assert (received["MessageId"], received["Body"]) == (sent["MessageId"], "🚚")
        entries = [{"Id": "0", "ReceiptHandle": handle}]
        deleted = await sqs("DeleteMessageBatch", {"QueueUrl": url, "Entries": entries})
        assert deleted["Successful"] == [{"Id": "0"}]


async def test_a_refusal_carries_awss_code() -> None:
    async with Cloud(region="eu-west-1") as cloud:
        with pytest.raises(SqsError, match=r"ReceiveMessage was answered 400 .*QueueDoesNotExist") as refused:
            await cloud.sqs("ReceiveMessage", {"QueueUrl": f"{cloud.endpoint_url}/123456789012/nothing"})
        assert refused.value.code.endswith("QueueDoesNotExist")


class Server:
    """Answers each request as the next of `answers` says; counts connections and requests."""

    def __init__(self) -> None:
        self.answers: list[bytes | None] = []
        """None closes without an answer."""
        self.connections = 0
        self.requests: list[bytes] = []
        self.asked = asyncio.Event()
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError), contextlib.closing(writer):
            while True:
                self.requests.append(await reader.readuntil(b"\r\n\r\nx"))
                self.asked.set()
                if not self.answers:
                    await reader.read()  # hangs until the client has had enough
                    return
                answer = self.answers.pop(0)
                if answer is None:
                    return
                writer.write(answer)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    found = Server()
    async with await asyncio.start_server(found.serve, "127.0.0.1", 0) as listening:
        host, port = listening.sockets[0].getsockname()
        found.url = f"http://{host}:{port}"
        yield found


@pytest.fixture
async def client(server: Server) -> AsyncIterator[HttpClient]:
    found = HttpClient(server.url)
    yield found
    await found.close()


async def post(client: HttpClient, timeout_s: float = 10) -> bytes:
    return (await client.post("/", HEADERS, b"x", timeout_s=timeout_s)).body


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def test_one_connection_carries_many_calls(server: Server, client: HttpClient) -> None:
    server.answers = [OK, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nwe\r\n2\r\nll\r\n0\r\n\r\n", OK]
    assert [await post(client) for _ in range(3)] == [b"ok", b"well", b"ok"]
    assert server.connections == 1
    assert server.requests[0] == b"POST / HTTP/1.1\r\nHost: queue\r\nContent-Length: 1\r\n\r\nx"


async def test_calls_at_the_same_time_have_connections_of_their_own(server: Server, client: HttpClient) -> None:
    server.answers = [OK, OK]
    assert await asyncio.gather(post(client), post(client)) == [b"ok", b"ok"]
    assert server.connections == 2


async def test_a_connection_that_the_server_will_close_is_not_used_again(server: Server, client: HttpClient) -> None:
    server.answers = [OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"), OK]
    assert [await post(client) for _ in range(2)] == [b"ok", b"ok"]
    assert server.connections == 2


async def test_a_kept_connection_that_was_closed_meanwhile_is_no_failure(server: Server, client: HttpClient) -> None:
    server.answers = [OK, None, OK]
    assert [await post(client) for _ in range(2)] == [b"ok", b"ok"]
    assert server.connections == 2


@pytest.mark.parametrize(
    ("answer", "timeout_s", "error"),
    [
        (None, 10, "closed before the answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok", 0.2, r"no answer within 0\.2 s"),
        (b"SSH-2.0-x\r\n", 10, r"not HTTP/1\.1"),
    ],
    ids=["nothing", "a part, and then silence", "another protocol"],
)
async def test_no_whole_answer_is_an_error(
    server: Server, client: HttpClient, answer: bytes | None, timeout_s: float, error: str
) -> None:
    server.answers = [answer]
    with pytest.raises(OSError, match=error):
        await post(client, timeout_s)
    assert len(server.requests) == 1


async def test_what_a_cancelled_call_is_answered_is_not_the_next_ones(server: Server, client: HttpClient) -> None:
    call = asyncio.create_task(post(client))
    await server.asked.wait()
    call.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await call
    server.answers = [OK]
    assert await post(client) == b"ok"
    assert server.connections == 2


async def test_closing_ends_what_is_under_way(server: Server, client: HttpClient) -> None:
    call = asyncio.create_task(post(client))
    await server.asked.wait()
    await client.close()
    with pytest.raises(ConnectionError):
        await call


def test_it_works_on_uvloop_as_well() -> None:
    """Whose transports are no `asyncio.Transport`."""

    async def ask() -> bytes:
        server = Server()
        server.answers = [OK]
        async with await asyncio.start_server(server.serve, "127.0.0.1", 0) as listening:
            host, port = listening.sockets[0].getsockname()
            client = HttpClient(f"http://{host}:{port}")
            answer = await post(client)
            await client.close()
        return answer

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(ask()) == b"ok"
