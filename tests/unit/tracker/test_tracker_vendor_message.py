import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.errors import InvalidUpdateError
from tracker.updates import encode_update, parse_update
from tracker.vendor_message import to_update

RECEIVED_MS = 1_710_277_502_431
MESSAGE = {"action": "sendvendor", "lat": 37.7749, "long": -122.4194, "text": "Tacos 🌮", "userName": "Señor Sisig"}


def update_of(message, vendor_id="17", message_id="Uz7RBd1-oAMCJ5g=", received_ms=RECEIVED_MS):
    body = message if isinstance(message, str) else json.dumps(message)
    return to_update(body, vendor_id=vendor_id, message_id=message_id, received_ms=received_ms)


def test_the_vendor_says_where_and_what_and_the_server_the_rest():
    assert update_of(MESSAGE) == {
        "id": "1767658080016099145",
        "userId": "17",
        "userName": "Señor Sisig",
        "text": "Tacos 🌮",
        "date": "2024-03-12T21:05:02.431+00:00",
        "geo": {
            "id": "83b351bf65aff77b",
            "name": "37.77490, -122.41940",
            "full_name": "37.77490, -122.41940",
            "place_type": "poi",
            "country": "",
            "country_code": "",
            "coordinates": {"lat": 37.7749, "long": -122.4194},
        },
    }


def test_a_position_is_enough():
    update = update_of({"action": "sendvendor", "lat": 90, "long": -180})
    assert (update["userId"], update["userName"], update["text"]) == ("17", "17", "")
    assert update["geo"]["coordinates"] == {"lat": 90, "long": -180}


def test_a_vendor_may_name_itself():
    assert update_of({**MESSAGE, "userId": "17"}) == update_of(MESSAGE)


@pytest.mark.parametrize("vendor_id", ["18", "", "017", 17, None, ["17"], True])
def test_naming_another_vendor_is_refused(vendor_id):
    with pytest.raises(InvalidUpdateError, match="userId must be '17'"):
        update_of({**MESSAGE, "userId": vendor_id})


@pytest.mark.parametrize("key", ["id", "date", "geo", "vendorId", "data", "USERID", "", "x" * 10_000, "\x1b[2J\u2028"])
def test_a_key_that_would_not_count_is_refused(key):
    with pytest.raises(InvalidUpdateError, match="is no key of this message; it has action, lat, long") as caught:
        update_of({**MESSAGE, key: "1"})
    assert len(str(caught.value)) < 200
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("lat", None), ("lat", "37.7"), ("lat", True), ("lat", 90.001), ("lat", [1]), ("lat", 10**400),
        ("long", 180.5), ("long", -181), ("long", {}),
        ("text", None), ("text", "x" * 4001), ("text", "\ud800"), ("text", ["a"]),
        ("userName", 17), ("userName", "x" * 257), ("userName", None),
    ],
)  # fmt: skip
def test_a_message_with_one_wrong_value_is_refused_naming_it_as_the_vendor_does(key, value):
    with pytest.raises(InvalidUpdateError) as caught:
        update_of({**MESSAGE, key: value})
    assert caught.value.field == key


@pytest.mark.parametrize("key", ["lat", "long"])
def test_a_position_is_needed(key):
    message = {name: value for name, value in MESSAGE.items() if name != key}
    with pytest.raises(InvalidUpdateError, match=f"^{key} must be a number"):
        update_of(message)


@pytest.mark.parametrize(
    "body",
    ["", "{", "null", "[]", "17", "[" * 10_000, '{"lat": NaN, "long": 0}', '{"lat": 1e999, "long": 0}', "\ud800"],
)
def test_a_body_that_is_no_message_is_refused(body):
    with pytest.raises(InvalidUpdateError):
        update_of(body)


def test_a_text_that_makes_the_update_too_large_is_refused():
    with pytest.raises(InvalidUpdateError, match="bytes"):
        update_of({**MESSAGE, "text": "\u00e9" * 3_000})


def test_the_same_message_is_the_same_update_and_another_one_is_not():
    assert update_of(MESSAGE) == update_of(MESSAGE)
    assert update_of(MESSAGE, message_id="a=")["id"] != update_of(MESSAGE, message_id="b=")["id"]


@given(st.integers(1_288_834_974_657, 2**41), st.integers(1, 10**9), st.text(max_size=20), st.text(max_size=20))
def test_an_id_carries_the_moment_and_a_later_message_has_a_higher_one(received_ms, later_ms, first, second):
    earlier = update_of(MESSAGE, message_id=first.encode("ascii", "ignore").decode(), received_ms=received_ms)
    later = update_of(MESSAGE, message_id=second.encode("ascii", "ignore").decode(), received_ms=received_ms + later_ms)
    assert (int(earlier["id"]) >> 22) + 1_288_834_974_657 == received_ms
    assert int(earlier["id"]) < int(later["id"])


@given(
    st.floats(-90, 90) | st.integers(-90, 90),
    st.floats(-180, 180),
    st.text(max_size=500).filter(lambda text: text.isascii() or len(text) < 300),
)
def test_what_passes_is_an_update(lat, long, text):
    update = update_of({"action": "sendvendor", "lat": lat, "long": long, "text": text})
    assert parse_update(encode_update(update)) == update
