"""Frames without a socket: what a client sends, in every cut, against RFC 6455 and the contract's L and M rows."""

import itertools
import struct
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.gateway.compression import Deflate, negotiate
from simulator.gateway.frame_stream import (
    MAX_FRAME_BYTES,
    MAX_MESSAGE_BYTES,
    Failed,
    FrameStream,
    PeerClosed,
    Ping,
    State,
    Text,
    encode_frame,
)

TEXT, BINARY, CONTINUATION, CLOSE, PING, PONG = 1, 2, 0, 8, 9, 10
KEY = b"\x11\x22\x33\x44"


def frame(opcode, payload=b"", *, fin=True, rsv=0, key=KEY, length=None, masked=True):
    """A client's frame. `length` replaces the bytes that tell the payload's length."""
    size = len(payload)
    if length is None:
        if size < 126:
            length = bytes([size])
        elif size < 65_536:
            length = b"\x7e" + size.to_bytes(2, "big")
        else:
            length = b"\x7f" + size.to_bytes(8, "big")
    head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode, (0x80 if masked else 0) | length[0]]) + length[1:]
    if not masked:
        return head + payload
    return head + key + bytes(byte ^ key[index % 4] for index, byte in enumerate(payload))


def deflated(text):
    """A message compressed as a client does it that keeps nothing between messages."""
    context = zlib.compressobj(wbits=-15)
    return (context.compress(text) + context.flush(zlib.Z_SYNC_FLUSH))[:-4]


def events_of(stream):
    found = []
    while (event := stream.next_event()) is not None:
        found.append(event)
    return found


def run(*pieces, deflate=None):
    """Everything that comes of feeding `pieces`: the events, the bytes to send and the state at the end."""
    stream = FrameStream(deflate)
    events = []
    for piece in pieces:
        stream.feed(piece)
        events += events_of(stream)
    return events, stream.take_outgoing(), stream.state


def close_frame(code, reason=""):
    return encode_frame(CLOSE, struct.pack("!H", code) + reason.encode())


def failed_with(data, deflate=None):
    """The code with which the connection fails over `data`; the close frame must say the same."""
    events, out, state = run(data, deflate=deflate)
    assert isinstance(events[-1], Failed), events
    assert state is State.FAILED
    assert out.endswith(close_frame(events[-1].code, events[-1].reason))
    return events[-1].code


ANY_SIZE = Deflate(15, 0)

# -- messages ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "hello", "né 🚚", "x" * 125, "x" * 126, "x" * MAX_FRAME_BYTES])
def test_a_text_frame_is_a_message(text):
    assert run(frame(TEXT, text.encode())) == ([Text(text)], b"", State.OPEN)


def test_L03_fragments_are_one_message_and_may_cut_a_character():
    data = frame(TEXT, b"n\xc3", fin=False) + frame(CONTINUATION, b"", fin=False) + frame(CONTINUATION, b"\xa9!")
    assert run(data) == ([Text("né!")], b"", State.OPEN)


def test_L03_control_frames_may_come_between_fragments():
    data = (
        frame(TEXT, b"a", fin=False) + frame(PING, b"1") + frame(PONG, b"?") + frame(CONTINUATION, b"b") + frame(PING)
    )
    assert run(data) == ([Ping(), Text("ab"), Ping()], b"\x8a\x011\x8a\x00", State.OPEN)


@pytest.mark.parametrize("payload", [b"", b"hello", b"\xff\x00", b"x" * 125])
def test_L06_a_ping_is_answered_with_its_own_payload(payload):
    assert run(frame(PING, payload)) == ([Ping()], encode_frame(PONG, payload), State.OPEN)


def test_L06_a_pong_that_nobody_asked_for_is_nothing():
    assert run(frame(PONG, b"hello")) == ([], b"", State.OPEN)


# -- sizes (L01) -------------------------------------------------------------------------------------------------------


def header_of(size, *, fin=True, opcode=TEXT):
    """The header alone of a frame whose payload never comes."""
    return frame(opcode, b"x" * size, fin=fin)[: -size - 4]


