import itertools
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.errors import InputError
from simulator.vendors.city import SAN_FRANCISCO
from simulator.vendors.geodesy import LatLong, destination, distance_m
from simulator.vendors.itinerary import itinerary
from simulator.vendors.moments import Moment, spaced
from simulator.vendors.schedule import Schedule, ScheduleRow
from simulator.vendors.schedule_plan import schedule_plan
from simulator.vendors.schedule_window import open_spans, vendors_in_window, window
from simulator.vendors.snowflake import snowflake_ms
from simulator.vendors.vendor import vendor_id_of
from tracker.updates import encode_update, parse_update

START_MS = 1_700_000_000_000
PIER = LatLong(37.8, -122.4)
FRIDAY = 5


def east(metres):
    return destination(PIER, 90, metres)


def row(start, end, *, line=2, name="Taco Town", metres=0, day=FRIDAY, text="Tacos"):
    """A row from `start` to `end` (hours), at a spot `metres` east of the pier."""
    return ScheduleRow(
        line=line,
        applicant=name,
        day=day,
        start_min=round(start * 60),
        end_min=round(end * 60),
        point=east(metres),
        address=f"{metres} EAST ST",
        description="",
        text=text,
    )


def schedule(*rows):
    return Schedule(Path("schedule.csv"), rows, ())


def stops_of(*rows, from_="10:00", to="14:00", **options):
    (spans,) = open_spans(schedule(*rows), window("friday", from_, to)).values()
    return itinerary(spans, **options)


def hours(stops):
    return [
        (stop.row.address, round(10 + stop.arrive_s / 3600, 3), round(10 + stop.leave_s / 3600, 3)) for stop in stops
    ]


@pytest.mark.parametrize(
    ("start", "end", "day", "wanted"),
    [
        (9, 11, FRIDAY, True),
        (13.9, 20, FRIDAY, True),
        (8, 10, FRIDAY, False),
        (14, 15, FRIDAY, False),
        (10, 14, FRIDAY + 1, False),
        (20, 34.5, FRIDAY - 1, True),
        (20, 33, FRIDAY - 1, False),
    ],
    ids=[
        "over the start", "over the end", "ends as the window begins", "begins as it ends", "another day",
        "from the day before", "over before the window",
    ],
)  # fmt: skip
def test_vendors_in_window_are_those_with_a_span_in_it(start, end, day, wanted):
    other = row(10, 14, name="Always", line=3)
    vendors = vendors_in_window(schedule(row(start, end, day=day), other), day="friday", from_="10:00", to="14:00")
    assert [vendor.name for vendor in vendors] == (["Taco Town", "Always"] if wanted else ["Always"])


def test_saturday_night_runs_into_sunday_as_the_week_turns():
    late = row(20, 26, day=6)
    spans = open_spans(schedule(late), window("sunday", "00:00", "04:00"))
    ((span,),) = spans.values()
    assert (span.start_s, span.end_s, span.was_open, span.from_day_before) == (0, 7200, True, True)


def test_window_past_midnight_sees_the_next_day():
    spans = open_spans(schedule(row(1, 3, day=6)), window("friday", "22:00", "02:00"))
    ((span,),) = spans.values()
    assert (span.start_s, span.end_s, span.runs_until_s) == (3 * 3600, 4 * 3600, 5 * 3600)


def test_vendor_is_described_by_its_rows():
    rows = row(8, 9, text=""), row(10, 14, line=3, metres=700, text="Tacos & more"), row(10, 14, line=4, metres=300)
    (vendor,) = vendors_in_window(schedule(*rows), day="friday", from_="10:00", to="14:00")
    assert vendor.twitter_id == vendor_id_of("Taco Town")
    assert (vendor.name, vendor.handle, vendor.description) == ("Taco Town", "TacoTown", "Tacos & more")
    assert vendor.home.centre == PIER
    assert vendor.home.radius_m == pytest.approx(700, abs=0.01)


