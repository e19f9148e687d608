from __future__ import annotations

import pytest

from simulator.functions.dispatch import HOLD_S, Action, Dispatcher, FailAtStart, Freeze, Give, Start, Thaw
from simulator.functions.life import STEPS, EnvironmentState, EnvironmentStep, IllegalStepError, next_state


def dispatcher(**overrides: int) -> Dispatcher:
    settings: dict[str, int] = {"max_environments": 10, "max_starting": 10, "freezes": False} | overrides
    return Dispatcher("f", **settings)  # type: ignore[arg-type]


def with_idle(names: int, **overrides: int) -> Dispatcher:
    """A dispatcher whose environments f#1 … f#names are all idle, f#names most recently."""
    d = dispatcher(**overrides)
    for i in range(names):
        d.submit(f"warm{i}", 0)
    for i in range(names):
        d.polled(f"f#{i + 1}")
    for i in range(names):
        d.answered(f"f#{i + 1}")
        d.polled(f"f#{i + 1}")
    return d


@pytest.mark.parametrize("state", EnvironmentState, ids=lambda s: s.value)
@pytest.mark.parametrize("step", EnvironmentStep, ids=lambda s: s.value)
def test_only_the_steps_of_the_table_are_allowed(state: EnvironmentState, step: EnvironmentStep) -> None:
    if (state, step) in STEPS:
        assert next_state("f#1", state, step) is STEPS[state, step]
    else:
        with pytest.raises(IllegalStepError, match=rf"f#1 is {state.value} and cannot do '{step.value}'; allowed: "):
            next_state("f#1", state, step)


def test_nothing_leads_out_of_death() -> None:
    assert not [step for (state, step) in STEPS if state is EnvironmentState.DEAD]


def test_first_invocation_starts_an_environment_and_waits_for_it() -> None:
    d = dispatcher()
    assert d.submit("i1", 0) == [Start("f#1")]
    assert d.polled("f#1") == [Give("f#1", "i1")]
    assert d.state("f#1") is EnvironmentState.BUSY


def test_F06_concurrent_invocations_each_start_an_environment() -> None:
    d = dispatcher()
    assert [d.submit(f"i{n}", 0) for n in range(3)] == [[Start("f#1")], [Start("f#2")], [Start("f#3")]]


def test_sequential_invocations_reuse_the_environment_even_before_it_polls_again() -> None:
    d = dispatcher()
    d.submit("i1", 0)
    d.polled("f#1")
    d.answered("f#1")
    assert d.submit("i2", 0) == []
    assert d.polled("f#1") == [Give("f#1", "i2")]
    assert d.started == 1


def test_F07_an_environment_with_nothing_to_do_is_frozen_until_there_is_an_event() -> None:
    d = dispatcher(freezes=True)
    d.submit("i1", 0)
    assert d.polled("f#1") == [Give("f#1", "i1")]
    d.answered("f#1")
    assert d.polled("f#1") == [Freeze("f#1")]
    assert d.state("f#1") is EnvironmentState.FROZEN
    assert d.submit("i2", 0) == [Thaw("f#1"), Give("f#1", "i2")]


def test_F07_an_environment_that_gets_an_event_at_once_is_not_frozen_in_between() -> None:
    d = dispatcher(max_environments=1, freezes=True)
    d.submit("i1", 0)
    d.submit("i2", 0)
    d.polled("f#1")
    d.answered("f#1")
    assert d.polled("f#1") == [Give("f#1", "i2")]


def test_F07_a_frozen_environment_that_has_hung_up_goes_on_so_that_it_asks_again() -> None:
    d = with_idle(1, freezes=True)
    assert d.poll_lost("f#1") == [Thaw("f#1")]
    assert d.submit("i1", 0) == []
    assert d.polled("f#1") == [Give("f#1", "i1")]


def test_F07_death_while_frozen_starts_nothing() -> None:
    d = with_idle(1, freezes=True)
    assert d.died("f#1") == (None, [])


def test_waiting_invocations_are_taken_in_order_by_whoever_is_free_first() -> None:
    d = dispatcher()
    d.submit("i1", 0)
    d.submit("i2", 0)
    d.submit("i3", 0)
    assert d.polled("f#2") == [Give("f#2", "i1")]
    d.answered("f#2")
    assert d.polled("f#2") == [Give("f#2", "i2")]
    assert d.polled("f#1") == [Give("f#1", "i3")]


