"""The audience: groups of subscribers, and when each one of them comes and goes.

Pure: the same groups and seed give the same comings and goings. Subscribers are numbered through all groups, so that
the ledger can keep one bit for each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Literal

from simulator.errors import InputError
from simulator.load.language import key
from simulator.vendors.seeds import seeded

MOST = 100_000
KINDS = ("viewer", "slow", "idle", "leaver", "reconnecting")
ARRIVALS = ("ramp", "steps", "poisson", "at_once")


@dataclass(frozen=True, slots=True)
class Group:
    """Subscribers of one kind who come in one way."""

    name: str = key(
        "", "text", "name", "What reports, expectations and faults call the group", default_words="its `kind`"
    )
    kind: str = key(
        "viewer",
        "text",
        "word",
        "`viewer` reads everything; `slow` reads `read_bytes_per_s` at most; `idle` never reads, a tab that "
        "sleeps; `leaver` "
        "cuts its connection without a close frame after about `stay_s`; `reconnecting` comes back when its "
        "connection breaks",
        choices=KINDS,
    )
    count: int = key(
        50, "whole", "subscribers", "How many (`--subscribers`, when there is one group)", low=0, high=MOST
    )
    arrival: str = key(
        "ramp",
        "text",
        "word",
        "How they come: `ramp`, evenly; `steps`, `step_size` at a time; `at_once`, a thundering herd; `poisson`, "
        "`count` "
        "at first and others by chance for as long as the run lasts, each for about `stay_s`",
        choices=ARRIVALS,
    )
    at_s: float | None = key(
        None,
        "number",
        "seconds from the start of publishing",
        "When they begin to come",
        high=604_800,
        default_words="before the first update, which waits for them",
    )
    connect_rate_per_s: float = key(
        100.0, "number", "handshakes per second", "`ramp`: how fast they connect at most", low=0.1, high=10_000
    )
    connect_concurrency: int = key(
        10,
        "whole",
        "handshakes",
        "How many connect at once at most; each one keeps a `$connect` function busy",
        low=1,
        high=10_000,
    )
    step_size: int = key(10, "whole", "subscribers", "`steps`: how many come together", low=1, high=MOST)
    step_every_s: float = key(5.0, "number", "seconds", "`steps`: from one step to the next", low=0.01, high=86_400)
    arrivals_per_s: float = key(
        1.0, "number", "subscribers per second", "`poisson`: how many come on average", low=0, high=1_000
    )
    stay_s: float | None = key(
        None,
        "number",
        "seconds",
        "How long each one stays on average, exponentially distributed",
        low=0.1,
        high=604_800,
        default_words="to the end; 60 for `leaver` and `poisson`",
    )
    read_bytes_per_s: int = key(
        1_000, "whole", "bytes per second", "`slow`: how much each one reads", low=1, high=10_000_000
    )
    backoff_base_s: float = key(
        0.5,
        "number",
        "seconds",
        "`reconnecting`: the pause before the n-th try is drawn from 0 to `backoff_base_s` × 2ⁿ; 0 comes back at once",
        high=3_600,
    )
    backoff_cap_s: float = key(20.0, "number", "seconds", "`reconnecting`: the longest pause before a try", high=3_600)
    snapshot: bool = key(
        False,
        "flag",
        "flag",
        "Ask `GET /vendors` of the HTTP API for every vendor after each handshake, as a map does that opens or comes "
        "back: then its picture must be right in the end whatever it missed",
    )
    compression: bool = key(
        False,
        "flag",
        "flag",
        "Offer permessage-deflate as browsers do. It costs the load generator many times the CPU per frame, and the "
        "gateway the compressing",
    )

    @property
    def label(self) -> str:
        """Its name, or else its kind."""
        return self.name or self.kind

    @property
    def is_whole(self) -> bool:
        """Whether its pictures of the vendors must be right in the end."""
        return self.kind != "idle"

    @property
    def waits_for(self) -> bool:
        """Whether the first update waits until all of it have come."""
        return self.at_s is None

    @property
    def mean_stay_s(self) -> float | None:
        """How long each one stays on average; None to the end."""
        if self.stay_s is None and (self.kind == "leaver" or self.arrival == "poisson"):
            return 60.0
        return self.stay_s


@dataclass(frozen=True, slots=True)
class Visit:
    """The coming and going of one subscriber."""

    subscriber: int
    group: int
    come_s: float
    """Seconds from the start of publishing, or, for one that is waited for, from the start of connecting."""
    is_waited_for: bool
    """Whether the first update waits for it."""
    leave_s: float | None
    """Seconds from the start of publishing; None stays to the end."""
    leave_how: Literal["close", "cut"] = "close"


@dataclass(frozen=True, slots=True)
class Audience:
    """Everybody who will come."""

    groups: tuple[Group, ...]
    visits: tuple[Visit, ...]
    """By subscriber number."""

    @property
    def size(self) -> int:
        """How many subscribers there will have been."""
        return len(self.visits)


def audience(groups: Sequence[Group], *, duration_s: float, seed: int) -> Audience:
    """Everybody who comes to a run that publishes for `duration_s`.

    Raises InputError when that is nobody, or more than a swarm can have.
    """
    visits: list[Visit] = []
    for number, group in enumerate(groups):
        chance = seeded(seed, "audience", number)
        comings = _comings(group, duration_s, chance)
        for come_s, is_first in comings:
            visits.append(_visit(len(visits), number, group, come_s, is_first, chance))
            if len(visits) > MOST:
                raise InputError(
                    f"More than {MOST:,} subscribers would come in {duration_s:g} s; lower `count` or `arrivals_per_s`."
                )
    if not visits:
        raise InputError("Nobody would come: every group of subscribers is empty; give one of them a `count`.")
    return Audience(tuple(groups), tuple(visits))


def scaled(group: Group, factor: float) -> Group:
    """The group with `factor` times as many, coming `factor` times as fast; one that has anybody keeps at least one."""
    return replace(
        group,
        count=max(1, round(group.count * factor)) if group.count else 0,
        arrivals_per_s=group.arrivals_per_s * factor,
        step_size=max(1, round(group.step_size * factor)),
    )


def _comings(group: Group, duration_s: float, chance: Random) -> list[tuple[float, bool]]:
    """When each one comes, and whether it is of those who were there first."""
    start_s = group.at_s or 0.0
    if group.arrival == "at_once":
        return [(start_s, True)] * group.count
    if group.arrival == "steps":
        return [(start_s + number // group.step_size * group.step_every_s, True) for number in range(group.count)]
    first = [(start_s + number / group.connect_rate_per_s, True) for number in range(group.count)]
    if group.arrival == "poisson" and group.arrivals_per_s > 0:
        now_s = start_s
        while (now_s := now_s + chance.expovariate(group.arrivals_per_s)) < duration_s and len(first) <= MOST:
            first.append((now_s, False))
    return first


def _visit(subscriber: int, number: int, group: Group, come_s: float, is_first: bool, chance: Random) -> Visit:
    mean_s = group.mean_stay_s
    # Poisson arrivals come while updates are published, also in a group whose first ones are waited for.
    is_waited_for = is_first and group.waits_for
    leave_s = None
    if mean_s is not None:
        leave_s = (0.0 if is_waited_for else come_s) + chance.expovariate(1 / mean_s)
    return Visit(subscriber, number, come_s, is_waited_for, leave_s, "cut" if group.kind == "leaver" else "close")
