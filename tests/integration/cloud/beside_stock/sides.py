"""Stock and patched moto side by side in one process: each call goes to both, and both have to give the same answer.

The patches are on for one call and off for the other. Each side has an account of its own, so that no table and no
queue is ever touched by both.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from moto.dynamodb.models import dynamodb_backends
from moto.sqs.models import sqs_backends

from beside_stock.differences import DIFFERENCES, Answer
from beside_stock.wire import environ
from simulator.cloud.direct import direct
from simulator.cloud.patches import apply_patches
from simulator.cloud.patches.patching import ABSENT, Patching

EXAMPLES = os.environ.get("FUZZ_EXAMPLES")
"""How many random histories; few of them, and always the same, unless this says otherwise."""
_ACCOUNTS = {"stock": "111111111111", "patched": "222222222222"}
_SETS = ("SS", "NS", "BS")


class Switch:
    """Turns patches off and on again, with what they remember."""

    def __init__(self, patching: Patching) -> None:
        self._stock: dict[tuple[Any, str], Any] = {}
        for owner, name, before in patching._undo:
            self._stock.setdefault((owner, name), before)
        self._patched = {(owner, name): vars(owner)[name] for owner, name in self._stock}

    def off(self) -> None:
        """Stock moto."""
        for (owner, name), value in self._stock.items():
            if value is ABSENT:
                delattr(owner, name)
            else:
                setattr(owner, name, value)

    def on(self) -> None:
        """Patched moto."""
        for (owner, name), value in self._patched.items():
            setattr(owner, name, value)


class BesideStock:
    """One call at a time, on both sides."""

    def __init__(self) -> None:
        self.reset()
        self._patching = apply_patches()
        self._switch = Switch(self._patching)
        self._switch.off()
        self.seen: set[str] = set()
        """The rows of the differences that were met."""

    def reset(self) -> None:
        """Forget all tables and queues."""
        for backends in (dynamodb_backends, sqs_backends):
            backends.reset()

    def close(self) -> None:
        """Leave moto as it was."""
        self._switch.on()
        self._patching.undo()
        self.reset()

    def each(
        self, service: str, operation: str, stock: dict[str, Any], patched: dict[str, Any]
    ) -> tuple[Answer, Answer]:
        """The answers of stock and patched moto, each to a request of its own."""
        first = _call(service, operation, "stock", stock)
        self._switch.on()
        try:
            second = _call(service, operation, "patched", patched)
        finally:
            self._switch.off()
        return first, second

    def agree(self, operation: str, request: dict[str, Any], stock: Answer, patched: Answer) -> None:
        """Raise unless the answers are the same, but for one of `DIFFERENCES`."""
        if stock == patched:
            return
        for difference in DIFFERENCES:
            if difference.seen(operation, request, stock, patched):
                self.seen.add(difference.row)
                return
        # What is unasked may stand beside another difference.
        if _without_capacity(stock) != stock and (stock[0] == 200):
            self.agree(operation, request, _without_capacity(stock), patched)
            return
        told = "\n".join(f"{name}: {_brief(each)}" for name, each in (("stock", stock), ("patched", patched)))
        raise AssertionError(f"{operation} {_brief(request)}\n{told}")

    def both(self, service: str, operation: str, **request: Any) -> Answer:
        """The answer to one request; it is the patched side's where they may differ."""
        stock, patched = self.each(service, operation, request, request)
        self.agree(operation, request, stock, patched)
        if "LastEvaluatedKey" in stock[1] and patched[0] == 200 and "LastEvaluatedKey" not in patched[1]:
            more = {**request, "ExclusiveStartKey": stock[1]["LastEvaluatedKey"]}
            assert _call(service, operation, "stock", more)[1]["ScannedCount"] == 0, "patched moto has lost rows"
        return patched


def _brief(value: Any) -> str:
    return re.sub(r"(.)\1{20,}", r"\1…", str(value))


def _without_capacity(answer: Answer) -> Answer:
    return answer[0], {name: value for name, value in answer[1].items() if not name.startswith("ConsumedCapacity")}


def _call(service: str, operation: str, side: str, request: dict[str, Any]) -> Answer:
    asked = json.dumps(request).replace("ACCOUNT", _ACCOUNTS[side])
    call = environ(service, operation, asked.encode()) | {"HTTP_X_MOTO_ACCOUNT_ID": _ACCOUNTS[side]}
    reply = direct(call)
    assert reply is not None
    told = reply.body.decode().replace(_ACCOUNTS[side], "ACCOUNT")
    return reply.status, _alike(json.loads(told or "{}"))


def _alike(value: Any) -> Any:
    """Sets in one order, and no times at which tables were made."""
    if isinstance(value, list):
        return [_alike(each) for each in value]
    if not isinstance(value, dict):
        return re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "UUID", value) if isinstance(value, str) else value
    if len(value) == 1 and (kind := next(iter(value))) in _SETS and isinstance(value[kind], list):
        return {kind: sorted(value[kind])}
    return {name: _alike(each) for name, each in value.items() if name not in ("CreationDateTime", "TableId")}


def machine_settings(few: int, steps: int) -> settings:
    """Of a state machine that drives both sides. Only a long run looks for the shortest history that fails."""
    return settings(
        max_examples=int(EXAMPLES or few),
        stateful_step_count=steps,
        derandomize=EXAMPLES is None,
        phases=tuple(Phase) if EXAMPLES else (Phase.generate,),
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


@contextmanager
def beside_stock() -> Iterator[BesideStock]:
    """Both sides, empty; moto is as before at the end."""
    sides = BesideStock()
    try:
        yield sides
    finally:
        sides.close()
