import os
import subprocess
import sys

import pytest

from simulator.load.processes import Usage, look, summary
from simulator.load.verdict import StackFigures


def test_a_process_is_looked_at_with_everything_below_it():
    alone = look(os.getpid(), with_children=False)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        both = look(os.getpid(), with_children=True)
        child.communicate(b"\n")
    assert alone.memory_mb > 10
    assert both.memory_mb > alone.memory_mb
    assert alone.descriptors is None or both.descriptors > alone.descriptors


def test_a_process_that_is_gone_has_no_figures():
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        child.wait()
    assert look(child.pid, with_children=True) is None
    assert look(None, with_children=True) is None


@pytest.mark.parametrize(
    ("memory", "since", "figures"),
    [
        ([], 0, StackFigures()),
        ([1.0] * 7, 0, StackFigures(1.0, None, 5, None)),
        ([9.0, 1, 1, 2, 2, 3, 3, 4, 4], 1, StackFigures(9.0, 2.0, 5, 0.0)),
        ([float(number) for number in range(16)], 0, StackFigures(15.0, 8.0, 5, 0.0)),
    ],
    ids=["nothing seen", "too short", "growth while publishing", "growth"],
)
def test_growth_is_from_the_second_quarter_to_the_last(memory, since, figures):
    assert summary([Usage(each, 5) for each in memory], since=since) == figures
