"""A whole local stack as one object: cloud, gateway, functions and triggers, built from one template.

::

    async with LocalStack(LocalSettings(template=Path("template.yaml"))) as stack:
        print(stack.endpoints.websocket_url)
"""

from __future__ import annotations

import contextlib
import functools
import os
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from simulator.clock import Clock, SystemClock
from simulator.cloud.cloud import Cloud
from simulator.cloud.fault_room import CloudFaults
from simulator.endpoints import Endpoints
from simulator.fault_board import FaultBoard
from simulator.functions import FunctionPool
from simulator.functions.environment_variables import DUMMY_CREDENTIALS
from simulator.gateway.server import Gateway
from simulator.invocation import InvocationResult
from simulator.settings import StackSettings
from simulator.stack import load_stack
from simulator.stack.localise import local_environment
from simulator.stack.model import Function, Queue, Stack, Table
from simulator.triggers import EventSourcePoller
from simulator.triggers.fault_room import TriggerFaults
from simulator.vendor_secret import secret_for, secret_variables


@dataclass(frozen=True, slots=True)
class LocalSettings:
    """How to run a stack."""

    template: Path
    parameters: Mapping[str, str] = field(default_factory=dict)
    """Overrides of the template's parameters."""
    host: str = "127.0.0.1"
    port: int = 0
    """Main port; 0 takes a free one."""
    region: str = "us-east-1"
    seed: int = 0
    """Of everything random: connection and request ids, the triggers' jitter."""
    in_process: bool = False
    """Run handlers in this process, for breakpoints, instead of under the AWS runtime client."""
    stock_moto: bool = False
    """Run moto without the patch set."""
    aws_endpoint_url: str | None = None
    """Use this DynamoDB and SQS instead of an embedded moto."""
    max_environments: int = 10
    """Execution environments per function at most; further invocations wait."""
    rooms: StackSettings = field(default_factory=StackSettings)
    """What differs from AWS on purpose, by room."""


