"""A scenario: one question put to the stack, as data.

Read from TOML into frozen values. Unknown keys, wrong types, values out of range and expectations on figures that there
are not are refused with one sentence naming the file and the key, before anything starts. Every key is described where
its value is declared (`simulator.load.language.key`); the JSON Schema and `scenarios/README.md` come from there too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from simulator.errors import InputError
from simulator.load.audience import Audience, Group, audience, scaled
from simulator.load.expectations import Expectation, understand, with_defaults
from simulator.load.faults import Fault, read_faults
from simulator.load.language import key, read_keys, read_table
from simulator.load.phases import MOST_UPDATES_PER_S, ONLY, RESERVED, WHOLE, Phase
from simulator.load.strict_table import StrictTable, is_file, read_toml
from simulator.load.vendor_tables import SOURCES, MadeVendors, ScheduledVendors, TrackedVendors, Vendors, source_of
from simulator.vendors.pace import Pace, Stretch

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}")
_FASTEST_VENDOR_PER_S = 500
"""Updates carry milliseconds: a vendor that publishes faster would say several things at once."""
_DEEPEST_EXTENDS = 8
LONGEST_S = 604_800
_PATH_KEYS = (("stack", "template"), ("vendors", "schedule"), ("vendors", "files"))
"""Paths in a scenario that is extended are meant from its own folder."""


@dataclass(frozen=True, slots=True)
class Top:
    """What stands at the top of the file."""

    name: str = key("", "text", "text", "What the verdict calls the run", default_words="the file's name")
    question: str = key("No question.", "text", "text", "What the scenario asks")
    seed: int = key(
        1,
        "whole",
        "whole number",
        "Of everything random: the same seed makes the same run (`--seed`)",
        high=2**63 - 1,
    )
    extends: str = key(
        "",
        "text",
        "path, from the scenario's folder, or name of a library scenario",
        "Another scenario whose keys this one takes over; tables are merged key by key, lists are replaced whole",
    )


@dataclass(frozen=True, slots=True)
class StackSettings:
    """Which stack the scenario wants."""

    template: Path | None = key(
        None,
        "path",
        "path, from the scenario's folder",
        "SAM template of the stack. It needs one queue (with its dead-letter queue), one table with the hash key "
        "`twitterId`, and a WebSocket API",
        default_words="the tracker's own",
    )
    parameters: Mapping[str, str] = key(
        {},
        "scalars",
        "table",
        "Values for the template's `Parameters`, by name: text, numbers or flags",
        default_words="empty",
    )
    settings: Mapping[str, str] = key(
        {},
        "scalars",
        "table",
        'What differs from AWS on purpose, as with `--set`: `"gateway.clock_speed" = 60` '
        "(`tracker-sim settings` lists them); only a local stack heeds it",
        default_words="empty",
    )


@dataclass(frozen=True, slots=True)
class RunSettings:
    """How long the run lasts."""

    duration_s: float = key(
        15.0,
        "number",
        "seconds",
        "How long made vendors publish when there are no phases (`--duration`, which scales phases). A schedule "
        "and tracks "
        "last as long as they are at their speed",
        low=0.1,
        high=LONGEST_S,
    )
    drain_limit_s: float | None = key(
        None,
        "number",
        "seconds",
        "How long to wait at most, after the last update, for messages that the queue still holds",
        high=86_400,
        default_words="`maxReceiveCount` × visibility timeout + 10",
    )
    quiet_s: float = key(
        3.0,
        "number",
        "seconds",
        "With nothing left in the queue, this long without a frame ends the wait: what is missing then is lost",
        low=0.1,
        high=600,
    )
    leave_grace_s: float = key(
        5.0,
        "number",
        "seconds",
        "What was due this long before a subscriber left on purpose and had not come yet is cut off, not lost",
        high=3_600,
    )


@dataclass(frozen=True, slots=True)
class Short:
    """What `--short` changes: a version for a small machine and a hurried reader."""

    scale: float = key(
        1.0,
        "number",
        "factor",
        "Of subscribers and their arrivals, as with `--scale`",
        low=0.0001,
        high=1,
    )
    rate_scale: float = key(
        1.0, "number", "factor", "Of updates per second, as with `--rate-scale`", low=0.0001, high=1
    )
    duration_s: float | None = key(
        None,
        "number",
        "seconds",
        "How long it publishes, as with `--duration`",
        low=0.1,
        high=LONGEST_S,
        default_words="the same",
    )
    speed: float | None = key(
        None,
        "number",
        "seconds of the vendors' day in one second of the run",
        "As with `--speed`",
        low=0.001,
        high=100_000,
        default_words="the same",
    )


DEFAULT_GROUPS = (Group(),)


@dataclass(frozen=True, slots=True)
class Scenario:
    """One scenario, complete."""

    name: str
    question: str = "No question."
    seed: int = 1
    file: Path = Path("scenario.toml")
    stack: StackSettings = field(default_factory=StackSettings)
    vendors: Vendors = field(default_factory=MadeVendors)
    groups: tuple[Group, ...] = DEFAULT_GROUPS
    phases: tuple[Phase, ...] = ()
    run: RunSettings = field(default_factory=RunSettings)
    faults: tuple[Fault, ...] = ()
    expect: tuple[Expectation, ...] = field(default_factory=lambda: with_defaults(()))
    short: Short = field(default_factory=Short)

    # -- what follows from the keys --------------------------------------------------------------------------------

    @property
    def made_phases(self) -> tuple[Phase, ...]:
        """The phases, or the one there is without any."""
        return self.phases or (Phase(ONLY, self.run.duration_s if isinstance(self.vendors, MadeVendors) else None),)

    @property
    def pace(self) -> Pace | None:
        """When updates are due, if phases say so; None leaves it to the vendors' own beat."""
        vendors = self.vendors
        if isinstance(vendors, ScheduledVendors):
            return None
        if isinstance(vendors, MadeVendors):
            own_per_s = vendors.count * vendors.speed / vendors.ping_interval_s
        elif all(phase.rate_per_s is None for phase in self.phases):
            return None
        else:
            own_per_s = 0.0
        return Pace([_stretch(phase, own_per_s) for phase in self.made_phases])

    def audience(self, duration_s: float) -> Audience:
        """Everybody who comes to a run that publishes this long. Raises InputError for nobody, or too many."""
        return audience(self.groups, duration_s=duration_s, seed=self.seed)

    # -- options ---------------------------------------------------------------------------------------------------

    def overridden(
        self,
        *,
        seed: int | None = None,
        speed: float | None = None,
        schedule: Path | None = None,
        subscribers: int | None = None,
        duration_s: float | None = None,
        scale: float | None = None,
        rate_scale: float | None = None,
        short: bool = False,
    ) -> Scenario:
        """This scenario with the command line's options in place of its own values; None leaves a value alone.

        Raises InputError when an option is out of range or has no meaning for this scenario.
        """
        _option_in_range("--seed", seed, 0, 2**63 - 1)
        _option_in_range("--speed", speed, 0.001, 100_000)
        _option_in_range("--subscribers", subscribers, 1, 100_000)
        _option_in_range("--duration", duration_s, 0.1, LONGEST_S)
        _option_in_range("--scale", scale, 0.0001, 1_000)
        _option_in_range("--rate-scale", rate_scale, 0.0001, 1_000)
        changed = self if seed is None else replace(self, seed=seed)
        if short:
            scale = self.short.scale if scale is None else scale
            rate_scale = self.short.rate_scale if rate_scale is None else rate_scale
            speed = self.short.speed if speed is None else speed
            duration_s = self.short.duration_s if duration_s is None else duration_s
        if schedule is not None:
            changed = _with_schedule(changed, schedule)
        if speed is not None:
            changed = replace(changed, vendors=replace(changed.vendors, speed=float(speed)))
        if duration_s is not None:
            changed = _lasting(changed, float(duration_s))
        if scale is not None:
            changed = replace(changed, groups=tuple(scaled(group, float(scale)) for group in changed.groups))
        if rate_scale is not None:
            changed = _with_rates(changed, float(rate_scale))
        if subscribers is not None:
            changed = _with_subscribers(changed, subscribers)
        return changed

    # -- for the record --------------------------------------------------------------------------------------------

    def to_json(self) -> dict[str, Any]:
        """The scenario as it was run, every key and default in it, as JSON values."""
        document = {
            "name": self.name,
            "question": self.question,
            "seed": self.seed,
            "file": self.file,
            "stack": asdict(self.stack),
            "vendors": {"source": source_of(self.vendors), **asdict(self.vendors)},
            "subscribers": [{**asdict(group), "name": group.label} for group in self.groups],
            "phases": [asdict(phase) for phase in self.made_phases],
            "run": asdict(self.run),
            "faults": [fault.to_json() for fault in self.faults],
            "expect": [{"that": each.text, "phase": each.phase} for each in self.expect],
        }
        return cast("dict[str, Any]", json.loads(json.dumps(document, default=str)))


