"""Switches the faults of functions; the concurrency and the fleets bring them about."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from simulator.active_faults import ActiveFault, FaultSet
from simulator.errors import InputError
from simulator.functions.concurrency import Concurrency
from simulator.functions.fault_rules import ENVIRONMENT_KINDS, THROTTLE, TIMEOUT
from simulator.functions.fleet import Fleet


class FunctionFaults:
    """See `simulator.active_faults.FaultRoom`."""

    def __init__(self) -> None:
        self._faults = FaultSet()
        self._concurrency: Concurrency | None = None
        self._fleets: Sequence[Fleet] = ()
        self._can_freeze = False

    def started(self, concurrency: Concurrency, fleets: Sequence[Fleet], *, can_freeze: bool) -> None:
        """The functions run now; `fleets` is empty when they run in this process."""
        self._concurrency, self._fleets, self._can_freeze = concurrency, fleets, can_freeze

    @property
    def kinds(self) -> Collection[str]:
        """See `FaultRoom.kinds`."""
        return (*ENVIRONMENT_KINDS, THROTTLE)

    async def begin(self, fault_id: str, fault: ActiveFault) -> None:
        """See `FaultRoom.begin`."""
        if fault.kind in ENVIRONMENT_KINDS and not self._fleets:
            raise InputError(
                f"{fault.kind} needs worker processes, and the functions of this stack run in process; "
                "start it without --in-process."
            )
        if fault.kind == TIMEOUT and not self._can_freeze:
            raise InputError(f"{fault.kind} needs workers that can be stopped; leave out --set functions.freeze=no.")
        self._faults.add(fault_id, fault)
        self._tell()

    async def end(self, fault_id: str) -> None:
        """See `FaultRoom.end`; what has struck already stays struck."""
        self._faults.remove(fault_id)
        self._tell()

    def _tell(self) -> None:
        if self._concurrency is not None:
            self._concurrency.faults = self._faults.of(THROTTLE)
        for fleet in self._fleets:
            fleet.faults = self._faults.of(*ENVIRONMENT_KINDS)
