"""Handlers inside the simulator's own process: for breakpoints, and where AWS's runtime client has no wheel.

Different from worker processes, and from Lambda, by row of the contract:

- F04: the machine's own variables other than `AWS_…` stay visible.
- F06: one invocation at a time over all functions, because `os.environ` and `sys.modules` are the process's. Events
  wait their turn, so throughput is no measure of anything, and a handler that invokes another one synchronously waits
  until its own time-out. Each function has one environment, its modules kept apart from every other's.
- F07: nothing is frozen: threads that a handler leaves behind go on, without its environment variables.
- F08: `/tmp` and the code folder are the machine's.
- F09: a handler that takes too long to load is timed out at once, not loaded once more; one that cannot be loaded is
  loaded again with every invocation.
- F10: a handler that runs too long is answered for, but its thread cannot be killed: it goes on, its modules dropped.
  Until the pool stops, what it calls AWS is still this machine.
- F12: `os._exit` ends the simulator. `sys.exit` is answered as in Lambda.
- F20: what handlers print goes to standard error as it is, what they log goes where the simulator's own log goes, and
  `LogType=Tail` has only what they print to standard output. The memory used is not told.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import json
import logging
import os
import sys
import threading
import traceback
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar, cast

from simulator.clock import Clock
from simulator.functions import faults
from simulator.functions.call import Call
from simulator.functions.concurrency import Concurrency
from simulator.functions.environment_variables import handler_environment
from simulator.functions.execution_environment import Settings
from simulator.functions.fleet import Counters, OnLog, stopping_refusal, trace_id
from simulator.functions.handler_output import mark_handler_thread
from simulator.functions.log_frames import LogTail, Report, end_lines, iso_time, start_line, timeout_line
from simulator.functions.log_text import LineSplitter, error_lines, failure_entry, load_failure_sentence
from simulator.functions.module_space import ModuleSpace
from simulator.functions.plain_runtime import RuntimeClasses, best_runtime
from simulator.invocation import InvocationResult, InvokeRefusedError
from simulator.stack.model import Function

log = logging.getLogger("simulator.functions")
Handler = Callable[[Any, Any], Any]
_T = TypeVar("_T")


class _HandlerFailedError(Exception):
    """Carries a finished error object; `fatal` when the environment would have died, `status` how."""

    def __init__(self, payload: bytes, *, fatal: bool = False, status: str | None = None) -> None:
        super().__init__()
        self.payload = payload
        self.fatal = fatal
        self.status = status


class InProcessFunction:
    """One function run in threads of this process; the same surface as `Fleet`."""

    def __init__(
        self,
        function: Function,
        variables: Mapping[str, str],
        settings: Settings,
        *,
        concurrency: Concurrency,
        turn: asyncio.Lock,
        init_limit_s: float,
        log_frames: bool,
        clock: Clock,
        on_log: OnLog,
        runtime: RuntimeClasses | None = None,
    ) -> None:
        self._log_frames = log_frames
        self._on_log = on_log
        self._runtime = runtime or best_runtime()
        self._function = function
        self._concurrency = concurrency
        self._turn = turn
        self._init_limit_s = init_limit_s
        self._clock = clock
        self._space = ModuleSpace(function.code_dir)
        self._loaded: Handler | None = None
        self._environment = handler_environment(
            function,
            variables,
            region=settings.region,
            aws_endpoint_url=settings.aws_endpoint_url,
            lambda_url=settings.lambda_url,
            runtime_api="127.0.0.1:0",
            runtime_dir=os.path.dirname(__file__),  # noqa: PTH120
            log_stream=f"in-process/[$LATEST]{uuid.uuid4().hex}",
            home=settings.home,
            machine=settings.machine,
        )
        self._tasks: set[asyncio.Task[InvocationResult]] = set()
        self._counters = Counters()
        self._cold_starts = 0
        self._stopping = False

    async def invoke(self, call: Call) -> InvocationResult:
        """Run the handler once; see `Invoke`."""
        if self._stopping:
            raise stopping_refusal()
        try:
            self._concurrency.begin(self._function.name)
        except InvokeRefusedError:
            self._counters.throttled += 1
            raise
        self._counters.invocations += 1
        task = asyncio.get_running_loop().create_task(self._in_turn(call))
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        try:
            # A caller that gives up does not stop the handler, as it would not in Lambda.
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled():  # by `stop`; a caller that gives up leaves the task running
                raise stopping_refusal() from None
            raise

    async def stop(self) -> None:
        """Refuse what waits and runs; threads that run on end with the process."""
        self._stopping = True
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def stats(self) -> dict[str, Any]:
        """See `Counters.report`."""
        return self._counters.report(
            environments=0 if self._loaded is None else 1, cold_starts=self._cold_starts, pids=[]
        )

    def pids(self) -> list[int]:
        """No processes of its own."""
        return []

    # -- inside ------------------------------------------------------------------------------------------------------

    async def _in_turn(self, call: Call) -> InvocationResult:
        async with self._turn:
            return await self._run(call)

    def _ended(self, task: asyncio.Task[InvocationResult]) -> None:
        self._tasks.discard(task)
        self._concurrency.end(self._function.name)

    async def _run(self, call: Call) -> InvocationResult:
        journal = _Journal(call, self._function.name, self._on_log if self._log_frames else None)
        function_error = None
        keep = False
        init_ms: float | None = None
        status: str | None = None
        with _variables({**self._environment, "_X_AMZN_TRACE_ID": trace_id(self._clock.wall_ms())}):
            self._space.enter()
            began_s = self._clock.monotonic_s()
            try:
                if self._loaded is None:
                    self._loaded = await self._load(call.request_id, journal)
                    init_ms = (self._clock.monotonic_s() - began_s) * 1000
                    self._counters.cold_start_ms.append(init_ms)
                    began_s = self._clock.monotonic_s()
                journal.frame(start_line(call.request_id))
                result = await self._handle(self._loaded, call, journal)
                keep = True
                if len(result) > faults.MAX_RESPONSE_BYTES:
                    result, function_error = faults.response_too_large(len(result)), faults.UNHANDLED
            except _HandlerFailedError as error:
                keep = self._loaded is not None and not error.fatal
                result, function_error, status = error.payload, faults.UNHANDLED, error.status
            finally:
                self._space.leave(keep=keep)
                if not keep:
                    self._loaded = None
        if function_error is not None:
            self._counters.errors += 1
            log.error("%s", failure_entry(self._function.name, call.request_id, call.origin, result))
            if status is None:
                journal.heard(error_lines(result))
        if status == "timeout":
            journal.frame(timeout_line(iso_time(self._clock.wall_ms()), call.request_id, self._function.timeout_s))
        elif status is not None:
            journal.frame(faults.describe(result)[1])
        report = Report(
            call.request_id,
            duration_ms=(self._clock.monotonic_s() - began_s) * 1000,
            memory_mb=self._function.memory_mb,
            init_ms=init_ms,
            status=status,
            error_type=faults.describe(result)[0] if status == "error" else None,
        )
        for line in end_lines(report):
            journal.frame(line)
        return InvocationResult(call.request_id, result, function_error, journal.text())

    async def _load(self, request_id: str, journal: _Journal) -> Handler:
        self._cold_starts += 1
        try:
            return await self._call(lambda: _load(self._function.handler), self._init_limit_s, journal)
        except TimeoutError:
            raise self._timeout(request_id) from None
        except _HandlerFailedError as error:
            log.error(
                "%s",
                load_failure_sentence(
                    self._function.name, self._function.handler, str(self._function.code_dir), error.payload
                ),
            )
            raise
        except SystemExit as stop:
            raise _HandlerFailedError(faults.exited(request_id, _exit_code(stop)), fatal=True, status="error") from None

    async def _handle(self, handler: Handler, call: Call, journal: _Journal) -> bytes:
        deadline_ms = self._clock.wall_ms() + self._function.timeout_s * 1000
        client_context = None if call.client_context is None else json.loads(call.client_context)

        def run() -> bytes:
            try:
                context = self._runtime.context(call.request_id, client_context, None, deadline_ms, call.arn, None)
                marshaller = self._runtime.marshaller()
                event = marshaller.unmarshal_request(call.payload, "application/json")
                result, _ = marshaller.marshal_response(handler(event, context))
            except Exception as error:
                raise _HandlerFailedError(self._describe(error, call.request_id)) from error
            return result if isinstance(result, bytes) else result.encode()

        try:
            return await self._call(run, self._function.timeout_s, journal)
        except TimeoutError:
            raise self._timeout(call.request_id) from None
        except SystemExit as stop:
            raise _HandlerFailedError(
                faults.exited(call.request_id, _exit_code(stop)), fatal=True, status="error"
            ) from None

    def _timeout(self, request_id: str) -> _HandlerFailedError:
        self._counters.timeouts += 1
        return _HandlerFailedError(faults.timed_out(request_id, self._function.timeout_s), fatal=True, status="timeout")

    def _describe(self, error: Exception, request_id: str) -> bytes:
        if isinstance(error, self._runtime.fault):
            fault: Any = error
            return _error_object(fault.msg, fault.exception_type, fault.trace or [], request_id)
        return _error_object(str(error), type(error).__name__, _stack_trace(error), request_id)

    async def _call(self, work: Callable[[], _T], limit_s: float, journal: _Journal) -> _T:
        """Run `work` in a daemon thread; raises `TimeoutError` after `limit_s` and leaves the thread to itself."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[_T] = loop.create_future()

        def settle(result: _T | None, error: BaseException | None) -> None:
            if done.done():
                return
            if error is not None:
                done.set_exception(_Boxed(error))
            else:
                done.set_result(cast("_T", result))

        def run() -> None:
            mark_handler_thread(journal.heard if journal.listens else None)
            try:
                outcome: tuple[_T | None, BaseException | None] = (work(), None)
            except BaseException as error:  # noqa: BLE001  SystemExit included: it is the handler's answer
                outcome = (None, error)
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(settle, *outcome)

        threading.Thread(target=run, name=f"handler {self._function.name}", daemon=True).start()
        try:
            return await asyncio.wait_for(done, limit_s)
        except _Boxed as box:
            raise box.error from None


