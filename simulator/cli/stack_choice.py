"""Which template a stack is made of, and whether it can be made with what a scenario says of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from simulator.errors import InputError
from simulator.resources import bundled

if TYPE_CHECKING:
    from simulator.load.scenario import Scenario

TEMPLATE_NAMES = ("template.yaml", "template.yml", "template.json")
"""Where `sam` looks too."""


def template_for(given: Path | None) -> Path:
    """The template that was asked for; else this folder's; else the tracker's own."""
    if given is not None:
        return given
    here = next((Path(name) for name in TEMPLATE_NAMES if Path(name).is_file()), None)
    return here or bundled("template.yaml")


def check_stack(scenario: Scenario, template: Path, parameters: Mapping[str, str]) -> None:
    """Raise InputError, naming file and key, when no stack can be made of what the scenario says of it.

    `parameters` are the scenario's, and those of the command line over them.
    """
    from simulator.settings import StackSettings  # noqa: PLC0415
    from simulator.stack import load_stack  # noqa: PLC0415

    for name, value in scenario.stack.settings.items():
        try:
            StackSettings.from_pairs([f"{name}={value}"])
        except InputError as error:
            raise InputError(f"{scenario.file}: stack.settings: {str(error).removeprefix('--set ')}") from None
    try:
        load_stack(template, parameters=parameters)
    except InputError as error:
        named = next((name for name in scenario.stack.parameters if f"'{name}'" in str(error)), None)
        if named is not None:
            raise InputError(f"{scenario.file}: stack.parameters.{named}: {error}") from None
        if template == scenario.stack.template:
            raise InputError(f"{scenario.file}: stack.template: {error}") from None
        raise