def test_the_most_recently_used_idle_environment_is_taken() -> None:
    d = with_idle(2)
    assert d.submit("i1", 0) == [Give("f#2", "i1")]
    assert d.submit("i2", 0) == [Give("f#1", "i2")]


def test_over_the_cap_invocations_queue_instead_of_starting_more() -> None:
    d = dispatcher(max_environments=2)
    actions: list[Action] = [action for n in range(5) for action in d.submit(f"i{n}", 0)]
    assert actions == [Start("f#1"), Start("f#2")]
    d.polled("f#1")
    d.answered("f#1")
    assert d.polled("f#1") == [Give("f#1", "i1")]


def test_at_most_max_starting_start_at_once_and_more_follow_when_one_is_ready() -> None:
    d = dispatcher(max_starting=2)
    assert [a for n in range(4) for a in d.submit(f"i{n}", 0)] == [Start("f#1"), Start("f#2")]
    assert d.polled("f#1") == [Give("f#1", "i0"), Start("f#3")]


def test_death_while_busy_names_the_invocation_and_replaces_the_environment_for_those_waiting() -> None:
    d = dispatcher(max_environments=1)
    d.submit("i1", 0)
    d.polled("f#1")
    d.submit("i2", 0)
    assert d.died("f#1") == ("i1", [Start("f#2")])


def test_death_while_idle_starts_nothing() -> None:
    d = with_idle(1)
    assert d.died("f#1") == (None, [])
    assert d.submit("i1", 0) == [Start("f#2")]


def test_an_environment_that_hangs_up_is_not_given_an_event_until_it_polls_again() -> None:
    d = with_idle(1)
    d.poll_lost("f#1")
    assert d.submit("i1", 0) == []
    assert d.polled("f#1") == [Give("f#1", "i1")]


def test_withdrawn_invocation_is_not_run() -> None:
    d = dispatcher()
    d.submit("i1", 0)
    assert d.withdraw("i1")
    assert d.polled("f#1") == []
    assert not d.withdraw("i1")


def test_F09_import_error_fails_everyone_waiting_when_nothing_works() -> None:
    d = dispatcher(max_starting=1)
    for n in range(3):
        d.submit(f"i{n}", 0)
    assert d.failed_to_start("f#1", repeatable=True, now_s=0) == [
        FailAtStart("i0"),
        FailAtStart("i1"),
        FailAtStart("i2"),
    ]


def test_F09_import_error_is_repeated_without_new_processes_for_a_while_then_tried_again() -> None:
    d = dispatcher()
    d.submit("i1", 0)
    d.failed_to_start("f#1", repeatable=True, now_s=10)
    assert d.submit("i2", 10 + HOLD_S - 0.01) == [FailAtStart("i2")]
    assert d.submit("i3", 10 + HOLD_S) == [Start("f#2")]
    assert d.polled("f#2") == [Give("f#2", "i3")]


def test_import_error_fails_only_one_when_another_environment_works() -> None:
    d = with_idle(1)
    d.submit("i1", 0)
    d.submit("i2", 0)
    d.submit("i3", 0)
    assert d.failed_to_start("f#2", repeatable=True, now_s=0) == [FailAtStart("i2")]
    assert d.submit("i4", 0) == [Start("f#4")]


def test_process_lost_at_start_fails_one_invocation_and_starts_afresh_for_the_rest() -> None:
    d = dispatcher(max_starting=1)
    d.submit("i1", 0)
    d.submit("i2", 0)
    assert d.failed_to_start("f#1", repeatable=False, now_s=0) == [FailAtStart("i1"), Start("f#2")]
    assert d.submit("i3", 0) == []


def test_starts_never_exceed_invocations_when_every_start_fails() -> None:
    d = dispatcher(max_starting=1)
    starts = 0
    for n in range(20):
        pending = d.submit(f"i{n}", n * 0.1)
        while any(isinstance(a, Start) for a in pending):
            starts += 1
            started = next(a.environment for a in pending if isinstance(a, Start))
            pending = d.failed_to_start(started, repeatable=True, now_s=n * 0.1)
    assert starts == 2
