from __future__ import annotations

import pytest

from simulator.load.drain import DrainPolicy, Finish, Observation, Wait, decide, drain_policy

POLICY = DrainPolicy(limit_s=60.0, quiet_s=3.0)


def seen(**changes: float | None) -> Observation:
    values: dict[str, float | None] = {
        "now_s": 101.0,
        "outstanding": 5,
        "queued": 0,
        "in_flight": 0,
        "at_the_function": 0,
        "last_frame_s": 100.5,
    }
    return Observation(**{**values, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("observation", "decision"),
    [
        pytest.param(
            seen(outstanding=0), Finish("complete", "every expected delivery has arrived"), id="all here: at once"
        ),
        pytest.param(
            seen(outstanding=0, now_s=1_000.0),
            Finish("complete", "every expected delivery has arrived"),
            id="all here, late",
        ),
        pytest.param(
            seen(outstanding=0, in_flight=2), Wait("2 messages in the queue"), id="all here, but redeliveries to come"
        ),
        pytest.param(
            seen(outstanding=0, at_the_function=1),
            Wait("1 message at the function"),
            id="all here, a message at the function",
        ),
        pytest.param(
            seen(outstanding=0, queued=None, in_flight=None, at_the_function=None),
            Finish("complete", "every expected delivery has arrived"),
            id="all here, a stack that tells nothing",
        ),
        pytest.param(seen(queued=3, in_flight=4), Wait("7 messages in the queue"), id="the queue is not empty"),
        pytest.param(
            seen(queued=3, now_s=159.9), Wait("3 messages in the queue"), id="quiet means nothing while messages wait"
        ),
        pytest.param(
            seen(queued=3, now_s=160.0),
            Finish(
                "limit",
                "5 deliveries are missing and still 3 messages in the queue after the longest wait allowed, 60 s",
            ),
            id="the limit",
        ),
        pytest.param(
            seen(outstanding=0, in_flight=3, now_s=160.0),
            Finish("limit", "still 3 messages in the queue after the longest wait allowed, 60 s"),
            id="the limit, all here",
        ),
        pytest.param(seen(now_s=103.4), Wait("5 deliveries are missing"), id="not quiet long enough"),
        pytest.param(
            seen(now_s=103.5, outstanding=1),
            Finish("quiet", "1 delivery is missing, nothing is left in the queue and no frame came for 3 s"),
            id="quiet",
        ),
        pytest.param(
            seen(now_s=102.9, last_frame_s=50.0), Wait("5 deliveries are missing"), id="quiet counts from the drain"
        ),
        pytest.param(
            seen(now_s=103.0, last_frame_s=None),
            Finish("quiet", "5 deliveries are missing, nothing is left in the queue and no frame came for 3 s"),
            id="no frame ever",
        ),
    ],
)
def test_the_decision(observation: Observation, decision: Wait | Finish) -> None:
    assert decide(observation, started_s=100.0, policy=POLICY) == decision


@pytest.mark.parametrize(
    ("limit_s", "max_receive_count", "expected_s"),
    [
        pytest.param(7.0, 5, 7.0, id="the scenario's own"),
        pytest.param(None, 5, 60.0, id="every redelivery and a margin"),
        pytest.param(None, None, 70.0, id="no redrive policy"),
        pytest.param(0.0, 5, 0.0, id="no waiting at all"),
    ],
)
def test_the_limit_allows_every_redelivery(
    limit_s: float | None, max_receive_count: int | None, expected_s: float
) -> None:
    policy = drain_policy(limit_s=limit_s, quiet_s=2.0, visibility_timeout_s=10.0, max_receive_count=max_receive_count)
    assert policy == DrainPolicy(expected_s, 2.0)
