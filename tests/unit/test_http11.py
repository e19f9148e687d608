"""The HTTP/1.1 server without a socket: bytes in, requests and bytes out."""

import asyncio
import json

import pytest

from simulator import http11
from simulator.http11 import HttpConnection, OpenConnections, encode_response


class FakeTransport(asyncio.Transport):
    """Remembers what was done to it."""

    def __init__(self):
        super().__init__({"peername": ("198.51.100.7", 50_000)})
        self.written = bytearray()
        self.closed = self.paused = False
        self.on_abort = lambda: None

    def write(self, data):
        assert not self.closed, "written to after it was closed"
        self.written += data

    def close(self):
        self.closed = True

    def abort(self):
        self.closed = True
        self.on_abort()

    def is_closing(self):
        return self.closed

    def pause_reading(self):
        self.paused = True

    def resume_reading(self):
        self.paused = False


class Server(HttpConnection):
    """Answers at once with what it was asked, unless the target says `/wait` or `/upgrade`."""

    max_body_bytes = 1_000
    upgrades_to = "websocket"

    def __init__(self, connections, **options):
        super().__init__(connections, **options)
        self.requests = []
        self.upgraded_data = b""
        self.closed_with = []

    def on_request(self, request):
        self.requests.append(request)
        if request.upgrade and request.target != "/declined":
            self.stop_http()
        elif request.target != "/wait":
            self.respond(200, [], request.target.encode())

    def on_upgraded_data(self, data):
        self.upgraded_data += data

    def on_closed(self, error):
        self.closed_with.append(error)


@pytest.fixture
async def server():
    server = Server(OpenConnections())
    server.connection_made(FakeTransport())
    yield server
    if server.transport is not None:
        server.connection_lost(None)


def get(target="/", *headers, method="GET", version="1.1"):
    return "\r\n".join([f"{method} {target} HTTP/{version}", "Host: a", *headers, "", ""]).encode()


def post(target, body, *headers):
    return get(target, f"Content-Length: {len(body)}", *headers, method="POST") + body


UPGRADE = ("Connection: keep-alive, Upgrade", "Upgrade: websocket")
H2C = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk")
CHUNKED = (
    get("/c", "Transfer-Encoding: chunked", "Trailer: X-Sum", method="POST")
    + b"3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\nX-Sum: 1\r\n\r\n"
)


def statuses(transport):
    """Status and body of each answer, in order."""
    rest, found = bytes(transport.written), []
    while rest:
        head, _, rest = rest.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        length = next((int(line.split(":")[1]) for line in lines if line.lower().startswith("content-length")), 0)
        found.append((int(lines[0].split()[1]), rest[:length]))
        rest = rest[length:]
    return found


# -- requests ----------------------------------------------------------------------------------------------------------

STREAM = get("/a", "X-Two:  spaced ", "X-Two: again", "X-Empty:") + post("/b", b"hello") + CHUNKED + get("/d")


def check_stream(server):
    a, b, c, d = server.requests
    assert (a.method, a.target, a.body) == ("GET", "/a", b"")
    assert a.headers == (("Host", "a"), ("X-Two", "spaced"), ("X-Two", "again"), ("X-Empty", ""))
    assert (a.header("x-two"), a.header("nope")) == ("spaced", None)
    assert (b.method, b.target, b.body) == ("POST", "/b", b"hello")
    assert (c.target, c.body) == ("/c", b"abcdefg")
    assert c.header("X-Sum") is None
    assert d.target == "/d"
    assert all(request.keep_alive and not request.upgrade for request in server.requests)
    assert statuses(server.transport) == [(200, b"/a"), (200, b"/b"), (200, b"/c"), (200, b"/d")]


async def test_requests_come_whole(server):
    server.data_received(STREAM)
    check_stream(server)


async def test_requests_come_byte_by_byte(server):
    for index in range(len(STREAM)):
        server.data_received(STREAM[index : index + 1])
    check_stream(server)


@pytest.mark.parametrize("size", [2, 7, 64, 150])
async def test_requests_come_in_pieces_with_a_tail(server, size):
    for index in range(0, len(STREAM), size):
        server.data_received(STREAM[index : index + size])
    check_stream(server)


