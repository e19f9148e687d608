from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from simulator.cli import cli
from simulator.errors import InputError
from simulator.load.audience import Group, scaled
from simulator.load.expectations import DEFAULTS
from simulator.load.json_schema import SCHEMA_FILE, scenario_schema
from simulator.load.language_reference import BEGIN, reference
from simulator.load.library import find_scenario, library_scenarios, read_named
from simulator.load.phases import Phase
from simulator.load.scenario import RunSettings, Scenario, Short, StackSettings, read_scenario
from simulator.load.vendor_tables import MadeVendors, ScheduledVendors, TrackedVendors
from simulator.resources import bundled

ROOT = Path(__file__).resolve().parents[3]


def written(folder: Path, text: str, name: str = "night_market.toml") -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def told(scenario: Scenario) -> list[tuple[str, str]]:
    return [(each.phase, each.text) for each in scenario.expect]


def test_every_table_is_read(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        """
        name = "market"
        question = "Does it hold?"
        seed = 0
        [stack]
        template = "other.yaml"
        [stack.parameters]
        VisibilityTimeout = 10
        Tracing = true
        [stack.settings]
        "gateway.clock_speed" = 60
        [vendors]
        source = "made"
        count = 3
        model = "gauss_markov"
        ping_interval_s = 2
        noise_m = 0
        speed = 60
        late_share = 0.1
        [[subscribers]]
        count = 7
        connect_rate_per_s = 5
        [[subscribers]]
        name = "trains"
        kind = "reconnecting"
        arrival = "poisson"
        [[phases]]
        name = "steady"
        duration_s = 4.5
        [[phases]]
        name = "spike"
        duration_s = 1
        rate_per_s = 3
        to_rate_per_s = 30
        [run]
        drain_limit_s = 9
        quiet_s = 1
        [[faults]]
        kind = "viewer_reset"
        target = "trains"
        [expect]
        run = "deliveries.lost <= 1"
        spike = ["latency_ms.last.p99 < 500", "groups.trains.deliveries.lost == 0"]
        [short]
        scale = 0.5
        """,
    )
    scenario = read_scenario(file)
    assert (scenario.name, scenario.question, scenario.seed, scenario.file) == ("market", "Does it hold?", 0, file)
    assert scenario.stack == StackSettings(
        tmp_path / "other.yaml", {"VisibilityTimeout": "10", "Tracing": "true"}, {"gateway.clock_speed": "60"}
    )
    assert scenario.vendors == MadeVendors(
        count=3, model="gauss_markov", ping_interval_s=2.0, noise_m=0.0, speed=60.0, late_share=0.1
    )
    assert scenario.groups == (
        Group(count=7, connect_rate_per_s=5.0),
        Group(name="trains", kind="reconnecting", arrival="poisson"),
    )
    assert scenario.phases == (Phase("steady", 4.5), Phase("spike", 1.0, 3.0, 30.0))
    assert scenario.run == RunSettings(drain_limit_s=9.0, quiet_s=1.0)
    assert [fault.target for fault in scenario.faults] == ["trains"]
    assert told(scenario) == [
        *(("run", text) for text in DEFAULTS[1:]),
        ("run", "deliveries.lost <= 1"),
        ("spike", "latency_ms.last.p99 < 500"),
        ("spike", "groups.trains.deliveries.lost == 0"),
    ]
    assert scenario.short == Short(scale=0.5)


def test_an_empty_file_is_a_scenario_of_defaults(tmp_path: Path) -> None:
    scenario = read_scenario(written(tmp_path, ""))
    assert scenario == Scenario("night_market", file=scenario.file)
    assert told(scenario) == [("run", text) for text in DEFAULTS]
    assert scenario.made_phases == (Phase("steady", 15.0),)


def test_one_group_may_be_written_as_a_table(tmp_path: Path) -> None:
    assert read_scenario(written(tmp_path, "[subscribers]\ncount = 3")).groups == (Group(count=3),)