def test_truck_stands_while_its_span_holds_and_drives_in_the_gap():
    way = stops_of(row(10, 11), row(12, 13, line=3, metres=1800))
    assert hours(way.stops) == [("0 EAST ST", 10, 11), ("1800 EAST ST", 12, 13)]
    # 1,800 m at 9 m/s: it leaves 200 s before it has to be there.
    assert way.stops[0].depart_s == pytest.approx(2 * 3600 - 200, abs=0.01)
    assert way.hurried_speeds_m_s == ()
    assert way.takes_turns is False


def test_without_a_gap_the_drive_is_taken_from_the_next_stay():
    way = stops_of(row(10, 11), row(11, 12, line=3, metres=3240))
    assert hours(way.stops) == [("0 EAST ST", 10, 11), ("3240 EAST ST", 11.1, 12)]
    assert way.hurried_speeds_m_s == ()


def test_drive_is_as_fast_as_it_has_to_be_to_leave_half_of_the_next_stay():
    way = stops_of(row(10, 11), row(11, 11.5, line=3, metres=18_000))
    assert hours(way.stops) == [("0 EAST ST", 10, 11), ("18000 EAST ST", 11.25, 11.5)]
    assert way.hurried_speeds_m_s == pytest.approx([20.0], rel=1e-6)


def test_touching_spans_at_one_spot_are_one_stay():
    way = stops_of(row(10, 11), row(11, 13, line=3))
    assert hours(way.stops) == [("0 EAST ST", 10, 13)]


def test_closed_hours_at_one_spot_need_no_drive():
    way = stops_of(row(10, 11), row(12, 13, line=3))
    assert hours(way.stops) == [("0 EAST ST", 10, 11), ("0 EAST ST", 12, 13)]
    assert [stop.way for stop in way.stops] == [None, None]


def test_several_spots_at_once_are_visited_in_turn_nearest_first():
    way = stops_of(row(10, 13), row(10, 13, line=3, metres=900), row(10, 13, line=4, metres=450), from_="10:00")
    assert [(name, leave) for name, _, leave in hours(way.stops)] == [
        ("0 EAST ST", 11),
        ("450 EAST ST", 12),
        ("900 EAST ST", 13),
    ]
    assert (way.takes_turns, way.spots_left_out) == (True, 0)


def test_turns_go_to_the_spots_seen_least():
    """Ten minutes are too short for three spots; over two spans every one of them is visited."""
    spots = [(0, 2), (450, 3), (900, 4)]
    early = [row(10, 10 + 1 / 6, line=line, metres=metres) for metres, line in spots]
    later = [row(12, 12 + 1 / 6, line=line + 3, metres=metres) for metres, line in spots]
    way = stops_of(*early, *later)
    assert way.spots_left_out == 0
    assert [stop.row.address for stop in way.stops] == ["0 EAST ST", "450 EAST ST", "900 EAST ST", "450 EAST ST"]


def test_spots_without_time_for_a_stay_are_counted():
    way = stops_of(*[row(10, 10.25, line=2 + number, metres=100 * number) for number in range(5)])
    assert len(way.stops) == 3
    assert way.spots_left_out == 2


def test_lateness_shifts_the_day_but_never_past_the_first_stay():
    assert hours(stops_of(row(10, 11), row(12, 13, line=3), lateness_s=360).stops) == [
        ("0 EAST ST", 10.1, 11.1),
        ("0 EAST ST", 12.1, 13.1),
    ]
    assert hours(stops_of(row(13.95, 18), lateness_s=900).stops) == [("0 EAST ST", 13.975, 14.025)]


def test_truck_that_stood_there_before_does_not_arrive_late():
    way = stops_of(row(9, 11), lateness_s=360)
    assert hours(way.stops) == [("0 EAST ST", 10, 11.1)]
    assert way.stops[0].was_open is True


def plan_of(*rows, **options):
    return schedule_plan(schedule(*rows), **{"start_ms": START_MS, "seed": 1, "lateness_s": 0.0, **options})


def said(plan):
    return [(planned.due_s, planned.update["text"], planned.update["geo"]["name"]) for planned in plan]


