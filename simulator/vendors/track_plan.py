"""The plan of recorded tracks: every track is a vendor that goes where the recorder went."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Sequence

from simulator.errors import InputError
from simulator.vendors.city import Area, Place, place_id
from simulator.vendors.geodesy import Path, distance_m
from simulator.vendors.gps import with_gps_noise
from simulator.vendors.imperfections import Imperfections, imperfect
from simulator.vendors.made_plan import paced_pings
from simulator.vendors.pace import Pace, steady
from simulator.vendors.plan import Ping, Plan
from simulator.vendors.seeds import seeded
from simulator.vendors.track import Leg, Track
from simulator.vendors.track_files import RecordedTrack
from simulator.vendors.vendor import Vendor, handle_of, image_url_of, vendor_id_of

_SECONDS_OF_DAY = 86_400
_LONGEST_S = 7 * _SECONDS_OF_DAY


def track_vendors(tracks: Sequence[RecordedTrack]) -> tuple[Vendor, ...]:
    """A vendor for each track; tracks of one name are told apart by a number."""
    taken: dict[str, int] = {}
    """By a vendor's id, the highest number that its name has been given."""
    return tuple(_vendor(track, taken) for track in tracks)


def track_plan(
    tracks: Sequence[RecordedTrack],
    *,
    start_ms: int,
    seed: int,
    speed: float = 1.0,
    together: bool = True,
    ping_interval_s: float | None = None,
    pace: Pace | None = None,
    gps_sigma_m: float = 0.0,
    imperfections: Imperfections | None = None,
) -> Plan:
    """Return the plan in which the vendors follow `tracks`, `speed` times faster than they were recorded.

    With `together` all set out at the start; otherwise they keep the times between them, and the first one sets out at
    the start. Every recorded position is one update, unless `ping_interval_s` (seconds of the recording) or a `pace`
    says when updates are due: then positions in between are interpolated.
    """
    vendors = track_vendors(tracks)
    first_s = min(track.points[0][0] for track in tracks)
    offsets_s = [track.points[0][0] if together else first_s for track in tracks]
    length_s = max(track.points[-1][0] - offset_s for track, offset_s in zip(tracks, offsets_s, strict=True))
    if length_s <= 0 and pace is None:
        raise InputError(
            "The tracks have one position each, and no rate says how often it is told; give phases a rate."
        )
    duration_s = pace.duration_s if pace else (length_s / speed + 0.001)
    if duration_s > _LONGEST_S:
        apart = "" if together else ", or let them set out together"
        raise InputError(
            f"The tracks last {duration_s / _SECONDS_OF_DAY:,.0f} days at speed {speed:g}, and a run may last 7: raise "
            f"vendors.speed{apart}, and look for a clock that was wrong."
        )
    habits = imperfections or Imperfections()
    if pace is None and ping_interval_s is not None:
        pace = steady(len(tracks) * speed / ping_interval_s, duration_s)

    def pings_of() -> list[Iterator[Ping]]:
        streams = []
        for number, (vendor, track, offset_s) in enumerate(zip(vendors, tracks, offsets_s, strict=True)):
            if pace is None:
                pings = _recorded(vendor, track, offset_s, speed, gps_sigma_m, seed)
            else:
                pings = paced_pings(
                    vendor,
                    _movement(track, offset_s),
                    number=number,
                    turns=len(tracks),
                    pace=pace,
                    seed=seed,
                    speed=speed,
                    jitter=0.1,
                    gps_sigma_m=gps_sigma_m,
                )
            streams.append(imperfect(pings, habits, speed=speed, seed=seed, vendor=vendor.twitter_id))
        return streams

    untimed = sum(not track.has_times for track in tracks)
    notes = [f"{untimed} of {len(tracks)} tracks have no times and are followed at 29 km/h."] if untimed else []
    return Plan(vendors, start_ms, duration_s, pings_of, tuple(notes))


def _recorded(
    vendor: Vendor, track: RecordedTrack, offset_s: float, speed: float, sigma_m: float, seed: int
) -> Iterator[Ping]:
    chance = seeded(seed, vendor.twitter_id, "pings")
    before_ms = -1
    for at_s, point in track.points:
        due_ms = max(before_ms + 1, round((at_s - offset_s) * 1_000 / speed))
        yield Ping(due_ms, vendor, with_gps_noise(point, sigma_m, chance), "On the move.")
        before_ms = due_ms


def _movement(track: RecordedTrack, offset_s: float) -> Track:
    fastest = 0.0
    legs = []
    start_s = track.points[0][0] - offset_s
    if start_s > 0 or len(track.points) == 1:
        here = track.points[0][1]
        legs.append(Leg(0.0, start_s, Path(here, here), "paused"))
    for (from_s, here), (to_s, there) in itertools.pairwise(track.points):
        leg = Leg(from_s - offset_s, to_s - offset_s, Path(here, there), "moving")
        fastest = max(fastest, leg.speed_m_s)
        legs.append(leg)
    return Track(iter(legs), fastest)


def _vendor(track: RecordedTrack, taken: dict[str, int]) -> Vendor:
    own = vendor_id_of(track.name)
    number = taken.get(own, 0) + 1
    while vendor_id_of(_numbered(track.name, number)) in taken and number > 1:  # somebody is called so already
        number += 1
    name = _numbered(track.name, number)
    twitter_id = vendor_id_of(name)
    taken[own] = number
    taken.setdefault(twitter_id, 1)
    centre = track.points[0][1]
    return Vendor(
        twitter_id=twitter_id,
        name=name,
        handle=handle_of(name),
        description="",
        image_url=image_url_of(twitter_id),
        home=Area(centre, max(distance_m(centre, point) for _, point in track.points)),
        place=_place(name),
    )


def _numbered(name: str, number: int) -> str:
    return name if number == 1 else f"{name} {number}"


@functools.cache
def _place(name: str) -> Place:
    return Place(place_id("track", name), name, name, "poi", "", "")
