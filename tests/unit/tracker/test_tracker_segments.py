"""A segment of a broadcast as a queue message."""

import json

import pytest

from tracker.delivery import Outgoing, _messages
from tracker.errors import InvalidUpdateError
from tracker.segments import MAX_MESSAGE_BYTES, encode_segments, parse_segment
from tracker.updates import MAX_UPDATE_BYTES


@pytest.fixture
def outgoing(update):
    update["text"] = "Señor 🌮"
    return [Outgoing(update, json.dumps(update, indent=1, ensure_ascii=False)) for _ in range(2)]


def test_what_is_encoded_comes_back_for_every_segment(outgoing):
    found = [parse_segment(body) for body in encode_segments(outgoing, 3)]
    assert [(each.number, each.total) for each in found] == [(0, 3), (1, 3), (2, 3)]
    assert all([o.body for o in each.outgoing] == [o.body for o in outgoing] for each in found)


def test_ten_of_the_largest_updates_fit_into_one_message(update):
    largest = Outgoing(update, "\\" * (MAX_UPDATE_BYTES - 2))
    (body,) = encode_segments([largest] * 10, 1)
    assert len(body.encode()) < MAX_MESSAGE_BYTES


@pytest.mark.parametrize(
    "body",
    [
        "not json",
        "[]",
        "{}",
        '{"segment": 0, "segments": 1}',
        '{"segment": 1, "segments": 1, "updates": ["{}"]}',
        '{"segment": -1, "segments": 1, "updates": ["{}"]}',
        '{"segment": true, "segments": 2, "updates": ["{}"]}',
        '{"segment": 0, "segments": 1, "updates": []}',
        '{"segment": 0, "segments": 1, "updates": [1]}',
        '{"segment": 0, "segments": 1, "updates": ["{}"]}',
    ],
)
def test_anything_else_is_refused(body):
    with pytest.raises(InvalidUpdateError):
        parse_segment(body)


# -- frames ------------------------------------------------------------------------------------------------------------


def of(vendor, size):
    return Outgoing({"userId": vendor}, "x" * size)


def test_each_update_is_a_frame_of_its_own():
    messages, covers = _messages([of("17", 3), of("18", 4)], arrays=False)
    assert [(each.order_key, each.body) for each in messages] == [("17", b"xxx"), ("18", b"xxxx")]
    assert covers == [range(1), range(1, 2)]


def test_a_batch_may_go_as_arrays_that_fit_into_a_frame():
    messages, covers = _messages([of("17", 10_000), of("18", 10_000), of("17", 10_000), of("19", 20_000)], arrays=True)
    assert [len(each.body) for each in messages] == [30_004, 20_002]
    assert covers == [range(3), range(3, 4)]
    assert {each.order_key for each in messages} == {""}
    assert messages[0].body == b"[" + b",".join([b"x" * 10_000] * 3) + b"]"


def test_an_update_that_fills_a_frame_goes_alone():
    messages, covers = _messages([of("17", 31_999), of("18", 1)], arrays=True)
    assert [len(each.body) for each in messages] == [32_001, 3]
    assert covers == [range(1), range(1, 2)]
