"""What AWS refuses when a mapping is made (Q01, Q02, Q16, Q23)."""

from __future__ import annotations

from simulator.errors import InputError
from simulator.stack.model import Queue, Trigger
from simulator.triggers.batching import MAX_RECEIVE
from simulator.triggers.filters import check_patterns

_MAX_BATCH = 10_000
_MAX_WINDOW_S = 300
_CONCURRENCY = range(2, 1_001)
_LEAST_POLLERS = range(2, 201)
_MOST_POLLERS = range(2, 10_001)


def check(trigger: Trigger, queue: Queue) -> None:
    """Raise `InputError` for settings that AWS refuses when the mapping is made."""
    name = f"Trigger {trigger.logical_id} (queue {queue.name}, function {trigger.function})"
    limit = MAX_RECEIVE if queue.fifo else _MAX_BATCH
    if not 1 <= trigger.batch_size <= limit:
        kind = "FIFO" if queue.fifo else "standard"
        raise InputError(f"{name} has BatchSize {trigger.batch_size}; a {kind} queue takes 1 to {limit}.")
    if not 0 <= trigger.batching_window_s <= _MAX_WINDOW_S:
        raise InputError(
            f"{name} has MaximumBatchingWindowInSeconds {trigger.batching_window_s}; it takes 0 to {_MAX_WINDOW_S}."
        )
    if queue.fifo and trigger.batching_window_s:
        raise InputError(f"{name} has a batching window, which FIFO queues do not have; remove it.")
    if trigger.batch_size > MAX_RECEIVE and not trigger.batching_window_s:
        raise InputError(
            f"{name}: Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10; "
            "set MaximumBatchingWindowInSeconds or a smaller BatchSize."
        )
    concurrency = trigger.maximum_concurrency
    if concurrency is not None and concurrency not in _CONCURRENCY:
        raise InputError(f"{name} has MaximumConcurrency {concurrency}; it takes 2 to 1000.")
    if trigger.provisioned_pollers is not None:
        _check_pollers(name, trigger.provisioned_pollers, concurrency)
    check_patterns(trigger.filters, name)


def _check_pollers(name: str, pollers: tuple[int, int], concurrency: int | None) -> None:
    least, most = pollers
    if concurrency is not None:
        raise InputError(f"{name} has both MaximumConcurrency and ProvisionedPollerConfig; remove one.")
    if least not in _LEAST_POLLERS or most not in _MOST_POLLERS or least > most:
        raise InputError(
            f"{name} has {least} to {most} provisioned pollers; MinimumPollers takes 2 to 200 and "
            "MaximumPollers, which is not below it, 2 to 10000."
        )
