from __future__ import annotations

import asyncio
from pathlib import Path
from random import Random

import pytest

from simulator.clock import SystemClock
from simulator.errors import EnvironmentFailure, InputError
from simulator.fault_kinds import FAULT_KINDS, Attribute, FaultKind
from simulator.load.fault_play import FaultPlay
from simulator.load.faults import Fault, read_faults, refuse_local
from simulator.load.strict_table import read_toml
from simulator.load.viewer_faults import ViewerLever

DELAYED = FaultKind(
    "delayed",
    piece="sqs",
    target="a queue",
    help="messages come late",
    each="message",
    attributes=(
        Attribute("delay_ms", "milliseconds", 250.0, "how late", low=1, high=60_000),
        Attribute("copies", "messages", 2, "how many", low=1, high=5),
        Attribute("mode", "word", "slow", "how", choices=("slow", "slower")),
        Attribute("twice", "flag", False, "again"),
    ),
    local=True,
)
SUDDEN = FaultKind("sudden", piece="gateway", target="", help="over in a moment", timed=False)


@pytest.fixture(autouse=True)
def kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulator.load.faults.FAULT_KINDS", {each.name: each for each in (DELAYED, SUDDEN)})


def read(folder: Path, text: str) -> tuple[Fault, ...]:
    file = folder / "s.toml"
    file.write_text(text)
    return read_faults(read_toml(file, "scenario").tables("faults"))


def test_a_fault_is_read_with_every_attribute_filled_in(tmp_path: Path) -> None:
    text = """
    [[faults]]
    kind = "delayed"
    target = "q"
    start_s = 1
    duration_s = 2.5
    probability = 0.25
    attributes = { delay_ms = 900, mode = "slower" }
    [[faults]]
    kind = "sudden"
    """
    assert read(tmp_path, text) == (
        Fault(DELAYED, "q", 1.0, 2.5, 0.25, {"delay_ms": 900.0, "copies": 2, "mode": "slower", "twice": False}),
        Fault(SUDDEN),
    )


def test_faults_of_a_local_stack_are_refused_by_name_where_the_stack_is_another(tmp_path: Path) -> None:
    refuse_local([Fault(SUDDEN)], "--target tracker")
    with pytest.raises(InputError, match="--target tracker runs elsewhere, and the fault delayed can only be brought"):
        refuse_local([Fault(SUDDEN), Fault(DELAYED), Fault(DELAYED)], "--target tracker")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("start_s = 1", "faults[1].kind is missing; write one of those that `tracker-sim faults` lists."),
        ('kind = "delay"', 'faults[1].kind must be one of "delayed", "sudden", not "delay" (did you mean delayed?).'),
        ('kind = "sudden"\ntarget = "x"', "faults[1].target has no use with sudden, which cannot be narrowed"),
        ('kind = "sudden"\nduration_s = 1', "faults[1].duration_s has no use with sudden, which is over in a moment"),
        ('kind = "sudden"\nprobability = 0.5', "faults[1].probability has no use with sudden, which leaves nothing to"),
        ('kind = "delayed"\nstart = 1', "unknown key faults[1].start (did you mean start_s?)."),
        ('kind = "delayed"\nprobability = 30', "faults[1].probability must be between 0 and 1, not 30."),
        (
            'kind = "delayed"\nattributes = { delay_s = 1 }',
            "unknown key faults[1].attributes.delay_s (did you mean delay_ms?).",
        ),
        (
            'kind = "delayed"\nattributes = { delay_ms = 0 }',
            "faults[1].attributes.delay_ms must be between 1 and 60,000, not 0.",
        ),
        (
            'kind = "delayed"\nattributes = { copies = 1.5 }',
            "faults[1].attributes.copies must be a whole number, not a number (1.5).",
        ),
    ],
)
def test_a_bad_fault_is_refused_by_name(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(InputError) as refused:
        read(tmp_path, f"[[faults]]\n{text}")
    assert sentence in str(refused.value)


def test_faults_that_are_no_tables_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"s\.toml: faults\[2\] must be a table, not a whole number \(1\)\."):
        read(tmp_path, "faults = [{}, 1]")


def test_every_kind_says_what_it_does() -> None:
    for name, kind in FAULT_KINDS.items():
        assert kind.name == name
        assert kind.piece
        assert kind.help
        assert len({each.name for each in kind.attributes}) == len(kind.attributes)


