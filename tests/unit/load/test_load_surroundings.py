"""What lies around a run: the tool's own files, the environment, the plan before anything is started."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from simulator import resources
from simulator.errors import EnvironmentFailure, InputError
from simulator.load import prepare
from simulator.load.aws_environment import aws_environment, is_local
from simulator.load.scenario import MadeVendors, RunSettings, Scenario, ScheduledVendors
from simulator.load.swarm import _proxy
from simulator.load.wording import counted

HEADER = (
    "DayOrder,DayOfWeekStr,starttime,endtime,PermitLocation,locationdesc,optionaltext,"
    "start24,end24,Applicant,Latitude,Longitude"
)
ROW = "5,Friday,10AM,2PM,1 Main St,,Tacos,10:00,14:00,Ann's Truck,37.76,-122.42"
NO_ROW = "5,Friday,10AM,10AM,1 Main St,,Tacos,10:00,10:00,Bob's Truck,37.76,-122.42"

MADE = Scenario("s", seed=5, vendors=MadeVendors(count=3), run=RunSettings(duration_s=3))


def test_the_same_seed_plans_the_same_updates_and_another_seed_others() -> None:
    first, again, other = (list(prepare(MADE.overridden(seed=seed)).plan_from(1_700_000_000_000)) for seed in (5, 5, 6))
    assert [each.update for each in first] == [each.update for each in again]
    assert [each.update for each in first] != [each.update for each in other]


def test_the_rows_of_a_schedule_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    file = tmp_path / "schedule.csv"
    file.write_text(f"{HEADER}\n{ROW}\n{NO_ROW}", encoding="utf-8")
    prepared = prepare(replace(MADE, vendors=ScheduledVendors(schedule=file)))
    assert prepared.warnings[0] == f"{file}: 1 of 2 rows cannot be used"
    assert "line 3" in prepared.warnings[1]
    assert [each.name for each in prepared.plan_from(1_700_000_000_000).vendors] == ["Ann's Truck"]


@pytest.mark.parametrize(
    ("vendors", "sentence"),
    [
        pytest.param(ScheduledVendors(), "name the CSV file with --schedule FILE", id="none given"),
        pytest.param(ScheduledVendors(schedule=Path("no/such.csv")), "such.csv", id="no such file"),
    ],
)
def test_a_schedule_that_cannot_be_read_is_refused_before_anything_starts(
    vendors: ScheduledVendors, sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence):
        prepare(replace(MADE, vendors=vendors))


def test_the_users_own_credentials_never_go_to_a_local_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "real")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "real")
    monkeypatch.setenv("AWS_PROFILE", "real")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    before = dict(os.environ)
    with aws_environment("http://127.0.0.1:5000", "eu-west-1"):
        seen = {name: os.environ.get(name) for name in ("AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN", "AWS_PROFILE")}
        assert seen == {"AWS_ACCESS_KEY_ID": "local", "AWS_SESSION_TOKEN": None, "AWS_PROFILE": None}
        assert os.environ["AWS_ENDPOINT_URL"] == "http://127.0.0.1:5000"
        assert os.environ["AWS_REGION"] == "eu-west-1"
    assert dict(os.environ) == before


def test_against_aws_itself_the_users_credentials_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "real")
    with aws_environment("https://sqs.us-east-1.amazonaws.com", "us-east-1"):
        assert os.environ["AWS_ACCESS_KEY_ID"] == "real"
        assert "AWS_ENDPOINT_URL" not in os.environ


@pytest.mark.parametrize(
    ("url", "local"),
    [
        pytest.param("http://127.0.0.1:5000", True, id="loopback"),
        pytest.param("http://localstack:4566", True, id="another emulator"),
        pytest.param("https://sqs.us-east-1.amazonaws.com", False, id="AWS"),
        pytest.param("https://amazonaws.com.evil.test", True, id="a look-alike"),
    ],
)
def test_only_aws_is_not_local(url: str, local: bool) -> None:
    assert is_local(url) is local


@pytest.mark.parametrize(
    ("url", "through_proxy"),
    [
        pytest.param("ws://127.0.0.1:1/primary", None, id="loopback"),
        pytest.param("ws://[::1]:1/primary", None, id="loopback, IPv6"),
        pytest.param("ws://localhost:1/primary", None, id="by name"),
        pytest.param("ws://api.localhost:1/primary", None, id="below localhost"),
        pytest.param("wss://abc.execute-api.us-east-1.amazonaws.com/primary", True, id="elsewhere"),
    ],
)
def test_a_proxy_is_for_other_machines_only(url: str, through_proxy: bool | None) -> None:
    assert _proxy(url) is through_proxy


def test_the_checkouts_files_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    root = Path(__file__).resolve().parents[3]
    monkeypatch.setattr(resources, "_PACKAGE", root / "simulator")
    assert resources.bundled("scenarios/quickstart.toml") == root / "scenarios" / "quickstart.toml"


def test_an_installed_wheel_has_its_own_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "site-packages" / "simulator"
    (package / "_bundled").mkdir(parents=True)
    (package / "_bundled" / "template.yaml").write_text("ours")
    (package.parent / "template.yaml").write_text("somebody else's")
    monkeypatch.setattr(resources, "_PACKAGE", package)
    assert resources.bundled("template.yaml").read_text() == "ours"


def test_a_damaged_installation_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "_PACKAGE", tmp_path / "simulator")
    with pytest.raises(EnvironmentFailure, match=r"template\.yaml did not come with .*; reinstall it"):
        resources.bundled("template.yaml")


@pytest.mark.parametrize(
    ("count", "noun", "words"),
    [
        pytest.param(0, "update", "0 updates", id="none"),
        pytest.param(1, "delivery", "1 delivery", id="one"),
        pytest.param(1200, "delivery", "1,200 deliveries", id="many"),
        pytest.param(2, "batch", "2 batches", id="hissing"),
    ],
)
def test_counts_read_like_words(count: int, noun: str, words: str) -> None:
    assert counted(count, noun) == words
