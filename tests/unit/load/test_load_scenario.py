from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from simulator.errors import InputError
from simulator.load.library import find_scenario, library_scenarios
from simulator.load.scenario import (
    Expectations,
    MadeVendors,
    RunSettings,
    Scenario,
    ScheduledVendors,
    StackSettings,
    Subscribers,
    read_scenario,
)
from simulator.resources import bundled

ROOT = Path(__file__).resolve().parents[3]


def written(folder: Path, text: str) -> Path:
    file = folder / "night_market.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_every_key_is_read(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        """
        name = "market"
        description = "Does it hold?"
        seed = 0
        [stack]
        template = "other.yaml"
        [stack.parameters]
        VisibilityTimeout = 10
        Tracing = true
        Name = "x"
        [vendors]
        source = "made"
        count = 3
        model = "gauss_markov"
        ping_interval_s = 2
        noise_m = 0
        speed = 60
        [subscribers]
        count = 7
        connect_rate_per_s = 5
        connect_concurrency = 2
        compression = true
        [run]
        duration_s = 4.5
        drain_limit_s = 9
        quiet_s = 1
        [expect]
        lost = 1
        wrong_positions = 2
        altered = 3
        unexpected = 4
        duplicated = 5
        reordered = 6
        dead_lettered = 7
        refused = 8
        dropped = 9
        invocation_errors = 10
        p99_ms = 11
        last_p99_ms = 12.5
        """,
    )
    assert read_scenario(file) == Scenario(
        name="market",
        description="Does it hold?",
        seed=0,
        file=file,
        stack=StackSettings(tmp_path / "other.yaml", {"VisibilityTimeout": "10", "Tracing": "true", "Name": "x"}),
        vendors=MadeVendors(count=3, model="gauss_markov", ping_interval_s=2.0, noise_m=0.0, speed=60.0),
        subscribers=Subscribers(count=7, connect_rate_per_s=5.0, connect_concurrency=2, compression=True),
        run=RunSettings(duration_s=4.5, drain_limit_s=9.0, quiet_s=1.0),
        expect=Expectations(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11.0, 12.5),
    )


def test_an_empty_file_is_a_scenario_of_defaults(tmp_path: Path) -> None:
    scenario = read_scenario(written(tmp_path, ""))
    assert scenario == Scenario(
        name="night_market",
        description="No description.",
        seed=1,
        file=scenario.file,
        stack=StackSettings(),
        vendors=MadeVendors(),
        subscribers=Subscribers(),
        run=RunSettings(),
        expect=Expectations(),
    )


def test_a_schedule_scenario_is_read(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        '[vendors]\nsource = "schedule"\nschedule = "s.csv"\nday = "sat"\nfrom = "9:30"\nto = "24:00"\n'
        "ping_interval_s = 60\ndrive_ping_interval_s = 30\nleast_gap_s = 20\nnoise_m = 2\nspeed = 100",
    )
    assert read_scenario(file).vendors == ScheduledVendors(
        tmp_path / "s.csv", "sat", "9:30", "24:00", 60.0, 30.0, 20.0, 2.0, 100.0
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        pytest.param("sede = 1", "{file}: unknown key sede (did you mean seed?).", id="misspelt at the top"),
        pytest.param(
            "[run]\nduration = 1", "{file}: unknown key run.duration (did you mean duration_s?).", id="inside"
        ),
        pytest.param(
            "[subscribers]\nzzz = 1",
            "{file}: unknown key subscribers.zzz (known here: compression, connect_concurrency, connect_rate_per_s, "
            "count).",
            id="nothing like it",
        ),
        pytest.param(
            '[vendors]\nsource = "schedule"\ncount = 3',
            "{file}: unknown key vendors.count (known here: day, drive_ping_interval_s, from, least_gap_s, noise_m, "
            "ping_interval_s, schedule, source, speed, to).",
            id="a key of the other source",
        ),
        pytest.param("seed = '1'", '{file}: seed must be a whole number, not the text "1".', id="text for a number"),
        pytest.param("seed = true", "{file}: seed must be a whole number, not true or false.", id="flag for a number"),
        pytest.param("seed = 1.5", "{file}: seed must be a whole number, not a number (1.5).", id="fraction"),
        pytest.param("name = 4", "{file}: name must be text, not a whole number (4).", id="number for text"),
        pytest.param("name = ' '", "{file}: name must not be empty.", id="blank text"),
        pytest.param("run = 3", "{file}: run must be a table, not a whole number (3).", id="number for a table"),
        pytest.param(
            "[subscribers]\ncount = 0",
            "{file}: subscribers.count must be between 1 and 100,000, not 0.",
            id="below the range",
        ),
        pytest.param(
            "[run]\nduration_s = inf", "{file}: run.duration_s must be an ordinary number, not inf.", id="infinite"
        ),
        pytest.param("[run]\nquiet_s = nan", "{file}: run.quiet_s must be an ordinary number, not nan.", id="nan"),
        pytest.param(
            "[expect]\nlost = -1",
            "{file}: expect.lost must be between 0 and 9,223,372,036,854,775,807, not -1.",
            id="negative limit",
        ),
        pytest.param(
            '[vendors]\nmodel = "gauss_markof"',
            '{file}: vendors.model must be one of "food_truck_day", "gauss_markov", "random_waypoint", "stationary", '
            'not "gauss_markof" (did you mean gauss_markov?).',
            id="unknown model",
        ),
        pytest.param(
            '[vendors]\nsource = "schedule"\nday = "Fryday"',
            "{file}: vendors.day 'Fryday' is not a day of the week; write it as \"Friday\".",
            id="unknown day",
        ),
        pytest.param(
            '[vendors]\nsource = "schedule"\nfrom = "25:00"',
            "{file}: vendors.from '25:00' is not a time of day; write it as \"10:00\".",
            id="no time of day",
        ),
        pytest.param(
            '[vendors]\nsource = "schedule"\n[run]\nduration_s = 3',
            "{file}: run.duration_s has no use with a schedule, which lasts as long as its span at its speed; leave it "
            "out.",
            id="duration of a schedule",
        ),
        pytest.param(
            "[stack.parameters]\nA = []",
            "{file}: stack.parameters.A must be text, a number, true or false, not a list.",
            id="list for a parameter",
        ),
        pytest.param(
            '"\\u001b[2J" = 1',
            "{file}: unknown key \\x1b[2J (known here: description, expect, faults, name, run, seed, stack, "
            "subscribers, vendors).",
            id="control characters are escaped",
        ),
    ],
)
def test_what_is_wrong_is_refused_naming_file_and_key(tmp_path: Path, text: str, sentence: str) -> None:
    file = written(tmp_path, text)
    with pytest.raises(InputError) as refused:
        read_scenario(file)
    assert str(refused.value) == sentence.format(file=file)
    assert refused.value.exit_code == 2


def test_malformed_toml_is_refused_with_its_line(tmp_path: Path) -> None:
    file = written(tmp_path, "seed = 1\nname = \n")
    with pytest.raises(InputError, match=r"night_market\.toml is not valid TOML: .*line 2") as refused:
        read_scenario(file)
    assert "\n" not in str(refused.value)


def test_a_file_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    file.write_bytes(b"name = '\xff'")
    with pytest.raises(InputError, match=r"x\.toml is not UTF-8 text \(byte 8\)"):
        read_scenario(file)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        pytest.param("missing.toml", "There is no scenario file missing.toml; ", id="file"),
        pytest.param(
            "quikstart", "There is no scenario called quikstart; did you mean quickstart?", id="misspelt name"
        ),
        pytest.param("scenarios/quickstar.toml", "; did you mean quickstart?", id="misspelt path"),
        pytest.param(".", "is no scenario", id="folder"),
    ],
)
def test_a_scenario_that_is_not_there_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, sentence: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as refused:
        find_scenario(name)
    assert sentence in str(refused.value)


def test_a_scenario_is_found_by_path_then_here_then_in_the_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_scenario("quickstart") == bundled("scenarios/quickstart.toml")
    assert find_scenario("quickstart").read_bytes() == (ROOT / "scenarios" / "quickstart.toml").read_bytes()
    mine = written(tmp_path, "")
    assert find_scenario(str(mine)) == mine
    (tmp_path / "scenarios").mkdir()
    local = tmp_path / "scenarios" / "quickstart.toml"
    local.write_text("")
    assert find_scenario("quickstart").resolve() == local


@pytest.mark.parametrize("name", sorted(library_scenarios()))
def test_every_scenario_of_the_library_is_valid_and_says_what_it_shows(name: str) -> None:
    file = library_scenarios()[name]
    assert read_scenario(file).name == name
    assert file.read_text(encoding="utf-8").startswith("# ")


def test_the_library_has_the_two_scenarios_of_the_readme() -> None:
    assert {"quickstart", "sf_food_trucks"} <= set(library_scenarios())


def made(**changes: object) -> Scenario:
    values: dict[str, object] = {
        "name": "s",
        "description": "d",
        "seed": 1,
        "file": Path("s.toml"),
        "stack": StackSettings(),
        "vendors": MadeVendors(),
        "subscribers": Subscribers(),
        "run": RunSettings(),
        "expect": Expectations(),
    }
    return Scenario(**{**values, **changes})  # type: ignore[arg-type]


def test_options_take_the_place_of_the_files_values() -> None:
    changed = made().overridden(seed=9, speed=2, subscribers=3, duration_s=4)
    assert changed == made(
        seed=9, vendors=MadeVendors(speed=2.0), subscribers=Subscribers(count=3), run=RunSettings(duration_s=4.0)
    )
    assert made().overridden() == made()


def test_a_schedule_can_be_named_on_the_command_line() -> None:
    changed = made(vendors=ScheduledVendors()).overridden(schedule=Path("x.csv"), speed=60)
    assert changed.vendors == ScheduledVendors(schedule=Path("x.csv"), speed=60.0)


@pytest.mark.parametrize(
    ("vendors", "options", "sentence"),
    [
        pytest.param(
            MadeVendors(), {"schedule": Path("x")}, "--schedule has no use in scenario s", id="made, schedule"
        ),
        pytest.param(
            ScheduledVendors(), {"duration_s": 3}, "--duration has no use in scenario s", id="schedule, length"
        ),
        pytest.param(MadeVendors(), {"speed": 0}, "--speed must be between 0.001 and 100,000, not 0.", id="speed"),
        pytest.param(MadeVendors(), {"seed": -1}, "--seed must be between 0", id="seed"),
        pytest.param(MadeVendors(), {"duration_s": float("nan")}, "--duration must be between", id="nan"),
    ],
)
def test_options_that_mean_nothing_here_are_refused(
    vendors: MadeVendors | ScheduledVendors, options: dict[str, object], sentence: str
) -> None:
    with pytest.raises(InputError) as refused:
        made(vendors=vendors).overridden(**options)  # type: ignore[arg-type]
    assert str(refused.value).startswith(sentence)


def test_every_key_is_in_the_readme_of_the_scenarios() -> None:
    readme = (ROOT / "scenarios" / "README.md").read_text(encoding="utf-8")
    keys = {
        "vendors": {*_names(MadeVendors), *_names(ScheduledVendors), "source", "from", "to"} - {"start", "end"},
        "subscribers": _names(Subscribers),
        "run": _names(RunSettings),
        "expect": _names(Expectations),
        "stack": _names(StackSettings),
    }
    missing = {
        f"{table}.{key}"
        for table, names in keys.items()
        for key in names
        if f"`{key}`" not in _section(readme, f"[{table}]")
    }
    assert not missing


def _names(settings: type) -> set[str]:
    return {each.name for each in fields(settings)}


def _section(readme: str, title: str) -> str:
    return readme.split(f"`{title}`")[1].split("\n## ", maxsplit=1)[0]
