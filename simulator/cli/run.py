"""`tracker-sim run`: play a scenario and tell the verdict."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from simulator.cli.options import (
    check_writable,
    debug_option,
    given_options,
    host_and_port,
    parameters_of,
    stack_options,
)
from simulator.cli.stack_choice import check_stack, template_for
from simulator.cli.stopping import stopped_by_signals, unless_stopped
from simulator.errors import InputError
from simulator.loopback import is_loopback

_LOG_NAME_CHARS = 60


@click.command()
@click.argument("scenario", type=str)
@stack_options
@click.option(
    "--schedule", type=click.Path(path_type=Path), help="Schedule file (CSV) for a scenario that replays one."
)
@click.option("--seed", type=int, help="Seed of everything random. Default: the scenario's.")
@click.option("--speed", type=float, help="Simulated seconds per real second. Default: the scenario's.")
@click.option("--subscribers", type=click.IntRange(min=1), help="Number of viewers. Default: the scenario's.")
@click.option("--duration", type=float, help="Seconds of movement, for made vendors. Default: the scenario's.")
@click.option("--scale", type=float, help="Factor on the subscribers and their arrivals. Default: none.")
@click.option("--rate-scale", type=float, help="Factor on the updates per second. Default: none.")
@click.option("--short", is_flag=True, help="Play the scenario's short version, for a small machine.")
@click.option(
    "--target",
    metavar="STACK|FILE",
    help="Play on a stack that runs already: the name of a CloudFormation stack, or a file with its outputs or with "
    "what `up --json` prints (docs/scale.md). Default: a stack of its own, here.",
)
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    help="Spread the load over this many processes here (docs/scale.md). Default: it is one process.",
)
@click.option(
    "--expect-workers",
    type=click.IntRange(min=1),
    help="Wait for this many `tracker-sim worker`, besides --workers. Default: none.",
)
@click.option(
    "--listen",
    metavar="HOST:PORT",
    default="127.0.0.1:0",
    help="Where workers join; port 0 takes a free one. Default: 127.0.0.1:0. Any other host needs --target.",
)
@click.option("--json", "json_path", metavar="FILE|-", help="Write the whole verdict as JSON to FILE, or to stdout.")
@click.option(
    "--results",
    "results_folder",
    type=click.Path(path_type=Path),
    default="results",
    help="Folder that gets a folder with the raw results (docs/results.md). Default: results.",
)
@click.option("--no-results", is_flag=True, help="Keep no raw results.")
@click.option("--log", type=click.Path(path_type=Path), help="Where the stack's log goes. Default: a temporary file.")
@debug_option
def run(
    scenario: str,
    schedule: Path | None,
    seed: int | None,
    speed: float | None,
    subscribers: int | None,
    duration: float | None,
    scale: float | None,
    rate_scale: float | None,
    short: bool,
    target: str | None,
    workers: int | None,
    expect_workers: int | None,
    listen: str,
    json_path: str | None,
    results_folder: Path,
    no_results: bool,
    log: Path | None,
    **options: Any,
) -> int:
    """Start the stack, play SCENARIO on it, and say what was sent, what arrived and how fast.

    SCENARIO is a TOML file or the name of one that comes with the tool. Exit status 0: every expectation held.
    """
    from simulator.load import read_named  # noqa: PLC0415
    from simulator.loop import run as run_loop  # noqa: PLC0415
    from simulator.settings import StackSettings  # noqa: PLC0415

    chosen = read_named(scenario).overridden(
        seed=seed,
        speed=speed,
        schedule=schedule,
        subscribers=subscribers,
        duration_s=duration,
        scale=scale,
        rate_scale=rate_scale,
        short=short,
    )
    check_writable(json_path)
    folder = None if no_results else results_folder
    crew = _crew(workers or 0, expect_workers or 0, listen, target)
    if target is not None:
        if given := given_options({*options, "log"} - {"region"}):
            raise InputError(
                f"{', '.join(given)} would change a stack that --target says is there already; leave it out."
            )
        region = options["region"] if given_options({"region"}) else None
        verdict = run_loop(_play(chosen, lambda progress: _stack_there(target, chosen, region, progress), folder, crew))
        _report(verdict, json_path)
        return 0 if verdict.passed else 1
    parameters = {**chosen.stack.parameters, **parameters_of(options.pop("parameters"))}
    template = template_for(options.pop("template") or chosen.stack.template)
    check_stack(chosen, template, parameters)
    StackSettings.from_pairs(options["changes"])
    options["changes"] = (*(f"{name}={value}" for name, value in chosen.stack.settings.items()), *options["changes"])
    arguments = _up_arguments(template, parameters, chosen.seed, options)
    with _log_file(log, chosen.name) as log_file:
        verdict = run_loop(_play(chosen, lambda progress: _stack_here(arguments, log_file, progress), folder, crew))
        _report(verdict, json_path)
    click.echo(f"log of the stack: {log_file}", err=True)
    return 0 if verdict.passed else 1


async def _play(
    scenario: Any,
    stack: Callable[[Any], contextlib.AbstractAsyncContextManager[Any]],
    results_folder: Path | None = None,
    crew: Any = None,
) -> Any:
    """Play a scenario on the stack that `stack` gives the addresses of; it is given the display of the progress.

    `crew` are the settings of the workers, when there are any.
    """
    from simulator.load import Progress, prepare, run_scenario  # noqa: PLC0415

    stop = asyncio.Event()
    prepared = prepare(scenario)
    with (
        stopped_by_signals(stop),
        _results_of(scenario, results_folder) as results,
        Progress(scenario) as progress,
    ):
        async with contextlib.AsyncExitStack() as leaving:
            endpoints = await unless_stopped(stop, leaving.enter_async_context(stack(progress)))
            spread: dict[str, Any] = {}
            if crew is not None:
                from simulator.workers.crew import Crew  # noqa: PLC0415

                progress.say("waiting for the workers")
                joined = await unless_stopped(stop, leaving.enter_async_context(Crew(crew, progress.note)))
                spread = {"load": joined.load}
            return await run_scenario(prepared, endpoints, progress=progress, stop=stop, results=results, **spread)


def _crew(local: int, expected: int, listen: str, target: str | None) -> Any:
    """The settings of the workers, None without any; refuses what cannot work before anything is started."""
    if not local and not expected:
        if given_options({"listen"}):
            raise InputError("--listen has no use without workers; give --expect-workers, or leave it out.")
        return None
    from simulator.workers.crew import TOKEN_VARIABLE, CrewSettings  # noqa: PLC0415
    from simulator.workers.engine import require_locust  # noqa: PLC0415

    require_locust()
    host, port = host_and_port(listen, "--listen")
    if not is_loopback(host) and target is None:
        raise InputError(
            f"--listen {listen} lets other machines join, and they cannot reach a stack on this one; give --target, or "
            f"listen on 127.0.0.1."
        )
    token = os.environ.get(TOKEN_VARIABLE)
    return CrewSettings(local, expected, host, port, **({} if token is None else {"token": token}))


@contextlib.asynccontextmanager
async def _stack_here(arguments: list[str], log: Path, progress: Any) -> AsyncIterator[Any]:
    """A stack of the run's own, in a child process."""
    from simulator.child import StackProcess  # noqa: PLC0415

    progress.say("starting the stack")
    async with StackProcess(arguments, log=log, on_problem=progress.problem) as process:
        yield process.endpoints


