"""Late and repeated deliveries, seeded; and that none of it loses a message (Q08, Q09)."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.active_faults import ActiveFault
from simulator.stack.model import Queue
from simulator.triggers.batching import Received
from simulator.triggers.disorder import Disorder
from simulator.triggers.settings import TriggerSettings


def message(number: int, count: int = 1) -> dict[str, Any]:
    return {
        "MessageId": f"m{number}",
        "ReceiptHandle": f"h{number}",
        "Attributes": {"ApproximateReceiveCount": str(count)},
    }


def disorder(*, fifo: bool = False, max_receive_count: int | None = None, seed: int = 1, **shares: float) -> Disorder:
    queue = Queue("Q", "q", "https://aws", "arn:q", {}, fifo=fifo, max_receive_count=max_receive_count)
    return Disorder(queue, TriggerSettings(**shares), random.Random(seed))


def received(*numbers: int) -> list[Received]:
    return [Received(message(number), 0) for number in numbers]


def test_by_default_nothing_is_disturbed_and_no_chance_is_taken() -> None:
    quiet = disorder()
    assert quiet.arrange(received(1, 2)) == received(1, 2)
    assert quiet.again([message(1)], ["h1"]) == ()
    assert not quiet.holding


def test_Q08_held_messages_follow_later_ones() -> None:
    late = disorder(shuffle_share=1)
    assert late.arrange(received(1)) == []
    assert late.holding
    late._shuffle_share = 0
    assert late.arrange(received(2)) == [*received(2), *received(1)]
    assert not late.holding


def test_Q08_an_empty_receive_sets_free_what_was_held() -> None:
    late = disorder(shuffle_share=1)
    late.arrange(received(1, 2))
    assert late.arrange([]) == received(1, 2)


@given(st.lists(st.integers(0, 10), max_size=20), st.floats(0, 1), st.integers())
def test_Q08_every_message_goes_on_exactly_once(sizes: list[int], share: float, seed: int) -> None:
    late = disorder(shuffle_share=share, seed=seed)
    numbers = iter(range(1000))
    sent: list[Received] = []
    gone: list[Received] = []
    for size in sizes:
        some = received(*(next(numbers) for _ in range(size)))
        sent += some
        gone += late.arrange(some)
    gone += late.take_held()
    assert sorted(gone, key=lambda each: int(each.message["MessageId"][1:])) == sent


def test_the_same_seed_disturbs_in_the_same_way() -> None:
    runs = [disorder(shuffle_share=0.5, seed=seed).arrange(received(*range(20))) for seed in (1, 1, 2)]
    assert runs[0] == runs[1] != runs[2]


def test_Q09_what_was_done_comes_again_in_its_share() -> None:
    messages = [message(number) for number in range(1000)]
    done = [m["ReceiptHandle"] for m in messages[:500]]
    again = disorder(duplicate_share=0.2).again(messages, done)
    assert set(again) <= set(done)
    assert 60 < len(again) < 140


@pytest.mark.parametrize(
    ("count", "max_receive_count", "again"),
    [
        pytest.param(1, None, ("h1",), id="first delivery"),
        pytest.param(2, None, (), id="only once"),
        pytest.param(1, 2, ("h1",), id="there is room before the dead-letter queue"),
        pytest.param(1, 1, (), id="it would go to the dead-letter queue"),
    ],
)
def test_Q09_a_message_comes_again_at_most_once(
    count: int, max_receive_count: int | None, again: tuple[str, ...]
) -> None:
    twice = disorder(duplicate_share=1, max_receive_count=max_receive_count)
    assert twice.again([message(1, count)], ["h1"]) == again


def test_fifo_queues_are_not_disturbed() -> None:
    kept = disorder(fifo=True, duplicate_share=1, shuffle_share=1)
    assert kept.arrange(received(1, 2)) == received(1, 2)
    assert kept.again([message(1)], ["h1"]) == ()


def fault(kind: str, probability: float = 1.0, target: str | None = None) -> ActiveFault:
    return ActiveFault(kind, random.Random(3), target, probability)


def test_Q08_a_fault_holds_messages_back_while_it_is_on() -> None:
    late = disorder()
    late.set_faults((), [fault("sqs_reorder")])
    assert late.arrange(received(1)) == []
    late.set_faults((), ())
    assert late.holding
    assert late.arrange(received(2)) == [*received(2), *received(1)]
    assert late.arrange(received(3)) == received(3)


def test_Q09_a_fault_delivers_its_share_twice_while_it_is_on() -> None:
    twice = disorder()
    messages = [message(number) for number in range(1_000)]
    done = [each["ReceiptHandle"] for each in messages]
    twice.set_faults([fault("sqs_duplicate", 0.2, "q"), fault("sqs_duplicate", target="another queue")], ())
    assert 150 < len(twice.again(messages, done)) < 250
    twice.set_faults((), ())
    assert twice.again(messages, done) == ()


def test_faults_leave_fifo_queues_alone() -> None:
    kept = disorder(fifo=True)
    kept.set_faults([fault("sqs_duplicate")], [fault("sqs_reorder")])
    assert kept.arrange(received(1)) == received(1)
    assert kept.again([message(1)], ["h1"]) == ()
