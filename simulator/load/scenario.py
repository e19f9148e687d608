"""A scenario: one question put to the stack, as data.

Read from TOML into frozen values. Unknown keys, wrong types and values out of range are refused with one sentence
naming the file and the key. `scenarios/README.md` lists every key with its unit and default; a test keeps it complete.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, cast

from simulator.errors import InputError
from simulator.load.faults import Fault, read_faults
from simulator.load.strict_table import StrictTable, read_toml
from simulator.vendors.gps import GPS_SIGMA_M
from simulator.vendors.movement_models import MOVEMENT_MODELS
from simulator.vendors.week import clock_minutes, day_number

MAX_SUBSCRIBERS = 100_000


@dataclass(frozen=True, slots=True)
class StackSettings:
    """Which stack the scenario wants."""

    template: Path | None = None
    """None is the project's own template."""
    parameters: Mapping[str, str] = field(default_factory=dict)
    """Values for the template's `Parameters`."""


@dataclass(frozen=True, slots=True)
class MadeVendors:
    """Vendors made from a seed, moving by a model."""

    count: int = 25
    model: str = "food_truck_day"
    ping_interval_s: float = 1.0
    """Seconds of the vendors' day between two updates of one vendor."""
    noise_m: float = GPS_SIGMA_M
    """Standard deviation of the GPS error, in metres."""
    speed: float = 1.0
    """Seconds of the vendors' day that pass in one second of the run."""


@dataclass(frozen=True, slots=True)
class ScheduledVendors:
    """Vendors replayed from a city's published schedule."""

    schedule: Path | None = None
    """The CSV file; None until `--schedule` names it."""
    day: str = "Friday"
    start: str = "10:00"
    end: str = "14:00"
    ping_interval_s: float = 900.0
    """Seconds of the schedule between two updates of a standing vendor."""
    drive_ping_interval_s: float = 120.0
    """Seconds of the schedule between two updates of a driving vendor."""
    least_gap_s: float = 0.0
    """Least seconds of the schedule between two updates of one vendor; of what comes too early the newest is sent."""
    noise_m: float = GPS_SIGMA_M
    """Standard deviation of the GPS error, in metres."""
    speed: float = 240.0
    """Seconds of the schedule that pass in one second of the run."""


@dataclass(frozen=True, slots=True)
class Subscribers:
    """The swarm of viewers."""

    count: int = 50
    connect_rate_per_s: float = 100.0
    connect_concurrency: int = 10
    """Handshakes under way at once; each one keeps a `$connect` function busy."""
    compression: bool = False
    """Offer permessage-deflate, as browsers do; costs both ends about twice the CPU per frame."""


@dataclass(frozen=True, slots=True)
class RunSettings:
    """How long the run lasts."""

    duration_s: float = 15.0
    """Seconds of updates, for made vendors; a schedule lasts as long as its span at its speed."""
    drain_limit_s: float | None = None
    """Longest wait for late deliveries; None allows every redelivery that the queue's redrive policy can bring."""
    quiet_s: float = 3.0
    """With nothing left in the queue, this long without a frame ends the wait."""


