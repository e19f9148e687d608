"""Every step that a connection can take, and every one that it cannot."""

import itertools

import pytest

from simulator.gateway.life import IllegalStepError, State, Step, after

LEGAL = {
    (State.CONNECTING, Step.ACCEPT): State.OPEN,
    (State.CONNECTING, Step.REFUSE): State.CLOSED,
    (State.OPEN, Step.CLOSE): State.CLOSING,
    (State.OPEN, Step.GONE): State.CLOSED,
    (State.CLOSING, Step.GONE): State.CLOSED,
}
ILLEGAL = [pair for pair in itertools.product(State, Step) if pair not in LEGAL]


@pytest.mark.parametrize(("state", "step", "following"), [(*pair, state) for pair, state in LEGAL.items()])
def test_a_legal_step_leads_on(state, step, following):
    assert after(state, step) is following


@pytest.mark.parametrize(("state", "step"), ILLEGAL)
def test_an_illegal_step_raises_and_names_both(state, step):
    with pytest.raises(IllegalStepError) as caught:
        after(state, step)
    assert (caught.value.state, caught.value.step) == (state, step)
    assert f"a {state.value} connection cannot {step.value}" in str(caught.value)


def test_the_error_says_what_would_have_been_possible():
    with pytest.raises(IllegalStepError, match="it can accept or refuse"):
        after(State.CONNECTING, Step.CLOSE)
    with pytest.raises(IllegalStepError, match="it can nothing"):
        after(State.CLOSED, Step.GONE)
