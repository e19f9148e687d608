"""The load spread over worker processes sees what one process sees, and one that is lost is missed."""

import asyncio
import contextlib
import importlib.util
import os
import signal
import sys
from dataclasses import replace
from datetime import UTC, datetime

import psutil
import pytest

from simulator.errors import EnvironmentFailure, InputError
from simulator.fault_kinds import FAULT_KINDS
from simulator.load import Scenario, prepare, run_scenario
from simulator.load.audience import Group
from simulator.load.expectations import with_defaults
from simulator.load.faults import Fault
from simulator.load.phases import Phase
from simulator.load.raw_results import ResultsWriter, read_results
from simulator.load.scenario import MadeVendors
from simulator.workers.crew import Crew, CrewSettings
from simulator.workers.worker import serve_master

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("locust") is None, reason="needs the extra `distributed`"),
    pytest.mark.skipif(sys.platform == "win32", reason="kills processes"),
]
GONE_TIMEOUT_S = 20


class Quiet:
    def __init__(self, at=lambda _: None):
        self.show = at

    def say(self, text): ...
    def note(self, sentence): ...
    def finish(self): ...


def scenario(**changes):
    """Four vendors with ten updates in two phases, on seven maps of two kinds."""
    values = {
        "name": "spread",
        "seed": 5,
        "vendors": MadeVendors(count=4, model="gauss_markov"),
        "groups": (Group(count=4, connect_rate_per_s=1_000), Group(name="others", kind="reconnecting", count=3)),
        "phases": (Phase("calm", 0.5, 8.0), Phase("rush", 0.5, 12.0)),
        "expect": with_defaults(()),
    }
    return Scenario(**{**values, **changes})


async def alone(stack, what, results=None):
    async with stack.running() as target:
        return await run_scenario(prepare(what), target, progress=Quiet(), stop=asyncio.Event(), results=results)


async def spread(stack, what, crew=None, *, progress=None, stop=None, results=None):
    """Play it with workers, of whom nothing is left afterwards."""
    async with stack.running() as target, Crew(crew or CrewSettings(local=2), lambda _: None) as joined:
        seen = of_the_crew()
        verdict = await run_scenario(
            prepare(what),
            target,
            progress=progress or Quiet(),
            stop=stop or asyncio.Event(),
            load=joined.load,
            results=results,
        )
    assert len(seen) >= 3
    _, alive = await asyncio.to_thread(psutil.wait_procs, seen, timeout=GONE_TIMEOUT_S)
    assert alive == []
    return verdict


def of_the_crew():
    """Our workers, and the processes in which Locust runs."""
    found = []
    for each in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if {"worker", "simulator.workers.locust_process"} & set(each.cmdline()):
                found.append(each)
    return found


def counted(verdict):
    """Everything that is counted and not measured."""
    document = verdict.document
    deliveries = document["deliveries"]
    return {
        "failures": verdict.failures,
        "updates": document["updates"],
        "deliveries": {name: deliveries[name] for name in ("expected", "received", "lost", "cut_off", "duplicated")},
        "reordered": deliveries["reordered"],
        "vendors": deliveries["per_vendor"],
        "positions": document["final_positions"],
        "connections": {name: document["connections"][name] for name in ("asked", "opened", "dropped", "peak")},
        "phases": {name: (each["updates"], each["deliveries"]) for name, each in document["phases"].items()},
        "groups": {name: (each["count"], each["deliveries"]) for name, each in document["groups"].items()},
        "samples": [document["latency_ms"][of]["count"] for of in ("all", "first", "last")],
    }


def updates_of(results):
    return {(row.vendor, row.phase, round(row.due_s, 3), row.lat, row.received) for row in results.updates()}


async def test_two_workers_come_to_the_verdict_of_one_process(fake_stack, tmp_path):
    folders = [tmp_path / "alone", tmp_path / "spread"]
    writers = [ResultsWriter(folder, "spread", datetime.now(UTC), 5) for folder in folders]
    one = await alone(fake_stack, scenario(), writers[0])
    two = await spread(fake_stack, scenario(), results=writers[1])
    assert one.failures == []
    assert counted(two) == counted(one)
    assert two.document["updates"]["published"] == 10
    assert two.document["deliveries"]["received"] == 70
    assert one.document["load"]["workers"] == []
    workers = two.document["load"]["workers"]
    assert [(each["subscribers"], each["vendors"], each["lost"]) for each in workers] == [(4, 2, None), (3, 2, None)]
    assert sum(each["updates_sent"] for each in workers) == 10
    rows = [
        {
            (row.vendor, row.phase, round(row.due_s, 3), row.lat, row.received)
            for row in read_results(each.folder).updates()
        }
        for each in writers
    ]
    assert rows[0] == rows[1]
    seconds = [read_results(each.folder).series() for each in writers]
    assert sum(second.asked_updates for second in seconds[1]) == sum(second.sent_updates for second in seconds[1]) == 10


