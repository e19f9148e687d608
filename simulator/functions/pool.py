"""The functions of a stack, ready to be invoked.

Handlers run in worker processes under AWS's own runtime client, `awslambdaric`: context object, error shapes, one
event per environment and module state kept between calls are AWS's code (F01 to F06, F10 to F16).

Different from Lambda, by row of the contract:

- F04: the interpreter is the simulator's whatever `Runtime` says; only `AWS_EXECUTION_ENV` repeats it. No memory limit.
- F06: at most `max_environments` run per function, a bound of this machine's; further events wait for one, and count as
  running for the account's and the function's own concurrency (F19). Idle environments are kept for good, and a cold
  start takes what importing takes here.
- F07: a frozen environment is a stopped process group; a process that a handler starts in a session of its own is
  outside it and runs on. When the stack ends, a frozen environment ends without going on.
- F08: `/tmp` is the machine's own, shared by all environments and not limited to 512 MB; the code folder is writable.
- F09: when the handler cannot be imported and no environment works, the error is repeated for a second without a new
  process.
- F16: a qualifier can only be `$LATEST`; aliases and versions are not found.
- F17: asynchronous events wait in memory; what has not come to its end is dropped with the stack. No event comes twice
  by mistake. Destinations are queues and functions of the same template.
- F20: log frames are written where they are asked for: `functions.log_frames` for the output, `LogType=Tail` for one
  answer. The memory they name is the worker's own peak, and only Linux tells it.

For the in-process mode see `simulator.functions.in_process`.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import logging
import os
import tempfile
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Any, Self

from simulator.clock import Clock, SystemClock
from simulator.errors import EnvironmentFailure, InputError
from simulator.functions.call import Call
from simulator.functions.concurrency import Concurrency
from simulator.functions.environment_variables import harmless_aws, machine_variables, refuse_reserved
from simulator.functions.event_queue import EventQueue, SendToQueue
from simulator.functions.execution_environment import Settings
from simulator.functions.fault_room import FunctionFaults
from simulator.functions.fleet import Fleet, OnLog, stopping_refusal
from simulator.functions.guardian import Guardian
from simulator.functions.handler_output import HandlerOutput
from simulator.functions.in_process import InProcessFunction, kept_from_aws
from simulator.functions.invoke_api import InvokeApi
from simulator.functions.invoke_wire import Account, InvocationType, check_payload
from simulator.functions.settings import FunctionSettings
from simulator.invocation import InvocationResult, InvokeRefusedError
from simulator.stack.model import Function

_output_log = logging.getLogger("simulator.functions.output")


class FunctionPool:
    """Runs the functions of a stack; `pool.invoke` is an `Invoke`.

    `environments` maps a function's name to its own variables, addresses already on this machine. `max_environments`
    is per function. `on_log` gets function, environment and one line of output at a time, control characters
    escaped; without it lines go to the logger `simulator.functions.output`. Failed invocations are logged to
    `simulator.functions`, one ERROR entry each. `in_process` is the only mode where `awslambdaric` is not installed.

    Raises `InputError` for two functions of one name, for variables that Lambda reserves, and when more concurrency is
    reserved than the account has.
    """

    _running_in_process = False

    def __init__(
        self,
        functions: Sequence[Function],
        environments: Mapping[str, Mapping[str, str]],
        *,
        region: str,
        aws_endpoint_url: str,
        in_process: bool = False,
        max_environments: int = 10,
        settings: FunctionSettings | None = None,
        clock: Clock | None = None,
        on_log: OnLog | None = None,
        send_to_queue: SendToQueue | None = None,
    ) -> None:
        self._functions: dict[str, Function] = {}
        for function in functions:
            if function.name in self._functions:
                raise InputError(f"Two functions are named {function.name}; give each a FunctionName of its own.")
            refuse_reserved(function)
            self._functions[function.name] = replace(function, code_dir=function.code_dir.resolve())
        self._variables = environments
        self._region = region
        self._aws_endpoint_url = aws_endpoint_url
        self.in_process = in_process or not runtime_client_installed()
        self._max_environments = max_environments
        self._settings = settings or FunctionSettings()
        self._concurrency()  # refuses what cannot be, before anything is started
        self._clock = clock or SystemClock()
        self._on_log = on_log or _log_line
        self._send_to_queue = send_to_queue
        self._account = Account(region, _account_id(functions), self._functions.keys())
        self._api: InvokeApi | None = None
        self._events: EventQueue | None = None
        self._lambda_url: str | None = None
        self._home: tempfile.TemporaryDirectory[str] | None = None
        self._output = HandlerOutput()
        self._kept_from_aws = contextlib.ExitStack()
        self._guardian: Guardian | None = None
        self._runners: dict[str, Fleet | InProcessFunction] = {}
        self._last_stats: dict[str, dict[str, Any]] = {}
        self.faults = FunctionFaults()

    async def start(self) -> None:
        """Make ready; environments start with the first events.

        Raises `EnvironmentFailure` when another pool of this process is in in-process mode as well.
        """
        if self._home is not None:
            raise EnvironmentFailure("The functions are running already; stop them before starting them again.")
        if self.in_process and FunctionPool._running_in_process:
            raise EnvironmentFailure(
                "Another stack of this process runs its functions in process; stop it first, because both would "
                "set the same environment variables, or use worker processes for one of them."
            )
        self._home = tempfile.TemporaryDirectory(prefix="tracker-sim-home-")
        try:
            await self._make_ready(self._home.name)
        except BaseException:
            await self.stop()
            raise

    async def _make_ready(self, home: str) -> None:
        self._api = InvokeApi(self._account, invoke=self._invoke, invoke_later=self._invoke_later)
        self._lambda_url = await self._api.listen()
        self._events = EventQueue(
            self._functions,
            self._invoke,
            invoke_later=self.invoke_later,
            send_to_queue=self._send_to_queue,
            speed=self._settings.async_speed,
            clock=self._clock,
        )
        if self.in_process:
            self._keep_from_aws(home)
            FunctionPool._running_in_process = True
            self._output.install()
        elif self._settings.freeze:
            await self._start_guardian()
        settings = Settings(
            self._region,
            self._aws_endpoint_url,
            self._lambda_url,
            home,
            machine_variables(),
            self._guardian,
        )
        concurrency = self._concurrency()
        turn = asyncio.Lock()
        for name, function in self._functions.items():
            variables = self._variables.get(name, {})
            if self.in_process:
                self._runners[name] = InProcessFunction(
                    function,
                    variables,
                    settings,
                    concurrency=concurrency,
                    turn=turn,
                    init_limit_s=self._settings.init_limit_s,
                    log_frames=self._settings.log_frames,
                    clock=self._clock,
                    on_log=self._on_log,
                )
            else:
                self._runners[name] = Fleet(
                    function,
                    variables,
                    settings,
                    concurrency=concurrency,
                    max_environments=self._max_environments,
                    max_starting=max(2, os.cpu_count() or 1),
                    init_limit_s=self._settings.init_limit_s,
                    log_frames=self._settings.log_frames,
                    clock=self._clock,
                    on_log=self._on_log,
                )
        fleets = [runner for runner in self._runners.values() if isinstance(runner, Fleet)]
        self.faults.started(concurrency, fleets, can_freeze=self._guardian is not None)

    async def stop(self) -> None:
        """Refuse what waits and runs, end every process, close every listener. Harmless when not running."""
        if self._home is None:
            return
        home, self._home = self._home, None
        try:
            if self._events is not None:
                await self._events.stop()
            await asyncio.gather(*(runner.stop() for runner in self._runners.values()))
            if self._api is not None:
                await self._api.close()
        finally:
            self._last_stats = {name: runner.stats() for name, runner in self._runners.items()}
            self._runners = {}
            if self.in_process:
                self._output.remove()
                FunctionPool._running_in_process = False
                self._kept_from_aws.close()
            guardian, self._guardian = self._guardian, None
            if guardian is not None:
                await guardian.stop()
            home.cleanup()

    def _concurrency(self) -> Concurrency:
        reserved = {
            name: function.reserved_concurrency
            for name, function in self._functions.items()
            if function.reserved_concurrency is not None
        }
        return Concurrency(self._settings.account_concurrency, reserved)

    async def _start_guardian(self) -> None:
        try:
            self._guardian = await Guardian.start()
        except OSError as error:
            raise EnvironmentFailure(
                f"no process to guard the functions could be started ({error}); see to the machine, or try without "
                "freezing: --set functions.freeze=no."
            ) from error

    def _keep_from_aws(self, home: str) -> None:
        # Not only while a handler is waited for: one that has timed out runs on, perhaps at a breakpoint.
        harmless = harmless_aws(
            region=self._region,
            aws_endpoint_url=self._aws_endpoint_url,
            lambda_url=self.lambda_url,
            home=home,
        )
        self._kept_from_aws.enter_context(kept_from_aws(harmless))

    async def __aenter__(self) -> Self:
        """Start."""
        await self.start()
        return self

    async def __aexit__(self, *error: object) -> None:
        """Stop."""
        await self.stop()

    @property
    def lambda_url(self) -> str:
        """Where the Invoke API is, for `AWS_ENDPOINT_URL_LAMBDA`; only once started."""
        if self._lambda_url is None:
            raise RuntimeError("the functions have not been started")
        return self._lambda_url

    async def invoke(self, function_name: str, payload: bytes, *, origin: str = "") -> InvocationResult:
        """See `Invoke`; raises `InvokeRefusedError` with 400, 404, 413, 429, or 500 when stopped (F15, F16)."""
        call = self._new_call(function_name, payload, origin)
        check_payload(payload, InvocationType.REQUEST_RESPONSE)
        return await self._invoke(function_name, call)

    def invoke_later(self, function_name: str, payload: bytes, origin: str = "") -> str:
        """Take an asynchronous event (F17) and return its request id; refuses as `invoke` does, but never with 429."""
        call = self._new_call(function_name, payload, origin)
        check_payload(payload, InvocationType.EVENT)
        self._invoke_later(function_name, call)
        return call.request_id

    def _new_call(self, function_name: str, payload: bytes, origin: str) -> Call:
        function = self._functions.get(function_name)
        if function is None:
            raise InvokeRefusedError(
                HTTPStatus.NOT_FOUND,
                "ResourceNotFoundException",
                f"Function not found: {function_name}; the stack has {', '.join(sorted(self._functions)) or 'none'}",
            )
        return Call(str(uuid.uuid4()), payload, function.arn, origin)

    async def _invoke(self, function_name: str, call: Call) -> InvocationResult:
        if self._home is None:
            raise stopping_refusal()
        return await self._runners[function_name].invoke(call)

    def _invoke_later(self, function_name: str, call: Call) -> None:
        if self._home is None or self._events is None:
            raise stopping_refusal()
        self._events.add(function_name, call)

    def stats(self) -> dict[str, dict[str, Any]]:
        """Per function: invocations, errors, timeouts, throttled, cold_starts, cold_start_ms, environments, pids.

        After `stop` these are the last figures.
        """
        if self._home is None:
            return self._last_stats
        return {name: runner.stats() for name, runner in self._runners.items()}

    def worker_pids(self) -> dict[str, list[int]]:
        """Per function: the worker processes that live now."""
        return {name: runner.pids() for name, runner in self._runners.items()}


def runtime_client_installed() -> bool:
    """Whether AWS's runtime client, native part included, can be imported here."""
    return all(importlib.util.find_spec(name) is not None for name in ("awslambdaric", "runtime_client"))


def _account_id(functions: Sequence[Function]) -> str:
    """The account in the functions' ARNs."""
    parts = functions[0].arn.split(":") if functions else []
    return parts[4] if len(parts) > 4 else "123456789012"  # noqa: PLR2004


def _log_line(function: str, environment: str, line: str) -> None:
    del function  # an environment's name begins with it
    _output_log.info("%s: %s", environment, line)