class LocalStack:
    """Start with `async with`; everything it started is gone when the block ends, however it ends."""

    def __init__(self, settings: LocalSettings, *, clock: Clock | None = None) -> None:
        self.settings = settings
        self._clock = clock or SystemClock()
        self._exit = contextlib.AsyncExitStack()
        self._pollers: list[EventSourcePoller] = []
        self._functions: FunctionPool | None = None
        self.faults = FaultBoard()
        self.stack: Stack
        self.cloud: Cloud
        self.gateway: Gateway
        self.vendor_token_secret: str | None
        self.endpoints: Endpoints

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self._exit.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._exit.aclose()

    @property
    def functions(self) -> FunctionPool:
        """The functions; only once started."""
        if self._functions is None:
            raise RuntimeError("the stack has not been started")
        return self._functions

    def stats(self) -> dict[str, Any]:
        """Counts so far: what the gateway tells under `/.tracker-sim/stats`."""
        return {
            "functions": self.functions.stats(),
            "connections": self.gateway.connection_counts(),
            "triggers": [
                {"queue": trigger.queue, **poller.stats()}
                for trigger, poller in zip(self.stack.triggers, self._pollers, strict=True)
            ],
        }

    async def _start(self) -> None:
        settings = self.settings
        self.cloud = Cloud(
            region=settings.region,
            stock_moto=settings.stock_moto,
            endpoint_url=settings.aws_endpoint_url,
            settings=settings.rooms.cloud,
        )
        # The cloud's process takes a second to come up: it starts first and is waited for last.
        self._exit.push_async_callback(self.cloud.stop)
        await self.cloud.spawn()
        self.stack = load_stack(settings.template, parameters=settings.parameters, region=settings.region)
        self.gateway = Gateway(
            self.stack,
            self._invoke,
            clock=self._clock,
            rng=random.Random(settings.seed),  # noqa: S311  ids of a simulation, to be repeated at will
            host=settings.host,
            port=settings.port,
            settings=settings.rooms.gateway,
            credentials={DUMMY_CREDENTIALS["AWS_ACCESS_KEY_ID"]: DUMMY_CREDENTIALS["AWS_SECRET_ACCESS_KEY"]},
            stats=self.stats,
            fault_board=self.faults,
        )
        # The gateway ends before the functions, so that nobody asks for a `$disconnect` that cannot run any more.
        self._exit.push_async_callback(self._stop_functions)
        self._exit.push_async_callback(self.gateway.stop)
        await self.gateway.start()
        aws_endpoint_url = await self.cloud.ready()
        provisioned = await self.cloud.provision(self.stack)
        addresses = {api_id: str(address) for api_id, address in self.gateway.addresses.items()}
        self.vendor_token_secret = secret_for(self.stack.functions)
        self._functions = FunctionPool(
            self.stack.functions,
            {
                function.name: {
                    **local_environment(
                        function,
                        stack=self.stack,
                        api_addresses=addresses,
                        aws_endpoint_url=aws_endpoint_url,
                        tls=self.gateway.speaks_tls,
                    ),
                    **secret_variables(function, self.vendor_token_secret),
                    **self._trust(),
                }
                for function in self.stack.functions
            },
            region=settings.region,
            aws_endpoint_url=aws_endpoint_url,
            in_process=settings.in_process,
            max_environments=settings.max_environments,
            settings=settings.rooms.functions,
            clock=self._clock,
            send_to_queue=functools.partial(self._send_to_queue, provisioned.queue_urls),
        )
        await self._functions.start()
        await self._start_triggers(provisioned.queue_urls)
        self._set_up_faults()
        self.endpoints = self._describe(aws_endpoint_url, provisioned.queue_urls, addresses)

    async def _stop_functions(self) -> None:
        if self._functions is not None:
            await self._functions.stop()

    async def _start_triggers(self, queue_urls: Mapping[str, str]) -> None:
        queues = {queue.name: queue for queue in self.stack.queues}
        timeouts_s = {function.name: function.timeout_s for function in self.stack.functions}
        for trigger in self.stack.triggers:
            poller = EventSourcePoller(
                trigger,
                queues[trigger.queue],
                queue_urls[trigger.queue],
                self.cloud.sqs,
                self._invoke,
                region=self.settings.region,
                settings=self.settings.rooms.triggers,
                function_timeout_s=timeouts_s[trigger.function],
                # In process there is one invocation at a time over all functions.
                most_batches=1 if self.functions.in_process else self.settings.max_environments,
                clock=self._clock,
                chance=random.Random(f"{self.settings.seed} {trigger.logical_id}"),  # noqa: S311  jitter
            )
            self._exit.push_async_callback(poller.stop)
            poller.start()
            self._pollers.append(poller)

    async def _send_to_queue(
        self, urls: Mapping[str, str], queue: str, body: str, attributes: Mapping[str, Mapping[str, str]]
    ) -> None:
        request = {"QueueUrl": urls[queue], "MessageBody": body, "MessageAttributes": attributes}
        await self.cloud.sqs("SendMessage", request)

    def _set_up_faults(self) -> None:
        for room in (self.gateway.faults, self.functions.faults, TriggerFaults(self._pollers), CloudFaults(self.cloud)):
            self.faults.add(room)
        stack = self.stack
        queues = _names(stack.queues)
        self.faults.know(
            {"function": _names(stack.functions), "dynamodb": _names(stack.tables), "sqs": queues, "trigger": queues}
        )
        self._exit.push_async_callback(self.faults.end_all)

    async def _invoke(self, function_name: str, payload: bytes, *, origin: str = "") -> InvocationResult:
        return await self.functions.invoke(function_name, payload, origin=origin)

    def _trust(self) -> dict[str, str]:
        """What lets a function trust the gateway: boto3 always, since handlers build `https://` by themselves (E13)."""
        bundle = str(self.gateway.ca_bundle)
        return {"AWS_CA_BUNDLE": bundle, **({"SSL_CERT_FILE": bundle} if self.gateway.speaks_tls else {})}

    def _describe(
        self, aws_endpoint_url: str, queue_urls: Mapping[str, str], addresses: Mapping[str, str]
    ) -> Endpoints:
        apis: dict[str, str] = {}
        secure = "s" if self.gateway.speaks_tls else ""
        for websocket_api in self.stack.websocket_apis:
            apis[websocket_api.logical_id] = f"ws{secure}://{addresses[websocket_api.api_id]}/{websocket_api.stage}"
        for http_api in self.stack.http_apis:
            base = f"http{secure}://{addresses[http_api.api_id]}"
            apis[http_api.logical_id] = base if http_api.stage == "$default" else f"{base}/{http_api.stage}"
        websocket_url = next((apis[api.logical_id] for api in self.stack.websocket_apis), None)
        return Endpoints(
            websocket_url=websocket_url,
            http_url=next((apis[api.logical_id] for api in self.stack.http_apis), None),
            management_url=None if websocket_url is None else "http" + websocket_url.removeprefix("ws"),
            apis=apis,
            aws_endpoint_url=aws_endpoint_url,
            lambda_url=self.functions.lambda_url,
            region=self.settings.region,
            queue_urls=dict(queue_urls),
            tables=tuple(table.name for table in self.stack.tables),
            functions=tuple(function.name for function in self.stack.functions),
            pid=os.getpid(),
            ca_bundle=str(self.gateway.ca_bundle),
        )


def _names(things: Iterable[Function | Queue | Table]) -> dict[str, str]:
    """The name of each thing, by its name and by its logical id in the template."""
    return {said: each.name for each in things for said in (each.logical_id, each.name)}
