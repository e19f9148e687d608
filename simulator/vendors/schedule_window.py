"""The part of a schedule that is replayed: one day, from one time to another, and who is out then."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulator.errors import InputError
from simulator.vendors.city import SAN_FRANCISCO, Area, City
from simulator.vendors.geodesy import distance_m
from simulator.vendors.text import clean_text
from simulator.vendors.vendor import DESCRIPTION_LIMIT, Vendor, handle_of, image_url_of, vendor_id_of
from simulator.vendors.week import DAYS, MINUTES_OF_DAY, clock_minutes, clock_text, day_number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simulator.vendors.schedule import Schedule, ScheduleRow


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of one day, which may run into the next."""

    day: int
    """0 is Sunday."""
    start_min: int
    """Minutes after midnight, 0…1439."""
    end_min: int
    """Greater than `start_min`; above 1440 when the window ends on a later day."""

    @property
    def duration_s(self) -> float:
        """Simulated seconds."""
        return 60.0 * (self.end_min - self.start_min)

    def clock(self, elapsed_s: float) -> str:
        """Return the time of day, `elapsed_s` after the window began, as `HH:MM`."""
        return clock_text(self.start_min + elapsed_s / 60)

    def __str__(self) -> str:
        """Return the window as `Friday 10:00 to 14:00`."""
        return f"{DAYS[self.day].capitalize()} {clock_text(self.start_min)} to {clock_text(self.end_min)}"


def window(day: str, from_: str, to: str, days: int = 1) -> Window:
    """Return the window that a user wrote, e.g. `friday`, `10:00`, `14:00`; `22:00` to `02:00` ends the next day.

    With several `days` (1 to 7) it runs from the first one's `from_` to the last one's `to`, nights included.

    Raises `InputError` for an unknown day or time, and for a window without length.
    """
    try:
        number = day_number(day)
    except ValueError as error:
        raise InputError(f"{day!r} is not a day; write one of {', '.join(DAYS)}.") from error
    times = []
    for text in (from_, to):
        try:
            times.append(clock_minutes(text))
        except ValueError as error:
            raise InputError(f"{text!r} is not a time of day; write it as 10:00.") from error
    start_min, end_min = times
    if start_min in (end_min, MINUTES_OF_DAY):
        raise InputError(f"There is no time between {from_} and {to}; give a later end.")
    end_min += (days - 1) * MINUTES_OF_DAY
    return Window(number, start_min, end_min if end_min > start_min else end_min + MINUTES_OF_DAY)


@dataclass(frozen=True, slots=True)
class OpenSpan:
    """The part of a row's span that lies in the window, in simulated seconds from the window's start."""

    row: ScheduleRow
    start_s: float
    end_s: float
    runs_until_s: float
    """Its true end: greater than `end_s` when the span outlasts the window."""
    was_open: bool
    """Whether the span had begun before the window did."""
    from_day_before: bool
    """Whether it belongs to the day before the window's."""


def open_spans(schedule: Schedule, window: Window) -> dict[str, list[OpenSpan]]:
    """Return the spans that overlap `window`, by vendor id, vendors and spans in order of the file.

    Spans that run past midnight count on the following day too, and a week follows on the week.
    """
    spans: dict[str, list[OpenSpan]] = {}
    for row in schedule.rows:
        days_later = (row.day - window.day) % len(DAYS)
        for days in (days_later, days_later - len(DAYS), days_later + len(DAYS)):
            start_min = row.start_min + days * MINUTES_OF_DAY
            end_min = row.end_min + days * MINUTES_OF_DAY
            if start_min < window.end_min and end_min > window.start_min:
                span = OpenSpan(
                    row=row,
                    start_s=60.0 * max(start_min - window.start_min, 0),
                    end_s=60.0 * (min(end_min, window.end_min) - window.start_min),
                    runs_until_s=60.0 * (end_min - window.start_min),
                    was_open=start_min < window.start_min,
                    from_day_before=days < 0,
                )
                spans.setdefault(vendor_id_of(row.applicant), []).append(span)
    return spans


def vendors_in_window(
    schedule: Schedule, *, day: str, from_: str, to: str, city: City = SAN_FRANCISCO
) -> tuple[Vendor, ...]:
    """Return the vendors that have a span overlapping the window, in order of the file.

    Every one of them publishes at least once in the `schedule_plan` of the same window. Raises `InputError` as
    `window` does, and when there is no such vendor.
    """
    return tuple(vendors_of(schedule, window(day, from_, to), city))


def vendors_of(schedule: Schedule, window: Window, city: City) -> list[Vendor]:
    """Return the vendors of `window`; see `vendors_in_window`."""
    wanted = open_spans(schedule, window)
    if not wanted:
        days = Counter(row.day for row in schedule.rows)
        there = ", ".join(f"{DAYS[day].capitalize()} ({days[day]})" for day in sorted(days))
        raise InputError(f"No vendor of {schedule.path} is out on {window}; choose another time (rows: {there}).")
    rows: dict[str, list[ScheduleRow]] = {}
    for row in schedule.rows:
        rows.setdefault(vendor_id_of(row.applicant), []).append(row)
    return [_vendor(twitter_id, rows[twitter_id], city) for twitter_id in wanted]


def _vendor(twitter_id: str, rows: Sequence[ScheduleRow], city: City) -> Vendor:
    first = rows[0]
    return Vendor(
        twitter_id=twitter_id,
        name=first.applicant,
        handle=handle_of(first.applicant),
        description=clean_text(next((row.text for row in rows if row.text), ""), DESCRIPTION_LIMIT),
        image_url=image_url_of(twitter_id),
        home=Area(first.point, max(distance_m(first.point, point) for point in {row.point for row in rows})),
        place=city.place,
    )
