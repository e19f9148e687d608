"""Recorded tracks, in the dialects of the recorders that write them."""

import itertools
import json

import pytest

from simulator.errors import InputError
from simulator.vendors.geodesy import LatLong
from simulator.vendors.imperfections import Imperfections
from simulator.vendors.pace import steady
from simulator.vendors.track_files import RecordedTrack, problem_notes, read_tracks
from simulator.vendors.track_plan import track_plan, track_vendors

START_MS = 1_700_000_000_000
T0 = 1_577_836_800.0
"""2020-01-01T00:00:00Z"""
TWO = ((T0, LatLong(52.5, 13.4)), (T0 + 10, LatLong(52.501, 13.4)))

WATCH = """<?xml version="1.0" encoding="UTF-8"?>
<gpx creator="Watch" version="1.1" xmlns="http://www.topografix.com/GPX/1/1"
  xmlns:ns3="http://www.garmin.com/xmlschemas/TrackPointExtension/v1">
 <metadata><time>2020-01-01T00:00:00.000Z</time></metadata>
 <trk><name>Morning Ride</name><type>cycling</type><trkseg>
  <trkpt lat="52.5" lon="13.4"><ele>34.2</ele><time>2020-01-01T00:00:00.000Z</time>
   <extensions><ns3:TrackPointExtension><ns3:hr>120</ns3:hr></ns3:TrackPointExtension></extensions></trkpt>
  <trkpt lat="52.501" lon="13.4"><ele>34.2</ele><time>2020-01-01T00:00:10.000Z</time></trkpt>
 </trkseg></trk></gpx>"""
HANDHELD = """<gpx version="1.0" creator="Handheld" xmlns="http://www.topografix.com/GPX/1/0">
<time>2020-01-01T00:00:00Z</time><trk><name>Morning Ride</name><number>1</number>
<trkseg><trkpt lat="52.5" lon="13.4"><time>2020-01-01T00:00:00Z</time><speed>1.2</speed></trkpt></trkseg>
<trkseg><trkpt lat="52.501" lon="13.4"><time>2020-01-01T00:00:10Z</time></trkpt></trkseg></trk></gpx>"""
PHONE = """\ufeff

<gpx version="1.1" creator="Phone"><trk><name><![CDATA[Morning   Ride]]></name><trkseg>
<trkpt lat="52.5" lon="13.4"><time>2020-01-01T01:00:00+01:00</time><hdop>5</hdop></trkpt>
<trkpt lat="52.5005" lon="13.4"></trkpt>
<trkpt lat="99.5" lon="13.4"><time>2020-01-01T00:00:04Z</time></trkpt>
<trkpt lat="52.501" lon="13.4"><time>2020-01-01T00:00:10Z</time></trkpt>
<trkpt lat="52.502" lon="13.4"><time>2020-01-01T00:00:09Z</time></trkpt>
</trkseg></trk></gpx>"""
GEOJSON = json.dumps(
    {
        "type": "FeatureCollection",
        "features": [
            {"type": "Feature", "properties": {}, "geometry": {"type": "Point", "coordinates": [1, 2]}},
            {
                "type": "Feature",
                "properties": {
                    "name": "Morning Ride",
                    "coordTimes": ["2020-01-01T00:00:00Z", "2020-01-01T00:00:10Z"],
                },
                "geometry": {"type": "LineString", "coordinates": [[13.4, 52.5, 34], [13.4, 52.501, 34]]},
            },
        ],
    }
)
MULTILINE = json.dumps(
    {
        "type": "Feature",
        "properties": {"name": "Morning Ride", "coordTimes": [["2020-01-01T00:00:00Z"], ["2020-01-01T00:00:10Z"]]},
        "geometry": {"type": "MultiLineString", "coordinates": [[[13.4, 52.5]], [[13.4, 52.501]]]},
    }
)
NDJSON = """{"vendor": "Morning Ride", "time": "2020-01-01T00:00:00Z", "lat": 52.5, "long": 13.4}

{"vendor": "Morning Ride", "time": 1577836810000, "lat": 52.501, "lon": 13.4}
"""


