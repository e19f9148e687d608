"""A model of what many viewers need: of this machine's processors, and of AWS's quotas, functions and money.

Pure arithmetic, no surprises: work is proportional to deliveries (viewers times updates), and to rows read. What one
delivery costs is measured (`benchmarks/scale_points.py`); quotas are those of docs/aws-contract.md; what is assumed and
neither measured nor documented is a named field with its reason. docs/scale.md shows what comes out, and the tests hold
it against the measured points.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

DYNAMODB_PAGE_BYTES = 1_048_576
"""D01."""
DYNAMODB_UNIT_BYTES = 4_096
"""What one consistent read unit reads."""
_MICROSECONDS = 1e6
_MILLION = 1e6
_HOUR_S = 3_600.0


@dataclass(frozen=True, slots=True)
class Demand:
    """What is asked."""

    viewers: int
    updates_per_s: float
    updates_per_batch: float = 10.0
    """That one invocation broadcasts together: one scan for all of them (Q01: at most 10)."""
    framed_batches: bool = False
    """`FANOUT_BATCH_FRAMES`: a viewer gets a batch as one frame, for one post."""
    within_s: float = 1.0
    """A broadcast is to have reached its last viewer after this long."""

    @property
    def batches_per_s(self) -> float:
        """Broadcasts in a second; an update that comes alone is a batch of one."""
        return self.updates_per_s / max(1.0, min(self.updates_per_batch, self.updates_per_s))

    @property
    def posts_per_batch(self) -> float:
        """To all viewers."""
        return self.viewers * (1.0 if self.framed_batches else self.updates_per_s / self.batches_per_s)

    @property
    def posts_per_s(self) -> float:
        """Calls of `@connections`."""
        return self.posts_per_batch * self.batches_per_s


# -- one machine -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Costs:
    """Microseconds of CPU, measured."""

    gateway_us: float
    """Of the stack's main process for each delivery: the gateway, and what triggers and polling come to beside it."""
    function_us: float
    """Of the functions' processes for each delivery: `send_vendor` posting."""
    load_us: float
    """Of the load for each delivery: reading the frame, the ledger."""
    batch_us: float
    """Of all of them and of DynamoDB and SQS, for each batch, however many viewers there are."""
    row_us: float
    """Of reading one row of the connections table, in DynamoDB's stand-in and in the function."""


@dataclass(frozen=True, slots=True)
class MachineNeed:
    """Processors that are busy all the time."""

    gateway: float
    functions: float
    load: float
    rest: float

    @property
    def cores(self) -> float:
        """All of it, the load included."""
        return self.gateway + self.functions + self.load + self.rest


def on_one_machine(demand: Demand, costs: Costs) -> MachineNeed:
    """Which share of processors the parts of a local stack and its load need."""
    posts, batches = demand.posts_per_s, demand.batches_per_s
    return MachineNeed(
        gateway=posts * costs.gateway_us / _MICROSECONDS,
        functions=posts * costs.function_us / _MICROSECONDS,
        load=posts * costs.load_us / _MICROSECONDS,
        rest=batches * (costs.batch_us + demand.viewers * costs.row_us) / _MICROSECONDS,
    )


# -- AWS ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Quotas:
    """Of an account in a region, before anything is raised."""

    requests_per_s: float = 10_000.0
    """L10: HTTP, REST, WebSocket messages and `@connections` together."""
    burst: float = 5_000.0
    """L10."""
    connects_per_s: float = 500.0
    """L09."""
    longest_connection_s: float = 7_200.0
    """L08: not adjustable, so everybody comes again every two hours."""
    concurrency: float = 1_000.0
    """F19."""


@dataclass(frozen=True, slots=True)
class Assumptions:
    """Neither measured nor documented for this use; check them before believing what follows from them."""

    post_s: float = 0.010
    """One post from a function to the gateway of the same region and back."""
    posts_at_once: float = 64.0
    """`FANOUT_CONNECTIONS`."""
    function_us: float = 60.0
    """CPU of one post over TLS in a function of one vCPU; ours here is about that, Lambda's processor is not ours."""
    function_gb: float = 1.727
    """1,769 MB: one vCPU."""
    connect_s: float = 0.05
    """Of `$connect` and the authorizer together, each time somebody comes."""
    row_bytes: float = 100.0
    """Of the connections table: an id, two numbers, and DynamoDB's names for them."""
    page_s: float = 0.15
    """One page of a scan (D01)."""


@dataclass(frozen=True, slots=True)
class Prices:
    """US dollars, list prices of us-east-1 as of 2025; without volume tiers, so that large bills come out too high."""

    million_messages: float = 1.00
    """WebSocket, in and out, in steps of 32 KB."""
    million_connection_minutes: float = 0.25
    gb_second: float = 0.0000166667
    million_invocations: float = 0.20
    million_read_units: float = 0.125
    million_write_units: float = 0.625
    million_queue_requests: float = 0.40


