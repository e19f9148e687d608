from __future__ import annotations

import pytest

from simulator.errors import InputError
from simulator.functions.concurrency import ACCOUNT_EXCEEDED, RESERVED_EXCEEDED, Concurrency
from simulator.invocation import InvokeRefusedError


def refused(concurrency: Concurrency, function: str) -> str | None:
    with pytest.raises(InvokeRefusedError, match=r"^Rate Exceeded\.$") as error:
        concurrency.begin(function)
    assert (error.value.status, error.value.error_type) == (429, "TooManyRequestsException")
    return error.value.reason


def test_F19_the_account_limit_is_shared_by_all_functions_without_a_reservation() -> None:
    concurrency = Concurrency(2, {})
    concurrency.begin("a")
    concurrency.begin("b")
    assert refused(concurrency, "a") == refused(concurrency, "c") == ACCOUNT_EXCEEDED
    concurrency.end("b")
    concurrency.begin("a")


def test_F19_what_is_reserved_is_taken_from_the_others_whether_it_is_used_or_not() -> None:
    concurrency = Concurrency(3, {"mine": 2})
    concurrency.begin("a")
    assert refused(concurrency, "b") == ACCOUNT_EXCEEDED
    concurrency.begin("mine")
    concurrency.begin("mine")
    concurrency.end("a")
    concurrency.begin("b")


def test_F16_over_its_reservation_a_function_is_refused_though_the_account_has_room() -> None:
    concurrency = Concurrency(1_000, {"mine": 1})
    concurrency.begin("mine")
    assert refused(concurrency, "mine") == RESERVED_EXCEEDED
    concurrency.end("mine")
    concurrency.begin("mine")


def test_F19_a_reservation_of_zero_blocks_the_function() -> None:
    assert refused(Concurrency(1_000, {"blocked": 0}), "blocked") == RESERVED_EXCEEDED


def test_more_ends_than_begins_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="no invocation of a is in flight"):
        Concurrency(1, {}).end("a")


def test_reserving_more_than_the_account_has_is_refused_with_both_figures() -> None:
    with pytest.raises(InputError, match="Functions reserve 12 concurrent invocations and the account has 10; lower"):
        Concurrency(10, {"a": 5, "b": 7})
