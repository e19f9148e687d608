"""Everything about a run that can be found wrong before anything is started."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from simulator.errors import InputError
from simulator.load.scenario import MadeVendors, Scenario, ScheduledVendors
from simulator.vendors.made_plan import made_plan
from simulator.vendors.plan import Plan
from simulator.vendors.roster import made_roster
from simulator.vendors.schedule import Schedule, problem_summary
from simulator.vendors.schedule_file import read_schedule
from simulator.vendors.schedule_plan import schedule_plan

_ANY_START_MS = 1_700_000_000_000


@dataclass(frozen=True, slots=True)
class Prepared:
    """A scenario that is ready to run: its files are read and its plan can be made."""

    scenario: Scenario
    plan_from: Callable[[int], Plan]
    """Makes the plan of a run that starts at an epoch millisecond."""
    notes: tuple[str, ...] = ()
    """One sentence for each thing that had to be decided for the user; goes into the verdict."""
    warnings: tuple[str, ...] = ()
    """Lines for stderr: the rows of the schedule that cannot be used."""


def prepare(scenario: Scenario, *, seed: int | None = None) -> Prepared:
    """Read the scenario's files and make its plan once, for nothing but its mistakes.

    Raises InputError for a schedule that is missing or unusable and for a window in which nobody is out.
    """
    if seed is not None:
        scenario = scenario.overridden(seed=seed)
    if isinstance(scenario.vendors, MadeVendors):
        return _checked(Prepared(scenario, _made(scenario, scenario.vendors)))
    if scenario.vendors.schedule is None:
        raise InputError(
            f"Scenario {scenario.name} replays a published schedule and none is given; name the CSV file with "
            f"--schedule FILE."
        )
    schedule = read_schedule(scenario.vendors.schedule)
    prepared = Prepared(scenario, _scheduled(scenario, scenario.vendors, schedule))
    return _checked(replace(prepared, warnings=tuple(problem_summary(schedule).splitlines())))


def _checked(prepared: Prepared) -> Prepared:
    return replace(prepared, notes=prepared.plan_from(_ANY_START_MS).notes)


def _made(scenario: Scenario, vendors: MadeVendors) -> Callable[[int], Plan]:
    roster = made_roster(vendors.count, scenario.seed)

    def plan_from(start_ms: int) -> Plan:
        return made_plan(
            roster,
            vendors.model,
            seed=scenario.seed,
            duration_s=scenario.run.duration_s,
            ping_interval_s=vendors.ping_interval_s,
            start_ms=start_ms,
            speed=vendors.speed,
            gps_sigma_m=vendors.noise_m,
        )

    return plan_from


def _scheduled(scenario: Scenario, vendors: ScheduledVendors, schedule: Schedule) -> Callable[[int], Plan]:
    def plan_from(start_ms: int) -> Plan:
        return schedule_plan(
            schedule,
            start_ms=start_ms,
            day=vendors.day,
            from_=vendors.start,
            to=vendors.end,
            speed=vendors.speed,
            seed=scenario.seed,
            ping_interval_s=vendors.ping_interval_s,
            drive_ping_interval_s=vendors.drive_ping_interval_s,
            least_gap_s=vendors.least_gap_s,
            gps_sigma_m=vendors.noise_m,
        )

    return plan_from