async def test_it_knows_who_asks(server):
    assert server.peer_ip == "198.51.100.7"


async def test_pipelined_requests_are_answered_in_order_one_at_a_time(server):
    server.data_received(get("/wait") + get("/b") + get("/wait") + get("/d"))
    assert [request.target for request in server.requests] == ["/wait"]
    server.respond(201, [], b"first")
    assert [request.target for request in server.requests] == ["/wait", "/b", "/wait"]
    server.respond(202, [], b"third")
    assert statuses(server.transport) == [(201, b"first"), (200, b"/b"), (202, b"third"), (200, b"/d")]


async def test_thousands_of_requests_may_wait_for_one(server):
    server.data_received(get("/wait") + get("/x") * 5_000)
    server.respond(200)
    assert len(server.requests) == 5_001


async def test_reading_stops_while_many_requests_wait(server):
    server.data_received(get("/wait"))
    assert not server.transport.paused
    server.data_received(get("/x") * (http11.MAX_WAITING_REQUESTS + 1))
    assert server.transport.paused
    server.respond(200)
    assert not server.transport.paused


async def test_reading_stops_while_the_peer_does_not_read(server):
    server.pause_writing()
    assert server.transport.paused
    server.resume_writing()
    assert not server.transport.paused


@pytest.mark.parametrize(
    "asked",
    [get("/x", "Connection: close"), get("/x", version="1.0"), get("/x", "Connection: keep-alive, close")],
    ids=["close", "HTTP/1.0", "list"],
)
async def test_a_client_that_does_not_keep_alive_is_closed_after_its_answer(server, asked):
    transport = server.transport
    server.data_received(asked + get("/y"))
    assert statuses(transport) == [(200, b"/x")]
    assert b"Connection: close" in transport.written
    assert transport.closed
    assert len(server.requests) == 1


async def test_an_answer_may_close(server):
    server.data_received(get("/wait"))
    server.respond(200, close=True)
    assert server.transport.closed


async def test_an_answer_after_the_peer_has_gone_is_dropped(server):
    server.data_received(get("/wait"))
    transport = server.transport
    server.connection_lost(None)
    server.respond(200)
    assert (transport.written, server.closed_with) == (b"", [None])


async def test_a_bug_in_a_subclass_is_not_taken_for_a_bad_request(server, monkeypatch):
    def broken(request):
        raise LookupError(request.target)

    monkeypatch.setattr(server, "on_request", broken)
    with pytest.raises(LookupError):
        server.data_received(get("/x"))
    assert server.transport.written == b""


# -- upgrades ----------------------------------------------------------------------------------------------------------


async def test_bytes_after_an_upgrade_are_not_http(server):
    server.data_received(get("/", *UPGRADE) + b"\x81\x80")
    server.data_received(b"GET / HTTP/1.1")
    assert server.requests[0].upgrade
    assert server.upgraded_data == b"\x81\x80GET / HTTP/1.1"


async def test_an_upgrade_that_comes_byte_by_byte(server):
    for byte in get("/", *UPGRADE) + b"\x81\x80":
        server.data_received(bytes([byte]))
    assert (len(server.requests), server.upgraded_data) == (1, b"\x81\x80")


@pytest.mark.parametrize("value", ["websocket", "WebSocket", "h2c, websocket"])
async def test_an_upgrade_may_be_asked_for_in_other_words(server, value):
    server.data_received(get("/", "Connection: upgrade", f"Upgrade: {value}"))
    assert server.requests[0].upgrade


async def test_an_upgrade_header_alone_is_no_upgrade(server):
    server.data_received(get("/", "Upgrade: websocket"))
    assert not server.requests[0].upgrade


async def test_an_upgrade_waits_for_the_requests_before_it(server):
    server.data_received(get("/wait") + get("/up", *UPGRADE) + b"frame")
    assert server.transport.paused
    server.data_received(b"more")
    assert (len(server.requests), server.upgraded_data) == (1, b"")
    server.respond(200)
    assert (server.requests[1].target, server.upgraded_data) == ("/up", b"framemore")
    assert not server.transport.paused


async def test_after_an_upgrade_that_was_turned_down_http_goes_on(server):
    server.data_received(get("/declined", *UPGRADE) + get("/b") + get("/declined", *UPGRADE) + get("/d"))
    assert [request.target for request in server.requests] == ["/declined", "/b", "/declined", "/d"]
    assert server.upgraded_data == b""


