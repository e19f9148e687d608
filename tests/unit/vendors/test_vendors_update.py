import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.vendors.city import SAN_FRANCISCO, Area
from simulator.vendors.geodesy import LatLong
from simulator.vendors.snowflake import EPOCH_MS, SnowflakeSequence, snowflake, snowflake_ms
from simulator.vendors.text import clean_text
from simulator.vendors.update import build_update, iso_date
from simulator.vendors.vendor import Vendor, handle_of, vendor_id_of, vendor_row
from tracker.updates import encode_update, parse_update

SISIG = Vendor(
    twitter_id="123456789012345678",
    name="Señor Sisig",
    handle="SenorSisig",
    description="Filipino fusion",
    image_url="https://images.example.com/1.png",
    home=Area(LatLong(37.79, -122.4), 800.0),
    place=SAN_FRANCISCO.place,
)


@given(ms=st.integers(EPOCH_MS, EPOCH_MS + 2**41 - 1), sequence=st.integers(0, 2**22 - 1))
def test_snowflake_carries_its_millisecond(ms, sequence):
    assert snowflake_ms(snowflake(ms, sequence)) == ms


@given(steps=st.lists(st.integers(0, 3), max_size=50))
def test_ids_in_sequence_rise_strictly(steps):
    ids, at_ms, made = SnowflakeSequence(), EPOCH_MS, []
    for step in steps:
        at_ms += step
        made.append(int(ids.next_id(at_ms)))
        assert snowflake_ms(str(made[-1])) == at_ms
    assert made == sorted(set(made))


@pytest.mark.parametrize(
    ("ms", "sequence"),
    [(EPOCH_MS - 1, 0), (EPOCH_MS, -1), (EPOCH_MS, 2**22)],
    ids=["before the first tweet", "negative", "too many in a millisecond"],
)
def test_impossible_snowflake_is_refused(ms, sequence):
    with pytest.raises(ValueError, match="snowflake"):
        snowflake(ms, sequence)


def test_ids_are_not_made_backwards_in_time():
    ids = SnowflakeSequence()
    ids.next_id(EPOCH_MS + 5)
    with pytest.raises(ValueError, match="in order of time"):
        ids.next_id(EPOCH_MS + 4)


def test_update_has_every_key_of_the_wire_shape():
    update = build_update(
        SISIG, LatLong(37.79123456789, -122.4), tweet_id="7", at_ms=1_700_000_000_123, text="Tacos\nnow"
    )
    assert update == {
        "id": "7",
        "userId": "123456789012345678",
        "userName": "Señor Sisig",
        "text": "Tacos now",
        "date": "2023-11-14T22:13:20.123+00:00",
        "geo": {
            "id": SAN_FRANCISCO.place.id,
            "name": "San Francisco",
            "full_name": "San Francisco, United States",
            "place_type": "city",
            "country": "United States",
            "country_code": "US",
            "coordinates": {"lat": 37.791235, "long": -122.4},
        },
    }
    assert parse_update(encode_update(update)) == update


def test_spot_replaces_the_city_as_the_place():
    spot = SAN_FRANCISCO.spot("1 MARKET ST")
    update = build_update(SISIG, LatLong(0, 0), tweet_id="7", at_ms=0, text="", place=spot)
    assert (update["geo"]["name"], update["geo"]["full_name"]) == ("1 MARKET ST", "1 MARKET ST, San Francisco")
    assert update["geo"]["place_type"] == "poi"


def test_date_always_has_milliseconds_and_offset():
    assert iso_date(1_700_000_000_000) == "2023-11-14T22:13:20.000+00:00"


@given(text=st.text())
def test_encoded_update_is_ascii_and_reads_back_the_same(text):
    update = build_update(SISIG, LatLong(1, 2), tweet_id="7", at_ms=0, text=text)
    body = encode_update(update)
    assert body.isascii()
    assert body.isprintable()
    assert json.loads(body) == update
    assert parse_update(body) == update


@pytest.mark.parametrize(
    ("text", "limit", "clean"),
    [
        ("plain", 10, "plain"),
        ("a\x00b\x1bc\x7fd\x85e", 20, "a b c d e"),
        ("  two\t\n words ", 20, "two words"),
        ("line\u2028break", 20, "line break"),
        ("abc\u202edef\u2066", 20, "abcdef"),
        ("half \ud83c pair", 20, "half pair"),
        ("not\ufffe\uffffchars", 20, "notchars"),
        ("\ufeffmark", 20, "mark"),
        ("👩\u200d🍳 cooks", 20, "👩\u200d🍳 cooks"),
        ("<b>&amp;", 20, "<b>&amp;"),
        ("12345678901", 10, "123456789…"),
        ("1234 678901", 6, "1234…"),
        ("", 5, ""),
    ],
    ids=[
        "plain", "control", "white space", "line separator", "direction override", "surrogate", "noncharacters",
        "byte-order mark", "emoji with joiner", "markup", "too long", "cut at a space", "empty",
    ],
)  # fmt: skip
def test_text_is_cleaned_and_bounded(text, limit, clean):
    assert clean_text(text, limit) == clean


@given(text=st.text(), limit=st.integers(1, 30))
def test_text_never_exceeds_its_limit(text, limit):
    assert len(clean_text(text, limit)) <= limit


def test_vendor_id_is_stable_and_blind_to_case_and_spacing():
    assert vendor_id_of("Senor Sisig") == vendor_id_of(" SENOR  SISIG ") == "674415001487090328"
    assert vendor_id_of("Senor Sisig") != vendor_id_of("Señor Sisig")


@pytest.mark.parametrize(
    ("name", "handle"),
    [
        ("El Tonayense #60", "ElTonayense60"),
        ("San Francisco Street Foods, Inc.", "SanFranciscoStr"),
        ("寿司", "vendor"),
    ],
    ids=["signs left out", "cut", "nothing left"],
)
def test_handle_is_what_twitter_would_allow(name, handle):
    assert handle_of(name) == handle


def test_new_vendor_row_has_no_tweets_yet():
    assert vendor_row(SISIG, 42) == {
        "twitterId": "123456789012345678",
        "name": "Señor Sisig",
        "image": "https://images.example.com/1.png",
        "description": "Filipino fusion",
        "tweets": [],
        "created": 42,
        "updated": 42,
    }