def test_L01_a_frame_over_32_kilobytes_is_refused_by_its_header():
    assert run(header_of(MAX_FRAME_BYTES)) == ([], b"", State.OPEN)
    assert failed_with(header_of(MAX_FRAME_BYTES + 1)) == 1009
    assert failed_with(frame(TEXT, length=b"\x7f" + (1 << 62).to_bytes(8, "big"))[:10]) == 1009


def test_L01_a_message_over_128_kilobytes_is_refused_by_the_header_of_the_frame_too_many():
    first = frame(TEXT, b"x" * MAX_FRAME_BYTES, fin=False) + 3 * frame(CONTINUATION, b"x" * MAX_FRAME_BYTES, fin=False)
    assert run(first + frame(CONTINUATION)) == ([Text("x" * MAX_MESSAGE_BYTES)], b"", State.OPEN)
    assert failed_with(first + header_of(1, opcode=CONTINUATION)) == 1009


def test_L01_a_ping_inside_a_full_message_is_not_too_big():
    data = frame(TEXT, b"x" * MAX_FRAME_BYTES, fin=False) + 3 * frame(CONTINUATION, b"x" * MAX_FRAME_BYTES, fin=False)
    events, out, _ = run(data + frame(PING, b"here?") + frame(CONTINUATION))
    assert events == [Ping(), Text("x" * MAX_MESSAGE_BYTES)]
    assert out == encode_frame(PONG, b"here?")


def test_empty_fragments_for_ever_take_no_memory():
    stream = FrameStream()
    stream.feed(frame(TEXT, fin=False))
    for _ in range(100):
        stream.feed(frame(CONTINUATION, fin=False) * 100)
        assert events_of(stream) == []
    assert (len(stream._buffer), len(stream._message)) == (0, 0)


# -- what is refused ---------------------------------------------------------------------------------------------------

BROKEN = [
    pytest.param(frame(TEXT, rsv=4), 1002, id="RSV1 without compression"),
    pytest.param(frame(TEXT, rsv=2), 1002, id="RSV2"),
    pytest.param(frame(PING, rsv=1), 1002, id="RSV3"),
    *(pytest.param(frame(opcode), 1002, id=f"opcode {opcode}") for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)),
    pytest.param(frame(TEXT, b"hello", masked=False), 1002, id="not masked"),
    pytest.param(frame(CLOSE, struct.pack("!H", 1000), masked=False), 1002, id="close not masked"),
    pytest.param(frame(PING, b"x" * 126)[:2], 1002, id="ping too long, by its first two bytes"),
    pytest.param(frame(CLOSE, b"x" * 70_000)[:2], 1002, id="close too long, by its first two bytes"),
    pytest.param(frame(PING, fin=False), 1002, id="ping in fragments"),
    pytest.param(frame(CLOSE, fin=False), 1002, id="close in fragments"),
    pytest.param(frame(CONTINUATION), 1002, id="continuation of nothing"),
    pytest.param(frame(TEXT, b"a") + frame(CONTINUATION), 1002, id="continuation of what is whole"),
    pytest.param(frame(TEXT, fin=False) + frame(TEXT), 1002, id="text inside a message"),
    pytest.param(frame(TEXT, fin=False) + frame(BINARY), 1002, id="binary inside a message"),
    pytest.param(frame(TEXT, b"x" * 125, length=b"\x7e\x00\x7d"), 1002, id="two bytes for a length of one"),
    pytest.param(frame(TEXT, length=b"\x7f" + bytes(6) + b"\xff\xff"), 1002, id="eight bytes for a length of two"),
    pytest.param(frame(TEXT, length=b"\x7f\x80" + bytes(7)), 1002, id="top bit of the length"),
    pytest.param(frame(BINARY, b"hello"), 1003, id="M14 binary"),
    pytest.param(frame(BINARY, b"hello", fin=False), 1003, id="M14 a fragment of binary"),
    pytest.param(frame(BINARY, b"x" * MAX_FRAME_BYTES)[:2], 1003, id="M14 binary, by its first two bytes"),
    pytest.param(frame(TEXT, b"\xff"), 1007, id="no UTF-8"),
    pytest.param(frame(TEXT, b"\xc3\x28"), 1007, id="broken UTF-8"),
    pytest.param(frame(TEXT, b"\xed\xa0\x80"), 1007, id="a surrogate"),
    pytest.param(frame(TEXT, b"\xf4\x90\x80\x80"), 1007, id="beyond Unicode"),
    pytest.param(frame(TEXT, b"\xc0\xaf"), 1007, id="overlong UTF-8"),
    pytest.param(frame(TEXT, b"n\xc3"), 1007, id="UTF-8 that ends in a character"),
    pytest.param(frame(TEXT, b"n\xc3", fin=False) + frame(CONTINUATION, b"x"), 1007, id="UTF-8 broken by a fragment"),
    pytest.param(frame(CLOSE, b"\x03"), 1002, id="close of one byte"),
    *(
        pytest.param(frame(CLOSE, struct.pack("!H", code)), 1002, id=f"close code {code}")
        for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535)
    ),
    pytest.param(frame(CLOSE, struct.pack("!H", 1000) + b"\xff"), 1007, id="close reason without UTF-8"),
]


