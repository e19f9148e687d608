"""What is called a regression, and what is called noise."""

import json
import random

import pytest

from instruments.comparison import Finding, compare, quotients, suspects
from instruments.results import Group, Run


def a_run(*, ours=(1.0,), theirs=(10.0,), better="lower", paired=True, tolerance=0.2, name="fanout"):
    """Ours takes 1, the reference 10: ten times better."""
    group = Group("a group", test=f"bench.py::{name}")
    for value in ours:
        group.add("ours", "ours", "cpu", value, unit="µs", better=better)
    for value in theirs:
        group.add("boto3", "reference", "cpu", value, unit="µs", better=better)
    group.set_against("cpu", "ours", "boto3", paired=paired, tolerance=tolerance)
    return Run({name: group})


@pytest.mark.parametrize(
    ("better", "gain"), [pytest.param("lower", 10.0, id="less time"), pytest.param("higher", 0.1, id="less rate")]
)
def test_a_gain_says_how_many_times_better_whichever_way_the_metric_points(better, gain):
    group = a_run(better=better).groups["fanout"]
    assert group.gain(group.ratios[0]) == pytest.approx(gain)


def test_paired_samples_are_divided_round_by_round():
    """A round in which the machine was three times slower moves both, and so not the ratio."""
    group = a_run(ours=(1, 3, 1), theirs=(10, 30, 12)).groups["fanout"]
    assert group.gains(group.ratios[0]) == [10, 10, 12]


@pytest.mark.parametrize("uneven", [{"theirs": (10, 20, 30)}, {"theirs": (20, 20), "paired": False}])
def test_samples_that_are_no_pairs_are_compared_by_their_medians(uneven):
    group = a_run(ours=(1, 3), **uneven).groups["fanout"]
    assert group.gains(group.ratios[0]) == [10]


@pytest.mark.parametrize(
    ("now", "again", "finding"),
    [
        pytest.param(1.0, None, Finding.SAME, id="the same"),
        pytest.param(1.24, None, Finding.SAME, id="a little worse, within the tolerance"),
        pytest.param(1.3, None, Finding.SUSPECT, id="worse, and not yet confirmed"),
        pytest.param(1.3, 1.3, Finding.REGRESSED, id="worse twice"),
        pytest.param(1.3, 1.1, Finding.UNCONFIRMED, id="worse once"),
        pytest.param(1.0, 1.3, Finding.SAME, id="the second run was the noisy one"),
        pytest.param(0.7, None, Finding.BETTER, id="better"),
    ],
)
def test_a_ratio_has_regressed_when_two_runs_say_so(now, again, finding):
    second = None if again is None else a_run(ours=(again,))
    [compared] = compare(a_run(ours=(now,)), a_run(), second)
    assert compared.finding is finding
    assert compared.change == pytest.approx(1 / now)


def test_a_slower_machine_is_no_regression():
    [compared] = compare(a_run(ours=(3,), theirs=(30,)), a_run())
    assert compared.finding is Finding.SAME


def test_a_ratio_that_is_no_longer_measured_fails():
    run = a_run()
    run.groups["fanout"].set_against("cpu", "boto3", "ours")
    [kept, gone] = compare(a_run(), run)
    assert (kept.finding, gone.finding, gone.change) == (Finding.SAME, Finding.MISSING, None)
    assert gone.finding.fails


def test_a_new_ratio_and_a_new_group_have_nothing_to_be_worse_than():
    [compared] = compare(a_run(name="scan"), a_run())
    assert (compared.group, compared.finding, compared.finding.fails) == ("scan", Finding.NEW, False)


def test_groups_that_were_not_run_are_not_missed():
    base = a_run()
    base.groups |= a_run(name="scan").groups
    assert [each.group for each in compare(a_run(), base)] == ["fanout"]


def test_only_suspects_are_measured_again_and_each_group_once():
    run = a_run(ours=(2,))
    run.groups["fanout"].set_against("cpu", "boto3", "ours", tolerance=0.9)
    run.groups |= a_run(name="scan").groups
    base = a_run()
    base.groups["fanout"].set_against("cpu", "boto3", "ours", tolerance=0.9)
    base.groups |= a_run(name="scan").groups
    assert suspects(compare(run, base)) == ["fanout"]


def test_nothing_is_suspected_for_ever_when_a_second_run_lacks_the_group():
    [compared] = compare(a_run(ours=(2,)), a_run(), Run())
    assert compared.finding is Finding.SUSPECT
    assert not compared.finding.fails


def noisy(rng, slowdown=1.0):
    """Eleven rounds on a machine whose speed changes up to threefold from round to round."""
    speeds = [rng.uniform(1, 3) for _ in range(11)]
    return a_run(
        ours=[speed * slowdown * rng.uniform(0.95, 1.05) for speed in speeds],
        theirs=[10 * speed * rng.uniform(0.95, 1.05) for speed in speeds],
    )


@pytest.mark.parametrize(("slowdown", "verdict"), [(1.0, ""), (1.01, ""), (1.3, "slower"), (0.7, "faster")], ids=str)
def test_commits_are_told_apart_through_noise_and_only_when_they_differ(slowdown, verdict):
    rng = random.Random(5)
    [found], alone = quotients([(noisy(rng), noisy(rng, slowdown)) for _ in range(3)], rng)
    assert alone == []
    assert found.verdict == verdict
    assert found.low <= found.change <= found.high
    assert found.change == pytest.approx(1 / slowdown, rel=0.1)


def test_what_only_one_commit_can_do_is_named():
    rng = random.Random(5)
    both = a_run(name="scan")
    both.groups |= a_run().groups
    found, alone = quotients([(a_run(), both)], rng)
    assert [each.group for each in found] == ["fanout"]
    assert alone == ["scan: ours × boto3: cpu (only in the working tree)"]


def test_one_failed_run_of_several_does_not_lose_the_comparison():
    rng = random.Random(5)
    [found], alone = quotients([(Run(), Run()), (a_run(), Run()), (a_run(), a_run())], rng)
    assert (found.change, alone) == (1.0, [])


def test_results_survive_their_file():
    run = noisy(random.Random(1))
    run.groups["fanout"].facts["rows"] = 100
    run.surroundings["began"] = "2024-03-12T21:05:00+00:00"
    assert Run.from_json(json.loads(json.dumps(run.to_json()))) == run


@pytest.mark.parametrize("document", [{}, {"version": 99, "groups": {}}])
def test_other_files_are_refused(document):
    with pytest.raises(ValueError, match="version"):
        Run.from_json(document)