# -- options ----------------------------------------------------------------------------------------------------------


def _with_schedule(scenario: Scenario, schedule: Path) -> Scenario:
    if not isinstance(scenario.vendors, ScheduledVendors):
        raise InputError(
            f"--schedule has no use in scenario {scenario.name}, whose vendors come from elsewhere; leave it out, "
            "or run "
            f'one with `[vendors] source = "schedule"`, such as sf_food_trucks.'
        )
    return replace(scenario, vendors=replace(scenario.vendors, schedule=schedule))


def _with_subscribers(scenario: Scenario, count: int) -> Scenario:
    if len(scenario.groups) > 1:
        raise InputError(
            f"--subscribers has no use in scenario {scenario.name}, which has {len(scenario.groups)} groups of them; "
            f"use --scale."
        )
    return replace(scenario, groups=(replace(scenario.groups[0], count=count),))


def _lasting(scenario: Scenario, duration_s: float) -> Scenario:
    if not isinstance(scenario.vendors, MadeVendors):
        raise InputError(
            f"--duration has no use in scenario {scenario.name}, which replays a schedule or tracks: they last as "
            "long as "
            f"they are at their speed ({scenario.vendors.speed:g}×); use --speed."
        )
    if not scenario.phases:
        return replace(scenario, run=replace(scenario.run, duration_s=duration_s))
    factor = duration_s / sum(phase.duration_s or 0.0 for phase in scenario.phases)
    faults = tuple(
        replace(
            fault,
            start_s=fault.start_s * factor,
            duration_s=None if fault.duration_s is None else fault.duration_s * factor,
        )
        for fault in scenario.faults
    )
    phases = tuple(replace(phase, duration_s=(phase.duration_s or 0.0) * factor) for phase in scenario.phases)
    return replace(scenario, phases=phases, faults=faults)