@pytest.mark.parametrize(("data", "code"), BROKEN)
def test_what_breaks_a_rule_ends_the_connection_with_the_right_code(data, code):
    assert failed_with(data) == code


@pytest.mark.parametrize(("data", "code"), BROKEN)
def test_what_came_before_it_counts_and_what_comes_after_it_does_not(data, code):
    before, after = frame(TEXT, b"before") + frame(PING, b"p"), frame(TEXT, b"after") + frame(CLOSE)
    events, out, state = run(before + data + bytes(40), after)
    alone = run(data)[0]
    assert (events, state) == ([Text("before"), Ping(), *alone], State.FAILED)
    assert out == encode_frame(PONG, b"p") + close_frame(code, alone[-1].reason)


# -- the end -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("payload", "code", "reason"),
    [
        pytest.param(b"", 1005, "", id="no code"),
        *(
            pytest.param(struct.pack("!H", code), code, "", id=str(code))
            for code in (1000, 1001, 1002, 1003, 1007, 1011, 1014, 3000, 3999, 4000, 4999)
        ),
        pytest.param(struct.pack("!H", 4321) + "adiós".encode(), 4321, "adiós", id="with a reason"),
        pytest.param(struct.pack("!H", 1000) + b"x" * 123, 1000, "x" * 123, id="with the longest reason"),
    ],
)
def test_L13_a_close_frame_is_echoed_and_nothing_after_it_is_read(payload, code, reason):
    events, out, state = run(frame(CLOSE, payload) + frame(TEXT, b"after") + b"\xff" * 100, b"more")
    assert (events, out, state) == ([PeerClosed(code, reason)], encode_frame(CLOSE, payload), State.CLOSED)


def test_L13_a_client_may_close_in_the_middle_of_a_message():
    events, out, state = run(frame(TEXT, b"half", fin=False) + frame(CLOSE))
    assert (events, out, state) == ([PeerClosed(1005, "")], b"\x88\x00", State.CLOSED)


def test_when_this_side_closes_messages_are_dropped_and_pings_answered_until_the_peer_has_closed():
    stream = FrameStream()
    stream.feed(frame(TEXT, b"half", fin=False))
    assert events_of(stream) == []
    stream.close(1001, "Going away")
    stream.close(1000, "twice")
    assert (stream.take_outgoing(), stream.state) == (close_frame(1001, "Going away"), State.CLOSING)
    stream.feed(frame(CONTINUATION, b"rest") + frame(TEXT, b"late") + frame(BINARY, b"late") + frame(PING, b"p"))
    assert (events_of(stream), stream.take_outgoing(), stream.state) == ([Ping()], b"\x8a\x01p", State.CLOSING)
    stream.feed(frame(CLOSE, struct.pack("!H", 1001)))
    assert (events_of(stream), stream.take_outgoing(), stream.state) == ([PeerClosed(1001, "")], b"", State.CLOSED)


