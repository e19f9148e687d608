"""One vendor's way through a window of the schedule: where it stands from when to when, and the drives between.

A schedule says where a vendor *may* be. Where several of its spots are open at once, it takes turns between them;
where one span ends as the next begins elsewhere, the drive is taken from the beginning of the next.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulator.vendors.geodesy import LatLong, Path, distance_m

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simulator.vendors.schedule import ScheduleRow
    from simulator.vendors.schedule_window import OpenSpan

STREET_SPEED_M_S = 9.0
"""32 km/h: what a truck makes in a city between lights."""
SHORTEST_STAY_S = 300.0
"""When spots share a span, none gets less; a catering truck's stop is a quarter of an hour."""


@dataclass(frozen=True, slots=True)
class Stop:
    """One stay, and the drive that follows it. Times are simulated seconds from the window's start."""

    row: ScheduleRow
    arrive_s: float
    leave_s: float
    """When it stops serving."""
    depart_s: float
    """When it drives off: `leave_s` or later; it waits closed in between."""
    until_s: float
    """When the schedule says it ends here; greater than `leave_s` when that is after the window."""
    way: Path | None
    """The drive to the next stop; None after the last and where the next is the same spot."""
    was_open: bool
    """Whether it had stood there before the window began."""


@dataclass(frozen=True, slots=True)
class Itinerary:
    """The stops of one vendor in order, and what had to be decided to make them one after the other."""

    stops: tuple[Stop, ...]
    takes_turns: bool
    """Whether several spots were open at once."""
    spots_left_out: int
    """Spots that it had no time to go to."""
    hurried_speeds_m_s: tuple[float, ...]
    """Speeds of the drives that had to be faster than street speed."""


@dataclass(slots=True)
class _Stay:
    row: ScheduleRow
    start_s: float
    end_s: float
    until_s: float
    was_open: bool


def itinerary(
    spans: Sequence[OpenSpan], *, lateness_s: float = 0.0, street_speed_m_s: float = STREET_SPEED_M_S
) -> Itinerary:
    """Return the itinerary through `spans`, all of one vendor and at least one.

    `lateness_s` is how far the vendor runs behind the schedule all day; it is cut to half of the first stay, so that
    a vendor with a span in the window always arrives in the window.
    """
    stays = _stays(spans)
    if stays[0].was_open:
        stays[0].start_s -= lateness_s
    else:
        lateness_s = min(lateness_s, (stays[0].end_s - stays[0].start_s) / 2)
    stops: list[Stop] = []
    hurried: list[float] = []
    arrive_s = stays[0].start_s
    for here, there in itertools.pairwise(stays):
        way = Path(here.row.point, there.row.point)
        needed_s = way.length_m / street_speed_m_s
        depart_s = max(here.end_s, there.start_s - needed_s)
        # Late rather than fast; but half of the next stay is kept, and then the drive is as fast as it has to be.
        next_arrive_s = min(depart_s + needed_s, (there.start_s + there.end_s) / 2)
        if next_arrive_s - depart_s < needed_s * 0.999_999:
            hurried.append(way.length_m / (next_arrive_s - depart_s))
        stops.append(_stop(here, arrive_s, depart_s, way if way.length_m else None, lateness_s))
        arrive_s = next_arrive_s
    stops.append(_stop(stays[-1], arrive_s, stays[-1].end_s, None, lateness_s))
    visited = {stay.row.point for stay in stays}
    return Itinerary(
        stops=tuple(stops),
        takes_turns=any(len(open_now) > 1 for _, _, open_now in _segments(spans)),
        spots_left_out=len({span.row.point for span in spans} - visited),
        hurried_speeds_m_s=tuple(hurried),
    )


def _stop(stay: _Stay, arrive_s: float, depart_s: float, way: Path | None, lateness_s: float) -> Stop:
    return Stop(
        row=stay.row,
        arrive_s=arrive_s + lateness_s,
        leave_s=stay.end_s + lateness_s,
        depart_s=depart_s + lateness_s,
        until_s=stay.until_s,
        way=way,
        was_open=stay.was_open,
    )


def _stays(spans: Sequence[OpenSpan]) -> list[_Stay]:
    """Return stays that do not overlap and of which no two neighbours are one stay at one spot."""
    stays: list[_Stay] = []
    visits: dict[LatLong, int] = {}
    for start_s, end_s, open_now in _segments(spans):
        here = stays[-1].row.point if stays else None
        turns = _turns(open_now, here, visits, end_s - start_s)
        share_s = (end_s - start_s) / len(turns)
        for number, span in enumerate(turns):
            stay_start_s = start_s + number * share_s
            stay_end_s = end_s if span is turns[-1] else stay_start_s + share_s
            until_s = span.runs_until_s if stay_end_s == span.end_s else stay_end_s
            last = stays[-1] if stays else None
            if last and last.row.point == span.row.point and last.end_s >= stay_start_s:
                last.end_s, last.until_s = stay_end_s, until_s
            else:
                was_open = span.was_open and stay_start_s == 0
                stays.append(_Stay(span.row, stay_start_s, stay_end_s, until_s, was_open))
                visits[span.row.point] = visits.get(span.row.point, 0) + 1
    return stays


def _segments(spans: Sequence[OpenSpan]) -> list[tuple[float, float, list[OpenSpan]]]:
    """Cut time where a span begins or ends; return the pieces in which something is open, with one span per spot."""
    edges = sorted({edge for span in spans for edge in (span.start_s, span.end_s)})
    segments = []
    for start_s, end_s in itertools.pairwise(edges):
        open_now: dict[LatLong, OpenSpan] = {}
        for span in spans:
            if span.start_s <= start_s and span.end_s >= end_s:
                open_now.setdefault(span.row.point, span)
        if open_now:
            segments.append((start_s, end_s, list(open_now.values())))
    return segments


def _turns(
    open_now: Sequence[OpenSpan], here: LatLong | None, visits: dict[LatLong, int], duration_s: float
) -> list[OpenSpan]:
    """Return whom it visits in which order: the spots least seen so far, and of those always the nearest."""
    number = max(1, min(len(open_now), int(duration_s // SHORTEST_STAY_S)))
    left = list(open_now)
    turns: list[OpenSpan] = []
    while len(turns) < number:
        # With time for all of them there is no reason to leave this spot and come back.
        stay_here = not turns and number == len(open_now)
        chosen = min(left, key=lambda span: _preference(span, here, visits, stay_here=stay_here))
        left.remove(chosen)
        turns.append(chosen)
        here = chosen.row.point
    return turns


def _preference(
    span: OpenSpan, here: LatLong | None, visits: dict[LatLong, int], *, stay_here: bool
) -> tuple[bool, int, float, int]:
    away_m = distance_m(here, span.row.point) if here else 0.0
    return (not (stay_here and away_m == 0), visits.get(span.row.point, 0), away_m, span.row.line)
