"""Brings about the faults that act inside a local stack, through its control endpoint.

Each fault is on lease, and prolonged while it is to last: when this process is killed, the stack is whole again after
`LEASE_S` at most.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection
from random import Random
from typing import Any, Protocol

from simulator.errors import EnvironmentFailure, SimulatorError
from simulator.fault_client import FaultClient
from simulator.fault_kinds import FAULT_KINDS
from simulator.load.faults import Fault

LEASE_S = 15.0
RENEW_EVERY_S = 3.0


class Addresses(Protocol):
    """As much of `simulator.load.viewer_faults.Viewers` as is needed here."""

    def addresses(self, group: str) -> list[str]:
        """Of the viewers of a group, the addresses of their open sockets."""


class StackLever:
    """See `simulator.load.fault_play.Lever`.

    `url` is any address on the stack's main port; `viewers` are those of the groups that a fault may be narrowed to.
    """

    def __init__(self, url: str, viewers: Addresses | None = None) -> None:
        self._client = FaultClient(url)
        self._viewers = viewers
        self._ids: dict[int, str] = {}
        self._leases: dict[int, asyncio.Task[None]] = {}

    @property
    def kinds(self) -> Collection[str]:
        """See `Lever.kinds`."""
        return [kind.name for kind in FAULT_KINDS.values() if kind.local]

    async def begin(self, fault: Fault, chance: Random) -> None:
        """See `Lever.begin`."""
        wish = {
            "kind": fault.kind.name,
            **self._narrowed(fault),
            "probability": fault.probability,
            "attributes": dict(fault.attributes),
            "duration_s": LEASE_S,
            "seed": chance.getrandbits(64),
        }
        fault_id = self._ids[id(fault)] = await asyncio.to_thread(self._client.begin, wish)
        self._leases[id(fault)] = asyncio.create_task(self._renew(fault_id))

    async def end(self, fault: Fault) -> None:
        """See `Lever.end`."""
        self._leases.pop(id(fault)).cancel()
        if not await asyncio.to_thread(self._client.end, self._ids.pop(id(fault))):
            raise EnvironmentFailure(
                f"it had come to its end before: the stack did not hear from the run for {LEASE_S:g} s, or was "
                "started again."
            )

    def _narrowed(self, fault: Fault) -> dict[str, Any]:
        if fault.target is None or not fault.kind.takes_a_group:
            return {"target": fault.target}
        peers = [] if self._viewers is None else self._viewers.addresses(fault.target)
        if not peers:
            raise EnvironmentFailure(f"nobody of {fault.target} is connected then; let it begin at another time.")
        return {"peers": peers}

    async def _renew(self, fault_id: str) -> None:
        while True:
            await asyncio.sleep(RENEW_EVERY_S)
            with contextlib.suppress(SimulatorError):  # a busy stack; there is time for more
                await asyncio.to_thread(self._client.prolong, fault_id, LEASE_S)
