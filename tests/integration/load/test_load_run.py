from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from simulator.errors import EnvironmentFailure, InputError
from simulator.fault_kinds import FAULT_KINDS
from simulator.load import Scenario, Verdict, find_scenario, prepare, read_scenario, run_scenario
from simulator.load.audience import Group
from simulator.load.expectations import understand, with_defaults
from simulator.load.faults import Fault
from simulator.load.phases import Phase
from simulator.load.progress import Snapshot
from simulator.load.raw_results import ResultsWriter, read_results
from simulator.load.scenario import MadeVendors, RunSettings

SUBSCRIBERS = 4


def expecting(*texts: str) -> Any:
    return with_defaults([understand(text, "run", groups=["viewer"]) for text in texts])


NOTHING_ELSE = expecting("deliveries.duplicated == 0", "deliveries.reordered == 0", "invocations.errors == 0")


def scenario(**changes: Any) -> Scenario:
    """Three vendors with two or three updates each within a quarter of a second, on four maps."""
    values: dict[str, Any] = {
        "name": "tiny",
        "seed": 3,
        "vendors": MadeVendors(count=3, model="gauss_markov", ping_interval_s=0.1, speed=1.0),
        "groups": (Group(count=SUBSCRIBERS, connect_rate_per_s=1_000),),
        "run": RunSettings(duration_s=0.25, quiet_s=0.2),
        "expect": NOTHING_ELSE,
    }
    return Scenario(**{**values, **changes})


class Watcher:
    """A progress display that calls `at` with each snapshot."""

    def __init__(self, at: Callable[[Snapshot], None] = lambda _: None) -> None:
        self.notes: list[str] = []
        self.snapshots: list[Snapshot] = []
        self._at = at

    def say(self, text: str) -> None:
        pass

    def note(self, sentence: str) -> None:
        self.notes.append(sentence)

    def finish(self) -> None:
        pass

    def show(self, snapshot: Snapshot) -> None:
        self.snapshots.append(snapshot)
        self._at(snapshot)


async def played(
    stack: Any, of: Scenario | None = None, *, watcher: Watcher | None = None, stop: asyncio.Event | None = None
) -> Verdict:
    async with stack.running() as target:
        return await run_scenario(
            prepare(of or scenario()), target, progress=watcher or Watcher(), stop=stop or asyncio.Event()
        )


async def test_a_good_run_passes_with_every_delivery_counted(fake_stack: Any, clients: tuple[Any, Any]) -> None:
    watcher = Watcher()
    environment = dict(os.environ)
    verdict = await played(fake_stack, watcher=watcher)
    document = verdict.document
    assert verdict.failures == []
    updates = document["updates"]["published"]
    assert updates >= 6
    assert document["updates"] == {
        "planned": updates,
        "published": updates,
        "broadcast": updates,
        "dead_lettered": 0,
    }
    totals = {key: document["deliveries"][key] for key in ("expected", "received", "lost", "duplicated", "reordered")}
    assert totals == {
        "expected": updates * SUBSCRIBERS,
        "received": updates * SUBSCRIBERS,
        "lost": 0,
        "duplicated": 0,
        "reordered": 0,
    }
    assert document["final_positions"] == {"checked": 3 * SUBSCRIBERS, "wrong": 0}
    assert document["connections"]["opened"] == SUBSCRIBERS
    assert document["connections"]["dropped"] == 0
    assert document["invocations"] == {
        "total": fake_stack.invocations,
        "errors": 0,
        "by_function": {"send_vendor": {"total": fake_stack.invocations, "errors": 0}},
    }
    latency = document["latency_ms"]
    assert 0 < latency["first"]["p50"] <= latency["last"]["p50"] <= latency["last"]["max"] == latency["all"]["max"]
    assert latency["uncorrected"]["all"]["max"] < latency["all"]["max"]
    assert document["drain"]["outcome"] == "complete"
    assert {each.phase for each in watcher.snapshots} >= {"connecting"}
    assert dict(os.environ) == environment
    assert [each.request.headers.get("Sec-WebSocket-Extensions") for each in fake_stack.sockets] == [None] * SUBSCRIBERS
    rows = clients[1].scan(TableName="vendors")["Items"]
    assert {row["twitterId"]["S"] for row in rows} == set(document["deliveries"]["per_vendor"])
    assert all(row["tweets"]["L"] for row in rows)


