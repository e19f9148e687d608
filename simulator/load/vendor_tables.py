"""The tables of the scenario language that say where the vendors come from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from simulator.load.language import key
from simulator.vendors.city import SAN_FRANCISCO
from simulator.vendors.gps import GPS_SIGMA_M
from simulator.vendors.imperfections import Imperfections
from simulator.vendors.movement_models import MOVEMENT_MODELS
from simulator.vendors.week import clock_minutes, day_number

_DAY_S = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Phones:
    """What every source of vendors has: how well their phones and receivers work."""

    speed: float = key(
        1.0,
        "number",
        "seconds of the vendors' day in one second of the run",
        "How fast the vendors' day goes (`--speed`)",
        low=0.001,
        high=100_000,
        default_words="1 (240 with `schedule`)",
    )
    noise_m: float = key(
        GPS_SIGMA_M,
        "number",
        "metres",
        "Standard deviation of the GPS error",
        high=1_000,
        default_words="5 (0 with `tracks`)",
    )
    gaps_per_hour: float = key(
        0.0, "number", "gaps per hour of the vendors' day", "How often a vendor falls silent", high=3_600
    )
    gap_s: float = key(60.0, "number", "seconds of the vendors' day", "How long it is silent", high=_DAY_S)
    duplicate_share: float = key(
        0.0, "number", "share", "Of the fixes, how many are told twice: another update that says the same", high=1
    )
    late_share: float = key(
        0.0,
        "number",
        "share",
        "Of the fixes, how many leave late, so that newer ones overtake them: out of order at the source",
        high=1,
    )
    late_s: float = key(5.0, "number", "seconds of the vendors' day", "How late they leave", high=_DAY_S)
    clock_jumps_per_hour: float = key(
        0.0,
        "number",
        "jumps per hour of the vendors' day",
        "How often a vendor's clock jumps, which shows in the `date` of its updates",
        high=3_600,
    )
    clock_jump_s: float = key(60.0, "number", "seconds", "By how much at most, forwards or back", high=_DAY_S)

    @property
    def imperfections(self) -> Imperfections:
        """As the planner takes them."""
        return Imperfections(
            gaps_per_hour=self.gaps_per_hour,
            gap_s=self.gap_s,
            duplicate_share=self.duplicate_share,
            late_share=self.late_share,
            late_s=self.late_s,
            clock_jumps_per_hour=self.clock_jumps_per_hour,
            clock_jump_s=self.clock_jump_s,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeVendors(Phones):
    """Vendors made from a seed, moving by a model."""

    count: int = key(25, "whole", "vendors", "How many", low=1, high=10_000)
    model: str = key("food_truck_day", "text", "word", "How they move", choices=tuple(sorted(MOVEMENT_MODELS)))
    ping_interval_s: float = key(
        1.0,
        "number",
        "seconds of the vendors' day",
        "Time between two updates of one vendor, where no phase gives a rate: `count` × `speed` / `ping_interval_s` "
        "updates a second",
        low=0.01,
        high=_DAY_S,
    )
    city: str = key(SAN_FRANCISCO.name, "text", "name", "What updates say about the place")
    latitude: float = key(
        SAN_FRANCISCO.centre.lat, "number", "degrees", "Middle of the area they move in", low=-85, high=85
    )
    longitude: float = key(
        SAN_FRANCISCO.centre.long, "number", "degrees", "Middle of the area they move in", low=-180, high=180
    )
    radius_m: float = key(
        SAN_FRANCISCO.radius_m, "number", "metres", "Radius of the area they move in", low=100, high=500_000
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduledVendors(Phones):
    """Vendors replayed from a city's published schedule."""

    speed: float = key(
        240.0,
        "number",
        "seconds of the vendors' day in one second of the run",
        "How fast the vendors' day goes (`--speed`)",
        low=0.001,
        high=100_000,
    )
    schedule: Path | None = key(
        None,
        "path",
        "path, from the scenario's folder",
        "The CSV file, with the columns of San Francisco's Mobile Food Schedule (`--schedule`)",
    )
    day: str = key("Friday", "text", "day of the week", "The first day", understand=day_number, example="Friday")
    days: int = key(1, "whole", "days", "How many days; their nights count too", low=1, high=7)
    start: str = key(
        "10:00",
        "text",
        "time of day",
        "Where the replay begins",
        spelling="from",
        understand=clock_minutes,
        example="10:00",
    )
    end: str = key(
        "14:00",
        "text",
        "time of day",
        "Where it ends on the last day; a time before `from` is on the day after",
        spelling="to",
        understand=clock_minutes,
        example="10:00",
    )
    ping_interval_s: float = key(
        900.0,
        "number",
        "seconds of the schedule",
        "Time between two updates of a vendor that stands",
        low=0.01,
        high=_DAY_S,
    )
    drive_ping_interval_s: float = key(
        120.0,
        "number",
        "seconds of the schedule",
        "Time between two updates of a vendor that drives",
        low=0.01,
        high=_DAY_S,
    )
    least_gap_s: float = key(
        0.0,
        "number",
        "seconds of the schedule",
        "No vendor publishes more often than this; what comes too early waits, and only the newest of it is sent",
        high=_DAY_S,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackedVendors(Phones):
    """Vendors that go where somebody's recorder went."""

    noise_m: float = key(
        0.0, "number", "metres", "Standard deviation of a GPS error on top of the recorded one", high=1_000
    )
    files: tuple[Path, ...] = key(
        (),
        "paths",
        "paths, from the scenario's folder",
        "GPX (`.gpx`), GeoJSON (`.geojson`, `.json`) or NDJSON (`.ndjson`, `.jsonl`, `.geojsonl`) files; every track "
        "in them is a vendor, or every route in a GPX file without tracks",
    )
    together: bool = key(
        True, "flag", "flag", "All set out at the start; false keeps the recorded times between the tracks"
    )
    ping_interval_s: float | None = key(
        None,
        "number",
        "seconds of the recording",
        "Time between two updates of one vendor, positions interpolated",
        low=0.01,
        high=_DAY_S,
        default_words="every recorded position is an update",
    )


SOURCES: dict[str, type[MadeVendors | ScheduledVendors | TrackedVendors]] = {
    "made": MadeVendors,
    "schedule": ScheduledVendors,
    "tracks": TrackedVendors,
}
Vendors = MadeVendors | ScheduledVendors | TrackedVendors


def source_of(vendors: Vendors) -> str:
    """What a scenario file calls this source."""
    return next(name for name, kind in SOURCES.items() if isinstance(vendors, kind))