@dataclass(frozen=True, slots=True)
class Expectations:
    """The most of each that still passes; None does not look at it."""

    lost: int | None = 0
    wrong_positions: int | None = 0
    altered: int | None = 0
    unexpected: int | None = 0
    duplicated: int | None = None
    reordered: int | None = None
    dead_lettered: int | None = 0
    refused: int | None = 0
    dropped: int | None = 0
    invocation_errors: int | None = None
    p99_ms: float | None = None
    """Milliseconds, 99th percentile over all deliveries, from the intended send time."""
    last_p99_ms: float | None = None
    """Milliseconds, 99th percentile of the time to the last subscriber of each update."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One scenario, complete."""

    name: str
    description: str
    seed: int
    file: Path
    stack: StackSettings
    vendors: MadeVendors | ScheduledVendors
    subscribers: Subscribers
    run: RunSettings
    expect: Expectations
    faults: tuple[Fault, ...] = ()

    def overridden(
        self,
        *,
        seed: int | None = None,
        speed: float | None = None,
        schedule: Path | None = None,
        subscribers: int | None = None,
        duration_s: float | None = None,
    ) -> Scenario:
        """This scenario with the command line's options in place of its own values; None leaves a value alone.

        Raises InputError when an option is out of range or has no meaning for these vendors.
        """
        vendors, run = self.vendors, self.run
        _option_in_range("--seed", seed, 0, 2**63 - 1)
        _option_in_range("--speed", speed, 0.001, 100_000)
        _option_in_range("--subscribers", subscribers, 1, MAX_SUBSCRIBERS)
        _option_in_range("--duration", duration_s, 0.1, 86_400)
        if schedule is not None:
            if isinstance(vendors, MadeVendors):
                raise InputError(
                    f"--schedule has no use in scenario {self.name}, which makes its own vendors; leave it out, or run "
                    f'one with `[vendors] source = "schedule"`, such as sf_food_trucks.'
                )
            vendors = replace(vendors, schedule=schedule)
        if duration_s is not None:
            if isinstance(vendors, ScheduledVendors):
                raise InputError(
                    f"--duration has no use in scenario {self.name}, which replays a schedule: the span and --speed "
                    f"say how long it takes ({vendors.start} to {vendors.end} at {vendors.speed:g}×); use --speed."
                )
            run = replace(run, duration_s=float(duration_s))
        if speed is not None:
            vendors = replace(vendors, speed=float(speed))
        return replace(
            self,
            seed=self.seed if seed is None else seed,
            vendors=vendors,
            run=run,
            subscribers=self.subscribers if subscribers is None else replace(self.subscribers, count=subscribers),
        )


def scenario_to_json(scenario: Scenario) -> dict[str, Any]:
    """The scenario as it was run, every key and default in it, as JSON values."""
    source = "made" if isinstance(scenario.vendors, MadeVendors) else "schedule"
    document = {
        "name": scenario.name,
        "description": scenario.description,
        "seed": scenario.seed,
        "file": scenario.file,
        "stack": {"template": scenario.stack.template, "parameters": dict(scenario.stack.parameters)},
        "vendors": {"source": source, **asdict(scenario.vendors)},
        "subscribers": asdict(scenario.subscribers),
        "run": asdict(scenario.run),
        "expect": asdict(scenario.expect),
        "faults": [fault.to_json() for fault in scenario.faults],
    }
    return cast(dict[str, Any], json.loads(json.dumps(document, default=str)))


def read_scenario(file: Path) -> Scenario:
    """Read one scenario file.

    Raises InputError, one sentence naming the file and the key, when anything about it is not as it should be.
    """
    table = read_toml(file, "scenario")
    scenario = Scenario(
        name=table.text("name", file.stem),
        description=table.text("description", "No description."),
        seed=_whole(table, "seed", 1, 0, 2**63 - 1),
        file=file,
        stack=_stack(table.table("stack")),
        vendors=_vendors(table.table("vendors")),
        subscribers=_subscribers(table.table("subscribers")),
        run=_run(table.table("run")),
        expect=_expectations(table.table("expect")),
        faults=read_faults(table.tables("faults")),
    )
    table.refuse_the_rest()
    if "duration_s" in table.table("run") and isinstance(scenario.vendors, ScheduledVendors):
        raise table.table("run").refusal(
            "duration_s", "has no use with a schedule, which lasts as long as its span at its speed; leave it out"
        )
    return scenario


def _stack(table: StrictTable) -> StackSettings:
    template = table.optional_text("template")
    settings = StackSettings(
        template=None if template is None else table.file.parent / template,
        parameters=table.table("parameters").scalars(),
    )
    table.refuse_the_rest()
    return settings


def _vendors(table: StrictTable) -> MadeVendors | ScheduledVendors:
    source = table.choice("source", "made", ("made", "schedule"))
    vendors = _made(table) if source == "made" else _scheduled(table)
    table.refuse_the_rest()
    return vendors


