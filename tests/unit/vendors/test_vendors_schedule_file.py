import csv
import io

import pytest

from simulator.errors import InputError
from simulator.vendors.geodesy import LatLong
from simulator.vendors.schedule import RowProblem, ScheduleRow, problem_summary
from simulator.vendors.schedule_file import read_schedule
from simulator.vendors.week import clock_minutes, clock_text, day_number

COLUMNS = [
    "DayOrder", "DayOfWeekStr", "starttime", "endtime", "permit", "PermitLocation", "locationdesc", "optionaltext",
    "locationid", "scheduleid", "start24", "end24", "CNN", "Addr_Date_Create", "Addr_Date_Modified", "block", "lot",
    "ColdTruck", "Applicant", "X", "Y", "Latitude", "Longitude", "Location",
]  # fmt: skip
GOOD = {
    "DayOrder": "5",
    "DayOfWeekStr": "Friday",
    "starttime": "10AM",
    "endtime": "2PM",
    "permit": "21MFF-1",
    "PermitLocation": "1 MARKET ST",
    "locationdesc": "North side, “by the clock”",
    "optionaltext": "Tacos, burritos",
    "start24": "10:00",
    "end24": "14:00",
    "ColdTruck": "N",
    "Applicant": "Taco Town",
    "Latitude": "37.794",
    "Longitude": "-122.395",
}


def csv_text(*rows, columns=COLUMNS):
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows({**GOOD, **row} for row in rows)
    return text.getvalue()


@pytest.fixture
def schedule_of(tmp_path):
    def read(content):
        path = tmp_path / "schedule.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_schedule(path)

    return read


def test_row_is_read_whole(schedule_of):
    schedule = schedule_of(csv_text({}))
    assert schedule.problems == ()
    assert schedule.rows == (
        ScheduleRow(
            line=2,
            applicant="Taco Town",
            day=5,
            start_min=600,
            end_min=840,
            point=LatLong(37.794, -122.395),
            address="1 MARKET ST",
            description="North side, “by the clock”",
            text="Tacos, burritos",
        ),
    )


@pytest.mark.parametrize(
    "encode",
    [
        lambda text: "\ufeff" + text,
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("\n", "\n\n") + "\n\n",
        lambda text: text.replace("DayOfWeekStr", " dayofweekstr "),
        lambda text: text.rstrip("\n"),
    ],
    ids=["byte-order mark", "CRLF", "blank lines", "header spaced and lower", "no newline at the end"],
)
def test_harmless_differences_change_nothing(schedule_of, encode):
    expected = schedule_of(csv_text({}, {"Applicant": "Other"}))
    got = schedule_of(encode(csv_text({}, {"Applicant": "Other"})))
    assert got.problems == ()
    assert [(row.applicant, row.day, row.point) for row in got.rows] == [
        (row.applicant, row.day, row.point) for row in expected.rows
    ]


@pytest.mark.parametrize(
    ("span", "minutes", "overnight"),
    [
        (("20:00", "02:00"), (1200, 1560), True),
        (("18:00", "24:00"), (1080, 1440), False),
        (("18:00", "00:00"), (1080, 1440), False),
        (("00:00", "24:00"), (0, 1440), False),
        (("9:05", "9:30:00"), (545, 570), False),
    ],
    ids=["past midnight", "to midnight", "to midnight as zero", "all day", "one-digit hour, seconds"],
)
def test_spans_run_forward(schedule_of, span, minutes, overnight):
    (row,) = schedule_of(csv_text({"start24": span[0], "end24": span[1]})).rows
    assert (row.start_min, row.end_min) == minutes
    assert row.overnight is overnight


def test_twelve_hour_columns_stand_in_for_blank_ones(schedule_of):
    (row,) = schedule_of(csv_text({"start24": "", "end24": "", "starttime": "8PM", "endtime": "12AM"})).rows
    assert (row.start_min, row.end_min) == (1200, 1440)


def test_day_order_stands_in_for_a_blank_day(schedule_of):
    (row,) = schedule_of(csv_text({"DayOfWeekStr": "", "DayOrder": "6"})).rows
    assert row.day == 6


