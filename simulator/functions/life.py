"""The life of one execution environment: its states, and the only steps between them.

::

    STARTING ──polls──► IDLE ──takes──► BUSY ──answers──► RETURNING ──polls──► IDLE …
                        │ │                                  ▲
                        │ └─freezes─► FROZEN ──takes──► BUSY │
                        │               │                    │
                        └───poll lost───┴────────────────────┘      any state ──dies──► DEAD

An environment runs one event at a time (F06). It has answered before it asks for the next event, so between the two
it is RETURNING: not free yet, but about to be, and no reason to start another environment. One that asks and gets
nothing is FROZEN until there is an event for it (F07); where freezing is switched off it stays IDLE.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType


class EnvironmentState(Enum):
    """Where an environment is in its life."""

    STARTING = "starting"
    """The process runs and imports the handler."""
    IDLE = "idle"
    """Waiting for an event."""
    FROZEN = "frozen"
    """Waiting for an event, and stopped with everything it left running (F07)."""
    BUSY = "busy"
    """Running the handler."""
    RETURNING = "returning"
    """Has answered and not asked for the next event yet."""
    DEAD = "dead"


class EnvironmentStep(Enum):
    """What can happen to an environment."""

    POLLS = "polls"
    FREEZES = "freezes"
    TAKES = "takes"
    ANSWERS = "answers"
    POLL_LOST = "poll lost"
    DIES = "dies"


_STATES = EnvironmentState
_STEPS = EnvironmentStep

STEPS: Mapping[tuple[EnvironmentState, EnvironmentStep], EnvironmentState] = MappingProxyType(
    {
        (_STATES.STARTING, _STEPS.POLLS): _STATES.IDLE,
        (_STATES.IDLE, _STEPS.TAKES): _STATES.BUSY,
        (_STATES.IDLE, _STEPS.POLL_LOST): _STATES.RETURNING,
        (_STATES.IDLE, _STEPS.FREEZES): _STATES.FROZEN,
        (_STATES.FROZEN, _STEPS.TAKES): _STATES.BUSY,
        (_STATES.FROZEN, _STEPS.POLL_LOST): _STATES.RETURNING,
        (_STATES.BUSY, _STEPS.ANSWERS): _STATES.RETURNING,
        (_STATES.RETURNING, _STEPS.POLLS): _STATES.IDLE,
        (_STATES.STARTING, _STEPS.DIES): _STATES.DEAD,
        (_STATES.IDLE, _STEPS.DIES): _STATES.DEAD,
        (_STATES.FROZEN, _STEPS.DIES): _STATES.DEAD,
        (_STATES.BUSY, _STEPS.DIES): _STATES.DEAD,
        (_STATES.RETURNING, _STEPS.DIES): _STATES.DEAD,
    }
)


class IllegalStepError(Exception):
    """An environment was asked for a step that its state does not allow."""

    def __init__(self, environment: str, state: EnvironmentState, step: EnvironmentStep) -> None:
        allowed = [s.value for (from_state, s) in STEPS if from_state is state] or ["nothing"]
        super().__init__(
            f"environment {environment} is {state.value} and cannot do {step.value!r}; allowed: {', '.join(allowed)}"
        )
        self.state = state
        self.step = step


def next_state(environment: str, state: EnvironmentState, step: EnvironmentStep) -> EnvironmentState:
    """The state after `step`; raises `IllegalStepError` naming what was allowed and what came."""
    try:
        return STEPS[state, step]
    except KeyError:
        raise IllegalStepError(environment, state, step) from None
