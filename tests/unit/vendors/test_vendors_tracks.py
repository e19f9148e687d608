"""Recorded tracks, in the dialects of the recorders that write them."""

import itertools
import json
import os

import pytest

from simulator.errors import InputError
from simulator.vendors.geodesy import LatLong
from simulator.vendors.imperfections import Imperfections
from simulator.vendors.pace import steady
from simulator.vendors.track_files import RecordedTrack, TrackFile, read_tracks
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
    assert read_tracks(written(tmp_path, name, text)).tracks == (RecordedTrack("Morning Ride", TWO, True, left_out),)


def points(*times, lat0=52.5):
    """Track points some metres apart, one for each time; None is one without."""
    return "".join(
        f'<trkpt lat="{lat0 + number / 1_000:.4f}" lon="13.4">{"" if at is None else f"<time>{at}</time>"}</trkpt>'
        for number, at in enumerate(times)
    )


def gpx(body, head='version="1.1" creator="any" xmlns="http://www.topografix.com/GPX/1/1"'):
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<gpx {head}>{body}</gpx>'


TIMED = points("2020-01-01T00:00:00Z", "2020-01-01T00:00:10Z")
DIALECTS = {
    # What each kind of program gets wrong or does in its own way; the ride is the same.
    "no namespace, no version": gpx(f"<trk><name>Ride</name><trkseg>{TIMED}</trkseg></trk>", 'creator="iPhone"'),
    "a namespace of its own": gpx(
        f"<trk><name>Ride</name><trkseg>{TIMED}</trkseg></trk>", 'creator="R" xmlns="https://example.com/speed"'
    ),
    "a prefix on everything": '<g:gpx xmlns:g="http://www.topografix.com/GPX/1/1"><g:trk><g:name>Ride</g:name><g:trkseg>'
    '<g:trkpt lat="52.5" lon="13.4"><g:time>2020-01-01T00:00:00Z</g:time></g:trkpt>'
    '<g:trkpt lat="52.501" lon="13.4"><g:time>2020-01-01T00:00:10Z</g:time></g:trkpt></g:trkseg></g:trk></g:gpx>',
    "a prefix that nobody declared": gpx(
        f"<trk><name>Ride</name><extensions><gpxx:TrackExtension><gpxx:DisplayColor>Red</gpxx:DisplayColor>"
        f"</gpxx:TrackExtension></extensions><trkseg>{TIMED}</trkseg></trk>"
    ),
    "old, with speeds and strange numbers": gpx(
        '<time>1970-01-01T00:00:00Z</time><bounds minlat="" /><trk><name>Ride</name><number>one</number><trkseg>'
        '<trkpt lat="52.5" lon="13.4"><ele>high</ele><time>2020-01-01T00:00:00.0Z</time><speed>-,1</speed></trkpt>'
        '<trkpt lat=" 52.501 " lon="13.4"><time>2020-01-01T00:00:10.0000000Z</time><sat>many</sat></trkpt>'
        "</trkseg></trk>",
        'version="1.0"',
    ),
    "empty segments and a pause": gpx(
        "<trk><name>Ride</name><trkseg/><trkseg>"
        + TIMED.replace("</trkpt>", "</trkpt></trkseg><trkseg>", 1)
        + "</trkseg><trkseg/></trk><trk/>"
    ),
    "several positions in the first second": gpx(
        f"<trk><name>Ride</name><trkseg>{points('2020-01-01T00:00:00Z') * 3}"
        f"{points(None, '2020-01-01T00:00:10Z')[len(points(None)) :]}</trkseg></trk>"
    ),
    "offsets": gpx(
        "<trk><name>Ride</name><trkseg>"
        f"{points('2020-01-01T05:30:00+05:30', '2019-12-31T19:00:10-05:00')}</trkseg></trk>"
    ),
    "no zone, or a small one": gpx(
        f"<trk><name>Ride</name><trkseg>{points('2020-01-01T00:00:00', ' 2020-01-01t00:00:10z ')}</trkseg></trk>"
    ),
    "the name where the file is described": gpx(
        f"<metadata><name>Ride</name><author><name>Ann</name></author></metadata><trk><trkseg>{TIMED}</trkseg></trk>"
    ),
    "a way planned beside the one recorded": gpx(
        f'<wpt lat="1" lon="1"><name>Stop</name></wpt><rte><name>Plan</name><rtept lat="52" lon="13"/></rte>'
        f"<trk><name>Ride</name><trkseg>{TIMED}</trkseg></trk>"
    ),
    "a copy inside the description": gpx(
        f"<metadata><trk><name>Copy</name><trkseg>{TIMED}</trkseg></trk></metadata>"
        f"<trk><name>Ride</name><trkseg>{TIMED}</trkseg></trk>"
    ),
    "labels in its extensions": gpx(
        '<trk><name>Ride</name><extensions><time>2008-01-01T00:00:00Z</time><point lat="1" lon="2"/></extensions>'
        f"<trkseg>{TIMED}</trkseg></trk>"
    ),
    "comments, markup and a blank line first": f"\n  <?xml version='1.0'?><!-- made by hand -->\n<gpx><trk><name>"
    f"<![CDATA[Ride]]></name><trkseg>{TIMED}</trkseg></trk></gpx>",
    "newest first": gpx(
        "<trk><name>Ride</name><trkseg>"
        '<trkpt lat="52.501" lon="13.4"><time>2020-01-01T00:00:10Z</time></trkpt>'
        '<trkpt lat="52.5" lon="13.4"><time>2020-01-01T00:00:00Z</time></trkpt></trkseg></trk>'
    ),
}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect_of_gpx_says_the_same_ride(tmp_path, dialect):
    assert read_tracks(written(tmp_path, "a.gpx", DIALECTS[dialect])) == TrackFile(
        (RecordedTrack("Ride", TWO, has_times=True),)
    )