@pytest.mark.parametrize(
    ("row", "reason", "detail"),
    [
        ({"start24": "08:00", "end24": "08:00"}, "zero-length span", "08:00 to 08:00"),
        ({"Latitude": "0", "Longitude": "0"}, "zero coordinates", "'0', '0'"),
        ({"Latitude": "0.0"}, "zero coordinates", "'0.0', '-122.395'"),
        ({"Latitude": "", "Longitude": ""}, "no coordinates", "'', ''"),
        ({"Longitude": "  "}, "no coordinates", "'37.794', ''"),
        ({"Latitude": "37,794"}, "bad coordinates", "'37,794', '-122.395'"),
        ({"Latitude": "-122.395", "Longitude": "37.794"}, "bad coordinates", "'-122.395', '37.794'"),
        ({"Latitude": "nan"}, "bad coordinates", "'nan', '-122.395'"),
        ({"start24": "25:00"}, "bad time", "start24 '25:00'"),
        ({"end24": "noon"}, "bad time", "end24 'noon'"),
        ({"start24": "10:75"}, "bad time", "start24 '10:75'"),
        ({"start24": "24:00"}, "bad time", "starts at 24:00"),
        ({"start24": "", "starttime": ""}, "bad time", "start24 ''"),
        ({"DayOfWeekStr": "Fryday"}, "bad day", "'Fryday'"),
        ({"DayOfWeekStr": "", "DayOrder": "7"}, "bad day", "''"),
        ({"Applicant": " \t"}, "no applicant", ""),
    ],
    ids=lambda value: ",".join(f"{k}={v}" for k, v in value.items()) if isinstance(value, dict) else "",
)
def test_unusable_row_is_named_and_the_others_are_used(schedule_of, row, reason, detail):
    schedule = schedule_of(csv_text({}, row, {"Applicant": "Third"}))
    assert schedule.problems == (RowProblem(3, reason, detail),)
    assert [used.applicant for used in schedule.rows] == ["Taco Town", "Third"]


def test_repeated_row_is_used_once_and_named(schedule_of):
    schedule = schedule_of(csv_text({}, {"locationid": "9", "Applicant": "TACO  TOWN"}, {"permit": "other"}))
    assert [row.line for row in schedule.rows] == [2]
    assert schedule.problems == (
        RowProblem(3, "repeats another row", "line 2"),
        RowProblem(4, "repeats another row", "line 2"),
    )


def test_several_spots_at_once_are_no_repetition(schedule_of):
    assert len(schedule_of(csv_text({}, {"Latitude": "37.7"})).rows) == 2


def test_row_with_fields_missing_or_left_over_is_named(schedule_of):
    schedule = schedule_of(csv_text({}) + "5,Friday\n" + ",".join(["x"] * 25) + "\n")
    assert schedule.problems == (
        RowProblem(3, "wrong number of fields", "2 instead of 24"),
        RowProblem(4, "wrong number of fields", "25 instead of 24"),
    )


def test_stray_quote_costs_its_own_row_only(schedule_of):
    schedule = schedule_of(csv_text({}) + '5,"Friday" ,10AM\n' + csv_text({"Applicant": "Last"}).split("\n")[1] + "\n")
    assert [(problem.line, problem.reason) for problem in schedule.problems] == [(3, "not CSV")]
    assert [(row.line, row.applicant) for row in schedule.rows] == [(2, "Taco Town"), (4, "Last")]


def test_line_numbers_count_lines_of_the_file_not_records(schedule_of):
    schedule = schedule_of(csv_text({"locationdesc": "two\nlines"}, {"Applicant": ""}))
    assert schedule.rows[0].description == "two lines"
    assert [problem.line for problem in schedule.problems] == [4]


