"""Reports over saved results: what they say, what they refuse, and that the texts of a run stay texts."""

from __future__ import annotations

import json
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner

from simulator.cli import cli
from simulator.errors import InputError
from simulator.load.raw_results import Second, VendorTrack
from simulator.report import html_page, json_document, junit, markdown, plain_comparison, read_run
from simulator.report.curve import percentile_curve
from simulator.report.timeline import timeline
from simulator.report.vendor_map import GRID, vendor_map

DATA = re.compile(r'<script type="application/json" id="data">(.*?)</script>', re.DOTALL)


def test_the_page_carries_everything_and_asks_nobody(tmp_path, make):
    page = html_page([read_run(make(tmp_path))])
    assert "default-src &#39;none&#39;; script-src &#39;sha256-" in page
    assert re.findall(r'(?:src|href)="(?!#|data:,)([^"]*)"', page) == []
    data = json.loads(DATA.search(page)[1])
    assert {each["name"] for each in data["charts"]} == {
        "curve-all",
        "curve-last",
        "latency",
        "updates",
        "deliveries",
        "losses",
        "queue",
        "invocations",
        "concurrency",
        "connections",
        "lag",
    }
    assert [span["kind"] for span in data["runs"][0]["spans"]] == ["phase", "fault"]
    assert len(data["maps"][0]["vendors"]) == 3


def test_hostile_texts_stay_texts_on_the_page(tmp_path, make):
    page = html_page([read_run(make(tmp_path))])
    assert "<script>alert" not in page
    assert "<b>anything" not in page
    assert "\u202e" not in page
    assert "\x1b" not in page
    # Ours: the data, the library and the page's own.
    assert len(re.findall(r"<script", DATA.sub("", page))) == 2
    assert not set("<>&") & set(DATA.search(page)[1])


def test_hostile_texts_stay_texts_in_markdown(tmp_path, make):
    text = markdown([read_run(make(tmp_path))])
    assert "<script" not in text
    assert "[a](b)" not in text
    assert "@me" not in text
    assert "\u202e" not in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in rows} == {3, 5}


def test_junit_has_a_case_for_each_expectation_and_one_for_the_run(tmp_path, make):
    top = ET.fromstring(junit([read_run(make(tmp_path)), read_run(make(tmp_path, lost=0))]))
    failed, other = top
    assert (failed.get("tests"), failed.get("failures"), failed.get("errors")) == ("3", "2", "0")
    assert [(case.get("name"), len(case)) for case in failed.iter("testcase")] == [
        ("the run came to its end", 0),
        ("deliveries.lost == 0", 1),
        ("steady: latency_ms.last.p99 < 500", 1),
    ]
    assert failed.find(".//failure").get("message") == "deliveries.lost == 0 does not hold: found 2"
    assert other.get("failures") == "1"


WHOLE, TIME, MOMENT, WORDS = r"\d+", r"\d+(\.\d+)?", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", r"(?s)\S(.*\S)?"
JUNIT = {
    # What Ant's schema and Jenkins's both take: each element's children in order (`*`: any number, `|`: one of them, or
    # none), and its attributes with what they may be. All of these attributes are required by one of the two.
    "testsuites": (["testsuite*"], {}),
    "testsuite": (
        ["properties", "testcase*", "system-out", "system-err"],
        dict.fromkeys(("tests", "failures", "errors", "skipped", "id"), WHOLE)
        | {"time": TIME, "timestamp": MOMENT, "name": WORDS, "hostname": WORDS, "package": WORDS},
    ),
    "properties": (["property*"], {}),
    "property": ([], {"name": WORDS, "value": "(?s).*"}),
    "testcase": (["error|failure"], {"name": WORDS, "classname": WORDS, "time": TIME}),
    "error": ([], {"message": "(?s).*", "type": WORDS}),
    "failure": ([], {"message": "(?s).*", "type": WORDS}),
    "system-out": ([], {}),
    "system-err": ([], {}),
}


def conforms(element):
    """The element and all below it are as the schemas want them."""
    children, attributes = JUNIT[element.tag]
    assert set(element.attrib) == set(attributes), element.tag
    for name, value in element.attrib.items():
        assert re.fullmatch(attributes[name], value), (element.tag, name, value)
    order = "".join(f"({each.removesuffix('*')} )*" if each[-1] == "*" else f"(({each}) )?" for each in children)
    assert re.fullmatch(order, "".join(f"{child.tag} " for child in element)), element.tag
    for child in element:
        conforms(child)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"lost": 0},
        {"partial": True, "passed": False, "failures": []},
        {"passed": False, "failures": ["It \x1b broke."]},
    ],
)
def test_junit_conforms_to_both_schemas_that_are_in_use(tmp_path, make, changes):
    top = ET.fromstring(junit([read_run(make(tmp_path, **changes)), read_run(make(tmp_path))]))
    assert top.tag == "testsuites"
    conforms(top)
    for suite in top:
        assert int(suite.get("tests")) == len(suite.findall("testcase"))
        for kind in ("failure", "error"):
            assert int(suite.get(f"{kind}s")) == len(suite.findall(f"testcase/{kind}"))