def written(folder, name, text):
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("name", "text", "left_out"),
    [
        ("watch.gpx", WATCH, 0),
        ("handheld.GPX", HANDHELD, 0),
        ("phone.gpx", PHONE, 3),
        ("line.geojson", GEOJSON, 0),
        ("lines.json", MULTILINE, 0),
        ("stream.ndjson", NDJSON, 0),
    ],
)
def test_the_same_ride_is_read_from_every_recorder(tmp_path, name, text, left_out):
    assert read_tracks(written(tmp_path, name, text)) == [RecordedTrack("Morning Ride", TWO, True, left_out)]


def test_a_route_without_times_is_followed_at_the_speed_of_a_truck(tmp_path):
    points = '<rtept lat="52.5" lon="13.4"/><rtept lat="52.501" lon="13.4"/>'
    route = f'<gpx version="1.1" creator="Planner"><rte>{points}</rte></gpx>'
    (track,) = read_tracks(written(tmp_path, "trip.gpx", route))
    assert (track.name, track.has_times) == ("trip 1", False)
    assert track.points[1][0] == pytest.approx(111.2 / 8, rel=0.01)
    assert "1 of 1 tracks have no times" in track_plan([track], start_ms=START_MS, seed=1).notes[0]


def test_our_own_results_can_be_replayed(tmp_path):
    ours = {
        "type": "FeatureCollection",
        "features": [
            {
                "type": "Feature",
                "properties": {"vendor": "5", "name": "Ann", "times_s": [0.0, 2.5]},
                "geometry": {"type": "LineString", "coordinates": [[13.4, 52.5], [13.4, 52.501]]},
            }
        ],
    }
    (track,) = read_tracks(written(tmp_path, "tracks.geojson", json.dumps(ours)))
    assert [at_s for at_s, _ in track.points] == [0.0, 2.5]


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("a.kml", "<kml/>", "is no track file; give one that ends in .gpx"),
        ("a.gpx", "<gpx>", "is not GPX that can be read"),
        ("a.gpx", '<gpx version="1.1"></gpx>', "has no track with a position that can be used"),
        ("a.gpx", '<!DOCTYPE g [<!ENTITY a "b">]><gpx version="1.1"></gpx>', "has a document type, which GPX has not"),
        ("a.gpx", '<gpx version="1.1"><trk><trkseg><trkpt lat="x" lon="1"/></trkseg></trk></gpx>', "is not GPX"),
        ("a.geojson", "[1]", "is not GeoJSON with lines in it"),
        ("a.geojson", "{", "is not JSON"),
        ("a.geojson", "[" * 100_000, "is not JSON"),
        ("a.geojson", '{"type": "FeatureCollection", "features": [1, {"geometry": 3}]}', "has no track"),
        ("a.ndjson", '{"lat": 1, "long": 2, "time": 1}\nnonsense', ", line 2 is not JSON"),
        ("a.ndjson", "[]", ", line 1: not an object"),
        ("a.ndjson", '{"vendor": 4}', ", line 1: vendor must be text"),
        ("a.ndjson", '{"lat": true, "long": 1e400, "time": 1}', "has no track"),
    ],
)
def test_a_file_that_is_no_track_is_refused_by_name(tmp_path, name, text, sentence):
    file = written(tmp_path, name, text)
    with pytest.raises(InputError) as refused:
        read_tracks(file)
    assert sentence in str(refused.value)
    assert str(file) in str(refused.value)


def test_files_that_cannot_be_read_are_refused_by_name(tmp_path):
    with pytest.raises(InputError, match=r"There is no track file .*gone\.gpx"):
        read_tracks(tmp_path / "gone.gpx")
    (tmp_path / "latin.gpx").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="is not UTF-8 text"):
        read_tracks(tmp_path / "latin.gpx")


def test_points_left_out_are_told(tmp_path):
    file = written(tmp_path, "phone.gpx", PHONE)
    assert problem_notes({"phone.gpx": read_tracks(file)}) == [
        "phone.gpx: 3 points are left out: no position on earth, or no time that comes after the one before."
    ]


EARLY = RecordedTrack("Ann", TWO, has_times=True)
LATE = RecordedTrack("Ann", tuple((at_s + 5, point) for at_s, point in TWO), has_times=True)


def told(plan):
    return [(planned.due_s, planned.vendor.name, planned.update["geo"]["coordinates"]["lat"]) for planned in plan]


