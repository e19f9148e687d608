"""Everything about a run that can be found wrong before anything is started."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from simulator.errors import InputError
from simulator.load.audience import Audience
from simulator.load.phases import PhaseTimes
from simulator.load.scenario import Scenario
from simulator.load.vendor_tables import MadeVendors, ScheduledVendors, TrackedVendors
from simulator.vendors.city import SAN_FRANCISCO, City
from simulator.vendors.geodesy import LatLong
from simulator.vendors.made_plan import made_plan
from simulator.vendors.plan import Plan
from simulator.vendors.roster import made_roster
from simulator.vendors.schedule import Schedule, problem_summary
from simulator.vendors.schedule_file import read_schedule
from simulator.vendors.schedule_plan import schedule_plan
from simulator.vendors.track_files import RecordedTrack, TrackFile, read_tracks
from simulator.vendors.track_plan import track_plan

_ANY_START_MS = 1_700_000_000_000


@dataclass(frozen=True, slots=True)
class Prepared:
    """A scenario that is ready to run: its files are read and its plan can be made."""

    scenario: Scenario
    plan_from: Callable[[int], Plan]
    """Makes the plan of a run that starts at an epoch millisecond."""
    audience: Audience
    """Everybody who will come."""
    phases: PhaseTimes
    notes: tuple[str, ...] = ()
    """One sentence for each thing that had to be decided for the user; goes into the verdict."""
    warnings: tuple[str, ...] = ()
    """Lines for stderr: what of a schedule or a track cannot be used."""


def prepare(scenario: Scenario) -> Prepared:
    """Read the scenario's files and make its plan once, for nothing but its mistakes.

    Raises InputError for a file that is missing or unusable and for a window in which nobody is out.
    """
    vendors = scenario.vendors
    warnings: tuple[str, ...] = ()
    plan_from: Callable[[int], Plan]
    if isinstance(vendors, MadeVendors):
        plan_from = _made(scenario, vendors)
    elif isinstance(vendors, ScheduledVendors):
        if vendors.schedule is None:
            raise InputError(
                f"Scenario {scenario.name} replays a published schedule and none is given; name the CSV file with "
                f"--schedule FILE."
            )
        schedule = read_schedule(vendors.schedule)
        warnings = tuple(problem_summary(schedule).splitlines())
        plan_from = _scheduled(scenario, vendors, schedule)
    else:
        if not vendors.files:
            raise InputError(f"{scenario.file}: vendors.files is missing; name GPX, GeoJSON or NDJSON files.")
        found = [_tracks(scenario, number, file) for number, file in enumerate(vendors.files, start=1)]
        warnings = tuple(note for file in found for note in file.notes)
        plan_from = _tracked(scenario, vendors, [track for file in found for track in file.tracks])
    try:
        plan = plan_from(_ANY_START_MS)
        coming = scenario.audience(plan.duration_s)
    except InputError as error:
        raise InputError(f"{scenario.file}: {error}") from None
    return Prepared(
        scenario,
        plan_from,
        coming,
        PhaseTimes.of(scenario.made_phases, plan.duration_s),
        plan.notes,
        warnings,
    )


def _made(scenario: Scenario, vendors: MadeVendors) -> Callable[[int], Plan]:
    city = _city(vendors)
    roster = made_roster(vendors.count, scenario.seed, city)

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
            pace=scenario.pace,
            imperfections=vendors.imperfections,
        )

    return plan_from


def _city(vendors: MadeVendors) -> City:
    if vendors.city == SAN_FRANCISCO.name:
        about = SAN_FRANCISCO
    else:
        about = replace(SAN_FRANCISCO, name=vendors.city, country="", country_code="")
    return replace(about, centre=LatLong(vendors.latitude, vendors.longitude), radius_m=vendors.radius_m)


def _scheduled(scenario: Scenario, vendors: ScheduledVendors, schedule: Schedule) -> Callable[[int], Plan]:
    def plan_from(start_ms: int) -> Plan:
        return schedule_plan(
            schedule,
            start_ms=start_ms,
            day=vendors.day,
            days=vendors.days,
            from_=vendors.start,
            to=vendors.end,
            speed=vendors.speed,
            seed=scenario.seed,
            ping_interval_s=vendors.ping_interval_s,
            drive_ping_interval_s=vendors.drive_ping_interval_s,
            least_gap_s=vendors.least_gap_s,
            gps_sigma_m=vendors.noise_m,
            imperfections=vendors.imperfections,
        )

    return plan_from


def _tracks(scenario: Scenario, number: int, file: Path) -> TrackFile:
    try:
        return read_tracks(file)
    except InputError as error:
        raise InputError(f"{scenario.file}: vendors.files[{number}]: {error}") from None


def _tracked(scenario: Scenario, vendors: TrackedVendors, tracks: list[RecordedTrack]) -> Callable[[int], Plan]:
    def plan_from(start_ms: int) -> Plan:
        return track_plan(
            tracks,
            start_ms=start_ms,
            seed=scenario.seed,
            speed=vendors.speed,
            together=vendors.together,
            ping_interval_s=vendors.ping_interval_s,
            pace=scenario.pace,
            gps_sigma_m=vendors.noise_m,
            imperfections=vendors.imperfections,
        )

    return plan_from
