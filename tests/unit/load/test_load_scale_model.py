"""The model's arithmetic, and how far it is from what was measured."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from simulator.cli import cli
from simulator.load.scale_model import Assumptions, Costs, Demand, explained, in_aws, on_one_machine

POINTS = Path(__file__).parents[3] / "benchmarks" / "scale_points.json"


def test_updates_that_come_alone_are_batches_of_one() -> None:
    assert (Demand(100, 0.5).batches_per_s, Demand(100, 0.5).posts_per_s) == (0.5, 50)
    assert (Demand(100, 4).batches_per_s, Demand(100, 4).posts_per_batch) == (1.0, 400)
    assert (Demand(100, 50).batches_per_s, Demand(100, 50).posts_per_batch) == (5.0, 1_000)


def test_a_framed_batch_is_one_post_to_each_viewer() -> None:
    assert Demand(1_000, 50).posts_per_s == 50_000
    assert Demand(1_000, 50, framed_batches=True).posts_per_s == 5_000


def test_work_on_one_machine_grows_with_deliveries_and_with_rows() -> None:
    costs = Costs(gateway_us=30, function_us=40, load_us=20, batch_us=5_000, row_us=10)
    need = on_one_machine(Demand(1_000, 10), costs)
    assert (need.gateway, need.functions, need.load) == (0.3, 0.4, 0.2)
    assert need.rest == pytest.approx(0.015)
    assert need.cores == pytest.approx(0.915)


def test_the_default_quotas_reach_a_million_viewers_with_one_update_in_a_minute_and_a_half() -> None:
    need = in_aws(Demand(1_000_000, 1))
    assert need.posts_per_s == 1_000_000
    assert need.throttle_factor == 100
    assert need.broadcast_s == pytest.approx(99.5)
    assert need.connect_all_s == 2_000
    assert need.connects_per_s == pytest.approx(138.9, abs=0.1)
    assert need.dollars_per_hour["messages"] == 3_600


def test_a_function_posts_as_fast_as_its_window_or_its_processor_lets_it() -> None:
    window = in_aws(Demand(100, 1), assumed=Assumptions(post_s=0.02, posts_at_once=64, function_us=60))
    processor = in_aws(Demand(100, 1), assumed=Assumptions(post_s=0.001, posts_at_once=64, function_us=100))
    assert (window.posts_per_function_s, processor.posts_per_function_s) == (3_200, 10_000)


def test_segments_are_as_many_as_let_a_broadcast_be_over_in_time() -> None:
    assert in_aws(Demand(5_000, 1)).segments == 1
    assert in_aws(Demand(64_000, 1)).segments == 10
    assert in_aws(Demand(64_000, 1, within_s=5)).segments == 2


def test_a_small_map_needs_nothing_raised() -> None:
    rows = dict(explained(Demand(500, 1), in_aws(Demand(500, 1))))
    assert "suffices" in rows["request quota"]
    assert "suffices" in rows["concurrency"]
    assert "raised" not in " ".join(rows.values())


def test_a_large_one_says_what_must_be_raised() -> None:
    rows = dict(explained(Demand(1_000_000, 10), in_aws(Demand(1_000_000, 10))))
    assert "must be raised 1,000.0 times" in rows["request quota"]
    assert "must be raised" in rows["concurrency"]


def test_the_command_tells_it_in_words_and_in_json() -> None:
    words = CliRunner().invoke(cli, ["scale", "--viewers", "1000000", "--updates-per-s", "10", "--frames"]).output
    assert "must be raised 100.0 times; one broadcast takes 99.5 s" in words
    document = json.loads(CliRunner().invoke(cli, ["scale", "--viewers", "5000", "--json"]).output)
    assert (document["demand"]["viewers"], document["need"]["posts_per_s"]) == (5_000, 5_000)


def test_the_model_is_near_what_was_measured() -> None:
    """CPU of the stack and the load together; each point that the costs were not taken from."""
    document = json.loads(POINTS.read_text(encoding="utf-8"))
    costs = Costs(**document["costs"])
    checked = [point for point in document["points"] if not point["calibrates"]]
    assert len(checked) >= 2
    for point in checked:
        demand = Demand(point["viewers"], point["updates_per_s"], updates_per_batch=point["updates_per_batch"])
        assert on_one_machine(demand, costs).cores == pytest.approx(point["cores"], rel=0.35), point
