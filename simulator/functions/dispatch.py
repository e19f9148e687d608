"""Which environment takes which invocation, and when another one is started: the rules for one function.

- An invocation goes to a free environment, the most recently used first, else it waits in order of arrival (F06).
- Environments are started only for waiting invocations that nobody who is starting or returning will take, at most
  `max_starting` at a time (a burst of imports on few cores is slower than a queue), at most `max_environments` in all.
- An environment for which there is nothing to do is frozen, and thawed just before its next event (F07).
- An environment that dies while starting answers the oldest waiting invocation with its error. When the handler
  cannot be imported and no environment works, everyone waiting gets that error, and for `HOLD_S` whoever comes next
  too: each would fail the same way (F09), and a process for each is a storm.

Nothing here does I/O: each happening returns the actions that the shell performs.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from simulator.functions.life import EnvironmentState, EnvironmentStep, next_state

HOLD_S = 1.0
"""How long an import error is repeated without importing again; then the next invocation tries afresh."""


@dataclass(frozen=True, slots=True)
class Start:
    """Start an environment under this name."""

    environment: str


@dataclass(frozen=True, slots=True)
class Give:
    """Hand the invocation to the environment, which is waiting for one."""

    environment: str
    invocation: str


@dataclass(frozen=True, slots=True)
class Freeze:
    """Stop the environment: it has nothing to do."""

    environment: str


@dataclass(frozen=True, slots=True)
class Thaw:
    """Let the environment go on: it is about to be given something, or has hung up and must ask again."""

    environment: str


@dataclass(frozen=True, slots=True)
class FailAtStart:
    """Answer the invocation with the error that the last environment to start died of."""

    invocation: str


Action = Start | Give | Freeze | Thaw | FailAtStart


class Dispatcher:
    """The environments and invocations of one function; see the module's first lines."""

    def __init__(
        self,
        function: str,
        *,
        max_environments: int,
        max_starting: int,
        freezes: bool = True,
    ) -> None:
        self._function = function
        self._freezes = freezes
        self._max_environments = max_environments
        self._max_starting = max_starting
        self._states: dict[str, EnvironmentState] = {}
        self._idle: list[str] = []
        """Most recently used last."""
        self._waiting: dict[str, None] = {}
        self._running: dict[str, str] = {}
        """Environment to invocation."""
        self._started = 0
        self._hold_until_s: float | None = None

    # -- what happens ----------------------------------------------------------------------------------------------

    def submit(self, invocation: str, now_s: float) -> list[Action]:
        """A new invocation came."""
        if self._hold_until_s is not None and now_s < self._hold_until_s and not self._any_works():
            return [FailAtStart(invocation)]
        self._waiting[invocation] = None
        return self._plan()

    def withdraw(self, invocation: str) -> bool:
        """The caller no longer waits; True when the invocation had not begun and is dropped."""
        if invocation not in self._waiting:
            return False
        del self._waiting[invocation]
        return True

    def polled(self, environment: str) -> list[Action]:
        """The environment asks for an event."""
        self._step(environment, EnvironmentStep.POLLS)
        self._hold_until_s = None
        self._idle.append(environment)
        actions = self._plan()
        if self._freezes and self.state(environment) is EnvironmentState.IDLE:
            self._step(environment, EnvironmentStep.FREEZES)
            actions.append(Freeze(environment))
        return actions

    def poll_lost(self, environment: str) -> list[Action]:
        """The environment stopped asking without an answer; it may ask again."""
        was_frozen = self.state(environment) is EnvironmentState.FROZEN
        self._step(environment, EnvironmentStep.POLL_LOST)
        self._idle.remove(environment)
        return [Thaw(environment)] if was_frozen else []

    def answered(self, environment: str) -> None:
        """The environment answered the invocation it was given."""
        self._step(environment, EnvironmentStep.ANSWERS)
        del self._running[environment]

    def died(self, environment: str) -> tuple[str | None, list[Action]]:
        """The environment is gone. Returns the invocation it was running, if any, and what to do now."""
        self._forget(environment)
        return self._running.pop(environment, None), self._plan()

    def failed_to_start(self, environment: str, *, repeatable: bool, now_s: float) -> list[Action]:
        """The environment died before it first asked for an event.

        `repeatable` says that the next one would fail the same way (the handler cannot be imported).
        """
        self._forget(environment)
        condemned = list(self._waiting)
        if repeatable and not self._any_works():
            self._hold_until_s = now_s + HOLD_S
        else:
            condemned = condemned[:1]
        for invocation in condemned:
            del self._waiting[invocation]
        return [*(FailAtStart(invocation) for invocation in condemned), *self._plan()]

    def retire_idle(self) -> list[str]:
        """Forget every environment that has started and runs nothing; whoever asked ends them."""
        at_work = (EnvironmentState.STARTING, EnvironmentState.BUSY)
        idle = [environment for environment, state in self._states.items() if state not in at_work]
        for environment in idle:
            self._forget(environment)
        return idle

    # -- what is -----------------------------------------------------------------------------------------------------

    def state(self, environment: str) -> EnvironmentState:
        """The environment's state; DEAD when it is not known (any more)."""
        return self._states.get(environment, EnvironmentState.DEAD)

    def running(self, environment: str) -> str | None:
        """The invocation that the environment runs, or None."""
        return self._running.get(environment)

    @property
    def environments(self) -> int:
        """Environments alive, those starting included."""
        return len(self._states)

    @property
    def started(self) -> int:
        """Environments ever started."""
        return self._started

    # -- inside ------------------------------------------------------------------------------------------------------

    def _plan(self) -> list[Action]:
        return [*self._gives(), *self._starts()]

    def _gives(self) -> Iterable[Action]:
        while self._waiting and self._idle:
            invocation = next(iter(self._waiting))
            del self._waiting[invocation]
            environment = self._idle.pop()
            if self.state(environment) is EnvironmentState.FROZEN:
                yield Thaw(environment)
            self._step(environment, EnvironmentStep.TAKES)
            self._running[environment] = invocation
            yield Give(environment, invocation)

    def _starts(self) -> Iterable[Action]:
        starting = self._count(EnvironmentState.STARTING)
        soon_free = starting + self._count(EnvironmentState.RETURNING)
        wanted = min(
            len(self._waiting) - soon_free,
            self._max_environments - len(self._states),
            self._max_starting - starting,
        )
        for _ in range(wanted):
            self._started += 1
            environment = f"{self._function}#{self._started}"
            self._states[environment] = EnvironmentState.STARTING
            yield Start(environment)

    def _any_works(self) -> bool:
        return len(self._states) > self._count(EnvironmentState.STARTING)

    def _count(self, state: EnvironmentState) -> int:
        return sum(1 for each in self._states.values() if each is state)

    def _step(self, environment: str, step: EnvironmentStep) -> None:
        self._states[environment] = next_state(environment, self.state(environment), step)

    def _forget(self, environment: str) -> None:
        self._step(environment, EnvironmentStep.DIES)
        del self._states[environment]
        if environment in self._idle:
            self._idle.remove(environment)
