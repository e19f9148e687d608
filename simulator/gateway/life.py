"""The life of one WebSocket connection: its states and the only steps between them.

::

    CONNECTING ──accept──► OPEN ──close──► CLOSING ──gone──► CLOSED
         │                   └──────────────gone───────────────▲
         └──refuse─────────────────────────────────────────────┘

* CONNECTING: the upgrade request waits for `$connect` (H02). Nothing can be sent; callbacks answer 410 (C15).
* OPEN: messages are routed, callbacks deliver.
* CLOSING: a close frame went out (DELETE, a limit); callbacks answer 410 although the socket is still there.
* CLOSED: the socket is gone. Only now does `$disconnect` run (M19), and only for a connection that was OPEN (M20).
"""

from __future__ import annotations

import enum


class State(enum.Enum):
    """See the picture above."""

    CONNECTING = "connecting"
    OPEN = "open"
    CLOSING = "closing"
    CLOSED = "closed"


class Step(enum.Enum):
    """What can happen to a connection."""

    ACCEPT = "accept"
    REFUSE = "refuse"
    CLOSE = "close"
    GONE = "gone"


_NEXT: dict[tuple[State, Step], State] = {
    (State.CONNECTING, Step.ACCEPT): State.OPEN,
    (State.CONNECTING, Step.REFUSE): State.CLOSED,
    (State.OPEN, Step.CLOSE): State.CLOSING,
    (State.OPEN, Step.GONE): State.CLOSED,
    (State.CLOSING, Step.GONE): State.CLOSED,
}


class IllegalStepError(Exception):
    """A step that the picture does not have: a bug in whoever drives the connection."""

    def __init__(self, state: State, step: Step) -> None:
        allowed = sorted(candidate.value for (at, candidate) in _NEXT if at is state)
        super().__init__(f"a {state.value} connection cannot {step.value}; it can {' or '.join(allowed) or 'nothing'}")
        self.state = state
        self.step = step


def after(state: State, step: Step) -> State:
    """The state that follows; raises `IllegalStepError` when there is none."""
    try:
        return _NEXT[state, step]
    except KeyError:
        raise IllegalStepError(state, step) from None