def _with_rates(scenario: Scenario, factor: float) -> Scenario:
    vendors = scenario.vendors
    if isinstance(vendors, ScheduledVendors):
        if factor == 1:
            return scenario
        raise InputError(f"--rate-scale has no use in scenario {scenario.name}, which replays a schedule; use --speed.")
    if vendors.ping_interval_s is not None:
        vendors = replace(vendors, ping_interval_s=vendors.ping_interval_s / factor)
    phases = tuple(
        replace(
            phase,
            rate_per_s=None if phase.rate_per_s is None else phase.rate_per_s * factor,
            to_rate_per_s=None if phase.to_rate_per_s is None else phase.to_rate_per_s * factor,
        )
        for phase in scenario.phases
    )
    return replace(scenario, vendors=vendors, phases=phases)


# -- reading -----------------------------------------------------------------------------------------------------------


def read_scenario(file: Path, *, library: Mapping[str, Path] | None = None) -> Scenario:
    """Read one scenario file; `library` are the scenarios that `extends` may name.

    Raises InputError, one sentence naming the file and the key, when anything about it is not as it should be.
    """
    table = _extended(file, library or {}, ())
    try:
        return _understood(table)
    except InputError:
        base = _base_of(read_toml(file, "scenario"), library or {})
        if base is not None:
            # A mistake in what it extends is told of the file that makes it.
            read_scenario(base, library=library)
        raise