def only(failures: list[str], *words: str) -> None:
    """Each failure holds its word, and there are no others."""
    assert len(failures) == len(words), failures
    for failure, word in zip(failures, words, strict=True):
        assert word in failure


@pytest.mark.parametrize(
    ("faults", "words", "figures"),
    [
        pytest.param(
            {"lose": frozenset({5})}, ["was lost: update "], {("deliveries", "lost"): 1}, id="a delivery is lost"
        ),
        pytest.param(
            {"lose": frozenset(range(1_000))},
            ["were lost", "12 of 12 last positions"],
            {("updates", "broadcast"): 0, ("final_positions", "wrong"): 12},
            id="everything is lost",
        ),
        pytest.param(
            {"duplicate": frozenset({3, 4})},
            ["2 deliveries came more than once"],
            {("deliveries", "duplicated"): 2, ("deliveries", "lost"): 0},
            id="deliveries come twice",
        ),
        pytest.param(
            {"swap": True},
            ["3 deliveries came after a newer update"],
            {("deliveries", "reordered"): 3, ("deliveries", "lost"): 0, ("final_positions", "wrong"): 0},
            id="deliveries change places",
        ),
        pytest.param(
            {"move": frozenset(range(1_000))},
            ["12 of 12 last positions", "frames had another content"],
            {("final_positions", "wrong"): 12, ("deliveries", "lost"): 0},
            id="updates are altered",
        ),
        pytest.param(
            {"forge": True},
            ["4 frames carried an update that was never published: 42"],
            {("deliveries", "unexpected"): 4},
            id="an update is forged",
        ),
        pytest.param(
            {"refuse": frozenset({1})},
            ["1 handshake of 4 failed: 1 × HTTP 403"],
            {("connections", "refused"): 1, ("connections", "opened"): 3, ("deliveries", "lost"): 0},
            id="a handshake is refused",
        ),
        pytest.param(
            {"refuse": frozenset(range(4))},
            ["No subscriber could connect", "4 handshakes of 4 failed"],
            {("connections", "opened"): 0, ("updates", "published"): 0},
            id="nobody gets in",
        ),
        pytest.param(
            {"fail_batches": 1},
            ["Functions ended in an error: send_vendor: 1 error in"],
            {("deliveries", "lost"): 0, ("updates", "dead_lettered"): 0, ("invocations", "errors"): 1},
            id="a batch fails and comes back, and may be late",
        ),
    ],
)
async def test_each_fault_is_seen_and_nothing_else(
    fake_stack: Any, faults: dict[str, Any], words: list[str], figures: dict[tuple[str, str], int]
) -> None:
    fake_stack.misbehave(**faults)
    # A batch that comes back comes after newer ones, if there were any.
    late = expecting("deliveries.duplicated == 0", "invocations.errors == 0")
    expect = late if "fail_batches" in faults else NOTHING_ELSE
    verdict = await played(fake_stack, scenario(expect=expect))
    only(verdict.failures, *words)
    assert {key: verdict.document[key[0]][key[1]] for key in figures} == figures


async def test_an_update_that_fails_every_time_ends_in_the_dead_letter_queue(fake_stack: Any) -> None:
    fake_stack.misbehave(fail_batches=1_000)
    verdict = await played(fake_stack)
    document = verdict.document
    published = document["updates"]["published"]
    assert document["updates"]["dead_lettered"] == published
    assert document["deliveries"]["lost"] == published * SUBSCRIBERS
    assert any("in the dead-letter queue vendor-queue-dead" in failure for failure in verdict.failures)
    assert document["deliveries"]["stories"] == {"dead-lettered": published * SUBSCRIBERS}
    assert document["drain"]["outcome"] == "quiet"


async def test_a_socket_that_breaks_is_told_with_its_code_and_what_it_missed_is_lost(fake_stack: Any) -> None:
    fake_stack.misbehave(drop_after=9)
    verdict = await played(fake_stack)
    connections = verdict.document["connections"]
    assert connections["dropped"] == 1
    (drop,) = connections["first_drops"]
    assert (drop["code"], drop["reason"]) == (1001, "Going away")
    deliveries = verdict.document["deliveries"]
    assert {loss["subscriber"] for loss in deliveries["first_losses"]} == {drop["subscriber"]}
    assert set(deliveries["stories"]) <= {"socket closed before", "socket closed after"}
    assert deliveries["lost"] > 0


