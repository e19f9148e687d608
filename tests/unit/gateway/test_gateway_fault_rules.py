"""What faults do to a callback, drawn from a seed."""

from random import Random

import pytest

from simulator.active_faults import ActiveFault
from simulator.fault_kinds import FAULT_KINDS
from simulator.gateway.actions import Send
from simulator.gateway.fault_rules import CALLBACK_KINDS, HALF_OPEN, Mishap, callback_mishap, spoiled, trouble_of
from simulator.gateway.management import Answer

NOW_MS = 5_000
SENT = Answer(200, (("content-type", "application/json"),), b"", (Send("c", b"x"),))
LOOKED = Answer(200, (("content-type", "application/json"),), b"{}")
GONE = Answer(410, (("x-amzn-errortype", "GoneException"),))


def fault(kind, *, probability=1.0, seed=1, **attributes):
    defaults = {each.name: each.default for each in FAULT_KINDS[kind].attributes}
    return ActiveFault(kind, Random(seed), probability=probability, attributes={**defaults, **attributes})


def test_every_kind_of_the_gateway_is_known_here():
    local = {kind.name for kind in FAULT_KINDS.values() if kind.piece in ("@connections", "gateway") and kind.local}
    assert local == {*CALLBACK_KINDS, HALF_OPEN}


@pytest.mark.parametrize(
    ("kind", "attributes", "mishap"),
    [
        ("callback_latency", {"delay_ms": 250.0}, Mishap(delay_s=0.25)),
        ("callback_throttle", {}, Mishap(says="throttled", delivers=False)),
        ("callback_error", {}, Mishap(says="failed", delivers=False)),
        ("callback_error", {"status": 503, "delivered": True}, Mishap(says="failed", status=503)),
        ("callback_hang", {}, Mishap(answer_delay_s=10.0, says="failed", delivers=False)),
        ("callback_reset", {}, Mishap(says="nothing", delivers=False)),
        ("callback_reset", {"delivered": True}, Mishap(says="nothing")),
        ("callback_race", {}, Mishap(says="ok", delivers=False, cuts_viewer=True)),
        ("callback_race", {"answer": "gone", "closes": False}, Mishap(says="gone")),
    ],
)
def test_a_fault_that_hits_does_what_its_attributes_say(kind, attributes, mishap):
    assert callback_mishap([fault(kind, **attributes)]) == mishap


def test_nothing_happens_to_a_call_that_no_fault_hits():
    assert callback_mishap([fault(kind, probability=0.0) for kind in CALLBACK_KINDS]) is None


def test_the_share_of_calls_that_are_hit_is_the_probability_and_the_same_for_the_same_seed():
    hits = []
    for _ in range(2):
        throttle = fault("callback_throttle", probability=0.3, seed=9)
        hits.append([callback_mishap([throttle]) is not None for _ in range(2_000)])
    assert hits[0] == hits[1]
    assert 540 < sum(hits[0]) < 660


def test_delays_add_up_and_the_oldest_fault_strikes():
    both = [
        fault("callback_latency", delay_ms=100.0),
        fault("callback_throttle"),
        fault("callback_reset"),
        fault("callback_latency", delay_ms=50.0),
    ]
    assert callback_mishap(both) == Mishap(delay_s=pytest.approx(0.15), says="throttled", delivers=False)


def test_jitter_stays_within_its_bounds():
    late = fault("callback_latency", delay_ms=100.0, jitter_ms=50.0)
    delays = {callback_mishap([late]).delay_s for _ in range(50)}
    assert len(delays) > 1
    assert all(0.1 <= delay < 0.15 for delay in delays)


@pytest.mark.parametrize(
    ("mishap", "honest", "status", "error", "actions"),
    [
        pytest.param(Mishap(), SENT, 200, None, SENT.actions, id="only late"),
        pytest.param(Mishap(), GONE, 410, "GoneException", (), id="only late, and gone"),
        pytest.param(Mishap(says="throttled", delivers=False), LOOKED, 429, "LimitExceededException", (), id="429"),
        pytest.param(Mishap(says="failed", delivers=False), LOOKED, 500, "InternalServerException", (), id="500"),
        pytest.param(
            Mishap(says="failed", status=503), SENT, 503, "InternalServerException", SENT.actions, id="503, delivered"
        ),
        pytest.param(Mishap(says="ok", delivers=False), LOOKED, 200, None, (), id="C17 200, never delivered"),
        pytest.param(Mishap(says="ok", delivers=False), GONE, 410, "GoneException", (), id="C17 no race to win"),
        pytest.param(Mishap(says="gone"), SENT, 410, "GoneException", SENT.actions, id="C17 410, delivered"),
        pytest.param(Mishap(says="gone"), GONE, 410, "GoneException", (), id="C17 gone anyway"),
    ],
)
def test_the_answer_that_is_given_instead(ids, mishap, honest, status, error, actions):
    answer = spoiled(mishap, honest, ids, NOW_MS)
    assert answer.status == status
    assert dict(answer.headers).get("x-amzn-errortype") == error
    assert answer.actions == actions
    if status == 200:
        assert answer.body == b""


def test_a_reset_gives_no_answer(ids):
    assert spoiled(Mishap(says="nothing"), SENT, ids, NOW_MS) is None


@pytest.mark.parametrize(
    ("mishap", "honest", "status", "what"),
    [
        (Mishap(), 200, 200, None),
        (Mishap(delay_s=1.0), 410, 410, "answered 410"),
        (Mishap(says="gone"), 200, 410, None),
        (Mishap(says="ok", delivers=False), 200, 200, "answered 200 and never delivered"),
        (Mishap(says="throttled", delivers=False), 200, 429, "answered 429"),
        (Mishap(says="failed", delivers=False, answer_delay_s=1.5), 200, 500, "left hanging for 1.5 s"),
        (Mishap(says="nothing", delivers=False), 200, None, "cut off"),
        (Mishap(says="nothing"), 200, None, None),
    ],
)
def test_a_post_that_did_not_arrive_is_told_in_words(mishap, honest, status, what):
    assert trouble_of(mishap, honest, status) == what
