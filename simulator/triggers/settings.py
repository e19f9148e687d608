"""What of the SQS triggers can be set: disorder that AWS allows and moto never shows. Off by default."""

from __future__ import annotations

from dataclasses import dataclass

from simulator.setting import setting


@dataclass(frozen=True, slots=True)
class TriggerSettings:
    """Seeded disorder of standard queues (Q08, Q09)."""

    duplicate_share: float = setting(0.0, "share of messages that are delivered a second time", row="Q09", high=1)
    shuffle_share: float = setting(0.0, "share of messages that are held back behind later ones", row="Q08", high=1)