def _made(table: StrictTable) -> MadeVendors:
    default = MadeVendors()
    return MadeVendors(
        count=_whole(table, "count", default.count, 1, 10_000),
        model=table.choice("model", default.model, sorted(MOVEMENT_MODELS)),
        ping_interval_s=_number(table, "ping_interval_s", default.ping_interval_s, 0.01, 86_400),
        noise_m=_number(table, "noise_m", default.noise_m, 0, 1_000),
        speed=_number(table, "speed", default.speed, 0.001, 100_000),
    )


def _scheduled(table: StrictTable) -> ScheduledVendors:
    default = ScheduledVendors()
    schedule = table.optional_text("schedule")
    return ScheduledVendors(
        schedule=None if schedule is None else table.file.parent / schedule,
        day=_understood(table, "day", default.day, day_number, "Friday"),
        start=_understood(table, "from", default.start, clock_minutes, "10:00"),
        end=_understood(table, "to", default.end, clock_minutes, "14:00"),
        ping_interval_s=_number(table, "ping_interval_s", default.ping_interval_s, 0.01, 86_400),
        drive_ping_interval_s=_number(table, "drive_ping_interval_s", default.drive_ping_interval_s, 0.01, 86_400),
        least_gap_s=_number(table, "least_gap_s", default.least_gap_s, 0, 86_400),
        noise_m=_number(table, "noise_m", default.noise_m, 0, 1_000),
        speed=_number(table, "speed", default.speed, 0.001, 100_000),
    )


def _subscribers(table: StrictTable) -> Subscribers:
    default = Subscribers()
    subscribers = Subscribers(
        count=_whole(table, "count", default.count, 1, MAX_SUBSCRIBERS),
        connect_rate_per_s=_number(table, "connect_rate_per_s", default.connect_rate_per_s, 0.1, 10_000),
        connect_concurrency=_whole(table, "connect_concurrency", default.connect_concurrency, 1, 1_000),
        compression=table.flag("compression", default=default.compression),
    )
    table.refuse_the_rest()
    return subscribers


def _run(table: StrictTable) -> RunSettings:
    default = RunSettings()
    settings = RunSettings(
        duration_s=_number(table, "duration_s", default.duration_s, 0.1, 86_400),
        drain_limit_s=table.number("drain_limit_s", default.drain_limit_s, 0, 86_400),
        quiet_s=_number(table, "quiet_s", default.quiet_s, 0.1, 600),
    )
    table.refuse_the_rest()
    return settings


def _expectations(table: StrictTable) -> Expectations:
    limits: dict[str, float | None] = {}
    for expectation in fields(Expectations):
        name, default = expectation.name, expectation.default
        if name.endswith("_ms"):
            limits[name] = table.number(name, None, 0, 86_400_000)
        else:
            limits[name] = table.whole(name, default if isinstance(default, int) else None, 0, 2**63 - 1)
    table.refuse_the_rest()
    return Expectations(**limits)  # type: ignore[arg-type]  # each was read with the type of its own field


def _whole(table: StrictTable, key: str, default: int, minimum: int, maximum: int) -> int:
    value = table.whole(key, default, minimum, maximum)
    return default if value is None else value


def _number(table: StrictTable, key: str, default: float, minimum: float, maximum: float) -> float:
    value = table.number(key, default, minimum, maximum)
    return default if value is None else value


def _understood(table: StrictTable, key: str, default: str, understand: Callable[[str], int], example: str) -> str:
    value = table.text(key, default)
    try:
        understand(value)
    except ValueError as error:
        raise table.refusal(key, f'{error}; write it as "{example}"') from None
    return value


def _option_in_range(option: str, value: float | None, minimum: float, maximum: float) -> None:
    if value is not None and not minimum <= value <= maximum:
        raise InputError(f"{option} must be between {minimum:,} and {maximum:,}, not {value:,}.")