async def test_hostile_frames_and_error_frames_are_counted_apart_and_harm_nothing(fake_stack: Any) -> None:
    fake_stack.misbehave(hostile_frames=("", "\x00\x1b[2J", "[" * 5_000, b"\xff\xfe", '{"id": 1}'), error_frames=2)
    verdict = await played(fake_stack)
    assert verdict.failures == []
    frames = verdict.document["frames"]
    assert (frames["errors"], frames["error_messages"]) == (2, {"Internal server error": 2})
    assert (frames["strange"], len(frames["strange_examples"])) == (5, 5)


async def test_ctrl_c_gives_the_verdict_so_far_marked_partial(fake_stack: Any) -> None:
    stop = asyncio.Event()
    watcher = Watcher(lambda seen: stop.set() if seen.phase == "steady" and seen.received else None)
    verdict = await played(fake_stack, scenario(run=RunSettings(duration_s=60.0)), watcher=watcher, stop=stop)
    assert verdict.partial
    assert not verdict.passed
    only(verdict.failures, "The run was stopped before its end")
    assert verdict.document["updates"]["published"] > 0
    assert verdict.document["deliveries"]["lost"] == 0, "what was on its way when it was stopped has arrived"


async def test_ctrl_c_while_connecting_gives_a_verdict_too(fake_stack: Any) -> None:
    stop = asyncio.Event()
    watcher = Watcher(lambda seen: stop.set() if seen.subscribers else None)
    slow = scenario(groups=(Group(count=1_000, connect_rate_per_s=2),))
    verdict = await played(fake_stack, slow, watcher=watcher, stop=stop)
    assert verdict.partial
    assert verdict.document["updates"]["published"] == 0
    assert 0 < verdict.document["connections"]["opened"] < 1_000


async def test_a_stack_that_dies_in_the_middle_gives_a_partial_verdict_and_a_sentence(fake_stack: Any) -> None:
    fake_stack.misbehave(die_after=20)
    verdict = await played(fake_stack, scenario(run=RunSettings(duration_s=60.0)))
    assert verdict.partial
    assert any("The stack went away" in failure for failure in verdict.failures)
    assert verdict.document["connections"]["dropped"] == SUBSCRIBERS


async def test_a_stack_without_counts_of_its_own_can_be_loaded(fake_stack: Any) -> None:
    """Its dead letters of before are not the run's."""
    fake_stack.tells_stats = False
    fake_stack.sqs.send_message(QueueUrl=fake_stack.queue_urls["vendor-queue-dead"], MessageBody="old")
    verdict = await played(fake_stack, scenario(expect=expecting()))
    assert verdict.failures == []
    assert verdict.document["invocations"] == {"total": None, "errors": None, "by_function": {}}
    assert verdict.document["updates"]["dead_lettered"] == 0


async def test_compression_is_offered_when_asked_for(fake_stack: Any) -> None:
    await played(fake_stack, scenario(groups=(Group(count=1, compression=True),)))
    (socket,) = fake_stack.sockets
    assert socket.request.headers["Sec-WebSocket-Extensions"].startswith("permessage-deflate")


@pytest.mark.parametrize(
    ("changes", "error", "sentence"),
    [
        pytest.param({"websocket_url": None}, InputError, "has no WebSocket API", id="no API"),
        pytest.param({"tables": ("websocket-connections",)}, InputError, "hash key twitterId", id="no vendors table"),
        pytest.param({"queue_urls": {}}, InputError, "this stack has 0", id="no queue"),
        pytest.param({"aws_endpoint_url": "http://127.0.0.1:1"}, EnvironmentFailure, "does not answer", id="no cloud"),
        pytest.param(
            {"management_url": "http://127.0.0.1:1"}, EnvironmentFailure, "no longer answers", id="no gateway"
        ),
    ],
)
async def test_a_stack_that_cannot_be_loaded_is_refused_at_the_start(
    fake_stack: Any, changes: dict[str, Any], error: type[Exception], sentence: str
) -> None:
    async with fake_stack.running() as target:
        with pytest.raises(error, match=sentence):
            await run_scenario(
                prepare(scenario()), replace(target, **changes), progress=Watcher(), stop=asyncio.Event()
            )


