"""All execution environments of one function: performs what the dispatcher decides."""

from __future__ import annotations

import asyncio
import logging
import os
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from simulator.active_faults import ActiveFault
from simulator.clock import Clock
from simulator.functions import faults
from simulator.functions.call import Call
from simulator.functions.concurrency import Concurrency
from simulator.functions.dispatch import Action, Dispatcher, FailAtStart, Freeze, Give, Start, Thaw
from simulator.functions.execution_environment import ExecutionEnvironment, Settings
from simulator.functions.fault_rules import Mishap, invocation_mishap
from simulator.functions.life import EnvironmentState
from simulator.functions.log_frames import LogTail, Report, end_lines, iso_time, start_line, timeout_line
from simulator.functions.log_text import failure_entry, load_failure_sentence
from simulator.functions.memory import peak_mb
from simulator.invocation import InvocationResult, InvokeRefusedError
from simulator.stack.model import Function

OnLog = Callable[[str, str, str], None]
"""Called with function name, environment name and one line of the handler's output."""

log = logging.getLogger("simulator.functions")


@dataclass(slots=True)
class Counters:
    """What `stats()` reports of one function."""

    invocations: int = 0
    errors: int = 0
    timeouts: int = 0
    throttled: int = 0
    cold_start_ms: list[float] = field(default_factory=list)

    def report(self, *, environments: int, cold_starts: int, pids: list[int]) -> dict[str, Any]:
        """As plain data; milliseconds from starting a process until its handler was imported."""
        return {
            "invocations": self.invocations,
            "errors": self.errors,
            "timeouts": self.timeouts,
            "throttled": self.throttled,
            "cold_starts": cold_starts,
            "cold_start_ms": {
                "count": len(self.cold_start_ms),
                "mean": sum(self.cold_start_ms) / len(self.cold_start_ms) if self.cold_start_ms else None,
                "max": max(self.cold_start_ms, default=None),
            },
            "environments": environments,
            "pids": pids,
        }


@dataclass(slots=True)
class _Invocation:
    call: Call
    done: asyncio.Future[InvocationResult]
    tail: LogTail | None
    environment: str | None = None
    """The one that it was given to, and when."""
    given_s: float = 0.0
    init_ms: float | None = None
    """How long that one took to start, when this is its first."""
    mishap: Mishap | None = None
    timer: asyncio.TimerHandle | None = None
    strike_timer: asyncio.TimerHandle | None = None


@dataclass(slots=True)
class _Output:
    """Whose lines an environment's output is: the last invocation's that it was given."""

    invocation: _Invocation | None = None


@dataclass(slots=True)
class _Running:
    environment: ExecutionEnvironment
    output: _Output
    started_s: float
    second_try: bool
    """The first start took longer than the init limit (F09)."""
    init_timer: asyncio.TimerHandle | None = None
    init_ms: float | None = None
    """How long it took to start, until the first invocation has had it."""