def test_what_the_rules_do_about_one_event_holds_for_the_bytes_after_it():
    stream = FrameStream()
    stream.feed(frame(TEXT, b"one") + frame(TEXT, b"two") + frame(CLOSE, struct.pack("!H", 1000)))
    assert stream.next_event() == Text("one")
    stream.close(1000, "enough")
    assert events_of(stream) == [PeerClosed(1000, "")]
    assert stream.take_outgoing() == close_frame(1000, "enough")


def test_a_broken_rule_after_this_side_closed_sends_no_second_close_frame():
    stream = FrameStream()
    stream.close(1000, "")
    stream.take_outgoing()
    stream.feed(frame(3))
    assert isinstance(stream.next_event(), Failed)
    assert (stream.take_outgoing(), stream.state) == (b"", State.FAILED)


@pytest.mark.parametrize(
    ("data", "seen"),
    [
        pytest.param(frame(TEXT, b"hello")[:-1], None, id="in a frame"),
        pytest.param(frame(CLOSE, struct.pack("!H", 1000) + b"bye"), (1000, "bye"), id="after a close"),
        pytest.param(frame(TEXT, b"\xff"), (1007, "invalid UTF-8"), id="after a broken rule"),
    ],
)
def test_L13_what_is_seen_of_the_end(data, seen):
    stream = FrameStream()
    stream.feed(data)
    events_of(stream)
    stream.feed_eof()
    assert (events_of(stream), stream.close_seen, stream.state) == ([], seen, State.CLOSED)


@pytest.mark.parametrize(
    ("code", "reason", "payload"),
    [
        pytest.param(1005, "", b"", id="no code"),
        pytest.param(1001, "x" * 200, struct.pack("!H", 1001) + b"x" * 123, id="a reason too long"),
        pytest.param(
            1001, "x" * 122 + "é", struct.pack("!H", 1001) + b"x" * 122, id="a reason too long by half a character"
        ),
    ],
)
def test_a_close_frame_of_ours_is_always_one_that_may_be_sent(code, reason, payload):
    stream = FrameStream()
    stream.close(code, reason)
    assert stream.take_outgoing() == encode_frame(CLOSE, payload)


# -- frames of ours ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "head"),
    [
        (0, b"\x81\x00"),
        (125, b"\x81\x7d"),
        (126, b"\x81\x7e\x00\x7e"),
        (65_535, b"\x81\x7e\xff\xff"),
        (65_536, b"\x81\x7f" + bytes(5) + b"\x01\x00\x00"),
    ],
)
def test_a_message_of_ours_is_one_frame_with_the_shortest_length(size, head):
    assert FrameStream().encode(b"x" * size) == head + b"x" * size


def test_C18_a_message_of_ours_may_be_binary():
    assert FrameStream().encode(b"\xff", binary=True) == b"\x82\x01\xff"


# -- compression (H15) -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("offer", "answer"),
    [
        pytest.param("permessage-deflate; client_max_window_bits", "", id="browsers, websockets, ws"),
        pytest.param("permessage-deflate", "", id="bare"),
        pytest.param("permessage-deflate; server_no_context_takeover; client_no_context_takeover", "", id="the same"),
        pytest.param(
            "permessage-deflate; server_max_window_bits=10; client_max_window_bits=12",
            "; server_max_window_bits=10; client_max_window_bits=12",
            id="window sizes, which AWS mishandles",
        ),
        pytest.param("permessage-deflate; server_max_window_bits=8, permessage-deflate", "", id="the second offer"),
        pytest.param("x-webkit-deflate-frame, permessage-deflate", "", id="the one that is known"),
    ],
)
def test_H15_what_is_agreed_on_keeps_nothing_between_messages(offer, answer):
    header, _ = negotiate(offer, 0)
    assert header == "permessage-deflate; server_no_context_takeover; client_no_context_takeover" + answer