@pytest.mark.parametrize(
    ("encoding", "declared"),
    [("latin-1", "ISO-8859-1"), ("cp1251", "windows-1251"), ("utf-16", "UTF-16"), ("utf-8-sig", "UTF-8")],
)
def test_the_encoding_that_a_gpx_file_declares_is_heeded(tmp_path, encoding, declared):
    name = "Маршрут" if encoding in ("cp1251", "utf-16") else "Éclair"
    text = (
        f'<?xml version="1.0" encoding="{declared}"?><gpx><trk><name>{name}</name><trkseg>{TIMED}</trkseg></trk></gpx>'
    )
    (tmp_path / "a.gpx").write_bytes(text.encode(encoding))
    assert read_tracks(tmp_path / "a.gpx").tracks == (RecordedTrack(name, TWO, has_times=True),)


def test_a_gpx_file_that_is_wrong_about_its_encoding_is_read_all_the_same(tmp_path):
    (tmp_path / "a.gpx").write_bytes(gpx(f"<trk><name>Éclair</name><trkseg>{TIMED}</trkseg></trk>").encode("latin-1"))
    assert read_tracks(tmp_path / "a.gpx").tracks == (RecordedTrack("Éclair", TWO, has_times=True),)


def test_control_characters_and_positions_without_a_fix_are_left_out(tmp_path):
    body = (
        '<trk><trkseg><trkpt lat="0.000000000" lon="0.000000000"><time></time><fix>none</fix></trkpt>'
        '<trkpt lat="51" lon="13"><time>2019-12-31T23:00:00Z</time><fix>none</fix></trkpt>'
        f"{TIMED}</trkseg></trk>"
    )
    (tmp_path / "watch.gpx").write_bytes(gpx(body).replace("<trkseg>", "<trkseg>\x1e").encode())
    file = read_tracks(tmp_path / "watch.gpx")
    assert file.tracks == (RecordedTrack("watch", TWO, has_times=True, left_out=2),)
    (note,) = file.notes
    assert note.startswith(f"{tmp_path / 'watch.gpx'}: 2 points are left out: no position on earth, or no time")


