"""The queue of asynchronous events: runs each, tries again as the rules say, and hands on what came of it (F17)."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from simulator.clock import Clock
from simulator.functions.call import Call
from simulator.functions.event_rules import (
    SUCCESS,
    EventLife,
    Over,
    TryAgain,
    dead_letter_attributes,
    destination_record,
)
from simulator.functions.log_text import printable
from simulator.invocation import InvocationResult, InvokeRefusedError
from simulator.stack.model import Destination, Function

log = logging.getLogger("simulator.functions")

InvokeCall = Callable[[str, Call], Awaitable[InvocationResult]]


class SendToQueue(Protocol):
    """Puts a message on a queue of the stack."""

    async def __call__(self, queue: str, body: str, attributes: Mapping[str, Mapping[str, str]]) -> None:
        """`attributes` are SQS MessageAttributes. Raises whatever keeps the message from being put there."""


class EventQueue:
    """Events are lost when the stack stops, and only then."""

    def __init__(
        self,
        functions: Mapping[str, Function],
        invoke: InvokeCall,
        *,
        invoke_later: Callable[[str, bytes, str], str],
        send_to_queue: SendToQueue | None,
        speed: float,
        clock: Clock,
    ) -> None:
        """`speed`: how many times faster than in AWS retries come. `invoke_later` is for destinations."""
        self._functions = functions
        self._invoke = invoke
        self._invoke_later = invoke_later
        self._send_to_queue = send_to_queue
        self._speed = speed
        self._clock = clock
        self._tasks: set[asyncio.Task[None]] = set()

    def add(self, function_name: str, call: Call) -> None:
        """Take an event; it runs as soon as it can."""
        task = asyncio.get_running_loop().create_task(self._live(self._functions[function_name], call))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """Drop what has not come to its end."""
        tasks = list(self._tasks)
        if tasks:
            log.warning("%d asynchronous events had not come to their end and are dropped.", len(tasks))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _live(self, function: Function, call: Call) -> None:
        life = EventLife(function.asynchronous, blocked=function.reserved_concurrency == 0)
        accepted_s = self._clock.monotonic_s()
        outcome: InvocationResult | InvokeRefusedError
        while True:
            step: TryAgain | Over
            try:
                outcome = await self._invoke(function.name, call)
            except InvokeRefusedError as refusal:
                outcome = refusal
                step = life.refused(self._age_s(accepted_s))
            else:
                step = life.ended(outcome, self._age_s(accepted_s))
            if isinstance(step, Over):
                await self._hand_on(function, call, step.condition, life.tries, outcome)
                return
            await asyncio.sleep(step.after_s / self._speed)

    def _age_s(self, accepted_s: float) -> float:
        return (self._clock.monotonic_s() - accepted_s) * self._speed

    async def _hand_on(
        self,
        function: Function,
        call: Call,
        condition: str,
        tries: int,
        outcome: InvocationResult | InvokeRefusedError,
    ) -> None:
        settings = function.asynchronous
        failed = condition != SUCCESS
        destination = settings.on_failure if failed else settings.on_success
        if destination is not None:
            record = destination_record(
                request_id=call.request_id,
                arn=function.arn,
                payload=call.payload,
                condition=condition,
                tries=tries,
                outcome=outcome,
                at_ms=self._clock.wall_ms(),
            )
            await self._send(destination, json.dumps(record), {}, call)
        if failed and settings.dead_letter_queue is not None:
            await self._send(
                Destination("queue", settings.dead_letter_queue),
                call.payload.decode("utf-8", "replace"),
                dead_letter_attributes(call.request_id, outcome),
                call,
            )
        if failed and destination is None and settings.dead_letter_queue is None:
            log.error(
                "An asynchronous event of function %s is dropped (requestId=%s, %s): it has neither a dead-letter "
                "queue nor a destination for failures.",
                printable(function.name),
                call.request_id,
                condition,
            )

    async def _send(
        self, destination: Destination, body: str, attributes: Mapping[str, Mapping[str, str]], call: Call
    ) -> None:
        if destination.kind == "function":
            self._invoke_later(destination.name, body.encode(), f"destination of requestId={call.request_id}")
            return
        try:
            if self._send_to_queue is None:
                raise RuntimeError("there are no queues here")  # noqa: TRY301  one sentence for both
            await self._send_to_queue(destination.name, body, attributes)
        except Exception as error:  # noqa: BLE001  whatever the sender's client raises
            log.error(
                "What became of an asynchronous event could not be sent to the queue %s (requestId=%s): %s",
                printable(destination.name),
                call.request_id,
                printable(str(error)),
            )
