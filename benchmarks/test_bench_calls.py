"""The calls that one delivery is made of, each beside the library that would do the same, by pytest-benchmark.

No I/O and nothing that waits, so there is no need for turns: pytest-benchmark times many rounds of one call, and its
own table stands beside ours. What goes into the results, and is compared, is the time of a call in each round.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from websockets.frames import Frame, Opcode
from websockets.protocol import Event, Protocol, Side

from instruments.results import WALL_TOLERANCE, Group
from simulator.gateway.frame_stream import FrameStream, Text
from tracker.aws import Credentials as OurCredentials
from tracker.fanout.endpoint import CallbackEndpoint
from tracker.fanout.plan import Message
from tracker.fanout.requests import PostRequests

ROUNDS, CALLS, WARM_UP_ROUNDS = 31, 2_000, 3
ENDPOINT = CallbackEndpoint(tls=True, host="k3v.execute-api.us-east-1.amazonaws.com", port=443, base_path="/dev")
CONNECTION_ID, EPOCH_S = "L0SM9cOFvHcCIhw=", 1_710_277_498.1
BODY = b'{"id":"2125536817787699200","userName":"Taco Wagon"}' * 7
METRIC = "us_per_call"


def sign_ours() -> Callable[[], object]:
    requests = PostRequests(ENDPOINT, OurCredentials("AKIDEXAMPLE", "secret", None), "us-east-1")
    message = Message("", BODY)
    return lambda: requests.encode(CONNECTION_ID, message, EPOCH_S)


def sign_botocore() -> Callable[[], object]:
    signer = SigV4Auth(Credentials("AKIDEXAMPLE", "secret"), "execute-api", "us-east-1")
    url = f"{ENDPOINT.url}/@connections/{CONNECTION_ID.replace('=', '%3D')}"
    return lambda: signer.add_auth(AWSRequest("POST", url, data=BODY))


def write_ours() -> Callable[[], object]:
    stream = FrameStream()
    assert stream.encode(BODY) == Frame(Opcode.TEXT, BODY).serialize(mask=False)
    return lambda: stream.encode(BODY)


def write_websockets() -> Callable[[], object]:
    return lambda: Frame(Opcode.TEXT, BODY).serialize(mask=False)


MASKED = Frame(Opcode.TEXT, BODY).serialize(mask=True)


def read_ours() -> Callable[[], object]:
    stream = FrameStream()

    def read() -> object:
        stream.feed(MASKED)
        return stream.next_event()

    event = read()
    assert isinstance(event, Text)
    assert event.text.encode() == BODY
    return read


def read_websockets() -> Callable[[], object]:
    protocol = Protocol(Side.SERVER)

    def read() -> list[Event]:
        protocol.receive_data(MASKED)
        return protocol.events_received()

    (frame,) = read()
    assert isinstance(frame, Frame)
    assert frame.data == BODY
    return read


CALLS_OF: dict[str, tuple[str, dict[str, Callable[[], Callable[[], object]]]]] = {
    "call-sign": ("sign one post", {"ours": sign_ours, "botocore": sign_botocore}),
    "call-write-frame": ("write one text frame", {"ours": write_ours, "websockets": write_websockets}),
    "call-read-frame": ("read one masked text frame", {"ours": read_ours, "websockets": read_websockets}),
}


@pytest.mark.parametrize(("name", "subject"), [(name, who) for name, (_, whose) in CALLS_OF.items() for who in whose])
def test_call(
    benchmark: Any, group: Callable[..., Group], request: pytest.FixtureRequest, name: str, subject: str
) -> None:
    title, makers = CALLS_OF[name]
    benchmark.group = name
    call = makers[subject]()
    benchmark.pedantic(call, rounds=ROUNDS, iterations=CALLS, warmup_rounds=WARM_UP_ROUNDS)
    # All of a group are measured again together: what they are compared with is each other.
    found = group(name, title, request.node.nodeid.partition("[")[0])
    for seconds in benchmark.stats.stats.data:
        found.add(
            subject, "ours" if subject == "ours" else "reference", METRIC, seconds * 1e6, unit="µs", better="lower"
        )
    if len(found.subjects) == len(makers):
        reference = next(who for who in makers if who != "ours")
        found.set_against(METRIC, "ours", reference, paired=False, tolerance=WALL_TOLERANCE)
