"""Figures as a person reads them."""

import pytest

from instruments.results import Group, Run
from instruments.table import aligned, markdown, number, reaches_as_rows, run_as_text


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (0.0, "0.00"), (0.0123, "0.012"), (0.5, "0.50"), (12.34, "12.3"), (25_000.4, "25,000")],
)
def test_a_number_has_as_many_digits_as_it_deserves(value, text):
    assert number(value) == text


def a_run():
    group = Group("posts to many", facts={"body_bytes": 366})
    for ours, theirs in ((20.0, 500.0), (30.0, 900.0), (25.0, 800.0)):
        group.add("boto3", "reference", "client_cpu_us_per_post", theirs, unit="µs/post", better="lower")
        group.add("ours", "ours", "client_cpu_us_per_post", ours, unit="µs/post", better="lower", reach=28.0)
    group.set_against("client_cpu_us_per_post", "ours", "boto3", reach=30.0)
    return Run({"fanout": group, "failed before it measured anything": Group("")})


def test_what_is_aimed_at_stands_beside_what_was_found():
    assert reaches_as_rows(a_run())[1:] == [
        ["fanout", "ours: client CPU, µs/post", "25.0", "< 28.0"],
        ["fanout", "ours, times better than boto3: client CPU, µs/post", "30.0", "≥ 30.0"],
    ]


def test_a_run_is_shown_with_ours_first_and_without_what_found_nothing():
    shown = run_as_text(a_run())
    lines = [line.split() for line in shown.splitlines()]
    assert ["body_bytes:", "366"] in lines
    assert lines.index(["ours", "ours", "25.0", "(reach", "<", "28.0)"]) < lines.index(["boto3", "reference", "800"])
    assert "failed before" not in shown


def test_numbers_stand_under_each_other():
    assert aligned([["group", "rate"], ["fanout", "1,000"], ["scan", "90"]]).splitlines() == [
        "group    rate",
        "fanout  1,000",
        "scan       90",
    ]
    shown = markdown([["group", "rate"], ["scan", "90"]])
    assert shown.splitlines() == ["| group | rate |", "| --- | --: |", "| scan | 90 |"]