def test_truck_tells_of_arrival_departure_and_the_way():
    rows = row(10.5, 11), row(12, 20, line=3, metres=1800, text="Tacos, burritos")
    options = {"ping_interval_s": 10_000, "drive_ping_interval_s": 150, "jitter": 0.0}
    assert said(plan_of(*rows, **options)) == [
        (7.5, "Now at 0 EAST ST until 11:00. Tacos", "0 EAST ST"),
        (15.0, "Closed at 0 EAST ST. Next at 1800 EAST ST from 12:00.", "0 EAST ST"),
        (29.166, "On our way to 1800 EAST ST.", "San Francisco"),
        (29.791, "On our way to 1800 EAST ST.", "San Francisco"),
        (30.0, "Now at 1800 EAST ST until 20:00. Tacos, burritos", "1800 EAST ST"),
    ]


def test_last_span_ends_with_a_farewell_and_a_span_without_a_gap_with_the_next_spot():
    rows = row(10.5, 11), row(11, 12, line=3, metres=450)
    texts = [text for _, text, _ in said(plan_of(*rows, ping_interval_s=10_000))]
    assert texts[1] == "Leaving 0 EAST ST for 450 EAST ST."
    assert texts[-1] == "Closed at 450 EAST ST. See you next time!"


def test_standing_truck_repeats_itself_at_the_interval():
    plan = plan_of(row(10, 15), ping_interval_s=1200, jitter=0.0)
    assert [due_s for due_s, _, _ in said(plan)] == [5.0 * number for number in range(12)]


SPACED = {
    "far apart, nothing changes": ([0, 10, 20], 5, [(0, 0), (10, 10), (20, 20)]),
    "too early waits": ([0, 2, 20], 5, [(0, 0), (5, 2), (20, 20)]),
    "of many too early the newest": ([0, 1, 2, 3, 20], 5, [(0, 0), (5, 3), (20, 20)]),
    "the last one is said too": ([0, 3], 5, [(0, 0), (5, 3)]),
    "what waited counts as the last word": ([0, 3, 7], 5, [(0, 0), (5, 3), (10, 7)]),
    "no gap asked": ([0, 0, 1], 0, [(0, 0), (0, 0), (1, 1)]),
}


@pytest.mark.parametrize(("at_s", "gap_s", "expected"), SPACED.values(), ids=SPACED)
def test_spacing_lets_the_newest_word_wait(at_s, gap_s, expected):
    said_at = [Moment(at, PIER, SAN_FRANCISCO.place, f"said at {at}") for at in at_s]
    assert [(moment.at_s, moment.text) for moment in spaced(said_at, gap_s)] == [
        (at, f"said at {original}") for at, original in expected
    ]


def test_no_vendor_publishes_more_often_than_the_least_gap():
    rows = row(10, 11), row(11.1, 12, line=3, metres=900), row(12.2, 13, line=4)
    due = [due_s for due_s, _, _ in said(plan_of(*rows, ping_interval_s=60, least_gap_s=480))]
    assert len(due) > 10
    assert min(later - earlier for earlier, later in itertools.pairwise(due)) >= 2.0 - 0.002  # whole milliseconds


def test_positions_are_those_of_the_spots_and_of_the_way_between():
    rows = row(10, 11), row(12, 13, line=3, metres=1800)
    for planned in plan_of(*rows, gps_sigma_m=0.0, drive_ping_interval_s=50):
        coordinates = planned.update["geo"]["coordinates"]
        away_m = distance_m(PIER, LatLong(coordinates["lat"], coordinates["long"]))
        simulated_s = planned.due_s * 240
        driven_m = min(max(0.0, (simulated_s - 7000) * 9), 1800.0)
        assert away_m == pytest.approx(driven_m, abs=5.0)  # due times are whole milliseconds: 0.24 s of driving


def test_same_seed_gives_the_same_bytes_and_another_seed_does_not():
    rows = row(9, 11), row(10, 12, name="B", line=3), row(11.5, 13, line=4, metres=900)
    bodies = [
        [encode_update(planned.update) for planned in plan]
        for plan in (plan_of(*rows), plan_of(*rows), plan_of(*rows, seed=2))
    ]
    assert bodies[0] == bodies[1] == [encode_update(planned.update) for planned in plan_of(*rows)]
    assert bodies[0] != bodies[2]