async def test_a_wish_for_another_protocol_is_ignored(server):
    """Stock HTTP/2 clients (curl --http2, Java's) ask for h2c with an ordinary request, body and all."""
    server.data_received(post("/a", b"body", *H2C) + get("/b", *H2C) * 2 + get("/c"))
    assert [(request.target, request.body) for request in server.requests] == [
        ("/a", b"body"),
        ("/b", b""),
        ("/b", b""),
        ("/c", b""),
    ]
    assert not any(request.upgrade for request in server.requests)
    assert server.requests[0].header("upgrade") is None
    assert server.requests[0].header("content-length") == "4"


async def test_a_wish_for_another_protocol_may_come_byte_by_byte(server):
    for byte in post("/a", b"body", *H2C) + get("/c"):
        server.data_received(bytes([byte]))
    assert [(request.target, request.body) for request in server.requests] == [("/a", b"body"), ("/c", b"")]


async def test_connect_is_refused(server):
    server.data_received(b"CONNECT example.test:443 HTTP/1.1\r\nHost: example.test:443\r\n\r\n")
    assert statuses(server.transport) == [(405, b'{"message":"Method Not Allowed"}')]


# -- refusals ----------------------------------------------------------------------------------------------------------

BAD = [
    pytest.param(b"hello\r\n\r\n", 400, id="no HTTP"),
    pytest.param(b"\x16\x03\x01\x02\x00\x01", 400, id="TLS where none is spoken"),
    pytest.param(b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400, id="no header"),
    pytest.param(b"GET / HTTP/1.1\r\nA b: c\r\n\r\n", 400, id="space in a name"),
    pytest.param(b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400, id="length that is no number"),
    pytest.param(b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400, id="two lengths"),
    pytest.param(
        b"POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, id="two framings"
    ),
    pytest.param(get("/", "Transfer-Encoding: chunked", method="POST") + b"zz\r\n", 400, id="no chunk length"),
    pytest.param(post("/", b"a", "Content-Length: 1"), 400, id="the same length twice"),
    *(
        pytest.param(get("/", f"Content-Length: {length}", method="POST") + b"a", 400, id=f"length {length!r}")
        for length in ("+1", "-1", "0x1", "1, 1", "1 1", "", "99999999999999999999999")
    ),
    pytest.param(get("/", "Transfer-Encoding: identity", method="POST"), 501, id="coding identity"),
    pytest.param(get("/", "Transfer-Encoding: xchunked", method="POST"), 501, id="coding xchunked"),
    pytest.param(get("/", "Transfer-Encoding: chunked, identity", method="POST"), 400, id="coding after chunked"),
    pytest.param(get("/", *["Transfer-Encoding: chunked"] * 2, method="POST"), 400, id="two codings"),
    pytest.param(get("/", "Transfer-Encoding: gzip, chunked", method="POST"), 501, id="a coding that nobody reads"),
    pytest.param(get("/", "Transfer-Encoding: chunked", version="1.0", method="POST"), 400, id="a coding in HTTP/1.0"),
    pytest.param(b"GET / HTTP/1.1\nHost: a\n\n", 400, id="bare line feeds"),
    pytest.param(b"GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", 400, id="a bare line feed in a header"),
    pytest.param(b"GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n", 400, id="a bare carriage return"),
    pytest.param(get("/", "X: b\r\n c"), 400, id="a folded header"),
    pytest.param(get("/", "X: b\0c"), 400, id="NUL in a value"),
    pytest.param(get("/", "X\0: b"), 400, id="NUL in a name"),
    pytest.param(get("/a\0b"), 400, id="NUL in the target"),
    pytest.param(get("/a\xffb"), 400, id="no ASCII in the target"),
    pytest.param(get("/", "X : b"), 400, id="a space before the colon"),
    pytest.param(get("/", "Host: b"), 400, id="two hosts"),
    pytest.param(b"GET / HTTP/1.1\r\nX: a\r\n\r\n", 400, id="no host"),
    pytest.param(get("/", version="2.0"), 505, id="HTTP/2.0"),
    pytest.param(b"GET /\r\n\r\n", 505, id="HTTP/0.9"),
    pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, id="the preface of HTTP/2"),
    pytest.param(
        get("/", "Transfer-Encoding: chunked", method="POST") + b"1\na\n0\n\n", 400, id="bare line feeds in chunks"
    ),
    pytest.param(
        get("/", "Transfer-Encoding: chunked", method="POST") + b"fffffffffffffffff\r\n", 400, id="a chunk for ever"
    ),
    pytest.param(get("/" + "a" * http11.MAX_TARGET_BYTES), 414, id="target too long"),
    pytest.param(get("/", "X: " + "a" * http11.MAX_HEAD_BYTES), 431, id="header too long"),
    pytest.param(get("/", *(f"X-{i}: {'a' * 100}" for i in range(400))), 431, id="too many headers"),
    pytest.param(post("/", b"a" * 1_001), 413, id="body too long"),
    pytest.param(get("/", "Content-Length: 1001", "Expect: 100-continue"), 413, id="body too long, before it is sent"),
    pytest.param(
        get("/", "Transfer-Encoding: chunked", method="POST") + b"3E8\r\n" + b"a" * 1_000 + b"\r\n1\r\na\r\n0\r\n\r\n",
        413,
        id="chunks too long together",
    ),
]


