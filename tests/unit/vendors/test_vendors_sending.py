import dataclasses

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.vendors.outbox import Accepted, Outbox, Refused, RetryRules
from simulator.vendors.pacing import Pacing
from simulator.vendors.seeds import seeded
from simulator.vendors.sqs_batch import send_batch
from simulator.vendors.updates_by_hand import planned_at_once, single_update

AT_MS = 1_700_000_000_000
AGAIN = Refused("InternalError", may_retry=True)
NEVER = Refused("InvalidMessageContents", may_retry=False)


def planned(vendor, due_s=0.0, text="here"):
    (made,) = planned_at_once([single_update(vendor, 37.0, -122.0, at_ms=AT_MS + round(due_s * 1000), text=text)])
    return dataclasses.replace(made, due_s=due_s)


def vendors_of(batch):
    return [entry.vendor_id for entry in batch]


def outbox_of(*updates, **rules):
    outbox = Outbox(seeded(1), RetryRules(**rules))
    for update in updates:
        outbox.add(update)
    return outbox


def test_pacing_hands_out_each_update_once_when_its_time_has_come():
    updates = [planned("1", 0.0), planned("2", 0.5), planned("3", 0.5), planned("4", 2.0)]
    pacing = Pacing(updates)
    assert pacing.next_due_s() == 0.0
    assert pacing.due(0.4) == updates[:1]
    assert pacing.next_due_s() == 0.5
    assert pacing.due(0.5) == updates[1:3]
    assert pacing.due(1.9) == []
    assert pacing.due(60.0) == updates[3:]
    assert (pacing.due(61.0), pacing.next_due_s()) == ([], None)


def test_pacing_draws_ahead_no_further_than_asked():
    drawn = []

    def endless():
        while True:
            drawn.append(len(drawn))
            yield planned("1", float(len(drawn)))

    pacing = Pacing(endless())
    while pacing.draw_ahead(5):
        pass
    assert len(drawn) == 5


def test_batch_has_ten_entries_at_most_in_order_of_arrival():
    outbox = outbox_of(*(planned(str(number)) for number in range(23)))
    assert [vendors_of(outbox.take(0)) for _ in range(4)] == [
        [str(number) for number in range(10)],
        [str(number) for number in range(10, 20)],
        ["20", "21", "22"],
        [],
    ]


def test_batch_stays_within_a_mebibyte():
    large = [planned(str(number)) for number in range(3)]
    for update in large:
        update.update["text"] = "x" * 500_000
    outbox = outbox_of(*large)
    assert [vendors_of(outbox.take(0)) for _ in range(2)] == [["0", "1"], ["2"]]


def test_entry_too_large_for_any_batch_goes_alone():
    update = planned("1")
    update.update["text"] = "x" * 2_000_000
    assert vendors_of(outbox_of(update, planned("2")).take(0)) == ["1"]


def test_second_update_of_a_vendor_waits_for_the_first():
    first, second = planned("1", text="first"), planned("1", text="second")
    outbox = outbox_of(first, second, planned("2"))
    batch = outbox.take(0)
    assert vendors_of(batch) == ["1", "2"]
    assert outbox.take(0) == []
    outbox.settle(batch, [Accepted("a"), Accepted("b")], 0)
    assert [entry.planned for entry in outbox.take(0)] == [second]


def test_failed_entry_alone_is_sent_again_before_the_vendor_goes_on():
    first, second, other = planned("1", text="first"), planned("1", text="second"), planned("2")
    outbox = outbox_of(first, second, other, base_s=1.0)
    settled = outbox.settle(outbox.take(0), [AGAIN, Accepted("m")], 0)
    assert (settled.sent, settled.failed, settled.to_resend) == ([(other, "m")], [], [first])
    assert outbox.take(0) == []
    wake_s = outbox.wake_s()
    assert 0 < wake_s < 1.0
    (entry,) = outbox.take(wake_s)
    assert (entry.planned, entry.attempts) == (first, 2)