def test_hostile_text_is_kept_as_data_but_bounded_and_without_control_characters(schedule_of):
    hostile = "<script>alert(1)</script>\x1b[2J\u202e; DROP TABLE\x00 " + "x" * 5_000
    (row,) = schedule_of(
        csv_text({"Applicant": hostile, "optionaltext": hostile, "PermitLocation": hostile, "locationdesc": hostile})
    ).rows
    for text, limit in ((row.applicant, 100), (row.text, 280), (row.address, 100), (row.description, 100)):
        assert text.startswith("<script>alert(1)</script> [2J; DROP TABLE xxx")
        assert text.isprintable()
        assert len(text) == limit


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", r"schedule\.csv is empty"),
        (b"\n\n  \n", r"schedule\.csv is empty"),
        (b"\xff\xfed\x00a\x00", r"schedule\.csv is not UTF-8 \(byte 0xff on line 1\)"),
        (csv_text({}).encode() + b"caf\xe9\n", r"schedule\.csv is not UTF-8 \(byte 0xe9 on line 3\)"),
        (csv_text(), r"schedule\.csv holds no row that can be used: it has a header and no rows"),
        (
            csv_text({"Applicant": ""}),
            r"holds no row that can be used: the first of 1 problems is line 2: no applicant",
        ),
        ("a,b\n1,2\n", r"has no column DayOfWeekStr and no column start24 .*begins with: a, b\)"),
        ('"a"b\n', r"the header on line 1 is not CSV"),
        (csv_text({}) + '5,"never closed\n', r"schedule\.csv, line 3: a quote that opens here is never closed"),
    ],
    ids=["empty", "blank", "UTF-16", "Latin-1", "header only", "nothing usable", "not a schedule", "header", "quote"],
)
def test_file_that_cannot_be_used_is_refused_with_the_reason(schedule_of, content, sentence):
    with pytest.raises(InputError, match=sentence):
        schedule_of(content)


@pytest.mark.parametrize("column", ["DayOfWeekStr", "start24", "end24", "Applicant", "Latitude", "Longitude"])
def test_missing_column_is_named(schedule_of, column):
    with pytest.raises(InputError, match=rf"schedule\.csv has no column {column} \("):
        schedule_of(csv_text({}, columns=[name for name in COLUMNS if name != column]))


def test_columns_that_only_decorate_may_be_missing(schedule_of):
    needed = ["Longitude", "Latitude", "Applicant", "end24", "start24", "DayOfWeekStr"]
    (row,) = schedule_of(csv_text({}, columns=needed)).rows
    assert row.spot_name == "37.79400, -122.39500"


@pytest.mark.parametrize("name", ["nowhere.csv", "."], ids=["missing", "a directory"])
def test_file_that_cannot_be_opened_is_refused(tmp_path, name):
    with pytest.raises(InputError, match="cannot be read"):
        read_schedule(tmp_path / name)


def test_summary_counts_each_reason_and_shows_the_first_lines(schedule_of):
    rows = [{"start24": "08:00", "end24": "08:00"}] * 7 + [{"Applicant": ""}, {}]
    heading, zero_length, nameless = problem_summary(schedule_of(csv_text(*rows))).split("\n")
    assert heading.endswith("schedule.csv: 8 of 9 rows cannot be used")
    lines = ", ".join(f"line {number} (08:00 to 08:00)" for number in range(2, 7))
    assert zero_length == f"  7 × zero-length span: {lines} and 2 more"
    assert nameless == "  1 × no applicant: line 9"


def test_summary_of_a_clean_file_is_empty(schedule_of):
    assert problem_summary(schedule_of(csv_text({}))) == ""


@pytest.mark.parametrize(
    ("text", "minutes"),
    [("0:00", 0), ("24:00", 1440), ("12AM", 0), ("12PM", 720), ("1pm", 780), ("2:30 p.m.", 870), (" 07:15 ", 435)],
)
def test_clock_times_are_read(text, minutes):
    assert clock_minutes(text) == minutes


@pytest.mark.parametrize("text", ["", "10", "24:01", "13PM", "0AM", "-1:00", "10:0", "１０:00am x", "10:00:61"])
def test_what_is_no_clock_time_is_refused(text):
    with pytest.raises(ValueError, match="not a time of day"):
        clock_minutes(text)


@pytest.mark.parametrize(("text", "day"), [("Sunday", 0), ("fri", 5), (" THURS. ", 4), ("Tue", 2)])
def test_days_are_read(text, day):
    assert day_number(text) == day


@pytest.mark.parametrize("text", ["", "f", "fr", "freitag", "5"])
def test_what_is_no_day_is_refused(text):
    with pytest.raises(ValueError, match="not a day"):
        day_number(text)


def test_times_past_midnight_are_written_as_the_next_day():
    assert (clock_text(1500), clock_text(1440), clock_text(59.9)) == ("01:00", "00:00", "00:59")