class _Journal:
    """The log of one invocation, for those who want to read it."""

    def __init__(self, call: Call, function: str, on_frame: OnLog | None) -> None:
        self._function = function
        self._on_frame = on_frame
        self._tail = LogTail() if call.with_log else None
        self._splitter = LineSplitter()

    @property
    def listens(self) -> bool:
        """Whether anybody wants what the handler prints."""
        return self._tail is not None

    def heard(self, text: str) -> None:
        """The handler has printed something."""
        if self._tail is not None:
            for line in self._splitter.feed(text.encode("utf-8", "replace")):
                self._tail.add(line)

    def frame(self, line: str) -> None:
        """A line of Lambda's own."""
        if self._on_frame is not None:
            self._on_frame(self._function, self._function, line)
        if self._tail is not None:
            for rest in self._splitter.end():
                self._tail.add(rest)
            self._tail.add(line)

    def text(self) -> bytes | None:
        """The end of it."""
        return None if self._tail is None else self._tail.text()


class _Boxed(Exception):
    """Carries what a handler raised; a future would refuse some exceptions, and SystemExit would stop the loop."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error


def _load(handler: str) -> Handler:
    """Import the handler with the refusals of AWS's client (F13); the request id of an init error is empty (F09)."""
    module_name, dot, function_name = handler.rpartition(".")
    if not dot:
        message = f"Bad handler '{handler}': not enough values to unpack (expected 2, got 1)"
        raise _init_error("Runtime.MalformedHandlerName", message)
    if module_name.split(".")[0] in sys.builtin_module_names:
        raise _init_error(
            "Runtime.BuiltInModuleConflict", f"Cannot use built-in module {module_name} as a handler module"
        )
    try:
        module = importlib.import_module(module_name.replace("/", "."))
    except ImportError as error:
        message = f"Unable to import module '{module_name}': {error}"
        raise _init_error("Runtime.ImportModuleError", message) from error
    except SyntaxError as error:
        trace = [f'  File "{error.filename}" Line {error.lineno}\n    {error.text}']
        message = f"Syntax error in module '{module_name}': {error}"
        raise _init_error("Runtime.UserCodeSyntaxError", message, trace) from error
    except Exception as error:
        raise _init_error(type(error).__name__, str(error), _stack_trace(error)) from error
    try:
        return cast("Handler", getattr(module, function_name))
    except AttributeError as error:
        message = f"Handler '{function_name}' missing on module '{module_name}'"
        raise _init_error("Runtime.HandlerNotFound", message) from error


