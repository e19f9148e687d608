"""How long the messages of a batch stay invisible (Q07, Q14)."""

from __future__ import annotations

from simulator.stack.model import Queue, Trigger

DEFAULT_VISIBILITY_S = 30
_MARGIN_S = 30


def visibility_s(trigger: Trigger, queue: Queue, function_timeout_s: int | None) -> int:
    """Seconds from a receive until its messages come back.

    That is the queue's own timeout, unless the batching window and the function together may take longer: then both
    and half a minute (Q14). Without a window the function's time-out is known to fit, since the mapping could not be
    made otherwise.
    """
    own_s = int(queue.attributes.get("VisibilityTimeout", DEFAULT_VISIBILITY_S))
    longest_s = trigger.batching_window_s + (function_timeout_s or 0)
    if trigger.batching_window_s and function_timeout_s is not None and longest_s > own_s:
        return longest_s + _MARGIN_S
    return own_s
