import json

import pytest

from simulator.clock import SystemClock
from simulator.endpoints import Endpoints
from simulator.errors import EnvironmentFailure, InputError
from simulator.send import choose_queue, send_updates, updates_to_send

NOW_MS = 1_700_000_000_000
NOTHING = {"vendor": None, "lat": None, "long": None, "text": None}
ONE = {"vendor": "77", "lat": 37.77, "long": -122.42, "text": "hello"}


def test_one_update_by_hand():
    [update] = updates_to_send(None, **ONE, at_ms=NOW_MS)
    assert update["userId"] == "77"
    assert update["geo"]["coordinates"] == {"lat": 37.77, "long": -122.42}


def test_a_file_of_updates_in_its_order(tmp_path):
    file = tmp_path / "updates.ndjson"
    file.write_text("".join(json.dumps({"vendor": v, "lat": 1, "long": 2}) + "\n" for v in ("8", "9")))
    assert [update["userId"] for update in updates_to_send(file, **NOTHING, at_ms=NOW_MS)] == ["8", "9"]


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({}, "without --vendor and --lat and --long"),
        ({"vendor": "1", "lat": 1.0}, "without --long;"),
        ({"lat": 0.0, "long": 0.0}, "without --vendor;"),
    ],
)
def test_half_an_update_is_refused_naming_the_rest(given, named):
    with pytest.raises(InputError, match=named):
        updates_to_send(None, **{**NOTHING, **given}, at_ms=NOW_MS)


@pytest.mark.parametrize("name", ONE)
def test_a_file_and_an_option_are_one_too_many(tmp_path, name):
    with pytest.raises(InputError, match=f"leave out --{name}"):
        updates_to_send(tmp_path / "any", **{**NOTHING, name: ONE[name]}, at_ms=NOW_MS)


class View:
    """Of a stack with one queue that feeds a function."""

    class _Queue:
        url = "http://the-one"

    def vendor_queue(self):
        return self._Queue


@pytest.mark.parametrize(("name", "url"), [(None, "http://the-one"), ("dead", "http://dead")])
def test_the_queue_is_the_one_named_or_the_only_one(name, url):
    assert choose_queue(_stack({"dead": "http://dead"}), View(), name) == url


@pytest.mark.parametrize(("queues", "has"), [({"a": "u", "b": "v"}, "a, b"), ({}, "none")])
def test_another_name_is_refused_with_those_there_are(queues, has):
    with pytest.raises(InputError, match=f"no queue 'c'; it has {has}"):
        choose_queue(_stack(queues), View(), "c")


def _stack(queues):
    return Endpoints(None, None, None, {}, "http://aws", "http://lambda", "us-east-1", queues, (), (), 1)


class Sqs:
    """Takes every message but those of the vendors it refuses."""

    def __init__(self, refused=()):
        self.bodies = []
        self.refused = refused

    def send_message_batch(self, QueueUrl, Entries):  # noqa: N803  boto3's spelling
        answer = {"Successful": [], "Failed": []}
        for entry in Entries:
            if json.loads(entry["MessageBody"])["userId"] in self.refused:
                answer["Failed"].append({"Id": entry["Id"], "Code": "No", "Message": "no", "SenderFault": True})
            else:
                self.bodies.append(entry["MessageBody"])
                answer["Successful"].append({"Id": entry["Id"], "MessageId": f"m{len(self.bodies)}"})
        return answer


def _updates(*vendors):
    return [updates_to_send(None, **{**ONE, "vendor": vendor}, at_ms=NOW_MS)[0] for vendor in vendors]


def test_every_update_is_sent_and_told():
    sqs, told = Sqs(), []
    send_updates(sqs, "http://q", _updates("1", "2", "3"), SystemClock(), told.append)
    assert sorted(told) == sorted(sqs.bodies)
    assert {json.loads(body)["userId"] for body in told} == {"1", "2", "3"}


def test_what_sqs_refuses_is_an_error_that_names_it():
    sqs, told = Sqs(refused=("2",)), []
    updates = _updates("1", "2")
    with pytest.raises(EnvironmentFailure, match=f"1 of 2 updates were not sent; update {updates[1]['id']}: "):
        send_updates(sqs, "http://q", updates, SystemClock(), told.append)
    assert [json.loads(body)["userId"] for body in told] == ["1"]


def test_a_reader_that_has_gone_ends_it():
    def gone(body):
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        send_updates(Sqs(), "http://q", _updates("1"), SystemClock(), gone)
