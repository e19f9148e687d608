"""All rooms' settings together: what `--set ROOM.NAME=VALUE` changes and `tracker-sim settings` lists."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import Any, Self

from simulator.cloud.settings import CloudSettings
from simulator.functions.settings import FunctionSettings
from simulator.gateway.settings import GatewaySettings
from simulator.setting import Listed, listed, with_values
from simulator.triggers.settings import TriggerSettings


@dataclass(frozen=True, slots=True)
class StackSettings:
    """One settings object per room."""

    gateway: GatewaySettings = field(default_factory=GatewaySettings)
    functions: FunctionSettings = field(default_factory=FunctionSettings)
    triggers: TriggerSettings = field(default_factory=TriggerSettings)
    cloud: CloudSettings = field(default_factory=CloudSettings)

    @classmethod
    def from_pairs(cls, pairs: Iterable[str]) -> Self:
        """The defaults with `ROOM.NAME=VALUE` pairs applied; raises `InputError` for a pair that cannot be."""
        defaults = cls()
        rooms: dict[str, Any] = {each.name: getattr(defaults, each.name) for each in fields(cls)}
        return cls(**with_values(rooms, pairs))


def all_settings() -> list[Listed]:
    """Every setting there is."""
    defaults = StackSettings()
    return listed({each.name: type(getattr(defaults, each.name)) for each in fields(StackSettings)})
