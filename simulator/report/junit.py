"""The expectations as JUnit XML: a suite for each run, a test case for each expectation, and one for the run itself.

The elements and attributes are those that both schemas in use have: of what Ant's JUnit task writes, and of what
Jenkins reads. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.etree import ElementTree as ET

from simulator.load.hostile_text import printable
from simulator.report.expectations import ExpectationRow
from simulator.report.figures import sections, shown
from simulator.report.run_report import RunReport
from simulator.report.tables import found_words

_LONGEST = 2_000
_ZONE = re.compile(r"(\.\d+)?(Z|[+-]\d\d:\d\d)?$")


def junit(runs: Sequence[RunReport]) -> str:
    """The document. A figure that is not known is a failure, as it is in the verdict; a run that broke is an error."""
    # No attributes: one of the two schemas allows none here, and readers add up the suites.
    top = ET.Element("testsuites")
    for number, run in enumerate(runs):
        top.append(_suite(run, number))
    ET.indent(top)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(top, encoding="unicode")}\n'


def _suite(run: RunReport, number: int) -> ET.Element:
    failed = [each for each in run.expectations if not each.held]
    # What fails a run without being an expectation: it was stopped, or did not do what it was made to do.
    broken = run.partial or (not run.passed and not failed)
    suite = ET.Element(
        "testsuite",
        name=_text(run.scenario),
        tests=str(len(run.expectations) + 1),
        failures=str(len(failed)),
        errors=str(int(broken)),
        skipped="0",
        time=f"{run.duration_s:.3f}",
        # The schema wants no zone: the times of results are UTC.
        timestamp=_ZONE.sub("", run.started_at),
        hostname="localhost",
        id=str(number),
        package="tracker-sim",
    )
    properties = ET.SubElement(suite, "properties")
    for name, value in _properties(run):
        ET.SubElement(properties, "property", name=name, value=value)
    name = f"tracker-sim.{_text(run.scenario)}"
    ended = ET.SubElement(suite, "testcase", name="the run came to its end", classname=name, time="0")
    if broken:
        why = _text(" ".join(run.failures) or "The run was stopped before its end.")
        ET.SubElement(ended, "error", message=why, type="run").text = why
    for each in run.expectations:
        case = ET.SubElement(suite, "testcase", name=_text(each.key), classname=name, time="0")
        if not each.held:
            ET.SubElement(case, "failure", message=_why(each), type="expectation").text = _text(" ".join(run.failures))
    ET.SubElement(suite, "system-out").text = _text("\n".join((*run.failures, *run.notes)))
    ET.SubElement(suite, "system-err")
    return suite


def _why(each: ExpectationRow) -> str:
    if each.held is None:
        return _text(f"{each.key} could not be found out")
    return _text(f"{each.key} does not hold: found {found_words(each)}")


def _properties(run: RunReport) -> list[tuple[str, str]]:
    figures = [
        (row.path, shown(value, row.unit))
        for section in sections([run])
        for row in section.figures
        if (value := row.values[0]) is not None
    ]
    commit = run.commit or {}
    return [
        ("question", _text(run.question)),
        ("seed", str(run.seed)),
        ("results", _text(run.folder)),
        ("commit", _text(str(commit.get("id") or "not known"))),
        *figures,
    ]


def _text(text: str) -> str:
    """What XML 1.0 may hold, on lines that are still lines."""
    return "\n".join(printable(line, _LONGEST) for line in text.split("\n"))