async def test_too_few_descriptors_are_one_sentence_with_the_remedy(
    fake_stack: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    resource = pytest.importorskip("resource")
    monkeypatch.setattr(resource, "getrlimit", lambda _kind: (256, 300))
    monkeypatch.setattr(resource, "setrlimit", lambda _kind, _limits: None)
    async with fake_stack.running() as target:
        with pytest.raises(EnvironmentFailure, match=r"allows 300; raise the limit with `ulimit -n 1128`") as failed:
            await run_scenario(
                prepare(scenario(groups=(Group(count=1_000),))),
                target,
                progress=Watcher(),
                stop=asyncio.Event(),
            )
    assert "\n" not in str(failed.value)


def test_a_scenario_of_a_schedule_needs_its_file() -> None:
    with pytest.raises(InputError, match="name the CSV file with --schedule FILE"):
        prepare(read_scenario(find_scenario("sf_food_trucks")))


async def test_a_run_leaves_its_raw_results(fake_stack: Any, tmp_path: Path) -> None:
    results = ResultsWriter(tmp_path, "tiny", datetime.now(UTC), 3)
    faults = (Fault(FAULT_KINDS["viewer_reset"], start_s=0.05, probability=0.5),)
    async with fake_stack.running() as target:
        verdict = await run_scenario(
            prepare(scenario(faults=faults)), target, progress=Watcher(), stop=asyncio.Event(), results=results
        )
    found = read_results(results.folder)
    assert found.run["verdict"] == verdict.to_json()
    assert found.run["scenario"]["vendors"]["count"] == 3
    (fault,) = found.run["faults"]
    assert fault["began_s"] == fault["ended_s"] >= 0.05
    rows = list(found.updates())
    assert len(rows) == verdict.document["updates"]["published"]
    assert sum(row.lost for row in rows) == verdict.document["deliveries"]["lost"] > 0
    assert {track.vendor for track in found.tracks()} == set(verdict.document["deliveries"]["per_vendor"])
    all_latency = next(each for each in found.distributions() if each.of == "all" and each.corrected)
    assert all_latency.latencies.summary_ms() == verdict.document["latency_ms"]["all"]


async def test_phases_and_groups_have_figures_of_their_own(fake_stack: Any, tmp_path: Path) -> None:
    results = ResultsWriter(tmp_path, "tiny", datetime.now(UTC), 3)
    played_scenario = scenario(
        phases=(Phase("calm", 0.3, 20.0), Phase("silence", 0.1, 0.0), Phase("rush", 0.2, 100.0)),
        groups=(
            Group(count=2, connect_rate_per_s=1_000),
            Group("sleepers", "idle", 1),
            Group("trains", "reconnecting", 2),
        ),
        expect=expecting("connections.opened == connections.asked"),
    )
    async with fake_stack.running() as target:
        verdict = await run_scenario(
            prepare(played_scenario), target, progress=Watcher(), stop=asyncio.Event(), results=results
        )
    assert verdict.failures == []
    document = verdict.document
    planned = {name: phase["updates"]["planned"] for name, phase in document["phases"].items()}
    assert planned["silence"] == 0
    assert 3 * planned["calm"] <= planned["rush"]
    total = sum(planned.values())
    received = {name: group["deliveries"]["received"] for name, group in document["groups"].items()}
    assert received == {"viewer": 2 * total, "sleepers": 0, "trains": 2 * total}
    found = read_results(results.folder)
    assert Counter(row.phase for row in found.updates()) == {name: count for name, count in planned.items() if count}
    series = found.series()
    assert sum(each.asked_updates for each in series) == sum(each.sent_updates for each in series) == total
    assert sum(each.deliveries for each in series) == 4 * total
    assert {(each.phase, each.group) for each in found.distributions()} >= {(None, None), ("rush", "trains")}


async def test_who_reconnects_is_lost_nothing_after_it_is_back(fake_stack: Any) -> None:
    played_scenario = scenario(
        vendors=MadeVendors(count=3, model="gauss_markov", ping_interval_s=0.05),
        groups=(Group(kind="reconnecting", count=3, backoff_base_s=0.0, connect_rate_per_s=1_000),),
        run=RunSettings(duration_s=1.0, quiet_s=0.2),
        faults=(Fault(FAULT_KINDS["viewer_reset"], start_s=0.3),),
        expect=expecting(),
    )
    verdict = await played(fake_stack, played_scenario)
    assert verdict.failures == []
    connections = verdict.document["connections"]
    assert (connections["reconnected"], connections["dropped"], connections["opened"]) == (3, 0, 6)


def coming_back_at_the_end(**changes: Any) -> Scenario:
    """The only update of each vendor leaves while the others are away; they come back after the last one."""
    return scenario(
        vendors=MadeVendors(count=3, model="gauss_markov", ping_interval_s=0.05),
        groups=(
            Group("steady", count=1, connect_rate_per_s=1_000),
            Group("late", count=2, at_s=1.2, connect_rate_per_s=1_000, **changes),
        ),
        run=RunSettings(duration_s=1.0, quiet_s=1.0),
        expect=expecting(),
    )


async def test_who_asks_for_all_vendors_has_the_whole_picture_in_the_end(fake_stack: Any) -> None:
    without = await played(fake_stack, coming_back_at_the_end())
    assert without.failures == []
    assert without.document["final_positions"]["checked"] == 3
    verdict = await played(fake_stack, coming_back_at_the_end(snapshot=True))
    assert verdict.failures == []
    assert verdict.document["final_positions"] == {"checked": 9, "wrong": 0}


async def test_a_picture_that_cannot_be_had_is_asked_for_again_and_then_told(fake_stack: Any) -> None:
    fake_stack.misbehave(no_vendors=frozenset({1}))
    once = await played(fake_stack, coming_back_at_the_end(snapshot=True))
    assert once.failures == []
    fake_stack.misbehave(no_vendors=frozenset(range(100)))
    never = await played(fake_stack, coming_back_at_the_end(snapshot=True))
    assert "2 × GET /vendors: HTTP 500" in " ".join(never.failures), never.failures


async def test_a_picture_wants_an_http_api(fake_stack: Any) -> None:
    async with fake_stack.running() as target:
        with pytest.raises(
            InputError, match=r"subscribers\.snapshot asks an HTTP API for the vendors, and the stack has"
        ):
            await run_scenario(
                prepare(coming_back_at_the_end(snapshot=True)),
                replace(target, http_url=None),
                progress=Watcher(),
                stop=asyncio.Event(),
            )


async def test_passers_by_come_and_go_and_nothing_of_theirs_is_lost(fake_stack: Any) -> None:
    played_scenario = scenario(
        groups=(
            Group("passers", count=2, arrival="poisson", arrivals_per_s=10.0, stay_s=0.3, connect_rate_per_s=1_000),
            Group(kind="leaver", count=2, stay_s=0.3, connect_rate_per_s=1_000),
        ),
        run=RunSettings(duration_s=1.0, quiet_s=0.2),
        expect=expecting("deliveries.lost < 100", "final_positions.wrong < 100"),
    )
    verdict = await played(fake_stack, played_scenario)
    assert verdict.failures == []
    assert verdict.document["connections"]["opened"] > 4
    # The fake stack knows a socket a moment later than the client knows that it is open.
    assert set(verdict.document["deliveries"]["stories"]) <= {"just connected"}


async def test_a_slow_reader_gets_everything_late_and_holds_up_nobody(fake_stack: Any) -> None:
    played_scenario = scenario(
        groups=(
            Group(count=2, connect_rate_per_s=1_000),
            Group("slow", "slow", 1, read_bytes_per_s=2_000),
        ),
        run=RunSettings(duration_s=0.25, quiet_s=2.0),
        expect=expecting(),
    )
    verdict = await played(fake_stack, played_scenario)
    assert verdict.failures == []
    groups = verdict.document["groups"]
    assert groups["slow"]["latency_ms"]["last"]["max"] > groups["viewer"]["latency_ms"]["last"]["max"]
