"""Options that several commands share, and what is read from them."""

from __future__ import annotations

import functools
import os
import random
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from simulator.errors import InputError

F = TypeVar("F", bound=Callable[..., Any])

_HIGHEST_PORT = 65_535

port_option = click.option("--port", type=int, help="Main port of the stack, when several are running.")


def debug_option(command: F) -> F:
    """`--debug` is looked for in the arguments by `_fail`; here it is only declared."""
    return click.option("--debug", is_flag=True, expose_value=False, help="Show tracebacks. Default: one sentence.")(
        command
    )


def stack_options(command: F) -> F:
    """How to build and run a stack: the same for `up` and `run`."""
    options = [
        click.option(
            "--template",
            type=click.Path(path_type=Path),
            help="SAM template. Default: template.yaml, .yml or .json in this folder, else the tracker's own.",
        ),
        click.option(
            "--parameter",
            "parameters",
            multiple=True,
            metavar="NAME=VALUE",
            help="Override a parameter of the template; may be repeated.",
        ),
        click.option("--port", type=int, default=0, help="Main port; 0 takes a free one. Default: 0."),
        click.option(
            "--region",
            default="us-east-1",
            callback=_region,
            help="AWS region the stack believes in. Default: us-east-1.",
        ),
        click.option(
            "--in-process",
            is_flag=True,
            help="Run handlers inside the simulator, one at a time, for breakpoints. Default: worker processes under "
            "the AWS runtime client.",
        ),
        click.option("--stock-moto", is_flag=True, help="Run moto without the patch set. Default: patched."),
        click.option(
            "--aws-endpoint-url",
            help="Use this DynamoDB and SQS (for example another emulator). Default: an embedded moto.",
        ),
        click.option(
            "--max-environments",
            type=click.IntRange(min=1),
            default=10,
            help="Execution environments per function at most; further invocations wait. Default: 10.",
        ),
        click.option(
            "--set",
            "changes",
            multiple=True,
            metavar="ROOM.NAME=VALUE",
            help="Change a limit, a timer or a guess; may be repeated. `tracker-sim settings` lists them. "
            "Default: as AWS.",
        ),
    ]
    return functools.reduce(lambda decorated, option: option(decorated), reversed(options), command)


def _region(_context: click.Context, _option: click.Parameter, value: str) -> str:
    if not re.fullmatch(r"[a-z]{2,}(-[a-z]+)+-[0-9]+", value):
        raise InputError(f"{value!r} is not an AWS region; write it like us-east-1.")
    return value


def given_options(names: Iterable[str]) -> list[str]:
    """The options of this command, of those names, that were given and not left at their defaults."""
    context = click.get_current_context()
    return [
        option.opts[-1]
        for option in context.command.params
        if option.name in names and context.get_parameter_source(option.name or "") is not ParameterSource.DEFAULT
    ]


def host_and_port(text: str, option: str) -> tuple[str, int]:
    """What `option` says, as host and port; raises InputError."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > _HIGHEST_PORT:
        raise InputError(f"{option} {text} is not HOST:PORT; write it like 127.0.0.1:5557.")
    return host, int(port)


def check_writable(name: str | None, what: str = "the verdict", option: str = "--json") -> None:
    """Refuse a file that cannot be written now, not after the work."""
    if name is None or name == "-":
        return
    file = Path(name)
    if file.is_dir() or not os.access(file if file.exists() else file.parent, os.W_OK):
        raise InputError(f"{what} cannot be written to {name}; give {option} a writable file in a folder that exists.")


def parameters_of(pairs: tuple[str, ...]) -> dict[str, str]:
    """The template parameters of `--parameter NAME=VALUE`; raises InputError."""
    parameters = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise InputError(f"--parameter {pair!r} is not NAME=VALUE.")
        parameters[name] = value
    return parameters


def drawn(seed: int | None) -> int:
    """The seed that was given, or one that is new each time (32 bits)."""
    return random.SystemRandom().getrandbits(32) if seed is None else seed