@pytest.mark.parametrize("seed", range(8))
def test_truck_that_stands_there_is_heard_of_in_a_window_shorter_than_the_interval(seed):
    plan = plan_of(row(9, 15), to="10:02", seed=seed, lateness_s=300.0, ping_interval_s=7200.0)
    assert len(said(plan)) == 1


hour = st.integers(0, 47).map(lambda number: number / 2)
any_row = st.builds(
    lambda start, length, **rest: row(start, start + length, **rest),
    hour,
    st.integers(1, 20).map(lambda number: number / 2),
    name=st.sampled_from("ABC"),
    metres=st.sampled_from([0, 100, 900, 5_000, 20_000]),
    day=st.integers(3, 6),
    line=st.integers(2, 10_000),
)


@given(
    rows=st.lists(any_row, min_size=1, max_size=14, unique_by=lambda row: row.line),
    from_min=st.integers(0, 1439),
    length_min=st.integers(1, 1439),
    seed=st.integers(0, 99),
    lateness_s=st.sampled_from([0.0, 300.0, 5_000.0]),
)
@settings(max_examples=30, deadline=None)
def test_every_vendor_of_any_window_publishes_and_the_plan_is_in_order(rows, from_min, length_min, seed, lateness_s):
    to_min = (from_min + length_min) % 1440
    asked = {
        "day": "friday",
        "from_": f"{from_min // 60}:{from_min % 60:02d}",
        "to": f"{to_min // 60}:{to_min % 60:02d}",
    }
    everybody = schedule(*rows)
    try:
        vendors = vendors_in_window(everybody, **asked)
    except InputError:
        return
    plan = schedule_plan(everybody, **asked, start_ms=START_MS, seed=seed, lateness_s=lateness_s)
    planned = list(plan)
    assert {update.vendor for update in planned} == set(vendors) == set(plan.vendors)
    due = [update.due_s for update in planned]
    ids = [int(update.update["id"]) for update in planned]
    assert due == sorted(due)
    assert ids == sorted(set(ids))
    assert due[-1] <= plan.duration_s == length_min * 60 / 240
    assert [snowflake_ms(update.update["id"]) - START_MS for update in planned] == [round(d * 1000) for d in due]
    for update in planned:
        parse_update(encode_update(update.update))
        assert len(update.update["text"]) <= 280


def test_notes_count_what_was_decided():
    rows = (
        row(9, 14), row(10, 14, line=3, metres=900),
        row(9, 10.25, line=4, name="Fast"), row(10.25, 10.5, line=5, name="Fast", metres=18_000),
        row(20, 35, line=6, name="Night", day=FRIDAY - 1),
    )  # fmt: skip
    assert plan_of(*rows).notes == (
        "1 of 3 vendors have several spots at once and take turns between them; 0 spots are left out for lack of time.",
        "1 drive is hurried: 32 km/h would be too slow; the fastest makes 144 km/h.",
        "1 span is carried over from the day before.",
    )
    assert plan_of(row(10, 14)).notes == ()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"day": "someday"}, "'someday' is not a day"),
        ({"from_": "10"}, "'10' is not a time of day"),
        ({"to": "25:00"}, "'25:00' is not a time of day"),
        ({"to": "10:00"}, "no time between 10:00 and 10:00"),
        ({"day": "monday"}, r"No vendor of schedule\.csv is out on Monday 10:00 to 14:00; .*Friday \(1\)"),
        ({"speed": 0}, "speed cannot be 0"),
        ({"ping_interval_s": -5}, "ping_interval_s cannot be -5"),
        ({"drive_ping_interval_s": 0}, "drive_ping_interval_s cannot be 0"),
        ({"lateness_s": -1}, "lateness_s cannot be -1"),
        ({"jitter": 2}, "jitter cannot be 2"),
        ({"gps_sigma_m": -1}, "gps_sigma_m cannot be -1"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_request_that_makes_no_sense_is_refused(options, sentence):
    with pytest.raises(InputError, match=sentence):
        plan_of(row(10, 14), **options)
