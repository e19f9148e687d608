"""What of the functions can be set. The defaults are AWS's."""

from __future__ import annotations

from dataclasses import dataclass

from simulator.setting import setting


@dataclass(frozen=True, slots=True)
class FunctionSettings:
    """How execution environments behave."""

    freeze: bool = setting(True, "stop an environment between invocations, as Lambda does", row="F07")
    init_limit_s: float = setting(10.0, "seconds that importing a handler may take", row="F09", low=0.01)
    account_concurrency: int = setting(1_000, "invocations of all functions at a time", row="F19", low=1)
    log_frames: bool = setting(False, "START, END and REPORT lines in the functions' output", row="F20")
    async_speed: float = setting(
        1.0, "how many times faster than in AWS retries of asynchronous events come", row="F17", low=0.001
    )