def test_a_gpx_file_that_ends_where_the_battery_did_is_used_as_far_as_it_goes(tmp_path):
    whole = gpx(f"<trk><name>Ride</name><trkseg>{TIMED}{points('2020-01-01T00:00:20Z')}")
    file = read_tracks(written(tmp_path, "cut.gpx", whole[: whole.rindex("<time>")]))
    assert file.tracks == (RecordedTrack("Ride", TWO, has_times=True),)
    assert file.notes[0].startswith(f"{tmp_path / 'cut.gpx'} cannot be read to its end (")


def test_the_way_that_a_planner_found_between_two_stops_is_followed(tmp_path):
    body = (
        '<rte><name>Plan</name><rtept lat="52.5" lon="13.4"><time>2020-01-01T00:00:00Z</time><extensions>'
        '<gpxx:RoutePointExtension><gpxx:rpt lat="52.501" lon="13.4"/></gpxx:RoutePointExtension></extensions></rtept>'
        '<rtept lat="52.502" lon="13.4"></rtept></rte>'
    )
    (track,) = read_tracks(written(tmp_path, "a.gpx", gpx(body))).tracks
    assert [point.lat for _, point in track.points] == [52.5, 52.501, 52.502]
    assert not track.has_times


def test_waypoints_are_a_way_only_when_all_have_times(tmp_path):
    timed = TIMED.replace("trkpt", "wpt")
    file = read_tracks(written(tmp_path, "log.gpx", gpx(f"{timed}<trk>\n</trk>")))
    assert file.tracks == (RecordedTrack("log", TWO, has_times=True),)
    assert file.notes == (
        f"{tmp_path / 'log.gpx'} has no track; its 2 waypoints, which all have times, are taken for one.",
    )
    with pytest.raises(InputError, match="has waypoints and no track; they are places, not a way: export the track"):
        read_tracks(written(tmp_path, "places.gpx", gpx(points(None, None).replace("trkpt", "wpt"))))


def feature(geometry, coordinates, **about):
    return {"type": "Feature", "properties": about, "geometry": {"type": geometry, "coordinates": coordinates}}


ENDS = [[13.4, 52.5], [13.4, 52.501]]
AT = ["2020-01-01T00:00:00Z", "2020-01-01T00:00:10Z"]
FEATURES = {
    "times": [feature("LineString", ENDS, name="Ride", times=AT)],
    "times of each coordinate": [feature("LineString", ENDS, name="Ride", coordinateProperties={"times": AT})],
    "times in the coordinates": [
        feature("LineString", [[*place, 34, T0 + number * 10] for number, place in enumerate(ENDS)], title="Ride")
    ],
    "a feature for each position": [
        feature("Point", place, vendor="Ride", time=at) for place, at in zip(ENDS, AT, strict=True)
    ],
    "milliseconds": [
        feature("Point", place, device_id="Ride", timestamp=(T0 + number * 10) * 1_000)
        for number, place in enumerate(ENDS)
    ],
    "places beside the line": [
        feature("Point", [1, 2], name="Stop"),
        feature("Polygon", [[[1, 2]]]),
        feature("LineString", ENDS, vendor="Ride", coordTimes=AT),
        {"type": "Feature", "properties": None, "geometry": None},
    ],
}


@pytest.mark.parametrize("suffix", [".geojson", ".ndjson"])
@pytest.mark.parametrize("dialect", FEATURES)
def test_every_dialect_of_geojson_says_the_same_ride(tmp_path, dialect, suffix):
    features = FEATURES[dialect]
    if suffix == ".ndjson":
        text = "".join(f"\x1e{json.dumps(each)}\r\n" for each in features)
    else:
        text = json.dumps({"type": "FeatureCollection", "features": features}, indent=1).replace("\n", "\r\n")
    file = read_tracks(written(tmp_path, f"a{suffix}", "\ufeff" + text))
    assert file == TrackFile((RecordedTrack("Ride", TWO, has_times=True),))


def test_a_line_of_ndjson_ends_at_a_line_feed_only(tmp_path):
    lines = (
        f'{{"vendor": "A\u2028B", "timestamp": {T0 + at}, "latitude": {52.5 + at / 10_000}, "longitude": 13.4}}'
        for at in (0, 10)
    )
    (track,) = read_tracks(written(tmp_path, "a.jsonl", "\r\n".join(lines))).tracks
    assert (track.name, track.points) == ("A B", TWO)


