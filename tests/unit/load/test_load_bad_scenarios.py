"""Whatever is wrong with a scenario: one sentence with file, key and remedy, before anything starts, and status 2."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from simulator import cli as command_line
from simulator.errors import InputError
from simulator.load.json_schema import scenario_schema
from simulator.load.prepare import prepare
from simulator.load.scenario import Scenario, read_scenario

BAD = {
    # The file's text, and the sentence; `{file}` is the scenario, `{here}` its folder.
    "unknown key": ("[vendors]\ncuont = 3", "{file}: unknown key vendors.cuont (did you mean count?)."),
    "unknown table": ("[vendor]\ncount = 3", "{file}: unknown key vendor (did you mean vendors?)."),
    "unit in the value": (
        '[run]\nduration_s = "15 s"',
        '{file}: run.duration_s must be a number of seconds, not the text "15 s".',
    ),
    "another unit": ("[run]\nduration_ms = 1", "{file}: unknown key run.duration_ms (did you mean duration_s?)."),
    "impossible rate": (
        '[vendors]\ncount = 1\n[[phases]]\nname = "rush"\nduration_s = 5\nrate_per_s = 900',
        "{file}: phases[1].rate_per_s asks for 900 updates per second of 1 vendors, who can say 500 at most; lower",
    ),
    "negative": ("[vendors]\ncount = -1", "{file}: vendors.count must be between 1 and 10,000 vendors, not -1."),
    "not a number": ("[run]\nquiet_s = nan", "{file}: run.quiet_s must be an ordinary number, not nan."),
    "infinite": ("[run]\nquiet_s = -inf", "{file}: run.quiet_s must be an ordinary number, not -inf."),
    "huge": (
        f"[run]\nquiet_s = 1{'0' * 400}",
        f"{{file}}: run.quiet_s must be between 0.1 and 600 seconds, not 10{',000' * 14},….",
    ),
    "a whole number that Python will not read": (
        f"seed = 1{'0' * 5_000}",
        "The scenario file {file} cannot be read (Exceeds the limit (4300 digits) for integer string conversion",
    ),
    "a key twice": ("seed = 1\nseed = 2\n", "{file}, line 2: seed stands there for the second time; remove one of the"),
    "a table twice": ("[run]\n\n[run]\nquiet_s = 1", "{file}, line 3: [run] stands there for the second time; remove"),
    "not TOML": ("seed = ", "The scenario file {file} is not valid TOML: Invalid value (at end of document)."),
    "not UTF-8": (b'name = "caf\xe9"', "The scenario file {file} is not UTF-8 text (byte 11); save it as UTF-8."),
    "nested deeply": (
        f"x = {'[' * 3_000}{']' * 3_000}",
        "The scenario file {file} is nested too deeply; write it more simply.",
    ),
    "too large": (
        b"#" * 1_100_000,
        "The scenario file {file} has 1,100,000 bytes, and 1,048,576 are the most; is it a",
    ),
    "an empty key": ('"" = 3', '{file}: unknown key "" (known here: '),
    "a circle": ('extends = "bad.toml"', "{file}: extends goes round in a circle, or more than 8 deep; leave one out."),
    "extends nothing": (
        'extends = "gone"',
        "{file}: extends names gone, which is neither a file beside it nor a scenario of the library; check the name.",
    ),
    "extends what cannot be a file": (f'extends = "{"x" * 5_000}"', "{file}: extends names xxx"),
    "extends a bad one": ('extends = "base.toml"', "{here}/base.toml: unknown key sede (did you mean seed?)."),
    "extends no TOML": ('extends = "broken.toml"', "The scenario file {here}/broken.toml is not valid TOML: "),
    "no such figure": (
        '[expect]\nrun = ["deliveries.lots == 0"]',
        '{file}: expect.run[1] "deliveries.lots == 0" asks for deliveries.lots, which there is not; did you mean',
    ),
    "no comparison": (
        '[expect]\nrun = ["deliveries.lost = 0"]',
        '{file}: expect.run[1] "deliveries.lost = 0" is no comparison; write it like `deliveries.lost == 0`.',
    ),
    "code for an expectation": (
        """[expect]\nrun = ["__import__('os').getpid() > 0"]""",
        """{file}: expect.run[1] "__import__('os').getpid() > 0" may only have figures, numbers, + - * / and""",
    ),
    "a zero character in a path": (
        '[vendors]\nsource = "tracks"\nfiles = "a\\u0000.gpx"',
        "{file}: vendors.files must be the path of a file, which has no zero character in it.",
    ),
    "no such track": (
        '[vendors]\nsource = "tracks"\nfiles = ["gone.gpx"]',
        "{file}: vendors.files[1]: There is no track file {here}/gone.gpx; check the path.",
    ),
    "a folder of tracks": (
        '[vendors]\nsource = "tracks"\nfiles = ["."]',
        "{file}: vendors.files[1]: {here} is no track file; give one that ends in .gpx, ",
    ),
    "no tracks": (
        '[vendors]\nsource = "tracks"',
        "{file}: vendors.files is missing; name GPX, GeoJSON or NDJSON files.",
    ),
    "no such schedule": (
        '[vendors]\nsource = "schedule"\nschedule = "gone.csv"',
        "The schedule {here}/gone.csv cannot be read (No such file or directory); give the path of a schedule",
    ),
    "a crowd": (
        '[[subscribers]]\narrival = "poisson"\narrivals_per_s = 1000\n[run]\nduration_s = 604800',
        "{file}: More than 100,000 subscribers would come in 604800 s; lower `count` or `arrivals_per_s`.",
    ),
    "nobody": (
        "[subscribers]\ncount = 0",
        "{file}: Nobody would come: every group of subscribers is empty; give one of",
    ),
    "no such template": (
        '[stack]\ntemplate = "gone.yaml"',
        "{file}: stack.template: {here}/gone.yaml: there is no such file; give the path of a template.",
    ),
    "no such parameter": ("[stack.parameters]\nNope = 3", "{file}: stack.parameters.Nope: "),
    "no such setting": (
        '[stack.settings]\n"gateway.nope" = 3',
        "{file}: stack.settings: 'gateway.nope=3': there is no setting gateway.nope; `tracker-sim settings` lists them",
    ),
    "a setting of another type": (
        '[stack.settings]\n"gateway.clock_speed" = "fast"',
        "{file}: stack.settings: gateway.clock_speed=fast: write a number.",
    ),
    "no such fault": ('[[faults]]\nkind = "viewer_rest"', '{file}: faults[1].kind must be one of "'),
    "a fault that is too likely": (
        '[[faults]]\nkind = "viewer_reset"\nprobability = 2',
        "{file}: faults[1].probability must be between 0 and 1, not 2.",
    ),
    "a list that is none": ("faults = 3", "{file}: faults must be a list, not a whole number (3)."),
    "a date": ("seed = 2020-01-01", "{file}: seed must be a whole number, not a date."),
}


def played(monkeypatch, *words: str) -> int:
    """The exit status of the command."""
    monkeypatch.setattr(sys, "argv", ["tracker-sim", *words])
    with pytest.raises(SystemExit) as left:
        command_line.main()
    assert isinstance(left.value.code, int)
    return left.value.code


@pytest.mark.parametrize("case", BAD)
def test_a_bad_scenario_is_one_sentence_and_exit_status_2(tmp_path, monkeypatch, capfd, case):
    text, sentence = BAD[case]
    file = tmp_path / "bad.toml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    (tmp_path / "base.toml").write_text("sede = 1")
    (tmp_path / "broken.toml").write_text("sede = ")
    assert played(monkeypatch, "run", str(file), "--results", str(tmp_path / "results")) == 2
    said = capfd.readouterr()
    assert said.err.startswith("Error: " + sentence.replace("{file}", str(file)).replace("{here}", str(tmp_path)))
    assert said.err.count("\n") == 1
    assert said.err.endswith((".\n", "?\n"))
    assert said.out == ""
    assert not (tmp_path / "results").exists()
    assert played(monkeypatch, "scenarios", "check", str(file)) == 2
    assert capfd.readouterr().err == said.err.removeprefix("Error: ")


def test_what_is_no_file_is_told_so(tmp_path, monkeypatch, capfd):
    assert played(monkeypatch, "run", str(tmp_path)) == 2
    assert capfd.readouterr().err == f"Error: {tmp_path} is a folder; give the path of a scenario's .toml file.\n"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="a pipe with a name is POSIX")
def test_a_pipe_is_refused_rather_than_waited_for(tmp_path, monkeypatch, capfd):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert played(monkeypatch, "run", str(pipe)) == 2
    assert (
        capfd.readouterr().err == f"Error: {pipe} is not an ordinary file; give the path of a scenario's .toml file.\n"
    )
    with pytest.raises(InputError, match="is not an ordinary file"):
        read_scenario(pipe)
    replayed = tmp_path / "x.toml"
    replayed.write_text('[vendors]\nsource = "schedule"\nschedule = "pipe"')
    with pytest.raises(InputError, match=r"The schedule .*pipe is not an ordinary file"):
        prepare(read_scenario(replayed))


def toml(value: object) -> str:
    """A value as TOML, on one line."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        case dict():
            return "{" + ", ".join(f"{toml(str(name))} = {toml(each)}" for name, each in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(toml, value)) + "]"
        case _:
            return repr(value)


