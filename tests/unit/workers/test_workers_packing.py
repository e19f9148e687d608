"""What crosses the line comes out as it went in."""

import json
from array import array
from dataclasses import fields, replace
from pathlib import Path

import pytest

from simulator.errors import InputError
from simulator.load import find_scenario, library_scenarios, prepare, read_scenario
from simulator.load.latency import Latencies
from simulator.load.ledger import Missing, Settled
from simulator.load.part_results import Look, PartResult, VendorFigures
from simulator.load.portable import pack_scenario, unpack_scenario
from simulator.load.vendor_tables import ScheduledVendors
from simulator.load.verdict import Frames
from simulator.stack_outputs import StackAddresses
from simulator.workers.packing import (
    fingerprint,
    pack_addresses,
    pack_look,
    pack_result,
    pack_settled,
    unpack_addresses,
    unpack_look,
    unpack_result,
    unpack_settled,
)

SCHEDULE = """\
DayOrder,DayOfWeekStr,PermitLocation,optionaltext,start24,end24,Applicant,Latitude,Longitude
5,Friday,1 FIRST ST,Tacos,10:00,13:00,Taco Wagon,37.7890,-122.4010
5,Friday,2 SECOND ST,Noodles,09:00,15:00,Noodle Cart,37.7880,-122.3990
"""
TRACK = {
    "type": "Feature",
    "properties": {"name": "Ann", "times": [1_000 * second for second in range(5)]},
    "geometry": {"type": "LineString", "coordinates": [[2.0 + number / 1_000, 1.0] for number in range(5)]},
}


def across(document):
    return json.loads(json.dumps(document, allow_nan=False))


def test_settled_updates():
    one = Settled(
        "1001",
        "100",
        10.25,
        10.5,
        (1.5, 2.5),
        (3, 1),
        (1, 0),
        (0, 2),
        4,
        5,
        (array("d", [0.000001, 0.25]), array("d")),
        {"unknown": 1},
        (Missing(2, "unknown"),),
    )
    other = replace(one, update_id="1002", sent_s=None, latencies=(array("d"), array("d", [-0.5, 7_200.0])), missing=())
    document, blob = pack_settled([one, other])
    assert list(unpack_settled(across(document), blob)) == [one, other]


def test_looks():
    look = Look(1, 2, 3, 4, 5, 6, 7, None, -8.5, 9.5, is_alive=False)
    assert unpack_look(across(pack_look(look))) == look


def test_results():
    late = Latencies()
    late.record(0.25)
    result = PartResult(
        opened=1,
        peak=3,
        changes=[(0.5, 1), (0.75, -1)],
        late_copies=[(0.25, 2)],
        peers={"127.0.0.1:4000": 3},
        read_bytes={"127.0.0.1:4000": 512},
        refusals={"HTTP 403": 2},
        drops=[{"subscriber": 1, "at_s": 2.5}],
        frames=Frames(9, {"Forbidden": 1}, 2, ["a ping"], 3, 4, ["1"], 5),
        vendors={"100": VendorFigures(1, 2, 3, 4)},
        positions=(5, 6),
        planned=7,
        last_sent_s=8.5,
        producer_lag=late,
        cpu_s=0.5,
        memory_mb=None,
        troubles=["It broke."],
    )
    found = unpack_result(across(pack_result(result)))
    assert replace(found, producer_lag=result.producer_lag, loop_lag=result.loop_lag) == result
    assert found.producer_lag.summary_ms() == late.summary_ms()


def test_nothing_of_a_result_is_left_behind():
    # Who the workers are is for the master to tell.
    assert {*pack_result(PartResult()), "workers"} == {each.name for each in fields(PartResult)}


def test_addresses():
    target = StackAddresses(
        "ws://a", "http://h", "http://a", {"q": "http://q"}, ("vendors",), "eu-west-1", "http://m", "/c.pem"
    )
    assert unpack_addresses(across(pack_addresses(target))) == target


def sent_to_a_worker(scenario, folder):
    document, blob = pack_scenario(scenario)
    return unpack_scenario(across(document), blob, folder)


def every_scenario():
    return sorted(library_scenarios())


@pytest.mark.parametrize("name", every_scenario())
@pytest.mark.parametrize("short", [False, True])
def test_a_worker_plays_the_scenario_that_the_master_has(name, short, tmp_path):
    scenario = read_scenario(find_scenario(name), library=library_scenarios()).overridden(short=short, seed=11)
    if isinstance(scenario.vendors, ScheduledVendors):
        file = tmp_path / "schedule.csv"
        file.write_text(SCHEDULE)
        scenario = scenario.overridden(schedule=file)
    there = sent_to_a_worker(scenario, tmp_path)
    assert fingerprint(prepare(there)) == fingerprint(prepare(scenario))
    assert (there.run, there.phases) == (scenario.run, scenario.phases)


def test_tracks_of_the_same_name_from_two_folders_stay_two(tmp_path):
    files = [tmp_path / folder / "day.geojson" for folder in ("a", "b")]
    for number, file in enumerate(files):
        file.parent.mkdir()
        file.write_text(json.dumps({**TRACK, "properties": {**TRACK["properties"], "name": f"Ann {number}"}}))
    scenario = tmp_path / "tracks.toml"
    scenario.write_text(f"[vendors]\nsource = 'tracks'\nfiles = {[str(file) for file in files]}\n")
    read = read_scenario(scenario)
    (tmp_path / "there").mkdir()
    there = prepare(sent_to_a_worker(read, tmp_path / "there"))
    assert fingerprint(there) == fingerprint(prepare(read))
    assert len(there.plan_from(0).vendors) == 2


def test_the_fingerprint_tells_seeds_apart():
    scenario = read_scenario(find_scenario("quickstart"))
    assert fingerprint(prepare(scenario)) != fingerprint(prepare(scenario.overridden(seed=8)))


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "0/../evil", "0/..", "x/evil", "0/a/b", "0\\evil"])
def test_a_file_is_written_nowhere_but_in_the_folder(name, tmp_path):
    with pytest.raises(InputError, match="sent a file named"):
        unpack_scenario({"scenario": {}, "files": [[name, 1]]}, b"x", tmp_path)


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    vendors = ScheduledVendors(schedule=Path("no/such.csv"))
    with pytest.raises(InputError, match=r"no/such\.csv cannot be read"):
        pack_scenario(replace(read_scenario(find_scenario("quickstart")), vendors=vendors))