@pytest.mark.parametrize(
    "offer",
    [
        "permessage-deflate; server_max_window_bits=8",
        "permessage-deflate; server_max_window_bits=16",
        "permessage-deflate; client_max_window_bits=x",
        "permessage-deflate; colour=red",
        "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
        "x-webkit-deflate-frame",
        "",
        ";;;",
        "permessage-deflate; server_max_window_bits=\xb2",
    ],
)
def test_H15_an_offer_that_makes_no_sense_is_passed_over(offer):
    assert negotiate(offer, 0) is None


def test_H15_a_compressed_message_is_read_in_one_frame_or_more():
    text = "né 🚚 " * 3_000
    data = deflated(text.encode())
    assert run(frame(TEXT, data, rsv=4), deflate=ANY_SIZE) == ([Text(text)], b"", State.OPEN)
    fragments = frame(TEXT, data[:5], rsv=4, fin=False) + frame(PING) + frame(CONTINUATION, data[5:])
    assert run(fragments, deflate=ANY_SIZE)[0] == [Ping(), Text(text)]
    mixed = frame(TEXT, data, rsv=4) + frame(TEXT, b"plain") + frame(TEXT, deflated(b""), rsv=4)
    assert run(mixed, deflate=ANY_SIZE)[0] == [Text(text), Text("plain"), Text("")]


def test_H15_a_message_may_end_with_a_final_block():
    context = zlib.compressobj(wbits=-15)
    data = context.compress(b"hello") + context.flush(zlib.Z_FINISH)
    assert run(frame(TEXT, data + b"\0", rsv=4), deflate=ANY_SIZE)[0] == [Text("hello")]
    assert failed_with(frame(TEXT, data + b"more", rsv=4), deflate=ANY_SIZE) == 1007


@pytest.mark.parametrize(
    ("data", "code"),
    [
        pytest.param(frame(CONTINUATION, rsv=4), 1002, id="a continuation with RSV1"),
        pytest.param(frame(TEXT, rsv=4, fin=False) + frame(CONTINUATION, rsv=4), 1002, id="RSV1 on every fragment"),
        pytest.param(frame(PING, rsv=4), 1002, id="a compressed ping"),
        pytest.param(frame(BINARY, rsv=4), 1003, id="M14 compressed binary"),
        pytest.param(frame(TEXT, b"\xff\xff\xff", rsv=4), 1007, id="no deflate"),
        pytest.param(frame(TEXT, deflated(b"\xff"), rsv=4), 1007, id="compressed, but no UTF-8"),
        pytest.param(frame(TEXT, deflated(b"x" * (MAX_FRAME_BYTES + 1)), rsv=4), 1009, id="a frame too big inside"),
        pytest.param(frame(TEXT, deflated(bytes(20_000_000)), rsv=4), 1009, id="a bomb"),
        pytest.param(
            frame(TEXT, deflated(b"x"), rsv=4, fin=False) + header_of(MAX_FRAME_BYTES + 1, opcode=CONTINUATION),
            1009,
            id="a fragment too big on the wire",
        ),
    ],
)
def test_H15_what_breaks_a_rule_of_compression(data, code):
    assert failed_with(data, deflate=ANY_SIZE) == code


def test_H15_a_compressed_message_over_128_kilobytes_is_refused():
    context = zlib.compressobj(wbits=-15)
    pieces = [context.compress(b"x" * 30_000) + context.flush(zlib.Z_SYNC_FLUSH) for _ in range(5)]
    data = frame(TEXT, pieces[0], rsv=4, fin=False)
    data += b"".join(frame(CONTINUATION, piece, fin=False) for piece in pieces[1:])
    assert failed_with(data, deflate=ANY_SIZE) == 1009
    assert len(data) < 1_000


