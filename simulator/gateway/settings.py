"""What of the gateway can be set: quotas, timers, and each behaviour that nobody has seen on AWS (I rows).

The defaults are the contract's. `low` and `high` are ours.
"""

from __future__ import annotations

from dataclasses import dataclass

from simulator.setting import setting


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """Limits, timers and the answers that are guesses."""

    # -- limits and timers -----------------------------------------------------------------------------------------
    idle_timeout_s: float = setting(600.0, "seconds without data in either direction until 1001", row="L04", low=0.01)
    max_age_s: float = setting(7200.0, "seconds until a connection is closed whatever it does", row="L08", low=0.01)
    max_age_close_code: int = setting(1001, "close code at the maximum age", row="L08", low=1000, high=4999)
    ping_resets_idle_timer: bool = setting(False, "a client's ping counts as activity", row="L06")
    clock_speed: float = setting(1.0, "how many times faster the idle and age timers run", low=0.001)
    connects_per_s: float = setting(500.0, "new connections per second", row="L09", low=0)
    connects_burst: int = setting(500, "new connections that may come at once", row="L09", low=0)
    account_rate_per_s: float = setting(10_000.0, "requests, messages and callbacks per second", row="L10", low=0)
    account_burst: int = setting(5_000, "requests, messages and callbacks that may come at once", row="L10", low=0)
    backlog_bytes: int = setting(
        524_288, "bytes a client may leave unread before callbacks to it get 429", row="C14", low=1
    )
    # -- switches --------------------------------------------------------------------------------------------------
    verify_signatures: bool = setting(False, "callbacks must carry a good SigV4 signature, else 403", row="C03")
    # -- guesses ---------------------------------------------------------------------------------------------------
    unknown_stage_status: int = setting(
        403, "status of a handshake on a stage that is not there", row="H12", low=400, high=599
    )
