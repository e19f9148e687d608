import json

import pytest

from simulator.errors import InputError
from simulator.vendors.snowflake import snowflake_ms
from simulator.vendors.updates_by_hand import planned_at_once, read_updates, single_update
from simulator.vendors.vendor import vendor_id_of
from tracker.updates import encode_update, parse_update

AT_MS = 1_700_000_000_000
WHOLE = single_update("Taco Town", 37.79, -122.4, at_ms=AT_MS - 5, text="whole")


@pytest.fixture
def updates_of(tmp_path):
    def read(content):
        path = tmp_path / "updates.ndjson"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_updates(path, at_ms=AT_MS)

    return read


def test_single_update_is_one_that_the_handlers_take():
    update = single_update("Taco Town", 37.79, -122.4, at_ms=AT_MS)
    assert parse_update(encode_update(update)) == update
    assert snowflake_ms(update["id"]) == AT_MS
    assert (update["userId"], update["userName"]) == (vendor_id_of("Taco Town"), "Taco Town")
    assert update["geo"]["coordinates"] == {"lat": 37.79, "long": -122.4}
    assert update["text"] == "Taco Town is here."


def test_vendor_in_digits_is_a_twitter_id():
    assert single_update("12345", 0, 0, at_ms=AT_MS)["userId"] == "12345"


@pytest.mark.parametrize(
    ("vendor", "lat", "long", "sentence"),
    [
        ("A", 90.1, 0, "lat is 90.1; give degrees from -90 to 90"),
        ("A", -91, 0, "lat is -91"),
        ("A", 0, 180.5, "long is 180.5; give degrees from -180 to 180"),
        ("A", float("nan"), 0, "lat is nan"),
        ("A", 0, float("inf"), "long is inf"),
        (" \n", 0, 0, "no name"),
        ("1" * 21, 0, 0, "too long"),
    ],
)
def test_single_update_out_of_range_is_refused(vendor, lat, long, sentence):
    with pytest.raises(InputError, match=sentence):
        single_update(vendor, lat, long, at_ms=AT_MS)


def test_file_mixes_whole_updates_and_short_forms(updates_of):
    short = {"vendor": "Taco Town", "lat": 37, "long": -122, "text": "short"}
    bare = {"vendor": "777", "lat": 37.5, "long": -122.5}
    extra = {**WHOLE, "lang": "en"}
    lines = [json.dumps(value) for value in (extra, short, bare)]
    updates = updates_of(f"{lines[0]}\n\n{lines[1]}\r\n{lines[2]}")
    assert updates[0] == extra
    assert [update["text"] for update in updates] == ["whole", "short", "777 is here."]
    assert [update["userId"] for update in updates] == [vendor_id_of("Taco Town")] * 2 + ["777"]
    assert len({update["id"] for update in updates}) == 3
    assert [snowflake_ms(update["id"]) for update in updates] == [AT_MS - 5, AT_MS, AT_MS]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("{", "this is not JSON"),
        ("[1]", "must be a JSON object"),
        ('{"vendor": "A", "lat": NaN, "long": 0}', "this is not JSON"),
        ('{"vendor": "A", "lat": 1}', "long must be a number"),
        ('{"vendor": "A", "lat": "1", "long": 2}', "lat must be a number"),
        ('{"vendor": "A", "lat": true, "long": 2}', "lat must be a number"),
        ('{"vendor": "A", "lat": 1, "long": 200}', "long is 200"),
        ('{"vendor": "A", "lat": 1e999, "long": 2}', "lat is inf"),
        (f'{{"vendor": "A", "lat": 1{"0" * 400}, "long": 2}}', "lat is inf"),
        ('{"vendor": 5, "lat": 1, "long": 2}', "vendor must be a string"),
        ('{"vendor": "A", "lat": 1, "long": 2, "text": 3}', "text must be a string"),
        ('{"vendor": "A", "lat": 1, "lng": 2}', "no key 'lng'"),
        (json.dumps({**WHOLE, "date": "today"}), "date must be an ISO 8601"),
        (json.dumps({**WHOLE, "geo": None}), "geo must be a JSON object"),
        (json.dumps({"id": "1"}), "userId must be a string"),
        (json.dumps({**WHOLE, "text": "x" * 20_000}), "body has"),
        ("[" * 100_000, "this is not JSON"),
        (b'{"vendor": "caf\xe9"}', "byte 0xe9 is not UTF-8"),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 40 else "",
)
def test_bad_line_is_refused_naming_file_line_and_fault(updates_of, line, fault):
    good = json.dumps(WHOLE).encode()
    bad = line if isinstance(line, bytes) else line.encode()
    with pytest.raises(InputError, match=rf"updates\.ndjson:3: .*{fault}"):
        updates_of(good + b"\n\n" + bad + b"\n" + good)


@pytest.mark.parametrize("content", ["", "\n \n"], ids=["empty", "blank lines"])
def test_file_without_an_update_is_refused(updates_of, content):
    with pytest.raises(InputError, match="holds no update"):
        updates_of(content)


def test_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"nothing\.ndjson cannot be read"):
        read_updates(tmp_path / "nothing.ndjson", at_ms=AT_MS)


def test_updates_by_hand_are_all_due_at_the_start():
    (planned,) = planned_at_once([WHOLE])
    assert (planned.due_s, planned.update) == (0.0, WHOLE)
    assert (planned.vendor.twitter_id, planned.vendor.name) == (vendor_id_of("Taco Town"), "Taco Town")