class Recording:
    kinds = ("delayed", "sudden")

    def __init__(self, *, fails: bool = False) -> None:
        self.calls: list[str] = []
        self.changed = asyncio.Event()
        self._fails = fails

    async def begin(self, fault: Fault, chance: Random) -> None:
        if self._fails:
            raise EnvironmentFailure("the queue is gone.")
        self.calls.append(f"begin {fault.kind.name}")
        self.changed.set()

    async def end(self, fault: Fault) -> None:
        self.calls.append(f"end {fault.kind.name}")
        self.changed.set()


async def test_a_fault_that_is_on_is_ended_when_the_run_stops() -> None:
    lever, clock = Recording(), SystemClock()
    play = FaultPlay([Fault(DELAYED), Fault(DELAYED, start_s=3_600.0)], [lever], clock, 1)
    start_s = clock.monotonic_s()
    play.start(start_s)
    await lever.changed.wait()
    await play.stop()
    assert lever.calls == ["begin delayed", "end delayed"]
    first, second = (record.to_json(start_s) for record in play.records)
    assert 0 <= first["began_s"] <= first["ended_s"]
    assert (second["began_s"], second["ended_s"], second["trouble"]) == (None, None, None)


async def test_a_fault_that_is_over_in_a_moment_is_not_ended() -> None:
    lever = Recording()
    play = FaultPlay([Fault(SUDDEN)], [lever], SystemClock(), 1)
    play.start(0.0)
    await lever.changed.wait()
    await play.stop()
    assert lever.calls == ["begin sudden"]


async def test_a_fault_ends_by_itself_after_its_duration() -> None:
    lever = Recording()
    play = FaultPlay([Fault(DELAYED, duration_s=0.001)], [lever], SystemClock(), 1)
    play.start(0.0)
    while len(lever.calls) < 2:
        lever.changed.clear()
        await lever.changed.wait()
    assert lever.calls == ["begin delayed", "end delayed"]
    await play.stop()


async def test_a_lever_that_fails_is_told() -> None:
    play = FaultPlay([Fault(DELAYED)], [Recording(fails=True)], SystemClock(), 1)
    play.start(0.0)
    await asyncio.gather(*play._tasks)
    assert play.troubles == ["The fault delayed could not be begun: the queue is gone."]


def test_a_fault_nobody_can_bring_about_is_refused_before_anything_is_played() -> None:
    with pytest.raises(InputError, match="fault delayed cannot be brought about here: it acts inside the stack"):
        FaultPlay([Fault(DELAYED)], [], SystemClock(), 1)


class Crowd:
    def __init__(self) -> None:
        self.cuts: list[int] = []
        self.held: set[int] = set()

    def connected(self, group: str | None) -> list[int]:
        return list(range(1_000)) if group is None else [7] if group == "slow" else []

    def cut(self, viewer: int) -> None:
        self.cuts.append(viewer)

    def hold(self, viewer: int) -> None:
        self.held.add(viewer)

    def release(self, viewer: int) -> None:
        self.held.remove(viewer)


async def test_a_share_of_the_viewers_is_hit_the_same_ones_for_the_same_seed() -> None:
    crowds = [Crowd(), Crowd()]
    for crowd in crowds:
        fault = Fault(FAULT_KINDS["viewer_reset"], probability=0.3)
        await ViewerLever(crowd).begin(fault, Random(4))
    assert crowds[0].cuts == crowds[1].cuts
    assert 200 < len(crowds[0].cuts) < 400


async def test_frozen_viewers_are_released_and_a_target_narrows_them() -> None:
    crowd = Crowd()
    lever, fault = ViewerLever(crowd), Fault(FAULT_KINDS["viewer_freeze"], target="slow")
    await lever.begin(fault, Random(1))
    assert crowd.held == {7}
    await lever.end(fault)
    assert crowd.held == set()


async def test_a_fault_that_can_hit_nobody_is_trouble() -> None:
    fault = Fault(FAULT_KINDS["viewer_reset"], target="late")
    with pytest.raises(EnvironmentFailure, match="nobody of late is connected then"):
        await ViewerLever(Crowd()).begin(fault, Random(1))
