"""When a vendor on its itinerary says where it is, and in which words."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from random import Random

    from simulator.vendors.city import City, Place
    from simulator.vendors.geodesy import LatLong
    from simulator.vendors.itinerary import Itinerary, Stop
    from simulator.vendors.schedule_window import Window


class Moment(NamedTuple):
    """One thing said, at simulated seconds from the window's start."""

    at_s: float
    point: LatLong
    place: Place
    text: str


def moments(
    way: Itinerary,
    window: Window,
    city: City,
    *,
    ping_interval_s: float,
    drive_ping_interval_s: float,
    jitter: float,
    chance: Random,
) -> Iterator[Moment]:
    """Yield what is said along `way`, in order of time; see `schedule_plan` for the rules. May run past the window."""
    for number, stop in enumerate(way.stops):
        following = way.stops[number + 1] if number + 1 < len(way.stops) else None
        here = city.spot(stop.row.spot_name)
        menu = f"{stop.row.spot_name} until {window.clock(stop.until_s)}. {stop.row.text}"
        for turn, at_s in enumerate(_standing_s(stop, window, ping_interval_s, jitter, chance)):
            yield Moment(at_s, stop.row.point, here, f"Now at {menu}" if turn == 0 else f"At {menu}")
        yield Moment(stop.leave_s, stop.row.point, here, _farewell(stop, following, window))
        if following and stop.way:
            speed_m_s = stop.way.length_m / (following.arrive_s - stop.depart_s)
            at_s = stop.depart_s if stop.depart_s > stop.leave_s else stop.depart_s + drive_ping_interval_s
            while at_s < following.arrive_s:
                point = stop.way.at(speed_m_s * (at_s - stop.depart_s))
                yield Moment(at_s, point, city.place, f"On our way to {following.row.spot_name}.")
                at_s += drive_ping_interval_s


def spaced(said: Iterable[Moment], least_gap_s: float) -> Iterator[Moment]:
    """Yield what is said with at least `least_gap_s` in between: what comes too early waits, and only the newest waits.

    The way a phone on a limited plan reports: never too often, and always the latest position in the end.
    """
    next_s = -math.inf
    waiting: Moment | None = None
    for moment in said:
        if waiting is not None and next_s <= moment.at_s:
            yield waiting._replace(at_s=next_s)
            next_s += least_gap_s
            waiting = None
        if moment.at_s >= next_s:
            yield moment
            next_s = moment.at_s + least_gap_s
        else:
            waiting = moment
    if waiting is not None:
        yield waiting._replace(at_s=next_s)


def _standing_s(stop: Stop, window: Window, interval_s: float, jitter: float, chance: Random) -> Iterator[float]:
    first_s = stop.arrive_s
    if stop.was_open:
        # Nothing happens as the window opens, so these vendors keep to a beat they have had before.
        first_s += chance.random() * min(interval_s, stop.leave_s, window.duration_s)
    yield first_s
    beat_s = first_s
    while True:
        beat_s += interval_s
        at_s = beat_s + jitter * (chance.random() - 0.5) * interval_s
        if at_s >= stop.leave_s:
            return
        yield at_s


def _farewell(stop: Stop, following: Stop | None, window: Window) -> str:
    if following is None:
        return f"Closed at {stop.row.spot_name}. See you next time!"
    if stop.way and stop.depart_s == stop.leave_s:
        return f"Leaving {stop.row.spot_name} for {following.row.spot_name}."
    opens = window.clock(following.arrive_s)
    return f"Closed at {stop.row.spot_name}. Next at {following.row.spot_name} from {opens}."
