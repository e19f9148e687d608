"""The plan of a published schedule: every vendor of a window stands, serves and drives as its rows say."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from simulator.errors import InputError
from simulator.vendors.city import SAN_FRANCISCO, City
from simulator.vendors.gps import GPS_SIGMA_M, with_gps_noise
from simulator.vendors.imperfections import Imperfections, imperfect
from simulator.vendors.itinerary import STREET_SPEED_M_S, Itinerary, itinerary
from simulator.vendors.moments import moments, spaced
from simulator.vendors.plan import Ping, Plan
from simulator.vendors.schedule_window import Window, open_spans, vendors_of, window
from simulator.vendors.seeds import seeded

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from simulator.vendors.schedule import Schedule
    from simulator.vendors.schedule_window import OpenSpan
    from simulator.vendors.vendor import Vendor

PING_INTERVAL_S = 1800.0
"""Simulated seconds between two updates of a standing vendor: at 240x, one in 7.5 real seconds.

With it, a working day of San Francisco's 86 vendors at 240x is about 20 updates per real second."""
DRIVE_PING_INTERVAL_S = 120.0
"""Simulated seconds between two updates of a driving vendor."""
LEAST_GAP_S = 0.0
"""No least time between two updates of a vendor."""
LATENESS_S = 300.0
"""No vendor runs further behind the schedule: nobody arrives on the dot, and not all at once."""
_SECONDS_OF_HOUR = 3600
_METRES_OF_KM = 1000


def schedule_plan(
    schedule: Schedule,
    *,
    start_ms: int,
    day: str = "friday",
    from_: str = "10:00",
    to: str = "14:00",
    speed: float = 240.0,
    seed: int = 0,
    ping_interval_s: float = PING_INTERVAL_S,
    drive_ping_interval_s: float = DRIVE_PING_INTERVAL_S,
    least_gap_s: float = LEAST_GAP_S,
    lateness_s: float = LATENESS_S,
    jitter: float = 0.1,
    gps_sigma_m: float = GPS_SIGMA_M,
    city: City = SAN_FRANCISCO,
    days: int = 1,
    imperfections: Imperfections | None = None,
) -> Plan:
    """Return the plan in which the vendors of the window do what `schedule` says, `speed` times faster than real time.

    Each vendor (an Applicant) publishes when it arrives, every `ping_interval_s` while it stands, when it leaves, and
    every `drive_ping_interval_s` on the way to its next spot; intervals are simulated time. A vendor that stands
    somewhere as the window begins is heard of within the first interval. Every vendor with a span in the window
    publishes at least once. What a vendor would say within `least_gap_s` of its last word waits until then, and only
    the newest of it is said. Each runs behind the schedule by a time of its own, drawn from 0 to `lateness_s`.

    `notes` of the plan count what had to be decided: several spots at once, drives faster than street speed, spans
    of the day before. Raises `InputError` for a window that cannot be read or in which nobody is out, and for a value
    out of range.
    """
    for name, value, holds in (
        ("speed", speed, speed > 0),
        ("ping_interval_s", ping_interval_s, ping_interval_s > 0),
        ("drive_ping_interval_s", drive_ping_interval_s, drive_ping_interval_s > 0),
        ("least_gap_s", least_gap_s, least_gap_s >= 0),
        ("lateness_s", lateness_s, lateness_s >= 0),
        ("jitter", jitter, 0 <= jitter <= 1),
        ("gps_sigma_m", gps_sigma_m, gps_sigma_m >= 0),
    ):
        if not holds:
            raise InputError(f"{name} cannot be {value}; correct it and start again.")
    replayed = window(day, from_, to, days)
    vendors = vendors_of(schedule, replayed, city)
    spans = open_spans(schedule, replayed)
    itineraries = [
        itinerary(spans[vendor.twitter_id], lateness_s=lateness_s * seeded(seed, vendor.twitter_id, "late").random())
        for vendor in vendors
    ]
    habits = imperfections or Imperfections()
    pings = functools.partial(
        _pings,
        replayed=replayed,
        speed=speed,
        seed=seed,
        ping_interval_s=ping_interval_s,
        drive_ping_interval_s=drive_ping_interval_s,
        least_gap_s=least_gap_s,
        jitter=jitter,
        gps_sigma_m=gps_sigma_m,
        city=city,
    )
    return Plan(
        vendors=tuple(vendors),
        start_ms=start_ms,
        duration_s=replayed.duration_s / speed,
        pings_of=lambda: [
            imperfect(pings(vendor, way), habits, speed=speed, seed=seed, vendor=vendor.twitter_id)
            for vendor, way in zip(vendors, itineraries, strict=True)
        ],
        notes=tuple(_notes(itineraries, spans.values())),
    )


def _pings(
    vendor: Vendor,
    way: Itinerary,
    *,
    replayed: Window,
    speed: float,
    seed: int,
    ping_interval_s: float,
    drive_ping_interval_s: float,
    least_gap_s: float,
    jitter: float,
    gps_sigma_m: float,
    city: City,
) -> Iterator[Ping]:
    said = moments(
        way,
        replayed,
        city,
        ping_interval_s=ping_interval_s,
        drive_ping_interval_s=drive_ping_interval_s,
        jitter=jitter,
        chance=seeded(seed, vendor.twitter_id, "moments"),
    )
    noise = seeded(seed, vendor.twitter_id, "gps")
    for moment in spaced(said, least_gap_s):
        if moment.at_s >= replayed.duration_s:
            return
        point = with_gps_noise(moment.point, gps_sigma_m, noise)
        yield Ping(int(moment.at_s * 1000 / speed), vendor, point, moment.text, moment.place)


def _notes(itineraries: Sequence[Itinerary], spans: Iterable[Sequence[OpenSpan]]) -> Iterator[str]:
    turns = sum(way.takes_turns for way in itineraries)
    if turns:
        left_out = sum(way.spots_left_out for way in itineraries)
        yield (
            f"{turns} of {len(itineraries)} vendors have several spots at once and take turns between them; "
            f"{_counted(left_out, 'spot')} left out for lack of time."
        )
    hurried = [speed for way in itineraries for speed in way.hurried_speeds_m_s]
    if hurried:
        yield (
            f"{_counted(len(hurried), 'drive')} hurried: {_km_per_h(STREET_SPEED_M_S)} km/h would be too slow; "
            f"the fastest makes {_km_per_h(max(hurried))} km/h."
        )
    overnight = sum(span.from_day_before for of_vendor in spans for span in of_vendor)
    if overnight:
        yield f"{_counted(overnight, 'span')} carried over from the day before."


def _counted(number: int, noun: str) -> str:
    return f"1 {noun} is" if number == 1 else f"{number} {noun}s are"


def _km_per_h(metres_per_s: float) -> int:
    return round(metres_per_s * _SECONDS_OF_HOUR / _METRES_OF_KM)
