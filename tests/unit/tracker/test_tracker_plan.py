import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracker.fanout.outcome import SAMPLE, Failure
from tracker.fanout.plan import NO_TIME_LEFT, Message, Plan, Recipient
from tracker.fanout.retry import RetryPolicy

POLICY = RetryPolicy(max_attempts=3, base_s=1.0, cap_s=4.0, opening_delays_s=(0.1, 0.4))


def plan_for(recipients, keys=("v",), policy=POLICY):
    messages = [Message(key, f"{key}{number}".encode()) for number, key in enumerate(keys)]
    plan = Plan(messages, policy, lambda _, high: high)
    plan.add(Recipient(r) if isinstance(r, str) else r for r in recipients)
    plan.no_more()
    return plan


def test_everybody_gets_the_first_message_before_anybody_gets_the_second():
    plan = plan_for("ab", keys="xy")
    posted = []
    while (lane := plan.take()) is not None:
        posted.append((lane.recipient.connection_id, plan.message_of(lane).order_key))
        assert plan.answered(lane, 200) is None
    assert posted == [("a", "x"), ("b", "x"), ("a", "y"), ("b", "y")]
    assert plan.finished
    assert [message.delivered for message in plan.outcome().messages] == [2, 2]


def test_a_connection_is_not_offered_while_a_post_to_it_is_under_way():
    """(M17)"""
    plan = plan_for("a", keys="xy")
    lane = plan.take()
    assert plan.take() is None
    plan.answered(lane, 200)
    assert plan.take() is lane


def test_a_connection_that_rests_holds_up_nobody_else():
    plan = plan_for("ab", keys="xy")
    slow = plan.take()
    assert plan.answered(slow, 429) == 1.0
    other = plan.take()
    plan.answered(other, 200)
    assert plan.take() is other
    plan.answered(other, 200)
    assert plan.take() is None
    assert not plan.finished
    plan.resume(slow)
    assert plan.take() is slow


@pytest.mark.parametrize("status", [410, 400])
def test_a_connection_that_is_gone_is_reported_once_and_owed_nothing(status):
    plan = plan_for("a", keys="xy")
    assert plan.answered(plan.take(), status) is None
    outcome = plan.outcome()
    assert plan.finished
    assert outcome.gone == 1
    assert plan.take_gone() == ["a"]
    assert plan.take_gone() == []
    assert all(message.complete for message in outcome.messages)


def test_a_young_connection_that_answers_410_may_still_be_in_its_handshake():
    """(C15)"""
    plan = plan_for([Recipient("a", young=True)])
    rests = []
    for _ in range(2):
        lane = plan.take()
        rests.append(plan.answered(lane, 410))
        plan.resume(lane)
    assert rests == [0.1, 0.4]
    plan.answered(plan.take(), 200)
    assert plan.outcome().gone == 0
    assert plan.outcome().delivered == 1


def test_a_young_connection_that_keeps_answering_410_is_gone():
    plan = plan_for([Recipient("a", young=True)])
    for _ in range(2):
        lane = plan.take()
        plan.answered(lane, 410)
        plan.resume(lane)
    assert plan.answered(plan.take(), 410) is None
    assert plan.outcome().gone == 1


def test_a_message_fails_after_the_last_attempt():
    plan = plan_for("a")
    rests = []
    while (lane := plan.take()) is not None:
        rests.append(plan.answered(lane, 503, "busy"))
        if rests[-1] is not None:
            plan.resume(lane)
    assert rests == [1.0, 2.0, None]
    outcome = plan.outcome()
    assert outcome.messages[0].failures == (Failure("a", "status 503 busy after 3 attempts"),)
    assert outcome.retries == 2


def test_no_answer_counts_as_an_attempt():
    plan = plan_for("a", policy=RetryPolicy(max_attempts=1))
    assert plan.unreachable(plan.take(), "refused") is None
    assert plan.outcome().messages[0].failures == (Failure("a", "refused after 1 attempts"),)


def test_later_updates_of_a_vendor_are_held_back_where_an_earlier_one_failed():
    plan = plan_for("a", keys=["x", "y", "x"])
    plan.answered(plan.take(), 413)
    lane = plan.take()
    assert plan.message_of(lane).order_key == "y"
    plan.answered(lane, 200)
    assert plan.finished
    assert [(m.delivered, [f.reason for f in m.failures]) for m in plan.outcome().messages] == [
        (0, ["status 413"]),
        (1, []),
        (0, ["an earlier update of the same vendor failed"]),
    ]


def test_what_failed_on_a_connection_that_then_proves_gone_is_owed_to_nobody():
    plan = plan_for("a", keys="xy")
    plan.answered(plan.take(), 413)
    plan.answered(plan.take(), 410)
    assert [message.complete for message in plan.outcome().messages] == [True, True]


def test_forbidden_ends_everything():
    """(C11)"""
    plan = plan_for("abc", keys="xy")
    first, second = plan.take(), plan.take()
    plan.answered(first, 403, "no")
    assert plan.finished
    assert plan.take() is None
    assert plan.answered(second, 500) is None
    assert plan.outcome().forbidden == "status 403 no"


