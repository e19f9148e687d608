"""Days and clock times as people write them in schedules and on command lines.

A time is a number of minutes after midnight; 1440 is the midnight at the end of the day.
"""

from __future__ import annotations

import re

DAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
"""In the order of the schedule's `DayOrder` column: 0 is Sunday."""
MINUTES_OF_DAY = 1440
_SHORTEST_DAY_NAME = 3
_NOON = 12
_CLOCK = re.compile(
    r"(?P<hours>\d{1,2})(:(?P<minutes>[0-5]\d)(:[0-5]\d(\.0+)?)?)?\s*(?P<half>[ap]\.?m\.?)?", re.IGNORECASE
)


def day_number(text: str) -> int:
    """Return the number of a day (0 is Sunday) from its English name or the first three or more letters of it.

    Raises `ValueError` when it is neither.

    >>> day_number("Friday"), day_number("fri")
    (5, 5)
    """
    wanted = text.strip().rstrip(".").casefold()
    if len(wanted) >= _SHORTEST_DAY_NAME:
        for number, name in enumerate(DAYS):
            if name.startswith(wanted):
                return number
    raise ValueError(f"{text!r} is not a day of the week")


def clock_minutes(text: str) -> int:
    """Return the minutes after midnight (0…1440) of a time such as `14:30`, `9:05`, `24:00`, `2PM` or `2:30 pm`.

    Seconds are read and dropped. Raises `ValueError` for anything else.

    >>> clock_minutes("14:30"), clock_minutes("12AM"), clock_minutes("24:00")
    (870, 0, 1440)
    """
    found = _CLOCK.fullmatch(text.strip())
    # A bare number says neither hours nor minutes nor which half of the day.
    if found is None or not (found["minutes"] or found["half"]):
        raise ValueError(f"{text!r} is not a time of day")
    hours, minutes = int(found["hours"]), int(found["minutes"] or 0)
    if found["half"]:
        if not 1 <= hours <= _NOON:
            raise ValueError(f"{text!r} is not a time of day")
        hours = hours % _NOON + (_NOON if found["half"][0] in "pP" else 0)
    if hours * 60 + minutes > MINUTES_OF_DAY:
        raise ValueError(f"{text!r} is not a time of day")
    return hours * 60 + minutes


def clock_text(minutes: float) -> str:
    """Return minutes after some midnight as `HH:MM`.

    >>> clock_text(870), clock_text(1440 + 120)
    ('14:30', '02:00')
    """
    whole = int(minutes) % MINUTES_OF_DAY
    return f"{whole // 60:02d}:{whole % 60:02d}"