def test_tracks_that_would_last_for_years_are_refused():
    wrong_clock = RecordedTrack("Ann", ((0.0, TWO[0][1]), TWO[1]), has_times=True)
    with pytest.raises(
        InputError, match=r"The tracks last 18,262 days at speed 1, and a run may last 7: raise vendors"
    ):
        track_plan([wrong_clock], start_ms=START_MS, seed=1)


def test_a_route_without_times_is_followed_at_the_speed_of_a_truck(tmp_path):
    points = '<rtept lat="52.5" lon="13.4"/><rtept lat="52.501" lon="13.4"/>'
    route = f'<gpx version="1.1" creator="Planner"><rte>{points}</rte></gpx>'
    (track,) = read_tracks(written(tmp_path, "trip.gpx", route)).tracks
    assert (track.name, track.has_times) == ("trip", False)
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
    (track,) = read_tracks(written(tmp_path, "tracks.geojson", json.dumps(ours))).tracks
    assert [at_s for at_s, _ in track.points] == [0.0, 2.5]


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("a.kml", "<kml/>", "is no track file; give one that ends in .gpx"),
        ("a.gpx", "<gpx>", "is not GPX that can be read"),
        ("a.gpx", '<gpx version="1.1"></gpx>', "has no track with a position that can be used"),
        ("a.gpx", '<!DOCTYPE g [<!ENTITY a "b">]><gpx version="1.1"></gpx>', "it declares entities, which GPX has not"),
        ("a.gpx", '<gpx version="1.1"><trk><trkseg><trkpt lat="x" lon="1"/></trkseg></trk></gpx>', "has no track with"),
        ("a.gpx", "<gpx><trk><trkseg><trkpt/><trkpt lat='1'/></trkseg></trk></gpx>", "has no track with"),
        ("a.gpx", "", "is not GPX that can be read"),
        ("a.gpx", "<kml></kml>", "its root is <kml>, not <gpx>"),
        ("a.gpx", "<gpx>" + "<trk>" * 1_000, "its elements are more than 100 deep"),
        ("a.geojson", "[1]", "is not GeoJSON with lines in it"),
        ("a.geojson", "{", ", line 1, column 2 is not JSON"),
        ("a.geojson", '{"features":\n[1, ]}', ", line 2, column 5: JSON has no comma before a closing bracket; remove"),
        ("a.geojson", '{"type": "Feature",\r\n}', ", line 2, column 1: JSON has no comma before a closing bracket"),
        ("a.geojson", "[" * 100_000, "is not JSON"),
        ("a.geojson", '{"type": "FeatureCollection", "features": [1, {"geometry": 3}]}', "has no track"),
        ("a.ndjson", '{"lat": 1, "long": 2, "time": 1}\nnonsense', ", line 2, column 1 is not JSON"),
        ("a.ndjson", '{"lat": 1}\n{"lat": 1, "long": 2,}\n', ", line 2, column 22: JSON has no comma before a closing"),
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
    (tmp_path / "latin.geojson").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="is not UTF-8 text"):
        read_tracks(tmp_path / "latin.geojson")
    (tmp_path / "junk.gpx").write_bytes(bytes(range(256)))
    with pytest.raises(InputError, match="is not GPX that can be read"):
        read_tracks(tmp_path / "junk.gpx")
    (tmp_path / "folder.gpx").mkdir()
    with pytest.raises(InputError, match=r"folder\.gpx is not an ordinary file"):
        read_tracks(tmp_path / "folder.gpx")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="a pipe with a name is POSIX")
def test_a_pipe_is_refused_rather_than_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.gpx")
    with pytest.raises(InputError, match=r"pipe\.gpx is not an ordinary file"):
        read_tracks(tmp_path / "pipe.gpx")


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
    called = [RecordedTrack(name, TWO, has_times=True) for name in ("Ann", "Ann 2", "ANN", "Ann", "Ann 2")]
    vendors = track_vendors(called)
    assert [each.name for each in vendors] == ["Ann", "Ann 2", "ANN 3", "Ann 4", "Ann 2 2"]
    assert len({each.twitter_id for each in vendors}) == 5


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
