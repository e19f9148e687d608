"""compare.py: files in, a table and an exit status out."""

import json

import pytest

import compare
from instruments.results import Group, Run


@pytest.fixture
def save(tmp_path):
    """Write a run in which ours takes so many microseconds and the reference ten."""

    def save(name, ours_us):
        group = Group("a group", test="benchmarks/test_bench_fanout.py")
        group.add("ours", "ours", "cpu", ours_us, unit="µs", better="lower")
        group.add("boto3", "reference", "cpu", 10.0, unit="µs", better="lower")
        group.set_against("cpu", "ours", "boto3", tolerance=0.2)
        path = tmp_path / name
        path.write_text(json.dumps(Run({"fanout": group}, {"began": "2024-03-12"}).to_json()))
        return str(path)

    return save


@pytest.mark.parametrize(
    ("now_us", "again_us", "status", "word"),
    [
        pytest.param(1.1, 1.0, 0, "None of 1 ratios has regressed", id="within the tolerance"),
        pytest.param(1.5, 1.5, 1, "REGRESSED", id="worse twice"),
        pytest.param(1.5, 1.0, 0, "not confirmed", id="worse once"),
    ],
)
def test_the_exit_status_is_1_for_what_two_runs_say(save, capsys, tmp_path, now_us, again_us, status, word):
    summary = tmp_path / "summary.md"
    arguments = [
        save("now.json", now_us),
        "--baseline",
        save("base.json", 1.0),
        "--again",
        save("again.json", again_us),
    ]
    assert compare.main([*arguments, "--markdown", str(summary)]) == status
    assert word in capsys.readouterr().out
    assert "| fanout | ours × boto3: cpu | 10.0 |" in summary.read_text()


def test_accepting_makes_the_results_the_baseline(save, tmp_path):
    results, baseline = save("now.json", 3.0), tmp_path / "baseline.json"
    assert compare.main([results, "--baseline", str(baseline), "--accept"]) == 0
    assert json.loads(baseline.read_text()) == json.loads((tmp_path / "now.json").read_text())


@pytest.mark.parametrize(
    "text", [None, "{", "[]", '{"version": 0}', '{"version": 1}', '{"version": 1, "groups": {"a": 1}}']
)
def test_a_file_that_holds_no_results_is_refused_with_one_sentence(tmp_path, capsys, text):
    path = tmp_path / "results.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(SystemExit) as ended:
        compare.main([str(path)])
    assert ended.value.code == 2
    [sentence] = capsys.readouterr().err.splitlines()
    assert str(path) in sentence