def _understood(table: StrictTable) -> Scenario:
    top = read_keys(table, Top)
    groups = _groups(table)
    phases = tuple(_phase(each) for each in table.tables("phases"))
    vendors = _vendors(table.table("vendors"))
    scenario = Scenario(
        name=top.name or table.file.stem,
        question=top.question,
        seed=top.seed,
        file=table.file,
        stack=read_table(table.table("stack"), StackSettings),
        vendors=vendors,
        groups=groups,
        phases=phases,
        run=read_table(table.table("run"), RunSettings),
        faults=read_faults(table.tables("faults")),
        expect=_expectations(table.table("expect"), phases, groups),
        short=read_table(table.table("short"), Short),
    )
    table.refuse_the_rest()
    _check_phases(table, scenario)
    _check_targets(table, scenario)
    return scenario


def _extended(file: Path, library: Mapping[str, Path], seen: tuple[Path, ...]) -> StrictTable:
    """The file's table over those of the scenarios it extends."""
    table = read_toml(file, "scenario")
    base = _base_of(table, library)
    if base is None:
        return table
    if file.resolve() in seen or len(seen) >= _DEEPEST_EXTENDS:
        raise table.refusal("extends", f"goes round in a circle, or more than {_DEEPEST_EXTENDS} deep; leave one out")
    return table.over(_extended(base, library, (*seen, file.resolve())).anchored(_PATH_KEYS))


def _base_of(table: StrictTable, library: Mapping[str, Path]) -> Path | None:
    """The scenario file that this one extends."""
    beside = table.path("extends")
    if beside is None or is_file(beside):
        return beside
    parent = table.text("extends", "")
    if parent not in library:
        raise table.refusal(
            "extends",
            f"names {parent}, which is neither a file beside it nor a scenario of the library; check the name",
        )
    return library[parent]


def _vendors(table: StrictTable) -> Vendors:
    return read_table(table, SOURCES[table.choice("source", "made", tuple(SOURCES))])


def _groups(table: StrictTable) -> tuple[Group, ...]:
    tables = [table.table("subscribers")] if table.is_table("subscribers") else table.tables("subscribers")
    groups: list[Group] = []
    for each in tables:
        group = read_table(each, Group)
        _check_name(each, group.label, ())
        if group.label in {other.label for other in groups}:
            raise each.refusal("name", f'"{group.label}" is taken by another group; give each one a name of its own')
        groups.append(group)
    return tuple(groups) or DEFAULT_GROUPS


def _phase(table: StrictTable) -> Phase:
    phase = read_table(table, Phase)
    if not phase.name:
        raise table.refusal("name", 'is missing; give the phase one, such as "steady"')
    _check_name(table, phase.name, RESERVED)
    if phase.to_rate_per_s is not None and phase.rate_per_s is None:
        raise table.refusal("to_rate_per_s", "says where the rate goes and rate_per_s is missing; give it too")
    return phase


def _check_name(table: StrictTable, name: str, reserved: Sequence[str]) -> None:
    if name in reserved:
        raise table.refusal("name", f'"{name}" has a meaning of its own; choose another')
    if not _NAME.fullmatch(name):
        raise table.refusal("name", f'"{name}" must be a letter, then letters, digits and _, 40 at most')


def _expectations(table: StrictTable, phases: Sequence[Phase], groups: Sequence[Group]) -> tuple[Expectation, ...]:
    labels = [group.label for group in groups]
    found = []
    for name in (WHOLE, *(phase.name for phase in phases or (Phase(ONLY),))):
        for number, text in enumerate(table.texts(name), start=1):
            try:
                found.append(understand(text, name, groups=labels))
            except ValueError as error:
                raise table.refusal(f"{name}[{number}]", f'"{text}" {error}') from None
    table.refuse_the_rest()
    return with_defaults(found)