@dataclass(frozen=True, slots=True)
class AwsNeed:
    """What a demand needs of AWS."""

    posts_per_s: float
    throttle_factor: float
    """How many times the account's request rate must be raised; below 1 it suffices."""
    broadcast_s: float
    """One broadcast to everybody at the rate of the quota as it is, its burst taken into account."""
    posts_per_function_s: float
    segments: int
    """`FanOutSegments`: functions that must share a broadcast for it to be over in time."""
    functions: float
    """Busy on average with posting."""
    scan_s: float
    """One scan, by one reader; the segments read side by side."""
    read_units_per_s: float
    connects_per_s: float
    """That come again because of the longest connection."""
    connect_all_s: float
    """Until everybody is there, at the quota as it is."""
    concurrency: float
    """Executions at once: posting at the peak of a broadcast, and `$connect`."""
    dollars_per_hour: dict[str, float]

    @property
    def total_per_hour(self) -> float:
        """Dollars."""
        return sum(self.dollars_per_hour.values())


def in_aws(
    demand: Demand,
    quotas: Quotas | None = None,
    assumed: Assumptions | None = None,
    prices: Prices | None = None,
) -> AwsNeed:
    """What a demand needs of AWS."""
    quotas, assumed, prices = quotas or Quotas(), assumed or Assumptions(), prices or Prices()
    per_function = min(assumed.posts_at_once / assumed.post_s, _MICROSECONDS / assumed.function_us)
    posts, batches = demand.posts_per_s, demand.batches_per_s
    segments = max(1, math.ceil(demand.posts_per_batch / (per_function * demand.within_s)))
    table_bytes = demand.viewers * assumed.row_bytes
    read_units = batches * table_bytes / DYNAMODB_UNIT_BYTES
    comings = demand.viewers / quotas.longest_connection_s
    functions = posts / per_function
    invocations = batches * (1 + (segments if segments > 1 else 0)) + 3 * comings
    dollars = {
        "messages": posts * _HOUR_S * prices.million_messages / _MILLION,
        "connection minutes": demand.viewers * 60 * prices.million_connection_minutes / _MILLION,
        "functions": (functions + comings * assumed.connect_s) * _HOUR_S * assumed.function_gb * prices.gb_second
        + invocations * _HOUR_S * prices.million_invocations / _MILLION,
        "table": _HOUR_S
        * (read_units * prices.million_read_units + 2 * comings * prices.million_write_units)
        / _MILLION,
        "queues": 3 * invocations * _HOUR_S * prices.million_queue_requests / _MILLION,
    }
    return AwsNeed(
        posts_per_s=posts,
        throttle_factor=posts / quotas.requests_per_s,
        broadcast_s=max(0.0, demand.posts_per_batch - quotas.burst) / quotas.requests_per_s,
        posts_per_function_s=per_function,
        segments=segments,
        functions=functions,
        scan_s=math.ceil(table_bytes / DYNAMODB_PAGE_BYTES) * assumed.page_s,
        read_units_per_s=read_units,
        connects_per_s=comings,
        connect_all_s=demand.viewers / quotas.connects_per_s,
        concurrency=max(functions, float(segments)) + comings * assumed.connect_s,
        dollars_per_hour=dollars,
    )


def explained(demand: Demand, need: AwsNeed, quotas: Quotas | None = None) -> Iterator[tuple[str, str]]:
    """What a demand needs of AWS, as rows for people."""
    quotas = quotas or Quotas()
    requests, concurrency = _suffices(need.throttle_factor), _suffices(need.concurrency / quotas.concurrency)
    parts = ", ".join(f"{name} {dollars:,.2f}" for name, dollars in need.dollars_per_hour.items())
    texts = {
        "posts": f"{need.posts_per_s:,.0f}/s, in {demand.batches_per_s:,.1f} broadcasts/s",
        "request quota": f"{quotas.requests_per_s:,.0f}/s: {requests}; one broadcast takes {need.broadcast_s:,.1f} s",
        "segments": f"{need.segments:,} for a broadcast within {demand.within_s:g} s, "
        f"at {need.posts_per_function_s:,.0f} posts/s for each function",
        "concurrency": f"{need.concurrency:,.0f} of {quotas.concurrency:,.0f}: {concurrency}",
        "connections": f"{need.connect_all_s:,.0f} s until all are there at {quotas.connects_per_s:,.0f}/s; "
        f"{need.connects_per_s:,.1f}/s come again",
        "table": f"{need.read_units_per_s:,.0f} read units/s; one reader takes {need.scan_s:,.1f} s for a scan",
        "dollars an hour": f"about {need.total_per_hour:,.2f}: {parts}",
    }
    yield from texts.items()


def _suffices(factor: float) -> str:
    return "suffices" if factor <= 1 else f"must be raised {factor:,.1f} times"
