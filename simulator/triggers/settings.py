"""What of the SQS triggers can be set: their pace, and disorder that AWS allows and moto never shows."""

from __future__ import annotations

from dataclasses import dataclass

from simulator.setting import setting


@dataclass(frozen=True, slots=True)
class TriggerSettings:
    """How triggers scale, and seeded disorder of standard queues, which is off by default."""

    duplicate_share: float = setting(0.0, "share of messages that are delivered a second time", row="Q09", high=1)
    shuffle_share: float = setting(0.0, "share of messages that are held back behind later ones", row="Q08", high=1)
    start_concurrency: int = setting(5, "concurrent batches of a standard queue to begin with", row="Q15", low=1)
    concurrency_per_minute: int = setting(300, "concurrent batches that a backlog adds in a minute", row="Q15")
    most_concurrency: int = setting(1_250, "concurrent batches of one trigger at most", row="Q15", low=1)
    idle_concurrency: int = setting(
        2, "concurrent batches that are left of a trigger after a while of quiet", row="Q15", low=1
    )
    idle_s: float = setting(
        60.0,
        "seconds of quiet until a trigger is back at its first concurrency, and as many again until it idles",
        row="Q15",
    )
    error_step: int = setting(1, "concurrent batches that a failed or throttled one costs", row="Q12")
