"""Load: scenarios, the subscriber swarm, the ledger of what was sent and what arrived, and the verdict."""

from simulator.load.library import find_scenario, library_scenarios, read_named
from simulator.load.prepare import Prepared, prepare
from simulator.load.progress import Progress
from simulator.load.raw_results import Results, ResultsWriter, read_results
from simulator.load.render import render
from simulator.load.run import run_scenario
from simulator.load.scenario import Scenario, read_scenario
from simulator.load.verdict import Verdict

__all__ = [
    "Prepared",
    "Progress",
    "Results",
    "ResultsWriter",
    "Scenario",
    "Verdict",
    "find_scenario",
    "library_scenarios",
    "prepare",
    "read_named",
    "read_results",
    "read_scenario",
    "render",
    "run_scenario",
]