def test_entry_is_given_up_after_its_last_attempt_and_the_next_goes_on():
    first, second = planned("1", text="first"), planned("1", text="second")
    outbox = outbox_of(first, second, attempts=2)
    assert outbox.settle(outbox.take(0), [AGAIN], 0).failed == []
    assert outbox.settle(outbox.take(9), [AGAIN], 9).failed == [(first, "InternalError")]
    assert [entry.planned for entry in outbox.take(9)] == [second]


def test_entry_that_would_be_refused_again_is_given_up_at_once():
    update = planned("1")
    outbox = outbox_of(update)
    assert outbox.settle(outbox.take(0), [NEVER], 0).failed == [(update, "InvalidMessageContents")]
    assert (outbox.take(0), outbox.wake_s()) == ([], None)


@given(
    vendors=st.lists(st.sampled_from("123456789"), max_size=60),
    luck=st.lists(st.sampled_from([True, False]), min_size=1, max_size=40),
)
@settings(max_examples=30)
def test_whatever_fails_every_update_is_sent_once_and_each_vendor_in_order(vendors, luck):
    updates = [planned(vendor, text=str(number)) for number, vendor in enumerate(vendors)]
    outbox = outbox_of(*updates, attempts=10_000)
    sent, now_s, tries = [], 0.0, 0
    while batch := outbox.take(now_s):
        outcomes = []
        for _ in batch:
            outcomes.append(Accepted("m") if luck[tries % len(luck)] or tries > 200 else AGAIN)
            tries += 1
        sent += [update for update, _ in outbox.settle(batch, outcomes, now_s).sent]
        now_s += 10.0
    for vendor in set(vendors):
        assert [update for update in sent if update.update["userId"] == vendor] == [
            update for update in updates if update.update["userId"] == vendor
        ]
    assert len(sent) == len(updates)


def test_pauses_grow_to_a_cap():
    rules = RetryRules(base_s=0.05, cap_s=2.0)
    limits = [0.05, 0.1, 0.2, 2.0]
    highest = [max(rules.pause_s(attempt, seeded(number)) for number in range(400)) for attempt in (1, 2, 3, 20)]
    assert highest == pytest.approx(limits, rel=0.05)
    assert all(pause_s <= limit_s for pause_s, limit_s in zip(highest, limits, strict=True))


class Answering:
    """An SQS client that answers, or raises, as told."""

    def __init__(self, answer):
        self.answer = answer
        self.calls = []

    def send_message_batch(self, **request):
        self.calls.append(request)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def client_error(status, code):
    response = {"Error": {"Code": code, "Message": "m"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, "SendMessageBatch")


def test_each_entry_gets_its_own_outcome():
    client = Answering(
        {
            "Successful": [{"Id": "2", "MessageId": "m2"}, {"Id": "0", "MessageId": "m0"}],
            "Failed": [
                {"Id": "1", "Code": "InternalError", "Message": "sorry", "SenderFault": False},
                {"Id": "3", "Code": "InvalidMessageContents", "Message": "bad", "SenderFault": True},
            ],
        }
    )
    assert send_batch(client, "url", ["a", "b", "c", "d", "e"]) == [
        Accepted("m0"),
        Refused("InternalError: sorry", may_retry=True),
        Accepted("m2"),
        Refused("InvalidMessageContents: bad", may_retry=False),
        Refused("SQS did not mention the entry", may_retry=True),
    ]
    assert client.calls == [
        {"QueueUrl": "url", "Entries": [{"Id": str(n), "MessageBody": body} for n, body in enumerate("abcde")]}
    ]


@pytest.mark.parametrize(
    ("error", "may_retry"),
    [
        (client_error(500, "InternalFailure"), True),
        (client_error(503, "ServiceUnavailable"), True),
        (client_error(400, "RequestThrottled"), True),
        (client_error(403, "AccessDenied"), False),
        (client_error(400, "AWS.SimpleQueueService.NonExistentQueue"), False),
        (EndpointConnectionError(endpoint_url="http://127.0.0.1:1"), True),
    ],
    ids=["500", "503", "throttled", "denied", "no such queue", "no connection"],
)
def test_call_that_fails_refuses_every_entry(error, may_retry):
    assert send_batch(Answering(error), "url", ["a", "b"]) == [Refused(str(error), may_retry=may_retry)] * 2
