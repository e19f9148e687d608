from __future__ import annotations

import json
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path

import pytest

from simulator.errors import EnvironmentFailure, InputError
from simulator.load.latency import Latencies
from simulator.load.raw_results import (
    HISTOGRAMS_FILE,
    LOSSES_FILE,
    RUN_FILE,
    SERIES_FILE,
    TRACKS_FILE,
    UPDATES_FILE,
    Distribution,
    LossRow,
    ResultsWriter,
    Second,
    UpdateRow,
    VendorTrack,
    read_results,
)

AT = datetime(2026, 1, 23, 10, 15, 0, 900_000, tzinfo=UTC)
DOCS = (Path(__file__).parents[3] / "docs" / "results.md").read_text(encoding="utf-8")
UPDATE = UpdateRow("17", "4", "spike", 1.5, 1.502, 37.123456, -122.5, 10, 9, 1, 0, 2, 12.5, 20.0, 30.25, 31.0)
NEVER = UpdateRow("18", "4", "spike", 2.0, None, 37.0, -122.0, 0, 0, 0, 0, 0)
LOSS = LossRow("17", "4", 3, 'slow, "odd"\nname', 1.5, "unknown")
SECOND = Second(0, "spike", asked_updates=5, latency_p99_ms=3.5, queued=0)
TRACKS = [VendorTrack("4", "Taco Wagon", [(0.0, 1.0, 2.0), (1.0, 1.5, 2.5)]), VendorTrack("5", "Stand", [(0.5, 1, 2)])]


def latencies(*seconds: float) -> Latencies:
    found = Latencies()
    for each in seconds:
        found.record(each)
    return found


def written(folder: Path) -> ResultsWriter:
    writer = ResultsWriter(folder, "lunch rush/../x", AT, 7)
    writer.add_updates([UPDATE])
    writer.add_updates([NEVER])
    writer.add_losses([LOSS])
    writer.finish(
        {"seed": 7},
        series=[SECOND],
        distributions=[Distribution("last", True, "spike", None, latencies(0.001, 0.1234567))],
        tracks=TRACKS,
    )
    return writer


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    writer = written(tmp_path / "deep" / "results")
    assert writer.folder == tmp_path / "deep" / "results" / "lunch_rush____x-20260123T101500Z-7"
    for given in (writer.folder, writer.folder / RUN_FILE):
        results = read_results(given)
        assert results.run == {"kind": "tracker-sim results", "format": 1, "seed": 7}
        assert list(results.updates()) == [UPDATE, NEVER]
        assert list(results.losses()) == [LOSS]
        assert results.series() == [SECOND]
        assert results.tracks() == TRACKS
        (found,) = results.distributions()
        assert (found.of, found.corrected, found.phase, found.group) == ("last", True, "spike", None)
        assert found.latencies.summary_ms() == latencies(0.001, 0.1234567).summary_ms()


def test_histograms_of_two_runs_add_up() -> None:
    both = Latencies.decoded(latencies(0.001, 0.5).encoded(), max_us=500_000)
    both.add(latencies(0.002, 2.0))
    assert both.summary_ms() == latencies(0.001, 0.5, 0.002, 2.0).summary_ms()


def test_two_runs_of_one_second_have_folders_of_their_own(tmp_path: Path) -> None:
    first, second = written(tmp_path), written(tmp_path)
    assert second.folder.name == first.folder.name + "-2"


def test_a_run_that_came_to_nothing_leaves_nothing(tmp_path: Path) -> None:
    writer = ResultsWriter(tmp_path, "x", AT, 7)
    writer.add_updates([UPDATE])
    writer.discard()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_one_sentence_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EnvironmentFailure, match=r"results cannot be written to .*file.*another folder with --results"):
        ResultsWriter(tmp_path / "file", "x", AT, 7)


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        (None, "is no folder of results: it has no run.json"),
        ({"format": 1}, "is not of tracker-sim"),
        ([], "is not of tracker-sim"),
        ({"kind": "tracker-sim results", "format": 2}, "has format 2 and this version reads 1"),
    ],
)
def test_a_folder_of_something_else_is_refused(tmp_path: Path, document: object, sentence: str) -> None:
    if document is not None:
        (tmp_path / RUN_FILE).write_text(json.dumps(document))
    with pytest.raises(InputError, match=sentence):
        read_results(tmp_path)


@pytest.mark.parametrize("name", [SERIES_FILE, UPDATES_FILE, LOSSES_FILE, HISTOGRAMS_FILE, TRACKS_FILE])
def test_a_damaged_file_is_named(tmp_path: Path, name: str) -> None:
    results = read_results(written(tmp_path).folder)
    file = results.folder / name
    file.write_bytes(file.read_bytes()[:20])
    with pytest.raises(InputError, match=f"{name} cannot be read .* damaged"):
        [results.series(), list(results.updates()), list(results.losses()), results.distributions(), results.tracks()]


@pytest.mark.parametrize(
    ("title", "kind"), [("series.csv", Second), ("updates.csv.gz", UpdateRow), ("losses.csv.gz", LossRow)]
)
def test_every_column_is_documented(title: str, kind: type) -> None:
    section = DOCS.split(f"## `{title}`")[1].split("\n## ")[0]
    assert [each.name for each in fields(kind) if f"`{each.name}`" not in section] == []
