"""Malformed HTTP and WebSocket input, made by bending what is well-formed, against the whole gateway.

Every case is made of the seed and its number alone. A few thousand run with the ordinary tests, 100,000 by
`tox -e fuzz`; a case that fails names both, and `FUZZ_SEED=… FUZZ_CASE=… pytest tests/integration/gateway -k fuzz`
plays it alone. Most go through a transport in memory, which also plays clients that do not read; some through sockets.
"""

import asyncio
import contextlib
import gc
import itertools
import json
import logging
import os
import random
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import pytest

from simulator.clock import SystemClock
from simulator.gateway.connection import GatewayConnection
from simulator.gateway.frame_stream import State
from simulator.gateway.server import Gateway
from simulator.gateway.settings import GatewaySettings
from simulator.invocation import InvocationResult, InvokeRefusedError

SEED = int(os.environ.get("FUZZ_SEED", "20260101"))
CASES = int(os.environ.get("FUZZ_CASES", "3000"))
ONLY = os.environ.get("FUZZ_CASE")
SOCKET_CASES = max(200, CASES // 50)
PATIENCE_S = 20.0

# -- well-formed input -------------------------------------------------------------------------------------------------

KNOWN_ID = "L0SM9cOFvHcCIhw="
TARGETS = (
    *["/primary"] * 4,
    "/primary/",
    "/primary?room=a&room=b",
    "/primary/vendors",
    "/primary/vendors?limit=1",
    "/other",
    "/",
    "*",
    f"/primary/@connections/{KNOWN_ID}",
    "/primary/%40connections/L0SM9cOFvHcCIhw%3D",
    "/primary/@connections/nonsense",
    "/.tracker-sim/stats",
    "/.tracker-sim/clock",
    "/primary/%zz%",
    "//primary//vendors",
    "http://a/primary/vendors",
)
METHODS = ("GET", "GET", "GET", "POST", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "CONNECT", "TRACE", "get")
HEADERS = (
    "Connection: keep-alive",
    "Connection: close",
    "Connection: Upgrade",
    "Upgrade: h2c",
    "Upgrade: websocket",
    "HTTP2-Settings: AAMAAABk",
    "Expect: 100-continue",
    "Content-Type: application/json",
    "Content-Length: 5",
    "Content-Length: 0",
    "Content-Length: 99999999999999",
    "Transfer-Encoding: chunked",
    "Transfer-Encoding: gzip, chunked",
    "Cookie: a=b; c=d;;; =",
    "Origin: https://evil.example",
    "Access-Control-Request-Method: GET",
    "Authorization: AWS4-HMAC-SHA256 Credential=a/b/c, SignedHeaders=host, Signature=00",
    "X-Long: " + "x" * 9_000,
    "Host: b",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Protocol: a, b",
    "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
    "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=9",
    'Sec-WebSocket-Extensions: ;,="',
    "X-Fold: a\r\n b",
    "X-Nul: a\0b",
    "User-Agent: \xfc",
)
SCRAPS = (
    b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"\0", b" ", b":", b"\xff", b"HTTP/1.1", b"0\r\n\r\n", b"5\r\nhello\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"\x81\x80\0\0\0\0", b"\x88\x80\0\0\0\0", b"\x16\x03\x01", b"\x7f" * 9,
)  # fmt: skip


def request_of(rng):
    """A request that is well-formed more often than not."""
    method, target = rng.choice(METHODS), rng.choice(TARGETS)
    headers = ["Host: a", *rng.choices(HEADERS, k=rng.choice((0, 0, 0, 0, 0, 1, 1, 2, 4)))]
    body = b""
    if method in {"POST", "PUT", "PATCH"} and rng.random() < 0.8:
        body = rng.choice(
            (b"", b"hello", b'{"advance_s": 1}', bytes(rng.randrange(256) for _ in range(50)), b"x" * 40_000)
        )
        if rng.random() < 0.7:
            headers.append(f"Content-Length: {len(body)}")
        else:
            headers.append("Transfer-Encoding: chunked")
            body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n"
    rng.shuffle(headers)
    version = rng.choice(("HTTP/1.1",) * 40 + ("HTTP/1.0", "HTTP/2.0", "HTTP/9.9", "RTSP/1.0"))
    return "\r\n".join([f"{method} {target} {version}", *headers, "", ""]).encode("latin-1") + body


def handshake_of(rng, *, deflate):
    """An upgrade request that the gateway accepts, with or without compression."""
    lines = [
        "GET /primary HTTP/1.1",
        "Host: a",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ]
    if deflate:
        lines.append("Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits")
    return "\r\n".join([*lines, "", ""]).encode()


def frame(rng, opcode, payload=b"", *, fin=True, rsv=0, length=None, masked=True):
    size = len(payload)
    if length is None:
        length = bytes([size]) if size < 126 else b"\x7e" + size.to_bytes(2, "big")
    head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode, (0x80 if masked else 0) | length[0]]) + length[1:]
    if not masked:
        return head + payload
    key = rng.choice((bytes(4), rng.randbytes(4)))
    repeated = (key * (size // 4 + 1))[:size]
    return head + key + (int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")).to_bytes(size, "big")


TEXTS = (b"", b"hello", b'{"action":"ask"}', b'{"action":"fail"}', "né 🚚".encode(), b"x" * 3_000, b"x" * 32_768)


def deflated(text):
    context = zlib.compressobj(wbits=-15)
    return (context.compress(text) + context.flush(zlib.Z_SYNC_FLUSH))[:-4]


def message_of(rng, *, deflate):
    """A text message in one frame or more, compressed or not, perhaps with pings in it."""
    payload, rsv = rng.choice(TEXTS), 0
    if deflate and rng.random() < 0.5:
        payload, rsv = deflated(payload), 4
    cuts = sorted(rng.randrange(len(payload) + 1) for _ in range(rng.choice((0, 0, 0, 1, 3))))
    pieces = [payload[start:end] for start, end in itertools.pairwise([0, *cuts, len(payload)])]
    for index, piece in enumerate(pieces):
        first, last = index == 0, index == len(pieces) - 1
        yield frame(rng, 1 if first else 0, piece, fin=last, rsv=rsv if first else 0)
        if rng.random() < 0.1:
            yield frame(rng, rng.choice((9, 10)), rng.randbytes(rng.choice((0, 5, 125))))


def fault_of(rng, *, deflate):
    """A frame that breaks a rule, or ends the connection."""
    size = rng.choice((5, 70_000, (1 << 63) - 1, 1 << 63))
    code = rng.choice((1000, 1001, 1002, 1005, 1006, 1015, 3000, 4999, 999, 5000))
    yield rng.choice(
        (
            frame(rng, 8),
            frame(rng, 8, struct.pack("!H", code) + rng.choice((b"", b"bye", b"\xff"))),
            frame(rng, 8, b"\x03"),
            frame(rng, 2, b"binary", fin=rng.random() < 0.5),
            frame(rng, rng.randrange(16), b"hello"),
            frame(rng, 1, b"hello", rsv=rng.randrange(8)),
            frame(rng, 1, b"hello", masked=False),
            frame(rng, 1, b"\xff\xfe"),
            frame(rng, 0, b"of nothing"),
            frame(rng, 1, b"never ends", fin=False),
            frame(rng, 9, b"x" * 126),
            frame(rng, 9, fin=False),
            frame(rng, 1, b"x" * 32_769),
            frame(rng, 1, b"short", length=b"\x7e\x00\x05"),
            frame(rng, 1, b"short", length=b"\x7f" + size.to_bytes(8, "big")),
            frame(rng, 1, deflated(rng.choice((b"x" * 32_769, bytes(300_000)))), rsv=4 if deflate else 0),
            frame(rng, 1, b"\xff\xff no deflate", rsv=4),
        )
    )


def websocket_parts(rng):
    deflate = rng.random() < 0.5
    yield handshake_of(rng, deflate=deflate)
    for _ in range(rng.choice((0, 1, 2, 3, 6, 30))):
        yield from (fault_of if rng.random() < 0.08 else message_of)(rng, deflate=deflate)


def bent(rng, data):
    """`data` with a few bytes flipped, doubled, dropped, moved or put in."""
    data = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        at = rng.randrange(len(data) + 1)
        # Most of what matters is in the first bytes of whatever it is.
        if rng.random() < 0.5:
            at = min(at, rng.randrange(40))
        match rng.randrange(6):
            case 0 if at < len(data):
                data[at] ^= 1 << rng.randrange(8)
            case 1 if at < len(data):
                data[at] = rng.randrange(256)
            case 2:
                del data[at : at + rng.choice((1, 1, 2, 10, 100))]
            case 3:
                data[at:at] = data[at : at + rng.choice((1, 4, 30))]
            case 4:
                data[at:at] = rng.choice(SCRAPS)
            case 5:
                del data[at:]
            case _:
                data += rng.choice(SCRAPS)
    return bytes(data)


@dataclass
class Case:
    """What one client sends, in which pieces, and how it reads."""

    number: int
    pieces: list[bytes]
    reads: bool
    resets: bool
    rng: random.Random


def case_of(seed, number):
    rng = random.Random(f"{seed}/{number}")
    if rng.random() < 0.45:
        parts = [request_of(rng) for _ in range(rng.choice((1, 1, 1, 2, 3)))]
    else:
        parts = list(websocket_parts(rng))
        if rng.random() < 0.05:
            parts.insert(0, request_of(rng))
    for _ in range(rng.choice((0, 1, 1, 2))):
        # The handshake is seldom bent: behind a refused one no frame is looked at.
        index = rng.randrange(len(parts))
        if index or rng.random() < 0.5:
            parts[index] = bent(rng, parts[index])
    data = b"".join(parts)
    match rng.randrange(4):
        case 0:
            pieces = [data]
        case 1:
            pieces = parts
        case 2 if len(data) < 600:
            pieces = [data[at : at + 1] for at in range(len(data))]
        case _:
            cuts = sorted(rng.randrange(len(data) + 1) for _ in range(rng.randrange(1, 8)))
            at = [0, *cuts, len(data)]
            pieces = [data[start:end] for start, end in itertools.pairwise(at)]
    return Case(number, [piece for piece in pieces if piece], rng.random() < 0.9, rng.random() < 0.2, rng)


# -- a transport in memory ---------------------------------------------------------------------------------------------


class MemoryTransport(asyncio.Transport):
    """As asyncio's: buffers while the peer does not read, pauses the protocol, tells the loss at the next turn."""

    def __init__(self, protocol, reads):
        super().__init__({"peername": ("198.51.100.7", 50_000)})
        self.protocol = protocol
        self.reads = reads
        self.loop = asyncio.get_running_loop()
        self.taken = bytearray()
        self.buffer = bytearray()
        self.high = 65_536
        self.reading, self.paused, self.closing, self.lost, self.eof = True, False, False, False, False

    def write(self, data):
        assert not self.eof, "written after the end"
        if self.lost:
            return
        (self.taken if self.reads and not self.buffer else self.buffer).extend(data)
        if len(self.buffer) > self.high and not self.paused:
            self.paused = True
            self.protocol.pause_writing()

    def drain(self):
        """The peer reads everything."""
        self.taken += self.buffer
        self.buffer.clear()
        if self.paused and not self.lost:
            self.paused = False
            self.protocol.resume_writing()
        if self.closing:
            self._lose()

    def write_eof(self):
        self.eof = True

    def can_write_eof(self):
        return True

    def close(self):
        if not self.closing:
            self.closing = True
            if not self.buffer:
                self._lose()

    def abort(self):
        self.closing = True
        self._lose()

    def is_closing(self):
        return self.closing

    def _lose(self):
        if not self.lost:
            self.lost = True
            self.loop.call_soon(self.protocol.connection_lost, None)

    def pause_reading(self):
        assert self.reading
        self.reading = False

    def resume_reading(self):
        assert not self.reading
        self.reading = True

    def is_reading(self):
        return self.reading and not self.closing

    def set_write_buffer_limits(self, high=None, low=None):
        self.high = high

    def get_write_buffer_size(self):
        return len(self.buffer)


# -- what is checked ---------------------------------------------------------------------------------------------------


def check_output(out):
    """What the gateway said is well-formed: answers, then perhaps a 101 and frames, of which a close is the last."""
    while out:
        head, blank, out = out.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 "), head[:60]
        assert blank
        status = int(head[9:12])
        if status == 101:
            return check_frames(out)
        lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        assert len(lengths) == (status not in {100, 204, 304}), head
        # The answer to HEAD tells a length and has no body.
        if lengths and out and not out.startswith(b"HTTP/1.1 "):
            size = int(lengths[0].split(b":")[1])
            assert len(out) >= size
            out = out[size:]
    return None


def check_frames(out):
    closed = False
    while out:
        assert not closed, "a frame after the close frame"
        opcode, size, at = out[0], out[1], 2
        if size == 126:
            size, at = int.from_bytes(out[2:4], "big"), 4
        elif size == 127:
            size, at = int.from_bytes(out[2:10], "big"), 10
        assert opcode in {0x81, 0xC1, 0x88, 0x8A}, hex(opcode)
        assert len(out) >= at + size
        payload, out = out[at : at + size], out[at + size :]
        if opcode == 0x88:
            closed = True
            if payload:
                code = int.from_bytes(payload[:2], "big")
                assert 1000 <= code <= 4999
                assert code not in {1004, 1005, 1006, 1015}
                payload[2:].decode()


def waits_with_a_deadline(connection):
    """Nobody who keeps the gateway waiting does so for ever, but for idle connections, whose timers are the rules'."""
    channel = connection.channel
    if channel is not None:
        return channel._stream.state is State.OPEN or channel._close_timer is not None
    if connection._upgraded or connection._busy:
        return True
    return connection._timer is not None or not (connection._in_message or connection._refusal)


@pytest.fixture
async def gateway(make_stack):
    """A gateway whose functions do as a case's chance wills, on a loop that forgives nothing."""
    chance = {"rng": random.Random(0)}

    async def invoke(function_name, payload, *, origin=""):
        rng = chance["rng"]
        json.loads(payload)
        for _ in range(rng.choice((0, 0, 1, 3))):
            await asyncio.sleep(0)
        dice = rng.random()
        if dice < 0.03:
            raise InvokeRefusedError(429, "TooManyRequestsException", "throttled")
        if dice < 0.06:
            return InvocationResult("1", b'{"errorMessage":"broken","errorType":"E"}', "Unhandled")
        if dice < 0.1:
            return InvocationResult("1", rng.choice((b"", b"null", b"[]", b'{"statusCode":"x"}', b"{")))
        if dice < 0.15:
            return InvocationResult("1", b'{"statusCode":403,"body":"no"}')
        return InvocationResult("1", b'{"statusCode":200,"body":"' + b"x" * rng.choice((0, 9, 9_000)) + b'"}')

    no_limits = {"connects_per_s": 1e12, "connects_burst": 10**12, "account_rate_per_s": 1e12, "account_burst": 10**12}
    routes = {"$connect": {}, "$disconnect": {}, "ask": {"route_response": True}, "fail": {}}
    gateway = Gateway(
        make_stack(routes),
        invoke,
        clock=SystemClock(),
        rng=random.Random(1),
        settings=GatewaySettings(backlog_bytes=20_000, **no_limits),
    )
    gateway.chance = chance
    await gateway.start()
    yield gateway
    await gateway.stop()


@contextlib.contextmanager
def nothing_unhandled():
    """What reaches the loop's exception handler, or is logged as a failure of the gateway's own."""
    unhandled = []

    class Failures(logging.Handler):
        def emit(self, record):
            if record.exc_info or record.name == "asyncio":
                unhandled.append(record.getMessage())

    loop, handler = asyncio.get_running_loop(), Failures()
    quiet = [(logging.getLogger(name), logging.getLogger(name).propagate) for name in ("simulator.gateway", "asyncio")]
    loop.set_exception_handler(lambda _, context: unhandled.append(context))
    for logger, _ in quiet:
        # Tens of thousands of refusals and time-outs of functions are not worth keeping.
        logger.addHandler(handler)
        logger.propagate = False
    try:
        yield unhandled
    finally:
        loop.set_exception_handler(None)
        for logger, propagates in quiet:
            logger.removeHandler(handler)
            logger.propagate = propagates


async def settled(endpoint):
    """Until no function is running and nothing is due at once."""
    for _ in range(3):
        await asyncio.sleep(0)
    while endpoint._tasks:
        await asyncio.wait(set(endpoint._tasks))
        for _ in range(3):
            await asyncio.sleep(0)


async def play(gateway, case):
    """One case through memory: feed, look, end, look again."""
    endpoint = gateway._endpoints[0]
    gateway.chance["rng"] = case.rng
    connection = GatewayConnection(endpoint, endpoint._connections)
    transport = MemoryTransport(connection, case.reads)
    connection.connection_made(transport)
    for piece in case.pieces:
        if not transport.reading:
            await settled(endpoint)
            if not transport.reading:
                transport.drain()
        if transport.closing or not transport.reading:
            break
        connection.data_received(piece)
        if case.rng.random() < 0.3:
            await asyncio.sleep(0)
    await settled(endpoint)
    assert transport.lost or transport.buffer or waits_with_a_deadline(connection), "it waits for ever"
    assert len(transport.buffer) < 1_200_000, "what is not read piles up"
    transport.reads = True
    transport.drain()
    await settled(endpoint)
    if not transport.closing:
        if case.resets:
            transport.abort()
        elif not connection.eof_received():
            transport.close()
    await settled(endpoint)
    assert transport.lost, "the client has ended its half and the gateway has not"
    check_output(bytes(transport.taken))
    core = endpoint.websocket
    left = (len(endpoint._connections), len(endpoint.channels), len(endpoint.pending), len(endpoint.newcomers))
    assert left == (0, 0, 0, 0), left
    assert not core._connections
    assert endpoint._tasks == set()


def describe(case, error):
    return (
        f"FUZZ_SEED={SEED} FUZZ_CASE={case.number}: {error!r}\n"
        f"reads={case.reads} resets={case.resets} pieces={[piece[:200] for piece in case.pieces[:12]]!r}"
    )


@pytest.mark.parametrize("seed", [SEED], ids=[f"seed {SEED}, {CASES} cases"])
async def test_malformed_input_in_memory_never_breaks_the_gateway(gateway, seed):
    tasks_before = len(asyncio.all_tasks())
    numbers = [int(ONLY)] if ONLY else range(CASES)
    with nothing_unhandled() as unhandled:
        for number in numbers:
            case = case_of(seed, number)
            try:
                await play(gateway, case)
                assert unhandled == []
            except Exception as error:
                raise AssertionError(describe(case, error)) from error
    assert len(asyncio.all_tasks()) == tasks_before


def descriptors():
    return sum(1 for _ in Path("/dev/fd").iterdir())


async def test_malformed_input_over_sockets_never_breaks_the_gateway(gateway):
    """Twenty clients at a time; each must see the end of the connection after it has ended its half."""
    address = gateway.main_address
    endpoint = gateway._endpoints[0]
    gateway.chance["rng"] = random.Random(SEED)
    room = asyncio.Semaphore(20)

    async def client(number):
        case = case_of(SEED, 10_000_000 + number)
        async with room:
            reader, writer = await asyncio.open_connection(address.host, address.port)
            try:
                with contextlib.suppress(ConnectionError):
                    for piece in case.pieces[:40]:
                        writer.write(piece)
                        await writer.drain()
                    if case.resets:
                        writer.transport.abort()
                        return
                    writer.write_eof()
                    out = await asyncio.wait_for(reader.read(), PATIENCE_S)
                    check_output(out)
            except Exception as error:
                raise AssertionError(describe(case, error)) from error
            finally:
                writer.close()
                with contextlib.suppress(ConnectionError):
                    await writer.wait_closed()

    gc.collect()
    descriptors_before, tasks_before = descriptors(), len(asyncio.all_tasks())
    with nothing_unhandled() as unhandled:
        await asyncio.gather(*(client(number) for number in range(SOCKET_CASES)))
        async with asyncio.timeout(PATIENCE_S):
            await endpoint._connections._empty.wait()
            await settled(endpoint)
            while len(endpoint.newcomers):  # noqa: ASYNC110  nobody is told when a silent socket goes
                await asyncio.sleep(0.01)
    assert unhandled == []
    assert gateway.connection_counts()["open"] == 0
    gc.collect()
    assert (descriptors(), len(asyncio.all_tasks())) == (descriptors_before, tasks_before)