def test_every_recorded_position_is_an_update_at_its_time():
    assert told(track_plan([EARLY, LATE], start_ms=START_MS, seed=1, speed=2.0)) == [
        (0.0, "Ann", 52.5),
        (0.0, "Ann 2", 52.5),
        (5.0, "Ann", 52.501),
        (5.0, "Ann 2", 52.501),
    ]


def test_tracks_can_keep_the_time_between_them():
    plan = track_plan([LATE, EARLY], start_ms=START_MS, seed=1, together=False)
    assert [(due_s, name) for due_s, name, _ in told(plan)] == [
        (0.0, "Ann 2"),
        (5.0, "Ann"),
        (10.0, "Ann 2"),
        (15.0, "Ann"),
    ]
    assert plan.duration_s == pytest.approx(15.0, abs=0.01)


def test_positions_in_between_are_interpolated_when_a_beat_is_given():
    found = told(track_plan([EARLY], start_ms=START_MS, seed=1, ping_interval_s=1.0))
    assert len(found) in (10, 11)
    for due_s, _, lat in found:
        assert lat == pytest.approx(52.5 + 0.0001 * due_s, abs=2e-6)


def test_a_pace_says_when_updates_are_due_and_the_end_of_a_track_is_where_it_stays():
    found = told(track_plan([EARLY], start_ms=START_MS, seed=1, pace=steady(2.0, 20.0)))
    assert len(found) == 40
    assert found[-1][2] == 52.501


def test_vendors_of_one_name_are_told_apart():
    first, second = track_vendors([EARLY, LATE])
    assert (first.name, second.name) == ("Ann", "Ann 2")
    assert first.twitter_id != second.twitter_id


def test_a_single_position_needs_a_rate():
    alone = RecordedTrack("Stand", TWO[:1], has_times=True)
    with pytest.raises(InputError, match="give phases a rate"):
        track_plan([alone], start_ms=START_MS, seed=1)
    assert len(told(track_plan([alone], start_ms=START_MS, seed=1, pace=steady(1.0, 3.0)))) == 3


def many(imperfections, seed=1):
    points = tuple((T0 + number, LatLong(52.5 + number / 10_000, 13.4)) for number in range(3_600))
    track = RecordedTrack("Ann", points, has_times=True)
    return list(track_plan([track], start_ms=START_MS, seed=seed, imperfections=imperfections))


def ids(plan):
    return [int(planned.update["id"]) for planned in plan]


def test_a_perfect_phone_says_everything_once():
    assert ids(many(None)) == sorted(set(ids(many(Imperfections()))))


def test_gaps_are_silence():
    found = many(Imperfections(gaps_per_hour=10, gap_s=60))
    gaps = [later.due_s - earlier.due_s for earlier, later in itertools.pairwise(found)]
    assert 2_400 < len(found) < 3_500
    assert max(gaps) > 55


def test_late_fixes_leave_out_of_order_with_older_ids_and_doubled_ones_have_ids_of_their_own():
    found = many(Imperfections(late_share=0.1, late_s=3, duplicate_share=0.1))
    assert 3_850 < len(found) < 4_050
    assert len(set(ids(found))) == len(found)
    overtaken = sum(later < earlier for earlier, later in itertools.pairwise(ids(found)))
    assert 250 < overtaken < 450
    assert [planned.due_s for planned in found] == sorted(planned.due_s for planned in found)
    newest = max(found, key=lambda planned: int(planned.update["id"]))
    assert newest.update["geo"]["coordinates"]["lat"] == pytest.approx(52.5 + 3_599 / 10_000)


def test_a_clock_that_jumps_shows_in_the_date_alone():
    plain, jumpy = many(None), many(Imperfections(clock_jumps_per_hour=20, clock_jump_s=600))
    assert ids(plain) == ids(jumpy)
    moved = sum(one.update["date"] != two.update["date"] for one, two in zip(plain, jumpy, strict=True))
    assert moved > 3_000


def test_imperfections_are_the_same_for_the_same_seed():
    habits = Imperfections(5, 30, 0.1, 0.1, 2, 5, 60)
    assert [each.update for each in many(habits)] == [each.update for each in many(habits)]
    assert [each.update for each in many(habits)] != [each.update for each in many(habits, seed=2)]