def test_a_run_that_was_stopped_is_an_error_in_junit(tmp_path, make):
    (suite,) = ET.fromstring(
        junit([read_run(make(tmp_path, partial=True, passed=False, failures=["It was stopped."]))])
    )
    assert suite.find(".//error").get("message") == "It was stopped."


def test_a_comparison_tells_what_cannot_be_compared(tmp_path, make):
    runs = [read_run(make(tmp_path)), read_run(make(tmp_path, seed=8, lost=0))]
    assert json_document(runs)["not_comparable"] == [
        "A and B are not comparable: A has seed 7, B 8, so vendors moved otherwise."
    ]
    lost = next(each for each in json_document(runs)["figures"] if each["path"] == "deliveries.lost")
    assert (lost["values"], lost["differences"], lost["judged"]) == ([2, 0], [-2], ["better"])
    assert "not comparable: A has seed 7" in plain_comparison(runs)
    assert "not comparable" in html_page(runs)


def test_the_same_run_twice_is_comparable(tmp_path, make):
    run = read_run(make(tmp_path))
    assert json_document([run, run])["not_comparable"] == []


def test_the_curve_ends_with_the_maximum_at_what_the_samples_can_tell(tmp_path, make):
    run = read_run(make(tmp_path))
    latencies = run.distribution("all").latencies
    curve = percentile_curve(latencies)
    assert curve[-1] == (pytest.approx(1.778, abs=0.001), latencies.max_us / 1000)
    assert [ms for _, ms in curve] == sorted(ms for _, ms in curve)


def test_a_long_series_keeps_its_worst_and_its_rates():
    series = [Second(at_s, "steady", deliveries=10, latency_max_ms=float(at_s == 7)) for at_s in range(100)]
    thin = timeline(series, {}, most_points=10)
    assert (thin.step_s, len(thin.times_s)) == (10, 10)
    assert thin.columns["latency_max_ms"][0] == 1.0
    assert set(thin.columns["deliveries"]) == {10}
    assert not thin.has("queued")


def test_the_map_is_true_to_scale_and_keeps_first_and_last():
    tracks = [VendorTrack("1", "a", [(float(n), 37.7 + n / 10_000, -122.4) for n in range(1000)])]
    made = vendor_map(tracks, most_points=10)
    (path,) = made.paths
    assert len(path.points) == 10
    metres = (path.points[-1][1] - path.points[0][1]) * made.m_per_step
    assert metres == pytest.approx(0.0999 * 111_195, rel=0.001)
    assert max(made.width, made.height) == GRID


def test_positions_that_are_none_are_left_out():
    assert vendor_map([VendorTrack("1", "a", [(0.0, float("nan"), 0.0), (1.0, 99.0, 0.0)])]) is None


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda folder: (folder / "run.json").unlink(), "is not whole: it has no run.json"),
        (
            lambda folder: (folder / "series.csv").write_bytes((folder / "series.csv").read_bytes()[:-3]),
            r"series.csv cannot be read \(it ends in the middle of line 21\)",
        ),
        (lambda folder: (folder / "histograms.json").write_text('[{"of": 1}]'), "histograms.json cannot be read"),
        (lambda folder: change(folder, lambda run: run.update(format=2)), "has format 2 and this version reads 1"),
        (lambda folder: change(folder, lambda run: run.pop("verdict")), "is not as a run leaves it.*run the scenario"),
    ],
    ids=["half-written", "truncated", "histograms", "newer", "run.json"],
)
def test_bad_results_are_one_sentence_with_the_file_and_the_remedy(tmp_path, make, spoil, sentence):
    folder = make(tmp_path)
    spoil(folder)
    with pytest.raises(InputError, match=sentence):
        read_run(folder)


def change(folder: Path, how) -> None:
    run = json.loads((folder / "run.json").read_text())
    how(run)
    (folder / "run.json").write_text(json.dumps(run))


def test_one_command_writes_the_page_and_the_xml_and_prints_markdown(tmp_path, make):
    folder = make(tmp_path)
    arguments = ["report", str(folder), "--html", str(tmp_path / "a.html"), "--junit", str(tmp_path / "a.xml")]
    result = CliRunner().invoke(cli, [*arguments, "--markdown"])
    assert result.exit_code == 0
    assert "❌ failed" in result.stdout
    assert (tmp_path / "a.html").stat().st_size < 1_200_000
    assert ET.parse(tmp_path / "a.xml").getroot().tag == "testsuites"


def test_the_page_of_a_large_city_stays_small(tmp_path, make):
    page = html_page([read_run(make(tmp_path, vendors=2_000, seconds=240, ping_s=30))])
    assert len(page.encode()) < 2_500_000
    assert page.count("<tr>") < 1_500


def test_stdout_takes_one_format(tmp_path, make):
    result = CliRunner().invoke(cli, ["report", str(make(tmp_path)), "--markdown", "--json"])
    assert isinstance(result.exception, InputError)