def words_of(schema: object) -> set[str]:
    """Every key and every word that the language has."""
    found: set[str] = set()
    if isinstance(schema, dict):
        found |= set(schema.get("properties", ())) | {each for each in schema.get("enum", ()) if isinstance(each, str)}
        for each in schema.values():
            found |= words_of(each)
    elif isinstance(schema, list):
        for each in schema:
            found |= words_of(each)
    return found


WORDS = sorted(words_of(scenario_schema()))
TABLES = ["stack", "vendors", "subscribers", "phases", "run", "faults", "expect", "short"]
SCALARS = (
    st.sampled_from(WORDS)
    | st.text(max_size=12)
    | st.booleans()
    | st.integers()
    | st.integers(0, 20)
    | st.floats()
    | st.floats(0, 5)
    | st.sampled_from(["deliveries.lost == 0", "latency_ms.last.p99 / 0 < 1e999", "1 < 2", "12:30", "Friday", 10**400])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS) | st.text(), inner, max_size=4),
    max_leaves=8,
)
DOCUMENTS = st.dictionaries(
    st.sampled_from([*TABLES, "name", "seed", "question", "extends"]) | st.text(), VALUES, max_size=5
)


def a_scenario_or_one_sentence(file: Path) -> None:
    try:
        scenario = read_scenario(file, library={})
    except InputError as refused:
        said = str(refused)
    else:
        assert isinstance(scenario, Scenario)
        json.dumps(scenario.to_json())
        return
    assert str(file) in said
    assert "\n" not in said
    assert len(said) < 2_000


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(DOCUMENTS)
@example({"run": {"duration_s": 10**400}})
def test_any_document_is_a_scenario_or_one_sentence(tmp_path, document):
    file = tmp_path / "any.toml"
    file.write_text("".join(f"{toml(name)} = {toml(value)}\n" for name, value in document.items()), encoding="utf-8")
    a_scenario_or_one_sentence(file)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")))
@example(b"a.b=1\na.b.c=2")
@example(b"x=[{a=1}]\n[[x]]\n[x.a]")
def test_any_bytes_are_a_scenario_or_one_sentence(tmp_path, content):
    file = tmp_path / "any.toml"
    file.write_bytes(content)
    a_scenario_or_one_sentence(file)
