"""One execution environment: a worker process and the Runtime API it talks to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from simulator.functions.call import Call
from simulator.functions.environment_variables import handler_environment
from simulator.functions.guardian import Guardian
from simulator.functions.runtime_api import RuntimeApi
from simulator.functions.worker_process import BOOTSTRAP, WorkerProcess
from simulator.stack.model import Function

_HANG_UP_GRACE_S = 0.25
"""A dead process's sockets close with it, unless something it started still holds them."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the environments of all functions share."""

    region: str
    aws_endpoint_url: str
    lambda_url: str
    """The Invoke API of these functions."""
    home: str
    """An empty folder."""
    machine: Mapping[str, str]
    """See `environment_variables.machine_variables`."""
    guardian: Guardian | None = None
    """Ends stopped workers when the simulator is killed; without it no environment is frozen."""


class EnvironmentEvents(Protocol):
    """What happens to an environment, told to whoever owns it; called from the event loop."""

    def on_poll(self, environment: str) -> None:
        """It is free for an event."""

    def on_poll_lost(self, environment: str) -> None:
        """It hung up while free."""

    def on_answer(self, environment: str, payload: bytes, *, failed: bool) -> None:
        """It answered its event."""

    def on_init_error(self, environment: str, payload: bytes) -> None:
        """Its handler could not be loaded; it exits next."""

    def on_exit(self, environment: str, return_code: int) -> None:
        """Its process is gone and every answer it sent has been told."""


class ExecutionEnvironment:
    """A worker process and its Runtime API under one name."""

    def __init__(
        self,
        name: str,
        function: Function,
        variables: Mapping[str, str],
        settings: Settings,
        *,
        log_stream: str,
        events: EnvironmentEvents,
        on_line: Callable[[str], None],
    ) -> None:
        self.name = name
        self._function = function
        self._variables = variables
        self._settings = settings
        self._log_stream = log_stream
        self._events = events
        self._api = RuntimeApi(self)
        self._process = WorkerProcess(on_line, self._on_process_exit, settings.guardian)
        self._hang_up_timer: asyncio.TimerHandle | None = None
        self._exit_told = False

    async def start(self) -> None:
        """Start listening and the process. Raises `OSError` when the machine refuses."""
        runtime_api = await self._api.listen()
        await self._process.start(
            self._function.handler,
            self._function.code_dir,
            handler_environment(
                self._function,
                self._variables,
                region=self._settings.region,
                aws_endpoint_url=self._settings.aws_endpoint_url,
                lambda_url=self._settings.lambda_url,
                runtime_api=runtime_api,
                runtime_dir=str(BOOTSTRAP.parent),
                log_stream=self._log_stream,
                home=self._settings.home,
                machine=self._settings.machine,
            ),
        )

    @property
    def pid(self) -> int | None:
        """The worker's process id, while it lives."""
        return self._process.pid

    def give(self, call: Call, *, deadline_ms: int, trace_id: str) -> None:
        """Hand it an event; only after `on_poll`."""
        self._api.give(call, deadline_ms=deadline_ms, trace_id=trace_id)

    def freeze(self) -> None:
        """Stop the process and whatever the handler left running in its group (F07)."""
        self._process.freeze()

    def thaw(self) -> None:
        """Let them go on."""
        self._process.thaw()

    def kill(self) -> None:
        """End the process at once (timeouts)."""
        self._process.kill()

    async def close(self) -> None:
        """End the process and the listener; returns when nothing is left of either."""
        self._exit_told = True
        if self._hang_up_timer is not None:
            self._hang_up_timer.cancel()
        await self._process.end()
        await self._api.close()

    # -- RuntimeApiEvents --------------------------------------------------------------------------------------------

    def on_poll(self) -> None:
        """See `RuntimeApiEvents`."""
        self._events.on_poll(self.name)

    def on_poll_lost(self) -> None:
        """See `RuntimeApiEvents`."""
        self._events.on_poll_lost(self.name)

    def on_answer(self, request_id: str, payload: bytes, *, failed: bool) -> None:  # noqa: ARG002  checked by the API
        """See `RuntimeApiEvents`."""
        self._events.on_answer(self.name, payload, failed=failed)

    def on_init_error(self, payload: bytes) -> None:
        """See `RuntimeApiEvents`."""
        self._events.on_init_error(self.name, payload)

    # -- the process -------------------------------------------------------------------------------------------------

    def _on_process_exit(self, return_code: int) -> None:
        def tell() -> None:
            if not self._exit_told:
                self._exit_told = True
                self._events.on_exit(self.name, return_code)

        self._hang_up_timer = asyncio.get_running_loop().call_later(_HANG_UP_GRACE_S, tell)
        self._api.when_hung_up(tell)