def _init_error(error_type: str, message: str, trace: list[str] | None = None) -> _HandlerFailedError:
    return _HandlerFailedError(_error_object(message, error_type, trace or [], ""), fatal=True)


def _error_object(message: str, error_type: str, trace: list[str], request_id: str) -> bytes:
    return json.dumps(
        {"errorMessage": message, "errorType": error_type, "requestId": request_id, "stackTrace": trace}
    ).encode()


def _stack_trace(error: BaseException) -> list[str]:
    frames = [(f.filename, f.lineno or 0, f.name, f.line) for f in traceback.extract_tb(error.__traceback__)]
    first = next((i for i, frame in enumerate(frames) if frame[0] != __file__), len(frames))
    return traceback.format_list(frames[first:])


def _exit_code(stop: SystemExit) -> int:
    if stop.code is None:
        return 0
    return stop.code if isinstance(stop.code, int) else 1


@contextlib.contextmanager
def kept_from_aws(harmless: Mapping[str, str]) -> Iterator[None]:
    """Set `harmless` in place of every `AWS_…` of this process; those, and nothing else, come back at the end."""
    names = {name for name in os.environ if name.startswith("AWS_")} | set(harmless)
    before = {name: os.environ.pop(name) for name in names if name in os.environ}
    os.environ.update(harmless)
    try:
        yield
    finally:
        for name in names:
            os.environ.pop(name, None)
        os.environ.update(before)


@contextlib.contextmanager
def _variables(wanted: Mapping[str, str]) -> Iterator[None]:
    """Show the function its variables; `AWS_…` that are not its own are hidden meanwhile."""
    before = dict(os.environ)
    for name in before:
        if name.startswith("AWS_") and name not in wanted:
            del os.environ[name]
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name in set(os.environ) - set(before):
            del os.environ[name]
        os.environ.update(before)