def test_a_schedule_scenario_is_read(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        '[vendors]\nsource = "schedule"\nschedule = "s.csv"\nday = "sat"\nfrom = "9:30"\nto = "24:00"\ndays = 7\n'
        "ping_interval_s = 60\ndrive_ping_interval_s = 30\nleast_gap_s = 20\nnoise_m = 2\nspeed = 100",
    )
    assert read_scenario(file).vendors == ScheduledVendors(
        schedule=tmp_path / "s.csv",
        day="sat",
        days=7,
        start="9:30",
        end="24:00",
        ping_interval_s=60.0,
        drive_ping_interval_s=30.0,
        least_gap_s=20.0,
        noise_m=2.0,
        speed=100.0,
    )


def test_a_track_scenario_is_read(tmp_path: Path) -> None:
    file = written(tmp_path, '[vendors]\nsource = "tracks"\nfiles = ["a.gpx", "b.geojson"]\ntogether = false')
    vendors = read_scenario(file).vendors
    assert vendors == TrackedVendors(files=(tmp_path / "a.gpx", tmp_path / "b.geojson"), together=False)
    assert (vendors.noise_m, vendors.speed) == (0.0, 1.0)


def test_a_scenario_extends_another(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    written(
        tmp_path / "base",
        'question = "Why?"\nseed = 5\n[vendors]\nsource = "schedule"\nschedule = "s.csv"\nspeed = 9\n'
        '[[subscribers]]\ncount = 1\n[expect]\nrun = ["deliveries.lost < 5"]',
        "base.toml",
    )
    file = written(tmp_path, 'extends = "base/base.toml"\nseed = 6\n[vendors]\nspeed = 10\n[[subscribers]]\ncount = 2')
    scenario = read_scenario(file)
    assert (scenario.name, scenario.question, scenario.seed) == ("night_market", "Why?", 6)
    assert scenario.vendors == ScheduledVendors(schedule=tmp_path / "base" / "s.csv", speed=10.0)
    assert [group.count for group in scenario.groups] == [2]
    assert told(scenario)[-1] == ("run", "deliveries.lost < 5")


def test_a_scenario_extends_one_of_the_library(tmp_path: Path) -> None:
    file = written(tmp_path, 'extends = "quickstart"\n[run]\nduration_s = 3')
    scenario = read_named(str(file))
    assert (scenario.seed, scenario.run.duration_s) == (7, 3.0)
    with pytest.raises(InputError, match="extends names quickstart, which is neither a file beside it nor"):
        read_scenario(file)


def test_a_circle_of_scenarios_is_refused(tmp_path: Path) -> None:
    file = written(tmp_path, 'extends = "other.toml"')
    written(tmp_path, 'extends = "night_market.toml"', "other.toml")
    with pytest.raises(InputError, match="extends goes round in a circle"):
        read_scenario(file)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        pytest.param("sede = 1", "{file}: unknown key sede (did you mean seed?).", id="misspelt at the top"),
        pytest.param(
            "[run]\nduration = 1", "{file}: unknown key run.duration (did you mean duration_s?).", id="inside"
        ),
        pytest.param(
            "[subscribers]\nzzz = 1",
            "{file}: unknown key subscribers.zzz (known here: arrival, arrivals_per_s, at_s, backoff_base_s, "
            "backoff_cap_s, compression, connect_concurrency, connect_rate_per_s, count, kind, name, read_bytes_per_s, "
            "snapshot, stay_s, step_every_s, step_size).",
            id="nothing like it",
        ),
        pytest.param(
            '[vendors]\nsource = "schedule"\ncount = 3',
            "{file}: unknown key vendors.count (known here: clock_jump_s, clock_jumps_per_hour, day, days, "
            "drive_ping_interval_s, duplicate_share, from, gap_s, gaps_per_hour, late_s, late_share, least_gap_s, "
            "noise_m, ping_interval_s, schedule, source, speed, to).",
            id="a key of the other source",
        ),
        pytest.param(
            "seed = '1'",
            '{file}: seed must be a whole number, not the text "1".',
            id="text for a number",
        ),
        pytest.param("seed = true", "{file}: seed must be a whole number, not true or false.", id="flag for a number"),
        pytest.param("seed = 1.5", "{file}: seed must be a whole number, not a number (1.5).", id="fraction"),
        pytest.param("name = 4", "{file}: name must be text, not a whole number (4).", id="number for text"),
        pytest.param("name = ' '", "{file}: name must not be empty.", id="blank text"),
        pytest.param("run = 3", "{file}: run must be a table, not a whole number (3).", id="number for a table"),
        pytest.param(
            "[subscribers]\ncount = -1",
            "{file}: subscribers.count must be between 0 and 100,000 subscribers, not -1.",
            id="below the range",
        ),
        pytest.param(
            "[run]\nduration_s = inf", "{file}: run.duration_s must be an ordinary number, not inf.", id="infinite"
        ),
        pytest.param("[run]\nquiet_s = nan", "{file}: run.quiet_s must be an ordinary number, not nan.", id="nan"),
        pytest.param(
            '[run]\nduration_s = "15 s"',
            '{file}: run.duration_s must be a number of seconds, not the text "15 s".',
            id="wrong unit",
        ),
        pytest.param(
            "[run]\nduration_ms = 1", "{file}: unknown key run.duration_ms (did you mean duration_s?).", id="other unit"
        ),
        pytest.param(
            '[expect]\nrun = ["deliveries.lots == 0"]',
            '{file}: expect.run[1] "deliveries.lots == 0" asks for deliveries.lots, which there is not; did you mean '
            "deliveries.lost?",
            id="no such figure",
        ),
        pytest.param(
            '[expect]\nrun = ["latency_s.last.p99 < 1"]',
            '{file}: expect.run[1] "latency_s.last.p99 < 1" asks for latency_s.last.p99, which there is not; did '
            "you mean "
            "latency_ms.last.p99?",
            id="a figure in another unit",
        ),
        pytest.param(
            '[expect]\nspike = ["deliveries.lost == 0"]',
            "{file}: unknown key expect.spike (known here: run, steady).",
            id="expectation of a phase that is not there",
        ),
        pytest.param(
            '[[phases]]\nname = "x"\nduration_s = 1\n[expect]\nx = ["connections.peak > 0"]',
            '{file}: expect.x[1] "connections.peak > 0" asks for connections.peak of a phase, and it is only '
            "known of the "
            "run; put it under `run`.",
            id="figure of a phase that is only known of the run",
        ),
        pytest.param(
            '[expect]\nrun = ["groups.slow.deliveries.lost == 0"]',
            '{file}: expect.run[1] "groups.slow.deliveries.lost == 0" names the group slow, and there is viewer.',
            id="no such group",
        ),
        pytest.param(
            "[[phases]]\nduration_s = 1",
            '{file}: phases[1].name is missing; give the phase one, such as "steady".',
            id="phase without a name",
        ),
        pytest.param(
            '[[phases]]\nname = "run"\nduration_s = 1',
            '{file}: phases[1].name "run" has a meaning of its own; choose another.',
            id="phase with a taken name",
        ),
        pytest.param(
            '[[phases]]\nname = "x"',
            "{file}: phases[1].duration_s is missing; say how many seconds the phase lasts.",
            id="phase without an end",
        ),
        pytest.param(
            '[[phases]]\nname = "x"\nduration_s = 1\nrate_per_s = 0',
            "{file}: phases have a rate of 0 throughout, so that nothing would be published; raise one.",
            id="a rate of nothing",
        ),
        pytest.param(
            '[vendors]\ncount = 2\n[[phases]]\nname = "x"\nduration_s = 1\nrate_per_s = 5000',
            "{file}: phases[1].rate_per_s asks for 5000 updates per second of 2 vendors, who can say 1000 at "
            "most; lower "
            "it or raise vendors.count.",
            id="an impossible rate",
        ),
        pytest.param(
            "[vendors]\ncount = 10000\nping_interval_s = 0.01",
            "{file}: vendors.ping_interval_s makes 1,000,000 updates per second (10000 vendors at 1×), and "
            "10,000 are the "
            "most; raise it or lower vendors.speed.",
            id="an impossible beat",
        ),
        pytest.param(
            '[vendors]\nsource = "schedule"\n[[phases]]\nname = "x"\nrate_per_s = 5',
            "{file}: phases[1].rate_per_s has no use with a schedule, which says itself when updates are due; leave it "
            "out.",
            id="rate of a schedule",
        ),
        pytest.param(
            "[[subscribers]]\ncount = 1\n[[subscribers]]\ncount = 2",
            '{file}: subscribers[2].name "viewer" is taken by another group; give each one a name of its own.',
            id="two groups of one name",
        ),
        pytest.param(
            '[[faults]]\nkind = "viewer_reset"\ntarget = "trains"',
            '{file}: faults[1].target names the group "trains", and there is viewer.',
            id="fault of a group that is not there",
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
            "{file}: run.duration_s has no use with phases, a schedule or tracks, which say how long they last; "
            "leave it "
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
            '{file}: unknown key "\\x1b[2J" (known here: expect, extends, faults, name, phases, question, run, '
            "seed, short, "
            "stack, subscribers, vendors).",
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
        pytest.param(".", ". is a folder; give the path of a scenario's .toml file.", id="folder"),
        pytest.param("x" * 5_000, "There is no scenario called xxx", id="a name that no file can have"),
        pytest.param("a\0b.toml", "There is no scenario file a\\x00b.toml", id="a name with a zero character"),
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
    scenario = read_scenario(file)
    assert scenario.name == name
    assert scenario.question != "No question."
    assert file.read_text(encoding="utf-8").startswith(f"#:schema {SCHEMA_FILE}\n# ")
    assert f"| `{name}` | {scenario.question.split('?')[0]}" in (ROOT / "scenarios" / "README.md").read_text("utf-8")
    scenario.overridden(short=True)


def test_options_take_the_place_of_the_files_values() -> None:
    changed = Scenario("s").overridden(seed=9, speed=2, subscribers=3, duration_s=4)
    assert changed == Scenario(
        "s", seed=9, vendors=MadeVendors(speed=2.0), groups=(Group(count=3),), run=RunSettings(duration_s=4.0)
    )
    assert Scenario("s").overridden() == Scenario("s")


def test_a_duration_stretches_phases_and_faults_alike(tmp_path: Path) -> None:
    text = (
        '[[phases]]\nname = "a"\nduration_s = 10\n[[phases]]\nname = "b"\nduration_s = 30\n'
        '[[faults]]\nkind = "viewer_freeze"\nstart_s = 20\nduration_s = 4'
    )
    scenario = read_scenario(written(tmp_path, text)).overridden(duration_s=20)
    assert [phase.duration_s for phase in scenario.phases] == [5.0, 15.0]
    assert [(fault.start_s, fault.duration_s) for fault in scenario.faults] == [(10.0, 2.0)]


def test_the_crowd_and_the_rate_have_scales_of_their_own() -> None:
    scenario = Scenario("s", phases=(Phase("a", 10.0, 4.0, 8.0), Phase("b", 10.0)), groups=(Group(count=200),))
    changed = scenario.overridden(scale=0.1, rate_scale=0.5)
    assert [group.count for group in changed.groups] == [20]
    assert changed.phases == (Phase("a", 10.0, 2.0, 4.0), Phase("b", 10.0))
    assert scenario.pace is not None
    assert changed.pace is not None
    assert changed.pace.updates == pytest.approx(scenario.pace.updates / 2)


def test_the_short_version_is_the_scenarios_own_and_options_go_before_it() -> None:
    scenario = Scenario("s", short=Short(scale=0.5, duration_s=3.0, rate_scale=0.5))
    assert scenario.overridden(short=True, duration_s=9) == Scenario(
        "s",
        groups=(scaled(Group(), 0.5),),
        run=RunSettings(duration_s=9.0),
        vendors=MadeVendors(ping_interval_s=2.0),
        short=scenario.short,
    )


def test_a_schedule_can_be_named_on_the_command_line() -> None:
    changed = Scenario("s", vendors=ScheduledVendors()).overridden(schedule=Path("x.csv"), speed=60)
    assert changed.vendors == ScheduledVendors(schedule=Path("x.csv"), speed=60.0)


@pytest.mark.parametrize(
    ("scenario", "options", "sentence"),
    [
        (Scenario("s"), {"schedule": Path("x")}, "--schedule has no use in scenario s"),
        (Scenario("s", vendors=ScheduledVendors()), {"duration_s": 3}, "--duration has no use in scenario s"),
        (Scenario("s", vendors=ScheduledVendors()), {"rate_scale": 3}, "--rate-scale has no use in scenario s"),
        (Scenario("s", groups=(Group(), Group("b"))), {"subscribers": 3}, "--subscribers has no use in scenario s"),
        (Scenario("s"), {"speed": 0}, "--speed must be between 0.001 and 100,000, not 0."),
        (Scenario("s"), {"seed": -1}, "--seed must be between 0"),
        (Scenario("s"), {"scale": 0}, "--scale must be between"),
        (Scenario("s"), {"duration_s": float("nan")}, "--duration must be between"),
    ],
)
def test_options_that_mean_nothing_here_are_refused(
    scenario: Scenario, options: dict[str, object], sentence: str
) -> None:
    with pytest.raises(InputError) as refused:
        scenario.overridden(**options)  # type: ignore[arg-type]
    assert str(refused.value).startswith(sentence)


def test_the_reference_in_the_readme_and_the_schema_are_those_of_the_parser() -> None:
    """`python -m simulator.load.language_reference` writes both."""
    readme = (ROOT / "scenarios" / "README.md").read_text(encoding="utf-8")
    assert readme.partition(BEGIN)[2].strip() == reference().strip()
    assert json.loads((ROOT / "scenarios" / SCHEMA_FILE).read_text(encoding="utf-8")) == scenario_schema()


@pytest.mark.parametrize("name", sorted(library_scenarios()))
def test_the_schema_takes_what_the_parser_takes(name: str) -> None:
    schema = scenario_schema()
    Draft202012Validator.check_schema(schema)
    document = tomllib.loads(library_scenarios()[name].read_text(encoding="utf-8"))
    Draft202012Validator(schema).validate(document)


@pytest.mark.parametrize(
    "document",
    [
        {"sede": 1},
        {"run": {"duration": 1}},
        {"run": {"duration_s": "15 s"}},
        {"vendors": {"source": "schedule", "count": 3}},
        {"subscribers": [{"kind": "nobody"}]},
        {"faults": [{"kind": "nothing"}]},
        {"faults": [{"kind": "viewer_reset", "duration_s": 3}]},
        {"expect": {"run": [4]}},
    ],
    ids=json.dumps,
)
def test_the_schema_refuses_what_the_parser_refuses(document: dict[str, object]) -> None:
    assert not Draft202012Validator(scenario_schema()).is_valid(document)


def test_check_names_every_bad_file_and_passes_the_good_ones(tmp_path: Path) -> None:
    bad = written(tmp_path, "sede = 1")
    tracks = written(tmp_path, '[vendors]\nsource = "tracks"\nfiles = "gone.gpx"', "tracks.toml")
    result = CliRunner().invoke(cli, ["scenarios", "check", str(bad), "quickstart", str(tracks)], standalone_mode=False)
    assert result.return_value == 2
    assert result.stderr.splitlines() == [
        f"{bad}: unknown key sede (did you mean seed?).",
        "quickstart: fine",
        f"{tracks}: vendors.files[1]: There is no track file {tmp_path / 'gone.gpx'}; check the path.",
    ]


def test_show_prints_a_scenario_with_every_default() -> None:
    result = CliRunner().invoke(cli, ["scenarios", "show", "quickstart"])
    document = json.loads(result.stdout)
    assert document["vendors"]["count"] == 25
    assert document["subscribers"][0]["connect_concurrency"] == 10


@pytest.mark.parametrize("words", [["list"], ["list", "--json"], ["schema"], ["metrics"], ["metrics", "--json"]])
def test_the_language_can_be_looked_at(words: list[str]) -> None:
    result = CliRunner().invoke(cli, ["scenarios", *words])
    assert result.exit_code == 0
    assert result.stdout
