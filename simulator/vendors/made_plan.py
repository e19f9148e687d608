"""The plan of a made roster: vendors that move by a model and say where they are at regular intervals."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from simulator.errors import InputError
from simulator.vendors.gps import GPS_SIGMA_M, with_gps_noise
from simulator.vendors.imperfections import Imperfections, imperfect
from simulator.vendors.movement_models import MovementModel, movement_model
from simulator.vendors.pace import Pace, steady
from simulator.vendors.plan import Ping, Plan
from simulator.vendors.seeds import seeded

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from simulator.vendors.fix import Movement, State
    from simulator.vendors.vendor import Vendor

_HAIR = 1e-9
_SAYS: dict[State, str] = {
    "setting_up": "Setting up, serving soon: {}",
    "serving": "Serving now: {}",
    "driving": "On our way to the next spot. {}",
    "moving": "On the move. {}",
    "paused": "Here for a moment: {}",
    "closed": "Closed. {}",
}


def made_plan(
    vendors: Sequence[Vendor],
    model: str | MovementModel,
    *,
    seed: int,
    duration_s: float,
    ping_interval_s: float,
    start_ms: int,
    speed: float = 1.0,
    jitter: float = 0.1,
    gps_sigma_m: float = GPS_SIGMA_M,
    pace: Pace | None = None,
    imperfections: Imperfections | None = None,
) -> Plan:
    """Return the plan in which each of `vendors` moves by `model` and publishes every `ping_interval_s`.

    `duration_s` is real time. Simulated time runs `speed` times faster, and positions and `ping_interval_s` are in
    simulated time: at speed 60 and an interval of 120 s a vendor publishes every 2 real seconds, having moved for two
    minutes. The load is therefore `len(vendors) * speed / ping_interval_s` updates per second.

    With a `pace` vendors keep time with it instead of the clock: they take turns, and between two updates of one lie as
    many of the others as there are vendors. `duration_s` and `ping_interval_s` then have no effect.

    Vendors start evenly staggered over the first interval, and each ping is off its beat by up to `jitter` / 2 of an
    interval. Every vendor publishes at least once, even when the interval is longer than the run.

    Raises `InputError` for a value out of range or an unknown model.
    """
    _require("duration_s", duration_s > 0, "above 0", duration_s)
    _require("ping_interval_s", ping_interval_s > 0, "above 0", ping_interval_s)
    _require("speed", speed > 0, "above 0", speed)
    _require("jitter", 0 <= jitter <= 1, "from 0 to 1", jitter)
    _require("gps_sigma_m", gps_sigma_m >= 0, "0 or more", gps_sigma_m)
    movement_of = movement_model(model) if isinstance(model, str) else model
    pace = pace or steady(len(vendors) * speed / ping_interval_s, duration_s)
    pings = functools.partial(
        paced_pings,
        turns=len(vendors),
        pace=pace,
        seed=seed,
        speed=speed,
        jitter=jitter,
        gps_sigma_m=gps_sigma_m,
    )
    habits = imperfections or Imperfections()
    return Plan(
        vendors=tuple(vendors),
        start_ms=start_ms,
        duration_s=pace.duration_s,
        pings_of=lambda: [
            imperfect(
                pings(vendor, movement_of(vendor.home, f"{seed}/{vendor.twitter_id}"), number=number),
                habits,
                speed=speed,
                seed=seed,
                vendor=vendor.twitter_id,
            )
            for number, vendor in enumerate(vendors)
        ],
    )


def paced_pings(
    vendor: Vendor,
    movement: Movement,
    *,
    number: int,
    turns: int,
    pace: Pace,
    seed: int,
    speed: float,
    jitter: float,
    gps_sigma_m: float,
) -> Iterator[Ping]:
    """Yield what one vendor says along its movement; it is the `number`-th of `turns` that take turns at `pace`."""
    chance = seeded(seed, vendor.twitter_id, "pings")
    end_ms = round(pace.duration_s * 1000)
    # Counted in updates of all vendors: this one's turn comes every `turns` of them.
    beat = float(number) if pace.updates >= turns else number * pace.updates / turns
    due_ms = min(_whole_ms(pace.at(beat)), end_ms - 1)
    latest_beat = pace.updates * (1 - _HAIR)
    while True:
        fix = movement.position(due_ms / 1000 * speed)
        yield Ping(
            due_ms, vendor, with_gps_noise(fix.point, gps_sigma_m, chance), _SAYS[fix.state].format(vendor.description)
        )
        beat += turns
        if beat >= pace.updates:
            return
        off_beat = beat + jitter * (chance.random() - 0.5) * turns
        due_ms = min(max(due_ms + 1, _whole_ms(pace.at(min(max(0.0, off_beat), latest_beat)))), end_ms - 1)


def _whole_ms(seconds: float) -> int:
    """Down to the millisecond, so that nothing is due in the phase after its own."""
    return int(seconds * 1000 + 1e-6)


def _require(name: str, holds: bool, wanted: str, value: float) -> None:
    if not holds:
        raise InputError(f"{name} must be {wanted}, not {value}; correct it and start again.")