class Fleet:
    """The execution environments of one function; see `FunctionPool` for the whole."""

    def __init__(
        self,
        function: Function,
        variables: Mapping[str, str],
        settings: Settings,
        *,
        concurrency: Concurrency,
        max_environments: int,
        max_starting: int,
        init_limit_s: float,
        log_frames: bool,
        clock: Clock,
        on_log: OnLog,
    ) -> None:
        self._function = function
        self._log_frames = log_frames
        self._variables = variables
        self._settings = settings
        self._concurrency = concurrency
        self._init_limit_s = init_limit_s
        self._clock = clock
        self._on_log = on_log
        self._dispatcher = Dispatcher(
            function.name,
            max_environments=max_environments,
            max_starting=max_starting,
            freezes=settings.guardian is not None,
        )
        self._invocations: dict[str, _Invocation] = {}
        self._environments: dict[str, _Running] = {}
        self._start_error: Callable[[str], bytes | InvokeRefusedError] = _never_started
        self._last_init_over_limit = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._counters = Counters()
        self._stopping = False
        self.faults: tuple[ActiveFault, ...] | None = None
        """Those that may befall invocations; None while there are none."""

    async def invoke(self, call: Call) -> InvocationResult:
        """Run the handler once; see `Invoke`."""
        if self._stopping:
            raise stopping_refusal()
        try:
            self._concurrency.begin(self._function.name)
        except InvokeRefusedError:
            self._counters.throttled += 1
            raise
        mishap = None if self.faults is None else invocation_mishap(self.faults, self._function.name)
        if mishap is not None and mishap.cold:
            self._retire_idle()
        request_id = call.request_id
        invocation = _Invocation(
            call, asyncio.get_running_loop().create_future(), LogTail() if call.with_log else None, mishap=mishap
        )
        self._invocations[request_id] = invocation
        self._counters.invocations += 1
        self._perform(self._dispatcher.submit(request_id, self._clock.monotonic_s()))
        try:
            return await invocation.done
        except asyncio.CancelledError:
            # A waiting invocation is dropped; a running one goes on to its end, as it does in Lambda.
            if self._dispatcher.withdraw(request_id):
                self._leave(invocation)
            raise

    async def stop(self) -> None:
        """Refuse what waits and runs, and end every process."""
        self._stopping = True
        for invocation in list(self._invocations.values()):
            self._refuse(invocation, stopping_refusal())
        starting = [task for task in self._tasks if task.get_name() == "start"]
        for task in starting:
            task.cancel()
        await asyncio.gather(*starting, return_exceptions=True)
        for running in self._environments.values():
            if running.init_timer is not None:
                running.init_timer.cancel()
        await asyncio.gather(*(running.environment.close() for running in self._environments.values()))
        self._environments.clear()
        await asyncio.gather(*self._tasks)

    def stats(self) -> dict[str, Any]:
        """See `Counters.report`."""
        return self._counters.report(
            environments=self._dispatcher.environments, cold_starts=self._dispatcher.started, pids=self.pids()
        )

    def pids(self) -> list[int]:
        """The worker processes that live now."""
        return [pid for running in self._environments.values() if (pid := running.environment.pid) is not None]

    # -- what the dispatcher decided ---------------------------------------------------------------------------------

    def _perform(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Start(environment):
                    self._spawn(self._start(environment), "start")
                case Give(environment, request_id):
                    self._give(environment, request_id)
                case Freeze(environment):
                    self._environments[environment].environment.freeze()
                case Thaw(environment):
                    self._environments[environment].environment.thaw()
                case FailAtStart(request_id):
                    self._fail_at_start(self._invocations[request_id])

    async def _start(self, name: str) -> None:
        output = _Output()
        environment = ExecutionEnvironment(
            name,
            self._function,
            self._variables,
            self._settings,
            log_stream=datetime.fromtimestamp(self._clock.wall_ms() / 1000, UTC).strftime("%Y/%m/%d/[$LATEST]")
            + uuid.uuid4().hex,
            events=self,
            on_line=lambda line: self._on_line(name, output, line),
        )
        running = _Running(environment, output, self._clock.monotonic_s(), second_try=self._last_init_over_limit)
        self._environments[name] = running
        # The second try is part of the invocation; a machine slower than Lambda's still gets the init limit.
        allowance_s = self._init_limit_s
        if running.second_try:
            allowance_s = max(allowance_s, self._function.timeout_s)
        running.init_timer = asyncio.get_running_loop().call_later(allowance_s, self._on_init_over_limit, name)
        try:
            await environment.start()
        except (OSError, ValueError) as error:  # ValueError: no process can have a variable of that name or value
            reason = (
                f"No process for function {self._function.name} could be started in {self._function.code_dir}: {error}"
            )
            log.error("%s", reason)
            self._start_error = lambda _: InvokeRefusedError(500, "ServiceException", reason)
            if name in self._environments:
                self._lose_at_start(name, repeatable=True)
        else:
            if name not in self._environments:  # given up while the machine was slow to start it
                await environment.close()

    def _give(self, name: str, request_id: str) -> None:
        invocation = self._invocations[request_id]
        running = self._environments[name]
        now_ms = self._clock.wall_ms()
        running.output.invocation = invocation
        invocation.environment, invocation.given_s = name, self._clock.monotonic_s()
        invocation.init_ms, running.init_ms = running.init_ms, None
        self._frame(invocation, start_line(request_id))
        running.environment.give(
            invocation.call,
            deadline_ms=now_ms + self._function.timeout_s * 1000,
            trace_id=trace_id(now_ms),
        )
        invocation.timer = asyncio.get_running_loop().call_later(
            self._function.timeout_s, self._on_timeout, name, request_id
        )
        mishap = invocation.mishap
        if mishap is not None and mishap.strikes_after_s is not None:
            invocation.strike_timer = asyncio.get_running_loop().call_later(
                mishap.strikes_after_s, self._strike, name, request_id, mishap.kills
            )

    def _strike(self, name: str, request_id: str, kills: bool) -> None:
        """A fault: the environment dies, or stops getting on until the function's time is up."""
        if self._dispatcher.running(name) != request_id:
            return
        environment = self._environments[name].environment
        if kills:
            environment.kill()
        else:
            environment.freeze()

    def _retire_idle(self) -> None:
        """A fault: the next invocation finds no warm environment."""
        for name in self._dispatcher.retire_idle():
            self._discard(name)

    def _fail_at_start(self, invocation: _Invocation) -> None:
        error = self._start_error(invocation.call.request_id)
        if isinstance(error, InvokeRefusedError):
            self._refuse(invocation, error)
        else:
            self._finish(invocation, error, faults.UNHANDLED)

    # -- what environments tell (EnvironmentEvents) ------------------------------------------------------------------

    def on_poll(self, environment: str) -> None:
        """See `EnvironmentEvents`."""
        running = self._environments.get(environment)
        if running is None or self._stopping:
            return
        if running.init_timer is not None:
            running.init_timer.cancel()
            running.init_timer = None
            self._last_init_over_limit = False
            running.init_ms = (self._clock.monotonic_s() - running.started_s) * 1000
            self._counters.cold_start_ms.append(running.init_ms)
        self._perform(self._dispatcher.polled(environment))

    def on_poll_lost(self, environment: str) -> None:
        """See `EnvironmentEvents`."""
        if self._dispatcher.state(environment) in (EnvironmentState.IDLE, EnvironmentState.FROZEN):
            self._perform(self._dispatcher.poll_lost(environment))

    def on_answer(self, environment: str, payload: bytes, *, failed: bool) -> None:
        """See `EnvironmentEvents`."""
        request_id = self._dispatcher.running(environment)
        # While the pool stops everybody has been refused already: an answer that comes now is nobody's.
        if request_id is None or self._stopping:
            return
        self._dispatcher.answered(environment)
        invocation = self._invocations[request_id]
        if failed:
            self._finish(invocation, payload, faults.UNHANDLED)
        elif len(payload) > faults.MAX_RESPONSE_BYTES:
            self._finish(invocation, faults.response_too_large(len(payload)), faults.UNHANDLED)
        else:
            self._finish(invocation, payload, None)

    def on_init_error(self, environment: str, payload: bytes) -> None:
        """See `EnvironmentEvents`."""
        running = self._environments.get(environment)
        if running is None or self._dispatcher.state(environment) is not EnvironmentState.STARTING:
            return
        log.error(
            "%s",
            load_failure_sentence(self._function.name, self._function.handler, str(self._function.code_dir), payload),
        )
        self._start_error = lambda _: payload
        # The answer is known, so nobody waits for the process to end.
        self._lose_at_start(environment, repeatable=True)

    def on_exit(self, environment: str, return_code: int) -> None:
        """See `EnvironmentEvents`."""
        state = self._dispatcher.state(environment)
        if state is EnvironmentState.DEAD or self._stopping:
            return
        if state is EnvironmentState.STARTING:
            self._start_error = lambda request_id: faults.exited(request_id, return_code)
            self._lose_at_start(environment, repeatable=False)
            return
        request_id, actions = self._dispatcher.died(environment)
        self._discard(environment)
        if request_id is not None:
            invocation = self._invocations[request_id]
            payload = faults.exited(request_id, return_code)
            error_type, message, _ = faults.describe(payload)
            self._finish(
                invocation, payload, faults.UNHANDLED, last_line=message, status="error", error_type=error_type
            )
        else:
            log.warning("Environment %s ended between invocations: %s.", environment, faults.exit_reason(return_code))
        self._perform(actions)

    # -- timers ------------------------------------------------------------------------------------------------------

    def _on_timeout(self, environment: str, request_id: str) -> None:
        if self._dispatcher.running(environment) != request_id:
            return
        self._counters.timeouts += 1
        _, actions = self._dispatcher.died(environment)
        timeout_s = self._function.timeout_s
        self._finish(
            self._invocations[request_id],
            faults.timed_out(request_id, timeout_s),
            faults.UNHANDLED,
            last_line=timeout_line(iso_time(self._clock.wall_ms()), request_id, timeout_s),
            status="timeout",
        )
        self._environments[environment].environment.kill()
        self._discard(environment)
        self._perform(actions)

    def _on_init_over_limit(self, environment: str) -> None:
        """Once more, as part of the invocation; then it is a timeout (F09)."""
        running = self._environments[environment]
        running.environment.kill()
        if not running.second_try:
            self._last_init_over_limit = True
            log.warning(
                "Function %s took more than %g s to load; it is loaded once more.",
                self._function.name,
                self._init_limit_s,
            )
            _, actions = self._dispatcher.died(environment)
            self._discard(environment)
            self._perform(actions)
            return
        self._counters.timeouts += 1
        self._start_error = lambda request_id: faults.timed_out(request_id, self._function.timeout_s)
        self._lose_at_start(environment, repeatable=False)

    # -- the log -----------------------------------------------------------------------------------------------------

    def _on_line(self, environment: str, output: _Output, line: str) -> None:
        self._on_log(self._function.name, environment, line)
        if output.invocation is not None and output.invocation.tail is not None:
            output.invocation.tail.add(line)

    def _has_frames(self, invocation: _Invocation) -> bool:
        return self._log_frames or invocation.tail is not None

    def _frame(self, invocation: _Invocation, line: str) -> None:
        if self._log_frames:
            self._on_log(self._function.name, invocation.environment or self._function.name, line)
        if invocation.tail is not None:
            invocation.tail.add(line)

    # -- ends --------------------------------------------------------------------------------------------------------

    def _lose_at_start(self, environment: str, *, repeatable: bool) -> None:
        actions = self._dispatcher.failed_to_start(environment, repeatable=repeatable, now_s=self._clock.monotonic_s())
        self._discard(environment)
        self._perform(actions)

    def _discard(self, environment: str) -> None:
        running = self._environments.pop(environment)
        if running.init_timer is not None:
            running.init_timer.cancel()
        self._spawn(running.environment.close(), "close")

    def _finish(
        self,
        invocation: _Invocation,
        payload: bytes,
        function_error: str | None,
        *,
        last_line: str | None = None,
        status: str | None = None,
        error_type: str | None = None,
    ) -> None:
        self._leave(invocation)
        call = invocation.call
        if function_error is not None:
            self._counters.errors += 1
            log.error("%s", failure_entry(self._function.name, call.request_id, call.origin, payload))
        result = InvocationResult(call.request_id, payload, function_error)
        if not self._has_frames(invocation):
            _settle(invocation, result)
            return
        running = self._environments.get(invocation.environment or "")
        report = Report(
            call.request_id,
            duration_ms=(self._clock.monotonic_s() - invocation.given_s) * 1000 if invocation.environment else 0.0,
            memory_mb=self._function.memory_mb,
            max_memory_mb=None if running is None else peak_mb(running.environment.pid),
            init_ms=invocation.init_ms,
            status=status,
            error_type=error_type,
        )
        # What the handler put out before it answered is in the pipe already: it is read in this turn of the loop and
        # told in the next one, so the log ends in the one after that.
        loop = asyncio.get_running_loop()
        loop.call_soon(loop.call_soon, self._end_log, invocation, result, report, last_line)

    def _end_log(
        self, invocation: _Invocation, result: InvocationResult, report: Report, last_line: str | None
    ) -> None:
        for line in (*([] if last_line is None else [last_line]), *end_lines(report)):
            self._frame(invocation, line)
        _settle(invocation, result if invocation.tail is None else replace(result, log=invocation.tail.text()))

    def _refuse(self, invocation: _Invocation, error: InvokeRefusedError) -> None:
        self._leave(invocation)
        if not invocation.done.done():
            invocation.done.set_exception(error)

    def _leave(self, invocation: _Invocation) -> None:
        del self._invocations[invocation.call.request_id]
        self._concurrency.end(self._function.name)
        for timer in (invocation.timer, invocation.strike_timer):
            if timer is not None:
                timer.cancel()

    def _spawn(self, work: Any, name: str) -> None:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _settle(invocation: _Invocation, result: InvocationResult) -> None:
    if not invocation.done.done():
        invocation.done.set_result(result)


def trace_id(wall_ms: int) -> str:
    """What `_X_AMZN_TRACE_ID` says during one invocation."""
    digits = os.urandom(20).hex()
    return f"Root=1-{wall_ms // 1000:08x}-{digits[:24]};Parent={digits[24:]};Sampled=0"


def stopping_refusal() -> InvokeRefusedError:
    """What an invocation gets that outlives its pool."""
    return InvokeRefusedError(500, "ServiceException", "the functions are being stopped")


def _never_started(request_id: str) -> bytes:
    return faults.exited(request_id, 1)