@pytest.mark.parametrize(("data", "status"), BAD)
@pytest.mark.parametrize("size", [1_000_000, 1_000, 1], ids=["whole", "pieces", "bytes"])
async def test_what_is_no_acceptable_request_is_refused(server, data, status, size):
    for index in range(0, len(data), size):
        server.data_received(data[index : index + size])
    ((refused, body),) = statuses(server.transport)
    assert refused == status
    assert json.loads(body) == {"message": http11.HTTPStatus(status).phrase}
    assert b"Connection: close" in server.transport.written
    assert server.requests == []


async def test_nothing_is_read_after_a_refusal(server):
    server.data_received(b"hello\r\n\r\n")
    server.data_received(get("/x"))
    assert server.requests == []
    assert [status for status, _ in statuses(server.transport)] == [400]


async def test_a_refusal_waits_for_the_answers_before_it(server):
    server.data_received(get("/wait") + get("/b") + b"hello\r\n\r\n")
    assert server.transport.written == b""
    server.respond(200, [], b"first")
    assert [status for status, _ in statuses(server.transport)] == [200, 200, 400]


async def test_a_header_line_cannot_grow_for_ever(server):
    server.data_received(b"GET / HTTP/1.1\r\nX: ")
    for _ in range(100):
        server.data_received(b"a" * 65_536)
        if server.transport.written:
            break
    assert [status for status, _ in statuses(server.transport)] == [431]


async def test_a_subclass_may_allow_longer_headers():
    class Roomy(Server):
        max_head_bytes = 200_000

    server = Roomy(OpenConnections())
    server.connection_made(FakeTransport())
    server.data_received(get("/x", "X: " + "a" * 150_000))
    assert len(server.requests) == 1
    server.connection_lost(None)


# -- time --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def short(monkeypatch):
    """Timeouts that end at the loop's next turn."""
    monkeypatch.setattr(http11, "READ_TIMEOUT_S", 0)
    monkeypatch.setattr(http11, "LINGER_S", 0)


async def turns():
    """Until every timer that is due now has fired, and those that it started."""
    loop = asyncio.get_running_loop()
    for _ in range(2):
        fired = loop.create_future()
        loop.call_later(0, fired.set_result, None)
        await fired


async def test_a_peer_that_says_nothing_is_closed(short):
    server = Server(OpenConnections())
    server.connection_made(FakeTransport())
    await turns()
    assert server.transport.closed


async def test_a_request_that_stops_halfway_is_closed(server, short):
    server._read_timeout_s = 0
    server.data_received(get("/x"))
    await turns()
    assert not server.transport.closed
    server.data_received(get("/x")[:-2])
    await turns()
    assert server.transport.closed


async def test_a_request_that_stops_halfway_does_not_cut_off_the_answer_before_it(server):
    server.data_received(get("/wait"))
    server._read_timeout_s = 0
    server.data_received(get("/x")[:-2])
    await turns()
    assert not server.transport.closed
    server.respond(200, [], b"first")
    await turns()
    assert statuses(server.transport) == [(200, b"first")]
    assert server.transport.closed


