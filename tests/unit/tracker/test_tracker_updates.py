import json

import pytest

from tracker.errors import InvalidUpdateError
from tracker.updates import MAX_UPDATE_BYTES, parse_update


def set_at(update, path, value):
    *parents, last = path.split(".")
    for key in parents:
        update = update[key]
    update[last] = value


def test_a_valid_update_is_returned_as_it_is(update):
    assert parse_update(json.dumps(update)) == update


def test_keys_that_are_not_known_are_let_through(update):
    update["lang"] = "en"
    assert parse_update(json.dumps(update))["lang"] == "en"


@pytest.mark.parametrize("date", ["2024-03-12T21:05:00Z", "2024-03-12T21:05:00.123+00:00", "2024-03-12T14:05:00-07:00"])
def test_dates_with_an_offset_are_accepted(update, date):
    update["date"] = date
    assert parse_update(json.dumps(update))["date"] == date


@pytest.mark.parametrize(("lat", "long"), [(90, 180), (-90.0, -180.0), (0, 0)])
def test_the_ends_of_the_ranges_are_accepted(update, lat, long):
    update["geo"]["coordinates"] = {"lat": lat, "long": long}
    assert parse_update(json.dumps(update))["geo"]["coordinates"] == {"lat": lat, "long": long}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        pytest.param("id", 17, id="id a number"),
        pytest.param("id", "", id="id empty"),
        pytest.param("id", "12a", id="id not decimal"),
        pytest.param("id", "٣", id="id in other digits"),
        pytest.param("id", "1" * 21, id="id too long"),
        pytest.param("userId", "", id="vendor id empty"),
        pytest.param("userId", None, id="vendor id null"),
        pytest.param("userId", "x" * 65, id="vendor id too long"),
        pytest.param("userName", ["a"], id="name a list"),
        pytest.param("userName", "x" * 257, id="name too long"),
        pytest.param("text", "x" * 4001, id="text too long"),
        pytest.param("text", "\ud800", id="text half a surrogate pair"),
        pytest.param("date", "yesterday", id="date not ISO"),
        pytest.param("date", "2024-03-12T21:05:00", id="date without offset"),
        pytest.param("geo", None, id="geo null"),
        pytest.param("geo", [], id="geo a list"),
        pytest.param("geo.country", 1, id="geo.country a number"),
        pytest.param("geo.coordinates", [37.7, -122.4], id="coordinates a list"),
        pytest.param("geo.coordinates.lat", "37.7", id="lat a string"),
        pytest.param("geo.coordinates.lat", True, id="lat a boolean"),
        pytest.param("geo.coordinates.lat", 90.001, id="lat too large"),
        pytest.param("geo.coordinates.lat", float("nan"), id="lat NaN"),
        pytest.param("geo.coordinates.long", float("inf"), id="long infinite"),
        pytest.param("geo.coordinates.long", -180.5, id="long too small"),
        pytest.param("geo.coordinates.long", 10**400, id="long absurd"),
    ],
)
def test_an_update_with_one_wrong_value_is_refused(update, path, value):
    set_at(update, path, value)
    with pytest.raises(InvalidUpdateError):
        parse_update(json.dumps(update))


@pytest.mark.parametrize("path", ["id", "userId", "userName", "text", "date", "geo", "geo.id", "geo.coordinates.lat"])
def test_an_update_without_a_key_is_refused_naming_it(update, path):
    *parents, last = path.split(".")
    inner = update
    for key in parents:
        inner = inner[key]
    del inner[last]
    with pytest.raises(InvalidUpdateError) as caught:
        parse_update(json.dumps(update))
    assert caught.value.field == path


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("", id="empty"),
        pytest.param("{", id="cut off"),
        pytest.param("null", id="null"),
        pytest.param("[]", id="a list"),
        pytest.param("[" * 10_000, id="nested deeply"),
        pytest.param('{"id": 1' + "0" * 5_000 + "}", id="a number of 5,000 digits"),
        pytest.param('{"id": "\ud800"}', id="half a surrogate pair in the body itself"),
    ],
)
def test_a_body_that_is_not_an_object_in_json_is_refused(body):
    with pytest.raises(InvalidUpdateError):
        parse_update(body)


def test_a_body_is_measured_in_bytes(update):
    update["extra"] = "é" * (MAX_UPDATE_BYTES // 2)
    with pytest.raises(InvalidUpdateError, match="bytes"):
        parse_update(json.dumps(update, ensure_ascii=False))
