"""Playing faults: each is begun and ended at its time by whoever can bring it about."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Protocol

from simulator.clock import Clock
from simulator.errors import InputError, SimulatorError
from simulator.load.faults import Fault
from simulator.vendors.seeds import seeded


class Lever(Protocol):
    """Brings about the faults of some kinds: in the swarm, in the gateway, in the queue."""

    @property
    def kinds(self) -> Collection[str]:
        """Names of the kinds it performs."""

    async def begin(self, fault: Fault, chance: Random) -> None:
        """Begin it; `chance` is the fault's own stream. Raises SimulatorError when it cannot be done."""

    async def end(self, fault: Fault) -> None:
        """End it, so that the piece is as before. Called once for each `begin` that succeeded and whose kind lasts."""


@dataclass(slots=True)
class FaultRecord:
    """What became of one fault; times in seconds on the clock's monotonic reading."""

    fault: Fault
    began_s: float | None = None
    ended_s: float | None = None
    trouble: str | None = None
    """Why it could not be begun or ended, as a sentence."""

    def to_json(self, start_s: float) -> dict[str, Any]:
        """As in a scenario file, with `began_s` and `ended_s` from the start of publishing (null: it did not)."""
        return {
            **self.fault.to_json(),
            "began_s": _since(start_s, self.began_s),
            "ended_s": _since(start_s, self.ended_s),
            "trouble": self.trouble,
        }


class FaultPlay:
    """Plays the faults of one run.

    Raises InputError at once for a fault whose kind none of `levers` performs.
    """

    def __init__(self, faults: Sequence[Fault], levers: Sequence[Lever], clock: Clock, seed: int) -> None:
        self.records = [FaultRecord(fault) for fault in faults]
        self._levers = {kind: lever for lever in levers for kind in lever.kinds}
        self._clock = clock
        self._seed = seed
        self._tasks: list[asyncio.Task[None]] = []
        for fault in faults:
            if fault.kind.name not in self._levers:
                raise InputError(
                    f"The fault {fault.kind.name} cannot be brought about here: it acts inside the stack "
                    f"({fault.kind.piece}), and this one gives no hold for it; leave it out."
                )

    @property
    def troubles(self) -> list[str]:
        """A sentence for each fault that could not be played."""
        return [record.trouble for record in self.records if record.trouble is not None]

    def start(self, start_s: float) -> None:
        """Begin to play; `start_s` is the start of publishing on the clock's monotonic reading."""
        self._tasks = [
            asyncio.create_task(self._play(number, record, start_s)) for number, record in enumerate(self.records)
        ]

    async def stop(self) -> None:
        """End every fault that is on, and play no more."""
        for task in self._tasks:
            task.cancel()
        for record, outcome in zip(
            self.records, await asyncio.gather(*self._tasks, return_exceptions=True), strict=False
        ):
            if isinstance(outcome, Exception):
                record.trouble = f"The fault {record.fault.kind.name} broke ({outcome!r}); please report this."

    async def _play(self, number: int, record: FaultRecord, start_s: float) -> None:
        fault = record.fault
        lever = self._levers[fault.kind.name]
        await asyncio.sleep(max(0.0, start_s + fault.start_s - self._clock.monotonic_s()))
        try:
            await lever.begin(fault, seeded(self._seed, "fault", number))
        except SimulatorError as error:
            record.trouble = f"The fault {fault.kind.name} could not be begun: {error}"
            return
        record.began_s = self._clock.monotonic_s()
        if not fault.kind.timed:
            record.ended_s = record.began_s
            return
        try:
            if fault.duration_s is None:
                await asyncio.Event().wait()  # until `stop`
            else:
                await asyncio.sleep(fault.duration_s)
        finally:
            try:
                await lever.end(fault)
            except SimulatorError as error:
                record.trouble = f"The fault {fault.kind.name} could not be ended: {error}"
            record.ended_s = self._clock.monotonic_s()


def _since(start_s: float, at_s: float | None) -> float | None:
    return None if at_s is None else round(at_s - start_s, 3)
