"""What of the embedded DynamoDB and SQS can be set."""

from __future__ import annotations

from dataclasses import dataclass

from simulator.setting import setting


@dataclass(frozen=True, slots=True)
class CloudSettings:
    """Quotas that are hard to reach on one machine, and what AWS does at a time of its own choosing."""

    in_flight_messages: int = setting(
        120_000, "messages of one queue that may be received and not yet deleted", row="Q22", low=1
    )
    ttl_sweep_s: float = setting(
        0.0, "seconds between two removals of expired items; 0 leaves them for ever (AWS: up to days)", row="D12"
    )
