"""Switches the faults of the embedded DynamoDB and SQS, which live in the child process."""

from __future__ import annotations

from collections.abc import Collection

from simulator.active_faults import ActiveFault
from simulator.cloud.cloud import Cloud
from simulator.cloud.fault_rules import DYNAMODB_KINDS, SQS_DELAY, STALE_SCAN


class CloudFaults:
    """See `simulator.active_faults.FaultRoom`."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    @property
    def kinds(self) -> Collection[str]:
        """See `FaultRoom.kinds`."""
        return (*DYNAMODB_KINDS, STALE_SCAN, SQS_DELAY)

    async def begin(self, fault_id: str, fault: ActiveFault) -> None:
        """See `FaultRoom.begin`."""
        wish = {
            "id": fault_id,
            "kind": fault.kind,
            "target": fault.target,
            "probability": fault.probability,
            "attributes": dict(fault.attributes),
            "seed": fault.seed,
        }
        await self._cloud.order({"on": wish})

    async def end(self, fault_id: str) -> None:
        """See `FaultRoom.end`."""
        await self._cloud.order({"off": fault_id})