def test_stopping_fails_everything_that_is_not_delivered():
    plan = plan_for("ab", keys="xy")
    plan.answered(plan.take(), 200)
    resting = plan.take()
    plan.answered(resting, 429)
    plan.stop()
    plan.resume(resting)
    assert plan.finished
    assert plan.take() is None
    first, second = plan.outcome().messages
    assert (first.delivered, first.failures) == (1, (Failure("b", NO_TIME_LEFT),))
    assert sorted(each.connection_id for each in second.failures) == ["a", "b"]
    assert (second.failed, second.slow) == (1, 1)  # b was answered 429 and then there was no time


def test_nothing_to_do_is_finished():
    assert plan_for([]).finished
    assert plan_for("ab", keys=()).finished


def test_recipients_may_come_while_others_are_being_served():
    plan = Plan([Message("v", b"x")], POLICY, lambda _, high: high)
    assert not plan.finished
    plan.add([Recipient("a")])
    plan.answered(plan.take(), 200)
    assert not plan.ready
    assert not plan.finished
    plan.add([Recipient("b")])
    plan.no_more()
    plan.answered(plan.take(), 200)
    assert plan.finished
    assert (plan.outcome().delivered, plan.outcome().recipients) == (2, 2)


def test_recipients_that_come_after_the_end_have_failed():
    plan = Plan([Message("v", b"x")], POLICY, lambda _, high: high)
    plan.stop()
    assert plan.finished
    plan.add([Recipient("a")])
    assert plan.outcome().messages[0].failures == (Failure("a", NO_TIME_LEFT),)


def test_a_recipient_that_is_served_is_forgotten():
    """Memory does not grow with the table."""
    plan = plan_for("abc")
    for left in (2, 1, 0):
        plan.answered(plan.take(), 200)
        assert plan.open_lanes == left


def test_failures_beyond_a_sample_are_only_counted():
    plan = plan_for([f"c{number}" for number in range(SAMPLE + 5)])
    while (lane := plan.take()) is not None:
        plan.answered(lane, 413)
    (message,) = plan.outcome().messages
    assert (message.failed, len(message.failures)) == (SAMPLE + 5, SAMPLE)


def test_a_connection_that_is_answered_429_to_the_last_is_slow_and_not_failed():
    """(C14)"""
    plan = plan_for("a", keys="xy")
    for _ in range(POLICY.max_attempts + 1):
        lane = plan.take()
        if plan.answered(lane, 429) is not None:
            plan.resume(lane)
    outcome = plan.outcome()
    assert plan.finished
    assert outcome.slow == ("a",)
    assert [(m.failed, m.slow, m.complete) for m in outcome.messages] == [(0, 1, False), (0, 1, False)]


def test_who_was_slow_to_the_last_is_asked_once_for_each_further_message():
    plan = plan_for("a", keys="xyz")
    for _ in range(POLICY.max_attempts - 1):
        lane = plan.take()
        assert plan.answered(lane, 429) is not None
        plan.resume(lane)
    assert plan.answered(plan.take(), 429) is None
    assert plan.answered(plan.take(), 429) is None
    assert plan.answered(plan.take(), 200) is None
    assert [message.delivered for message in plan.outcome().messages] == [0, 0, 1]
    assert plan.finished


def test_a_connection_that_reads_again_is_not_slow():
    plan = plan_for("a", keys="xy")
    lane = plan.take()
    plan.answered(lane, 429)
    plan.resume(lane)
    plan.answered(plan.take(), 200)
    plan.answered(plan.take(), 413)
    assert (plan.outcome().slow, plan.outcome().messages[1].failed) == ((), 1)


@settings(deadline=None)
@given(
    lanes=st.integers(1, 5),
    keys=st.lists(st.sampled_from("xyz"), min_size=1, max_size=5),
    seed=st.integers(0, 2**32),
    statuses=st.lists(st.sampled_from([200, 200, 200, 410, 413, 429, 500, None]), min_size=1),
)
def test_whatever_the_answers_nothing_is_forgotten_and_no_vendor_jumps_back(lanes, keys, seed, statuses):
    """Random answers in a random order: every message of every open connection is delivered or failed, exactly once."""
    chance = random.Random(seed)
    plan = plan_for([f"c{number}" for number in range(lanes)], keys=keys)
    posting, resting, delivered = [], [], {}
    while not plan.finished:
        if (lane := plan.take()) is not None:
            assert lane not in posting
            posting.append(lane)
        if posting and chance.random() < 0.7:
            lane = posting.pop(chance.randrange(len(posting)))
            message, status = plan.message_of(lane), chance.choice(statuses)
            if status == 200:
                delivered.setdefault(lane.recipient.connection_id, []).append(message)
            rest = plan.unreachable(lane, "x") if status is None else plan.answered(lane, status)
            if rest is not None:
                resting.append(lane)
        if resting and chance.random() < 0.5:
            plan.resume(resting.pop(chance.randrange(len(resting))))
    outcome = plan.outcome()
    gone = plan.take_gone()
    assert outcome.delivered == sum(map(len, delivered.values()))
    assert outcome.gone == len(gone)
    assert all(m.failed + m.slow == len(m.failures) for m in outcome.messages)
    for number in range(lanes):
        connection_id = f"c{number}"
        got = delivered.get(connection_id, [])
        numbers = [int(message.body[1:]) for message in got]
        assert numbers == sorted(set(numbers))
        if connection_id in gone:
            continue
        failed = [n for n, m in enumerate(outcome.messages) if connection_id in {f.connection_id for f in m.failures}]
        assert sorted(numbers + failed) == list(range(len(keys)))
        for n in failed:
            assert not [later for later in numbers if later > n and keys[later] == keys[n]]