@pytest.mark.parametrize("window_bits", [15, 12, 9])
def test_H15_what_is_sent_compressed_is_read_with_the_window_that_was_agreed_on(window_bits):
    stream = FrameStream(Deflate(window_bits, 100))
    payload = b"".join(b"%d " % number for number in range(20_000))
    sent = stream.encode(payload)
    assert (sent[0], len(sent) < len(payload)) == (0xC1, True)
    size = 4 if sent[1] == 126 else 10
    inflated = zlib.decompressobj(wbits=-window_bits).decompress(sent[size:] + b"\x00\x00\xff\xff")
    assert inflated == payload
    assert stream.encode(payload) == sent
    assert stream.encode(b"x" * 99) == b"\x81\x63" + b"x" * 99


# -- every cut, and noise ----------------------------------------------------------------------------------------------

VALID = st.one_of(
    st.builds(lambda text, fin: frame(TEXT, text.encode(), fin=fin), st.text(max_size=40), st.booleans()),
    st.builds(lambda data, fin: frame(CONTINUATION, data, fin=fin), st.binary(max_size=20), st.booleans()),
    st.builds(lambda data: frame(TEXT, deflated(data), rsv=4), st.binary(max_size=300)),
    st.builds(lambda data: frame(PING, data), st.binary(max_size=125)),
    st.builds(lambda data: frame(PONG, data), st.binary(max_size=125)),
    st.builds(
        lambda code, text: frame(CLOSE, struct.pack("!H", code) + text.encode()),
        st.integers(0, 5_000),
        st.text(max_size=30),
    ),
    st.builds(lambda size: frame(TEXT, b"x" * size), st.sampled_from([126, 65_535, 65_536])),
)
ANYTHING = st.builds(
    frame,
    st.integers(0, 15),
    st.binary(max_size=130),
    fin=st.booleans(),
    rsv=st.sampled_from([0, 0, 0, 4, 1]),
    masked=st.sampled_from([True, True, True, False]),
)
STREAMS = st.lists(st.one_of(VALID, ANYTHING, st.binary(max_size=12)), max_size=8).map(b"".join)
AGREEMENTS = st.sampled_from([None, ANY_SIZE])


@given(STREAMS, st.lists(st.integers(0, 70_000), max_size=12), AGREEMENTS)
def test_how_the_stream_is_cut_makes_no_difference(data, cuts, deflate):
    at = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    pieces = [data[start:end] for start, end in itertools.pairwise(at)]
    assert run(*pieces, deflate=deflate) == run(data, deflate=deflate)


@given(
    st.lists(st.one_of(VALID, ANYTHING), max_size=4).map(b"".join).filter(lambda data: len(data) < 3_000), AGREEMENTS
)
@settings(max_examples=50)
def test_byte_by_byte_makes_no_difference_either(data, deflate):
    assert run(*(data[index : index + 1] for index in range(len(data))), deflate=deflate) == run(data, deflate=deflate)


@given(STREAMS, AGREEMENTS)
def test_whatever_comes_the_stream_ends_in_a_state_that_says_what_to_do(data, deflate):
    events, _, state = run(data, deflate=deflate)
    ends = [event for event in events if isinstance(event, PeerClosed | Failed)]
    assert ends == events[len(events) - len(ends) :]
    match ends:
        case []:
            assert state is State.OPEN
        case [PeerClosed()]:
            assert state is State.CLOSED
        case [Failed()]:
            assert state is State.FAILED
        case _:
            pytest.fail(f"more than one end: {ends}")


@given(st.lists(st.text(max_size=200), min_size=1, max_size=5), st.data())
def test_L03_whole_messages_come_out_whatever_the_fragments(texts, data):
    stream, expected = b"", []
    for text in texts:
        payload = text.encode()
        cuts = sorted(data.draw(st.lists(st.integers(0, len(payload)), max_size=4)))
        at = [0, *cuts, len(payload)]
        pieces = [payload[start:end] for start, end in itertools.pairwise(at)]
        for index, piece in enumerate(pieces):
            stream += frame(TEXT if index == 0 else CONTINUATION, piece, fin=index == len(pieces) - 1)
        expected.append(Text(text))
    assert run(stream)[0] == expected