def _check_phases(table: StrictTable, scenario: Scenario) -> None:
    names = [phase.name for phase in scenario.phases]
    for number, phase in enumerate(scenario.phases, start=1):
        where, is_last = f"phases[{number}]", number == len(names)
        if phase.name in names[: number - 1]:
            raise table.refusal(f"{where}.name", f'"{phase.name}" is taken by another phase; give each one its own')
        if phase.duration_s is None and (not is_last or isinstance(scenario.vendors, MadeVendors)):
            raise table.refusal(f"{where}.duration_s", "is missing; say how many seconds the phase lasts")
        if phase.rate_per_s is not None and isinstance(scenario.vendors, ScheduledVendors):
            raise table.refusal(
                f"{where}.rate_per_s",
                "has no use with a schedule, which says itself when updates are due; leave it out",
            )
        _check_rate(table, where, phase, scenario.vendors)
    _check_whole_rate(table, scenario)


def _check_rate(table: StrictTable, where: str, phase: Phase, vendors: Vendors) -> None:
    if not isinstance(vendors, MadeVendors):
        return
    most = vendors.count * _FASTEST_VENDOR_PER_S
    for name, rate in (("rate_per_s", phase.rate_per_s), ("to_rate_per_s", phase.to_rate_per_s)):
        if rate is not None and rate > most:
            raise table.refusal(
                f"{where}.{name}",
                f"asks for {rate:g} updates per second of {vendors.count} vendors, who can say {most:g} at most; "
                "lower it "
                f"or raise vendors.count",
            )


def _check_whole_rate(table: StrictTable, scenario: Scenario) -> None:
    vendors = scenario.vendors
    if isinstance(vendors, MadeVendors):
        own_per_s = vendors.count * vendors.speed / vendors.ping_interval_s
        most = min(MOST_UPDATES_PER_S, vendors.count * _FASTEST_VENDOR_PER_S)
        if own_per_s > most and any(phase.rate_per_s is None for phase in scenario.made_phases):
            raise table.refusal(
                "vendors.ping_interval_s",
                f"makes {own_per_s:,.0f} updates per second ({vendors.count} vendors at {vendors.speed:g}×), and "
                f"{most:,} "
                f"are the most; raise it or lower vendors.speed",
            )
    pace = scenario.pace
    if pace is not None and pace.updates <= 0:
        raise table.refusal("phases", "have a rate of 0 throughout, so that nothing would be published; raise one")
    if "run" in table and "duration_s" in table.table("run") and not _uses_duration(scenario):
        raise table.refusal(
            "run.duration_s", "has no use with phases, a schedule or tracks, which say how long they last; leave it out"
        )


def _uses_duration(scenario: Scenario) -> bool:
    return isinstance(scenario.vendors, MadeVendors) and not scenario.phases


def _check_targets(table: StrictTable, scenario: Scenario) -> None:
    """A fault that hits viewers may be narrowed to a group that there is."""
    labels = [group.label for group in scenario.groups]
    for number, fault in enumerate(scenario.faults, start=1):
        if fault.kind.takes_a_group and fault.target is not None and fault.target not in labels:
            raise table.refusal(
                f"faults[{number}].target", f'names the group "{fault.target}", and there is {", ".join(labels)}'
            )


def _stretch(phase: Phase, own_per_s: float) -> Stretch:
    rate = own_per_s if phase.rate_per_s is None else phase.rate_per_s
    return Stretch(phase.duration_s or 0.0, rate, rate if phase.to_rate_per_s is None else phase.to_rate_per_s)


def _option_in_range(option: str, value: float | None, minimum: float, maximum: float) -> None:
    if value is not None and not minimum <= value <= maximum:
        raise InputError(f"{option} must be between {minimum:,} and {maximum:,}, not {value:,}.")


__all__ = [
    "MadeVendors",
    "RunSettings",
    "Scenario",
    "ScheduledVendors",
    "Short",
    "StackSettings",
    "Top",
    "TrackedVendors",
    "read_scenario",
]
