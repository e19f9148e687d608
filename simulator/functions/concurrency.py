"""How many invocations may be in flight at a time: the account's limit, shared, and what functions keep for themselves.

- A function with reserved concurrency has exactly that many places, and they are taken out of the account's for good,
  used or not; 0 blocks it. All others share what is left (F19).
- Over either limit the call is refused with 429 and a reason that says which one it was (F16).

- While faults say so, calls are refused as if others had taken all places (`function_throttle`).

In flight is what has been accepted and not been answered, waiting for an environment or running.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from http import HTTPStatus

from simulator.active_faults import ActiveFault
from simulator.errors import InputError
from simulator.invocation import InvokeRefusedError

RESERVED_EXCEEDED = "ReservedFunctionConcurrentInvocationLimitExceeded"
ACCOUNT_EXCEEDED = "ConcurrentInvocationLimitExceeded"


class Concurrency:
    """The places of one account; `reserved` has the functions that keep some for themselves."""

    def __init__(self, account: int, reserved: Mapping[str, int]) -> None:
        """Raises `InputError` when more is reserved than there is, which a deployment would refuse as well."""
        total = sum(reserved.values())
        if total > account:
            raise InputError(
                f"Functions reserve {total} concurrent invocations and the account has {account}; lower "
                "ReservedConcurrentExecutions in the template, or raise it with --set functions.account_concurrency=N."
            )
        self._reserved = dict(reserved)
        self._unreserved = account - total
        self._unreserved_in_flight = 0
        self._in_flight: Counter[str] = Counter()
        self.faults: tuple[ActiveFault, ...] | None = None
        """Of the kind `function_throttle`; None while there are none."""

    def begin(self, function: str) -> None:
        """One more invocation of `function`. Raises `InvokeRefusedError` (429) when there is no place for it."""
        if self.faults is not None and any(fault.hits(function) for fault in self.faults):
            raise _refusal(ACCOUNT_EXCEEDED)
        reserved = self._reserved.get(function)
        if reserved is not None:
            if self._in_flight[function] >= reserved:
                raise _refusal(RESERVED_EXCEEDED)
        elif self._unreserved_in_flight >= self._unreserved:
            raise _refusal(ACCOUNT_EXCEEDED)
        else:
            self._unreserved_in_flight += 1
        self._in_flight[function] += 1

    def end(self, function: str) -> None:
        """One that had begun has ended, however it did."""
        if self._in_flight[function] <= 0:
            raise ValueError(f"no invocation of {function} is in flight")
        self._in_flight[function] -= 1
        if function not in self._reserved:
            self._unreserved_in_flight -= 1


def _refusal(reason: str) -> InvokeRefusedError:
    return InvokeRefusedError(HTTPStatus.TOO_MANY_REQUESTS, "TooManyRequestsException", "Rate Exceeded.", reason=reason)
