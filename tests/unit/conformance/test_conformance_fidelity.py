"""The published table claims no more than the suite's result and the hand-kept words allow."""

import json

import pytest

import fidelity

CONTRACT = """
## 1. Handshake
| ID | Must reproduce | Source | C |
|---|---|---|---|
| H01 | The URL has a stage; a slash is optional. | DG | D |
| H02 | Nobody knows. | – | I |
## 2. Messages
| M01 | Selects `a; b` by `$request.body.action`, exactly; and more. | DG | D/O |
## 9. Wishes
| U01 | Anything at all | somewhere | O |
"""
ROWS = fidelity.read_contract(CONTRACT)


def results(mode="workers", **tests):
    """Every keyword is a test: its rows, and its outcome or the reason why it was skipped."""
    return {
        "mode": mode,
        "tests": {
            f"test_file.py::test_{name}": {
                "rows": rows,
                "outcomes": {outcome if outcome in ("passed", "failed") else "skipped": 1},
                "reason": "" if outcome in ("passed", "failed") else outcome,
            }
            for name, (rows, outcome) in tests.items()
        },
    }


ALL = {"one": (["H01"], "passed"), "two": (["H02"], "passed"), "three": (["M01"], "passed")}


def judged(workers=None, in_process=None, words=None):
    workers = {**ALL, **(workers or {})}
    return fidelity.judge(
        ROWS,
        results(**workers),
        results("in process", **(workers if in_process is None else in_process)),
        words or {},
        {"H02": ("gateway.guess",)},
    )


def problems_of(**arguments):
    with pytest.raises(fidelity.FidelityError) as caught:
        judged(**arguments)
    return caught.value.args


def test_the_rows_of_sections_one_to_eight_are_read_with_their_marks():
    assert [(row.id, row.mark, row.section) for row in ROWS] == [
        ("H01", "D", "1. Handshake"),
        ("H02", "I", "1. Handshake"),
        ("M01", "D/O", "2. Messages"),
    ]


def test_a_row_is_shortened_at_the_end_of_a_sentence_but_never_inside_code():
    assert [row.short for row in ROWS] == [
        "The URL has a stage",
        "Nobody knows",
        "Selects `a; b` by `$request.body.action`, exactly",
    ]


def test_a_long_row_is_cut_between_words_and_before_code_that_does_not_fit():
    row = fidelity.Row("X01", "word " * 22 + "`code that goes on and on and on`", "D", "")
    assert row.short == "word " * 22 + "…"


def test_a_row_with_a_test_that_passed_is_same_and_an_inferred_one_is_assumed():
    entries = judged()
    assert [(entry.verdict, entry.tests, entry.settings) for entry in entries] == [
        ("same", ("test_file.py::test_one",), ()),
        ("assumed", ("test_file.py::test_two",), ("gateway.guess",)),
        ("same", ("test_file.py::test_three",), ()),
    ]


def test_a_test_may_prove_several_rows_and_a_row_have_several_tests():
    entries = judged(workers={"two": (["H01", "H02"], "passed")})
    assert entries[0].tests == ("test_file.py::test_one", "test_file.py::test_two")


def test_why_a_test_does_not_hold_in_process_is_told():
    entries = judged(in_process={**ALL, "three": (["M01"], "handlers run one at a time")})
    assert entries[2].in_process == ("handlers run one at a time",)
    assert "handlers run one at a time |" in fidelity.render(entries)


def test_a_simplified_row_says_why_and_may_have_tests():
    entry = judged(words={"simplified": {"H01": "no custom domains"}})[0]
    assert (entry.verdict, entry.why, entry.tests) == ("simplified", "no custom domains", ("test_file.py::test_one",))


@pytest.mark.parametrize("outcome", ["failed", "not today"], ids=["failed", "skipped"])
def test_a_row_whose_test_did_not_pass_is_not_same(outcome):
    assert any("H01 has no test that passes" in each for each in problems_of(workers={"one": (["H01"], outcome)}))


def test_a_test_with_one_failed_case_of_many_did_not_pass():
    workers, in_process = results(**ALL), results("in process", **ALL)
    workers["tests"]["test_file.py::test_one"]["outcomes"] = {"passed": 5, "failed": 1}
    with pytest.raises(fidelity.FidelityError, match="H01 has no test that passes"):
        fidelity.judge(ROWS, workers, in_process, {}, {})


def test_an_absent_row_must_not_have_a_test_that_passes():
    assert problems_of(words={"absent": {"H01": "never"}}) == (
        "H01 is absent in fidelity.toml, but test_file.py::test_one passes; take it out there.",
    )


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        pytest.param({"workers": {"four": (["X99"], "passed")}}, "names the row X99", id="test of an unknown row"),
        pytest.param({"words": {"absent": {"X99": "?"}}}, "names the row X99", id="word on an unknown row"),
        pytest.param({"words": {"abcent": {}}}, "has a table 'abcent'", id="unknown table"),
        pytest.param({"in_process": {}}, "is missing in the result of the in-process mode", id="half a run"),
        pytest.param(
            {"in_process": {**ALL, "one": (["H01"], "failed")}}, "failed (in process)", id="failure in process"
        ),
        pytest.param(
            {"words": {"absent": {"H01": "a"}, "simplified": {"H01": "b"}}}, "both simplified and absent", id="both"
        ),
    ],
)
def test_what_does_not_fit_together_is_refused(arguments, problem):
    assert any(problem in each for each in problems_of(**arguments))


def test_results_in_the_wrong_order_are_noticed():
    with pytest.raises(fidelity.FidelityError, match="mode 'workers' is needed"):
        fidelity.judge(ROWS, results("in process", **ALL), results("in process", **ALL), {}, {})


def test_the_page_counts_every_row_once():
    page = fidelity.render(judged(words={"simplified": {"H01": "no custom domains"}}))
    assert "| 1. Handshake | 0 | 1 | 1 | 0 | 0 |" in page
    assert "| **all** | **1** | **1** | **1** | **0** | **0** |" in page
    assert "| H02 | Nobody knows | I | **assumed** (`gateway.guess`) | [two](" in page


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(fidelity, "CONTRACT", tmp_path / "contract.md")
    monkeypatch.setattr(fidelity, "PAGE", tmp_path / "fidelity.md")
    monkeypatch.setattr(fidelity, "WORDS", tmp_path / "fidelity.toml")
    (tmp_path / "contract.md").write_text(CONTRACT)
    (tmp_path / "fidelity.toml").write_text("")
    (tmp_path / "w.json").write_text(json.dumps(results(**ALL)))
    (tmp_path / "p.json").write_text(json.dumps(results("in process", **ALL)))
    return tmp_path


def run(monkeypatch, folder, *more):
    monkeypatch.setattr("sys.argv", ["fidelity.py", str(folder / "w.json"), str(folder / "p.json"), *more])
    return fidelity.main()


def test_a_page_that_is_out_of_date_fails_until_it_is_rewritten(monkeypatch, folder, capsys):
    assert run(monkeypatch, folder) == 1
    assert "+| H01 |" in capsys.readouterr().err
    assert run(monkeypatch, folder, "--update") == 0
    assert run(monkeypatch, folder) == 0


def test_what_cannot_be_made_leaves_the_page_alone(monkeypatch, folder, capsys):
    (folder / "w.json").write_text(json.dumps(results(one=ALL["one"], two=ALL["two"])))
    assert run(monkeypatch, folder, "--update") == 2
    assert "M01 has no test that passes" in capsys.readouterr().err
    assert not (folder / "fidelity.md").exists()
