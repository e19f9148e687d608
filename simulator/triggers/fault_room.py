"""Switches the faults of triggers; the pollers and their disorder bring them about."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence

from simulator.active_faults import ActiveFault, FaultSet
from simulator.triggers.poller import EventSourcePoller

OFF = "trigger_off"
DUPLICATE = "sqs_duplicate"
REORDER = "sqs_reorder"


class TriggerFaults:
    """See `simulator.active_faults.FaultRoom`."""

    def __init__(self, pollers: Sequence[EventSourcePoller]) -> None:
        self._pollers = pollers
        self._faults = FaultSet()

    @property
    def kinds(self) -> Collection[str]:
        """See `FaultRoom.kinds`."""
        return (OFF, DUPLICATE, REORDER)

    async def begin(self, fault_id: str, fault: ActiveFault) -> None:
        """See `FaultRoom.begin`."""
        self._faults.add(fault_id, fault)
        self._tell()
        if fault.kind == OFF:
            await asyncio.gather(*(poller.pause() for poller in self._pollers if self._is_off(poller)))

    async def end(self, fault_id: str) -> None:
        """See `FaultRoom.end`."""
        ended = self._faults.remove(fault_id)
        self._tell()
        for poller in self._pollers:
            if ended is not None and ended.kind == OFF and not self._is_off(poller):
                poller.resume()

    def _is_off(self, poller: EventSourcePoller) -> bool:
        return any(fault.target in (None, poller.queue_name) for fault in self._faults.of(OFF) or ())

    def _tell(self) -> None:
        for poller in self._pollers:
            poller.disorder.set_faults(self._faults.of(DUPLICATE) or (), self._faults.of(REORDER) or ())
