from __future__ import annotations

import re
from typing import Any

import pytest

from simulator.load.expectations import DEFAULTS, understand, with_defaults

DOCUMENT: dict[str, Any] = {
    "deliveries": {"lost": 2, "expected": 100, "duplicated": 1},
    "latency_ms": {"last": {"p99": 250.0}, "first": {"p99": None}},
    "rates": {"achieved_updates_per_s": 20.0},
    "groups": {"slow": {"deliveries": {"lost": 5}}},
}


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("deliveries.lost == 2", True),
        ("deliveries.lost != 2", False),
        ("deliveries.lost / deliveries.expected <= 0.02", True),
        ("deliveries.lost * 100 > deliveries.expected * 3 - 1", False),
        ("10 <= rates.achieved_updates_per_s < 30", True),
        ("30 <= rates.achieved_updates_per_s < 40", False),
        ("-deliveries.lost < 0", True),
        ("latency_ms.last.p99 < 500", True),
        ("groups.slow.deliveries.lost == 5", True),
        ("latency_ms.first.p99 < 500", None),
        ("updates.published > 0", None),
        ("deliveries.expected / (deliveries.lost - 2) > 1", None),
    ],
)
def test_an_expectation_holds_or_not_or_cannot_be_found_out(text: str, held: bool | None) -> None:
    assert understand(text, "run", groups=["slow"]).weigh(DOCUMENT).held is held


def test_what_was_found_is_told() -> None:
    outcome = understand("deliveries.lost / deliveries.expected < 1", "run", groups=()).weigh(DOCUMENT)
    assert outcome.found == {"deliveries.lost": 2, "deliveries.expected": 100}


@pytest.mark.parametrize(
    ("text", "phase", "reason"),
    [
        ("", "run", "is no comparison"),
        ("deliveries.lost =", "run", "is no comparison"),
        ("deliveries.lost", "run", "compares nothing"),
        ("1 < 2", "run", "names no figure"),
        ("deliveries.lost == True", "run", "compares with true or false"),
        ("deliveries.lost == 'x'", "run", "may only have figures"),
        ("deliveries.lost in 3", "run", "may only compare with"),
        ("deliveries.lost is 3", "run", "may only compare with"),
        ("deliveries.lost ** 9 < 1", "run", "may only have figures"),
        ("__import__('os').system('x') == 0", "run", "may only have figures"),
        ("deliveries.lost == open", "run", "asks for open, which there is not"),
        ("deliveries['lost'] == 0", "run", "may only have figures"),
        ("(lambda: 1)() == 0", "run", "may only have figures"),
        ("deliveries.lost == 0 and deliveries.lost == 1", "run", "compares nothing"),
        ("deliveries.loss == 0", "run", "did you mean deliveries.lost?"),
        ("latency_ms.last.p95 < 1", "run", "did you mean latency_ms.last.p9"),
        ("connections.peak > 0", "spike", "only known of the run"),
        ("groups.fast.deliveries.lost == 0", "run", "names the group fast, and there is slow"),
        ("groups.slow.deliveries.duplicated == 0", "run", "of a group, which is not known"),
        ("(" * 150 + "deliveries.lost" + ")" * 150, "run", "is longer than 300 characters"),
        ("-" * 100 + "deliveries.lost == 0", "run", "is nested too deeply"),
        ("deliveries.lost == 0\x00", "run", "is no comparison"),
    ],
)
def test_what_cannot_be_expected_is_refused_with_the_reason(text: str, phase: str, reason: str) -> None:
    with pytest.raises(ValueError, match=re.escape(reason)):
        understand(text, phase, groups=["slow"])


def test_a_figure_that_the_scenario_speaks_of_takes_the_defaults_place() -> None:
    mine = [understand("deliveries.lost < 5", "run", groups=())]
    assert [each.text for each in with_defaults(mine)] == [*DEFAULTS[1:], "deliveries.lost < 5"]


def test_what_is_expected_of_a_phase_leaves_the_defaults_alone() -> None:
    mine = [understand("deliveries.lost < 5", "spike", groups=())]
    assert [each.text for each in with_defaults(mine)] == [*DEFAULTS, "deliveries.lost < 5"]
