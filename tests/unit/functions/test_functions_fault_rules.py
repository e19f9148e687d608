from random import Random

import pytest

from simulator.active_faults import ActiveFault
from simulator.fault_kinds import FAULT_KINDS
from simulator.functions.concurrency import ACCOUNT_EXCEEDED, Concurrency
from simulator.functions.dispatch import Dispatcher, Give, Start
from simulator.functions.fault_rules import ENVIRONMENT_KINDS, THROTTLE, Mishap, invocation_mishap
from simulator.functions.life import EnvironmentState
from simulator.invocation import InvokeRefusedError


def fault(kind, *, target=None, probability=1.0, **attributes):
    return ActiveFault(kind, Random(1), target, probability, attributes)


def test_every_kind_of_functions_is_known_here():
    local = {kind.name for kind in FAULT_KINDS.values() if kind.piece == "function"}
    assert local == {*ENVIRONMENT_KINDS, THROTTLE}


@pytest.mark.parametrize(
    ("faults", "mishap"),
    [
        ([], None),
        ([fault("function_kill", target="other", after_ms=5)], None),
        ([fault("function_kill", probability=0.0, after_ms=5)], None),
        ([fault("function_kill", target="send", after_ms=5)], Mishap(strikes_after_s=0.005, kills=True)),
        ([fault("function_timeout", after_ms=5)], Mishap(strikes_after_s=0.005)),
        ([fault("function_cold_start")], Mishap(cold=True)),
        (
            [
                fault("function_timeout", after_ms=7),
                fault("function_cold_start"),
                fault("function_kill", after_ms=5),
            ],
            Mishap(cold=True, strikes_after_s=0.007),
        ),
    ],
)
def test_what_befalls_an_invocation(faults, mishap):
    assert invocation_mishap(faults, "send") == mishap


def test_F16_a_throttled_function_has_no_place_while_the_fault_is_on():
    concurrency = Concurrency(10, {})
    concurrency.faults = (fault("function_throttle", target="send"),)
    with pytest.raises(InvokeRefusedError) as refused:
        concurrency.begin("send")
    assert (refused.value.status, refused.value.reason) == (429, ACCOUNT_EXCEEDED)
    concurrency.begin("other")
    concurrency.faults = None
    concurrency.begin("send")
    concurrency.end("send")


def test_an_invocation_after_idle_environments_were_retired_starts_another():
    dispatcher = Dispatcher("send", max_environments=3, max_starting=3)
    dispatcher.submit("1", 0.0)
    dispatcher.polled("send#1")
    dispatcher.answered("send#1")
    dispatcher.polled("send#1")
    assert dispatcher.state("send#1") is EnvironmentState.FROZEN
    assert dispatcher.retire_idle() == ["send#1"]
    assert dispatcher.state("send#1") is EnvironmentState.DEAD
    assert dispatcher.submit("2", 1.0) == [Start("send#2")]
    assert dispatcher.retire_idle() == []  # it is starting
    assert dispatcher.polled("send#2") == [Give("send#2", "2")]
    assert dispatcher.retire_idle() == []  # it runs
    dispatcher.answered("send#2")
    assert dispatcher.retire_idle() == ["send#2"]  # it would be free in a moment