@contextlib.asynccontextmanager
async def _stack_there(target: str, scenario: Any, region: str | None, progress: Any) -> AsyncIterator[Any]:
    """A stack that runs already; what of the scenario is meant for a stack of its own has no effect on it."""
    from simulator.deployed import find_stack  # noqa: PLC0415
    from simulator.load.aws_environment import is_local  # noqa: PLC0415
    from simulator.load.faults import refuse_local  # noqa: PLC0415

    found = await asyncio.to_thread(find_stack, target, region)
    if not is_local(found.aws_endpoint_url):
        refuse_local(scenario.faults, f"--target {target}")
    if scenario.stack.template or scenario.stack.parameters or scenario.stack.settings:
        progress.note("What [stack] says of the template, its parameters and settings has no effect on --target.")
    yield found


@contextlib.contextmanager
def _results_of(scenario: Any, folder: Path | None) -> Iterator[Any]:
    """The folder of one run; it goes again when the run ended before there was anything to keep."""
    from simulator.load import ResultsWriter  # noqa: PLC0415

    if folder is None:
        yield None
        return
    results = ResultsWriter(folder, scenario.name, datetime.now(UTC), scenario.seed)
    try:
        yield results
    except BaseException:
        results.discard()
        raise
    click.echo(f"results: {results.folder}", err=True)


def _report(verdict: Any, json_path: str | None) -> None:
    from simulator.load import render  # noqa: PLC0415

    document = json.dumps(verdict.to_json(), indent=2) + "\n"
    render(verdict, to_stderr=json_path == "-")
    if json_path == "-":
        click.echo(document, nl=False)
    elif json_path is not None:
        Path(json_path).write_text(document, encoding="utf-8")


def _up_arguments(template: Path, parameters: dict[str, str], seed: int, options: dict[str, Any]) -> list[str]:
    """The options of `up` that make the same stack in a child process."""
    arguments = ["--template", str(template), "--seed", str(seed)]
    for name, value in parameters.items():
        arguments += ["--parameter", f"{name}={value}"]
    for change in options.pop("changes"):
        arguments += ["--set", change]
    for name, value in options.items():
        flag = "--" + name.replace("_", "-")
        if value is True:
            arguments.append(flag)
        elif value is not None and value is not False:
            arguments += [flag, str(value)]
    return arguments


@contextlib.contextmanager
def _log_file(given: Path | None, name: str) -> Iterator[Path]:
    """Where the stack's log goes; a temporary one goes again when the run ended before there was anything to read."""
    if given is not None:
        yield given
        return
    folder = Path(tempfile.mkdtemp(prefix="tracker-sim-"))
    try:
        yield folder / f"{re.sub(r'[^a-zA-Z0-9_-]', '_', name)[:_LOG_NAME_CHARS]}.log"
    except (InputError, click.Abort, KeyboardInterrupt):
        shutil.rmtree(folder, ignore_errors=True)
        raise
