"""The list of faults, on the terminal and in `docs/faults.md`, and that page's examples."""

import json
import re
import tomllib
from pathlib import Path

import pytest

from simulator.fault_board import FaultBoard
from simulator.fault_kinds import FAULT_KINDS
from simulator.fault_text import BEGIN, END, listing, markdown
from simulator.load.faults import read_faults
from simulator.load.strict_table import StrictTable

PAGE = (Path(__file__).parents[2] / "docs" / "faults.md").read_text(encoding="utf-8")
PROTECTIONS = Path(__file__).parents[1] / "scenarios" / "test_scenarios_fail_without_protection.py"


def test_the_kinds_in_the_page_are_those_of_the_registry():
    """`python -m simulator.fault_text` writes them."""
    assert PAGE.partition(BEGIN)[2].partition(END)[0].strip() == markdown(FAULT_KINDS.values()).strip()


def test_every_kind_is_listed_with_every_attribute_its_unit_and_default():
    text = "\n".join(line for line, _ in listing(FAULT_KINDS.values()))
    for kind in FAULT_KINDS.values():
        (about,) = re.findall(rf"(?m)^  {kind.name} .*(?:\n {{10}}.*)*", text)
        assert kind.help in about
        for each in kind.attributes:
            assert re.search(rf"{each.name} = \S+  {re.escape(each.unit)}: {re.escape(each.help)}", about)


@pytest.mark.parametrize("text", re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL))
def test_the_pages_scenario_is_understood(text):
    tables = StrictTable(Path("faults.md"), (), tomllib.loads(text)).tables("faults")
    assert len(read_faults(tables)) == text.count("[[faults]]")


class Room:
    """Takes every local kind."""

    kinds = tuple(kind.name for kind in FAULT_KINDS.values() if kind.local)

    async def begin(self, fault_id, fault):
        self.begun = (fault_id, fault)

    async def end(self, fault_id):
        self.ended = fault_id


@pytest.mark.parametrize("wish", re.findall(r"-d '(.*?)'", PAGE))
async def test_the_pages_fault_by_hand_is_one(wish):
    board, room = FaultBoard(), Room()
    board.add(room)
    fault_id = await board.begin(json.loads(wish))
    assert room.begun[0] == fault_id
    listed = {**board.listing()[0], "left_s": 57.1}
    assert json.dumps({"faults": [listed]}) in PAGE
    await board.end_all()


def test_everything_that_is_taken_away_from_a_scenario_is_told():
    taken = re.findall(r"    \"[^\"]+\": Protection\(\n +\"(\w+)\"", PROTECTIONS.read_text(encoding="utf-8"))
    told = re.findall(r"(?m)^\| `(\w+)` \| [^|]+ \| [^|]+ \|$", PAGE.partition(END)[2])
    assert sorted(told) == sorted(taken) != []