async def test_what_is_lost_and_wrong_is_found_by_whichever_worker_has_the_viewer(fake_stack):
    fake_stack.misbehave(lose=frozenset({30}), duplicate=frozenset({41}), move=frozenset({52}), forge=True)
    verdict = await spread(fake_stack, scenario())
    deliveries = verdict.document["deliveries"]
    assert (deliveries["lost"], deliveries["duplicated"], deliveries["altered"]) == (1, 1, 1)
    assert deliveries["unexpected"] == 7
    assert verdict.document["deliveries"]["stories"] == {"unknown": 1}
    assert len(verdict.failures) >= 3


async def test_faults_of_viewers_hit_the_same_ones_on_whichever_worker_they_are(fake_stack):
    reset = Fault(FAULT_KINDS["viewer_reset"], "viewer", 0.5, probability=0.6)
    frozen = Fault(FAULT_KINDS["viewer_freeze"], "others", 0.2, duration_s=0.2)
    what = scenario(phases=(Phase("calm", 1.5, 8.0),), faults=(reset, frozen))
    verdicts = [await alone(fake_stack, what), await spread(fake_stack, what)]
    drops = [{each["subscriber"] for each in one.document["connections"]["first_drops"]} for one in verdicts]
    assert drops[0] == drops[1]
    assert 0 < len(drops[0]) < 4
    assert [one.document["groups"]["others"]["deliveries"]["lost"] for one in verdicts] == [0, 0]


async def test_a_worker_that_is_killed_is_missed_by_name_with_what_it_carried(fake_stack):
    killed = []

    def kill_one(snapshot):
        if snapshot.received and not killed:
            killed.append(next(each for each in of_the_crew() if "simulator" in each.cmdline()))
            os.kill(killed[0].pid, signal.SIGKILL)

    longer = scenario(phases=(Phase("calm", 60.0, 8.0),))
    verdict = await spread(fake_stack, longer, progress=Quiet(kill_one))
    assert verdict.partial
    assert not verdict.passed
    [sentence] = [each for each in verdict.failures if "was lost" in each]
    assert f"process {killed[0].pid}) of 2 was lost" in sentence
    assert "of 7 subscribers" in sentence
    assert "and 2 of 4 vendors" in sentence
    assert [each["lost"] is not None for each in verdict.document["load"]["workers"]].count(True) == 1
    assert verdict.document["deliveries"]["received"] > 0


async def test_a_run_that_is_stopped_tells_what_all_workers_saw(fake_stack):
    stop = asyncio.Event()
    stop_it = Quiet(lambda snapshot: stop.set() if snapshot.received else None)
    verdict = await spread(fake_stack, scenario(phases=(Phase("calm", 60.0, 8.0),)), progress=stop_it, stop=stop)
    assert verdict.partial
    assert verdict.document["deliveries"]["lost"] == 0
    assert verdict.document["deliveries"]["received"] == 7 * verdict.document["updates"]["published"] > 0


async def test_a_worker_from_elsewhere_joins_with_the_token_and_its_clock_is_compared(fake_stack):
    settings = CrewSettings(local=1, expected=1, token="known to both")
    notes = []
    async with fake_stack.running() as target:
        crew = Crew(settings, notes.append)
        joining = asyncio.create_task(crew.__aenter__())
        while crew.port == 0:
            await asyncio.wait({joining}, timeout=0.05)
        wrong = asyncio.create_task(serve_master("127.0.0.1", crew.port, "guessed"))
        with pytest.raises(InputError, match="its token is not that of this run"):
            await wrong
        right = asyncio.create_task(serve_master("127.0.0.1", crew.port, "known to both"))
        await joining
        verdict = await run_scenario(
            prepare(scenario()), target, progress=Quiet(), stop=asyncio.Event(), load=crew.load
        )
        await right
        await crew.__aexit__(None, None, None)
    assert verdict.failures == []
    known, compared = sorted(each["clock_uncertainty_ms"] for each in verdict.document["load"]["workers"])
    assert known == 0.0
    assert 0 < compared < 1_000
    assert any("clocks of the workers agree to within" in note for note in verdict.document["notes"])
    assert any("TRACKER_SIM_TOKEN=known to both tracker-sim worker --master 127.0.0.1:" in note for note in notes)
    assert any("a worker was refused" in note for note in notes)


async def test_more_workers_than_vendors_are_refused(fake_stack):
    with pytest.raises(InputError, match="2 workers are more than the 1 vendors"):
        await spread(fake_stack, scenario(vendors=MadeVendors(count=1)))


async def test_a_stack_that_cannot_be_reached_by_a_worker_ends_the_run_in_one_sentence(fake_stack):
    async with fake_stack.running() as there, Crew(CrewSettings(local=1), lambda _: None) as crew:
        target = replace(there, websocket_url="http://127.0.0.1/none")
        with pytest.raises((InputError, EnvironmentFailure), match=r"worker 1 \(.*is not a WebSocket address"):
            await run_scenario(prepare(scenario()), target, progress=Quiet(), stop=asyncio.Event(), load=crew.load)