async def test_the_first_request_may_have_less_time_than_the_others():
    server = Server(OpenConnections(), read_timeout_s=60, first_read_timeout_s=-1)
    server.connection_made(FakeTransport())
    server.data_received(get("/x")[:-2])
    await turns()
    assert server.transport.closed


async def test_a_peer_that_does_not_read_its_answers_is_cut_off(server):
    server._read_timeout_s = 0
    aborted = []
    server.transport.on_abort = lambda: aborted.append(True)
    server.pause_writing()
    server.resume_writing()
    await turns()
    assert aborted == []
    server.pause_writing()
    await turns()
    assert aborted == [True]


async def test_a_peer_that_does_not_read_the_last_answer_is_cut_off(server, monkeypatch):
    monkeypatch.setattr(http11, "CLOSE_TIMEOUT_S", 0)
    aborted = []
    server.transport.on_abort = lambda: aborted.append(True)
    server.data_received(get("/x", "Connection: close"))
    assert (server.transport.closed, aborted) == (True, [])
    await turns()
    assert aborted == [True]


async def test_a_connection_may_be_idle_between_requests(server, short):
    server.data_received(get("/x"))
    await turns()
    assert not server.transport.closed


async def test_a_refused_peer_has_time_to_read_the_answer(server):
    server.data_received(b"hello\r\n\r\n")
    assert not server.transport.closed


async def test_and_is_then_closed(server, short):
    server.data_received(b"hello\r\n\r\n")
    await turns()
    assert server.transport.closed


# -- bodies that wait --------------------------------------------------------------------------------------------------


async def test_a_client_that_waits_for_100_continue_is_told_to_go_on_once(server):
    head, body = post("/x", b"hello", "Expect: 100-continue").split(b"\r\n\r\n")
    server.data_received(head + b"\r\n\r\n")
    assert server.transport.written == b"HTTP/1.1 100 Continue\r\n\r\n"
    server.data_received(body[:2])
    server.data_received(body[2:])
    assert statuses(server.transport) == [(100, b""), (200, b"/x")]


async def test_100_continue_comes_after_the_answers_before_it(server):
    server.data_received(get("/wait") + post("/x", b"", "Expect: 100-continue").replace(b"Length: 0", b"Length: 5"))
    assert server.transport.written == b""
    server.respond(200)
    assert [status for status, _ in statuses(server.transport)] == [200, 100]


# -- answers -----------------------------------------------------------------------------------------------------------


def test_an_answer_tells_its_length():
    assert encode_response(200, [("A", "b")], b"hello") == (
        b"HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\nhello"
    )


@pytest.mark.parametrize("status", [204, 304])
def test_some_answers_have_no_body_whatever_is_given(status):
    encoded = encode_response(status, [], b"hello")
    assert encoded.endswith(b"\r\n\r\n")
    assert b"Content-Length" not in encoded


def test_an_unknown_status_has_a_reason_all_the_same():
    assert encode_response(599, []).startswith(b"HTTP/1.1 599 Status\r\n")


async def test_head_gets_the_length_but_not_the_body(server):
    server.data_received(get("/x", method="HEAD"))
    assert b"Content-Length: 2\r\n" in server.transport.written
    assert server.transport.written.endswith(b"\r\n\r\n")


# -- open connections --------------------------------------------------------------------------------------------------


async def test_draining_waits_until_the_last_has_gone():
    connections = OpenConnections()
    first, second = Server(connections), Server(connections)
    for server in (first, second):
        server.connection_made(FakeTransport())
    assert (len(connections), set(connections)) == (2, {first, second})
    draining = asyncio.ensure_future(connections.drain(60))
    first.connection_lost(None)
    await turns()
    assert not draining.done()
    second.connection_lost(None)
    await draining


async def test_draining_cuts_off_those_that_do_not_go():
    connections = OpenConnections()
    server = Server(connections)
    transport = FakeTransport()
    transport.on_abort = lambda: server.connection_lost(None)
    server.connection_made(transport)
    await connections.drain(0)
    assert len(connections) == 0


async def test_ending_closes_the_socket(server):
    server.end()
    assert server.transport.closed
