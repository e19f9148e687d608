"""The switchboard: what it takes, what it refuses, and that nothing stays on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from simulator.active_faults import ActiveFault
from simulator.errors import EnvironmentFailure, InputError
from simulator.fault_board import FaultBoard
from simulator.fault_kinds import FAULT_KINDS


class Room:
    """Records what it is told; `broken` fails to begin."""

    def __init__(self, *kinds: str) -> None:
        self.kinds = kinds
        self.on: dict[str, ActiveFault] = {}
        self.ended = asyncio.Event()
        self.broken = False

    async def begin(self, fault_id: str, fault: ActiveFault) -> None:
        if self.broken:
            raise EnvironmentFailure("the room is gone.")
        self.on[fault_id] = fault

    async def end(self, fault_id: str) -> None:
        del self.on[fault_id]
        self.ended.set()


@pytest.fixture
def room() -> Room:
    return Room("callback_hang", "function_kill")


@pytest.fixture
async def board(room: Room) -> AsyncIterator[FaultBoard]:
    board = FaultBoard()
    board.add(room)
    board.know({"function": {"Send": "stack-send", "stack-send": "stack-send"}})
    yield board
    await board.end_all()
    assert room.on == {}


async def test_a_fault_is_on_with_every_attribute_until_it_is_ended(board: FaultBoard, room: Room) -> None:
    wish = {
        "kind": "function_kill",
        "target": "Send",
        "probability": 0.25,
        "duration_s": 60,
        "seed": 7,
        "attributes": {"after_ms": 5},
    }
    fault_id = await board.begin(wish)
    on = room.on[fault_id]
    assert (on.kind, on.target, on.probability, on.attributes, on.seed) == (
        "function_kill",
        "stack-send",
        0.25,
        {"after_ms": 5},
        "7",
    )
    (listed,) = board.listing()
    assert 0 < listed.pop("left_s") <= 60
    assert listed == {
        "id": fault_id,
        "kind": "function_kill",
        "target": "stack-send",
        "peers": None,
        "probability": 0.25,
        "attributes": {"after_ms": 5},
    }
    assert await board.end(fault_id)
    assert room.on == {}
    assert board.listing() == []
    assert not await board.end(fault_id)


async def test_attributes_that_are_left_out_have_the_kinds_defaults(board: FaultBoard, room: Room) -> None:
    fault_id = await board.begin({"kind": "callback_hang", "duration_s": 60})
    assert room.on[fault_id].attributes == {each.name: each.default for each in FAULT_KINDS["callback_hang"].attributes}
    assert room.on[fault_id].probability == 1.0


async def test_the_same_seed_draws_the_same(board: FaultBoard, room: Room) -> None:
    drawn = []
    for seed in (3, 3, 4):
        fault_id = await board.begin({"kind": "function_kill", "duration_s": 60, "probability": 0.5, "seed": seed})
        drawn.append([room.on[fault_id].hits("stack-send") for _ in range(64)])
    assert drawn[0] == drawn[1] != drawn[2]


async def test_a_fault_ends_by_itself_at_its_duration(board: FaultBoard, room: Room) -> None:
    await board.begin({"kind": "callback_hang", "duration_s": 0.001})
    await asyncio.wait_for(room.ended.wait(), 10)
    assert room.on == {}
    assert board.listing() == []


async def test_a_prolonged_fault_ends_at_its_new_time(board: FaultBoard, room: Room) -> None:
    fault_id = await board.begin({"kind": "callback_hang", "duration_s": 3_600})
    assert board.prolong(fault_id, 0.001)
    await asyncio.wait_for(room.ended.wait(), 10)
    assert not board.prolong(fault_id, 1)


async def test_a_room_that_fails_has_nothing_on(board: FaultBoard, room: Room) -> None:
    room.broken = True
    with pytest.raises(EnvironmentFailure):
        await board.begin({"kind": "callback_hang", "duration_s": 60})
    assert board.listing() == []


@pytest.mark.parametrize(
    ("wish", "sentence"),
    [
        pytest.param(None, "a fault is an object", id="no JSON"),
        pytest.param([], "a fault is an object", id="a list"),
        pytest.param({"kind": "callback_hang", "speed": 1}, "leave others out", id="an unknown key"),
        pytest.param({"duration_s": 1}, "'None' is no fault of this stack; it has callback_hang", id="no kind"),
        pytest.param({"kind": "viewer_reset"}, "is no fault of this stack", id="a kind of another piece"),
        pytest.param({"kind": ["x"]}, "is no fault of this stack", id="a kind that is a list"),
        pytest.param({"kind": "callback_hang"}, "duration_s must be", id="no duration"),
        pytest.param({"kind": "callback_hang", "duration_s": 0}, "duration_s must be", id="no time at all"),
        pytest.param({"kind": "callback_hang", "duration_s": float("nan")}, "duration_s must be", id="NaN"),
        pytest.param({"kind": "callback_hang", "duration_s": True}, "duration_s must be", id="a flag for a number"),
        pytest.param({"kind": "callback_hang", "probability": 30}, "probability must be", id="per cent"),
        pytest.param(
            {"kind": "callback_hang", "target": 1}, "'1' is none of this stack", id="a target that is no text"
        ),
        pytest.param({"kind": "callback_hang", "peers": "x"}, "peers must be a list", id="peers that are none"),
        pytest.param({"kind": "function_kill", "peers": []}, "does not hit single viewers", id="peers of a function"),
        pytest.param({"kind": "function_kill", "target": "x"}, "it has Send, stack-send", id="an unknown target"),
        pytest.param({"kind": "callback_hang", "attributes": 1}, "must be an object", id="attributes that are none"),
        pytest.param({"kind": "callback_hang", "attributes": {"x": 1}}, "no attribute 'x'", id="an unknown attribute"),
        pytest.param({"kind": "callback_hang", "attributes": {"hang_ms": -1}}, "hang_ms must be", id="too low"),
        pytest.param({"kind": "callback_hang", "attributes": {"status": 500.5}}, "status must be", id="not whole"),
        pytest.param({"kind": "callback_hang", "attributes": {"status": "500"}}, "status must be", id="text"),
        pytest.param({"kind": "callback_hang", "attributes": {"delivered": 1}}, "must be a flag", id="a number"),
    ],
)
async def test_a_wish_that_cannot_be_is_refused_in_a_sentence(
    board: FaultBoard, room: Room, wish: Any, sentence: str
) -> None:
    with pytest.raises(InputError) as refused:
        await board.begin(wish)
    assert sentence in str(refused.value)
    assert str(refused.value).endswith(".")
    assert room.on == {}
