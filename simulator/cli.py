"""The command line, `tracker-sim`: options in, the rooms do the work.

Data goes to stdout, everything else to stderr. Exit codes: 0 success, 1 the run or the machine failed, 2 wrong usage or
bad input. Heavy modules are imported inside the commands, so that `--help` answers at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import json
import logging
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import traceback
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click
from click.core import ParameterSource

from simulator import __version__
from simulator.cli_faults import faults
from simulator.cli_scenarios import check_stack, scenarios, template_for
from simulator.errors import EnvironmentFailure, InputError, SimulatorError
from simulator.loopback import is_loopback, without_proxy

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")

_INTERRUPTED = 130
_STDIN = 0
_HIGHEST_PORT = 65_535
"""Where `sam` looks too."""
_SAME_WISH_S = 1.0
_LOG_NAME_CHARS = 60


def main() -> NoReturn:
    """The console script."""
    os.environ.update(without_proxy(os.environ))
    try:
        status = cli.main(standalone_mode=False)
    except SimulatorError as error:
        _fail(str(error), error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        _fail("stopped before anything was done.", _INTERRUPTED)
    except KeyboardInterrupt:
        _fail("interrupted.", _INTERRUPTED)
    except BrokenPipeError:
        # Whoever read our output has gone (`| head`): nobody is left to tell, and nothing to flush to at the exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        _fail(_os_error_sentence(error), EnvironmentFailure.exit_code)
    except Exception as error:  # noqa: BLE001  the last line of defence: a bug is one sentence too
        _fail(f"unexpected {type(error).__name__}: {error}; run again with --debug for the traceback.", 1)
    sys.exit(status if isinstance(status, int) else 0)


def _fail(sentence: str, exit_code: int) -> NoReturn:
    if _debug_wanted():
        traceback.print_exc()
    click.echo(f"Error: {_harmless(sentence)}", err=True)
    sys.exit(exit_code)


def _harmless(text: str) -> str:
    """`text` without anything but line breaks and tabs that a terminal obeys: it may quote a peer or a handler."""
    return "".join(c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode("ascii") for c in text)


def _debug_wanted() -> bool:
    return "--debug" in sys.argv[1:]


def _os_error_sentence(error: OSError) -> str:
    import errno  # noqa: PLC0415

    if error.errno in (errno.EMFILE, errno.ENFILE):
        return "no free file descriptors are left; raise the limit, for example with `ulimit -n 8192`, and try again."
    where = f" ({error.filename})" if error.filename else ""
    return f"the machine refused: {error.strerror or error}{where}; run again with --debug for the traceback."


# -- options that several commands share -------------------------------------------------------------------------------


def _debug_option(command: F) -> F:
    """`--debug` is looked for in the arguments by `_fail`; here it is only declared."""
    return click.option("--debug", is_flag=True, expose_value=False, help="Show tracebacks. Default: one sentence.")(
        command
    )


def _region(_context: click.Context, _option: click.Parameter, value: str) -> str:
    if not re.fullmatch(r"[a-z]{2,}(-[a-z]+)+-[0-9]+", value):
        raise InputError(f"{value!r} is not an AWS region; write it like us-east-1.")
    return value


def _stack_options(command: F) -> F:
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


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="tracker-sim")
@_debug_option
def cli() -> None:
    """A local AWS for a live vendor map: run the tracker's real Lambda handlers, load them, and see what arrives."""


cli.add_command(scenarios)
cli.add_command(faults)


# -- up ----------------------------------------------------------------------------------------------------------------


@cli.command()
@_stack_options
@click.option(
    "--host",
    default="127.0.0.1",
    help="Address to listen on. Default: 127.0.0.1. Any other lets the network connect and post.",
)
@click.option("--seed", type=int, help="Seed of ids and jitter. Default: drawn, and printed.")
@click.option("--json", "as_json", is_flag=True, help="When ready, print exactly one line of JSON on stdout.")
@click.option("--quiet", is_flag=True, help="Do not copy the functions' own output to stderr.")
@click.option("--until-stdin-closes", is_flag=True, hidden=True, help="Also stop at the end of stdin.")
@_debug_option
def up(as_json: bool, quiet: bool, until_stdin_closes: bool, seed: int | None, **options: Any) -> None:
    """Run the stack of a SAM template until Ctrl-C or SIGTERM."""
    from simulator.local import LocalSettings  # noqa: PLC0415  boto3 and more
    from simulator.loop import run as run_loop  # noqa: PLC0415
    from simulator.settings import StackSettings  # noqa: PLC0415

    _set_up_logging(quiet=quiet)
    settings = LocalSettings(
        template=template_for(options.pop("template")),
        parameters=_parameters(options.pop("parameters")),
        rooms=StackSettings.from_pairs(options.pop("changes")),
        seed=_drawn(seed),
        **options,
    )
    run_loop(_serve(settings, as_json=as_json, until_stdin_closes=until_stdin_closes))


async def _serve(settings: Any, *, as_json: bool, until_stdin_closes: bool) -> None:
    from simulator.local import LocalStack  # noqa: PLC0415
    from simulator.running import announced  # noqa: PLC0415

    stop = asyncio.Event()
    if until_stdin_closes:
        _set_at_end_of_stdin(stop)
    with _stopped_by_signals(stop):
        async with contextlib.AsyncExitStack() as leaving:
            stack = await _unless_stopped(stop, leaving.enter_async_context(LocalStack(settings)))
            for warning in stack.stack.warnings:
                click.echo(f"note: {warning}", err=True)
            with announced(stack.endpoints, stack.vendor_token_secret):
                if as_json:
                    click.echo(json.dumps(stack.endpoints.to_json()))
                    sys.stdout.flush()
                else:
                    _describe(stack.endpoints, settings.template, settings.seed)
                stopping = asyncio.create_task(stop.wait())
                died = asyncio.create_task(stack.cloud.died())
                await asyncio.wait({stopping, died}, return_when=asyncio.FIRST_COMPLETED)
                if not stop.is_set():
                    raise died.result()
                died.cancel()


def _describe(endpoints: Any, template: Path, seed: int) -> None:
    """Tell a person where everything is; whole lines, so that an address can be copied from a narrow terminal."""
    rows = [
        ("template", str(template)),
        *((f"API {name}", url) for name, url in endpoints.apis.items()),
        ("@connections", endpoints.management_url or "-"),
        *([("certificates", endpoints.ca_bundle)] if _is_secure(endpoints) else []),
        ("DynamoDB, SQS", endpoints.aws_endpoint_url),
        ("Lambda", endpoints.lambda_url),
        *((f"queue {name}", url) for name, url in endpoints.queue_urls.items()),
        ("tables", ", ".join(endpoints.tables) or "-"),
        ("functions", ", ".join(endpoints.functions) or "-"),
        ("seed", str(seed)),
    ]
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        click.echo(f"{click.style(f'{name:<{width}}', bold=True)}  {value}", err=True)
    hints = ["`tracker-sim connect` listens"] if endpoints.websocket_url else []
    if endpoints.queue_urls:
        hints.append("`tracker-sim send --vendor NAME --lat 37.77 --long -122.42` moves a vendor")
    click.echo(f"Ready. {', '.join([*hints, 'Ctrl-C stops'])}.", err=True)


def _is_secure(endpoints: Any) -> bool:
    return any(url.startswith(("wss:", "https:")) for url in endpoints.apis.values())


# -- run ---------------------------------------------------------------------------------------------------------------


@cli.command()
@click.argument("scenario", type=str)
@_stack_options
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
@_debug_option
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
    _check_writable(json_path)
    folder = None if no_results else results_folder
    crew = _crew(workers or 0, expect_workers or 0, listen, target)
    if target is not None:
        if given := _given({*options, "log"} - {"region"}):
            raise InputError(
                f"{', '.join(given)} would change a stack that --target says is there already; leave it out."
            )
        region = options["region"] if _given({"region"}) else None
        verdict = run_loop(_play(chosen, lambda progress: _stack_there(target, chosen, region, progress), folder, crew))
        _report(verdict, json_path)
        return 0 if verdict.passed else 1
    parameters = {**chosen.stack.parameters, **_parameters(options.pop("parameters"))}
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
        _stopped_by_signals(stop),
        _results_of(scenario, results_folder) as results,
        Progress(scenario) as progress,
    ):
        async with contextlib.AsyncExitStack() as leaving:
            endpoints = await _unless_stopped(stop, leaving.enter_async_context(stack(progress)))
            spread: dict[str, Any] = {}
            if crew is not None:
                from simulator.workers.crew import Crew  # noqa: PLC0415

                progress.say("waiting for the workers")
                joined = await _unless_stopped(stop, leaving.enter_async_context(Crew(crew, progress.note)))
                spread = {"load": joined.load}
            return await run_scenario(prepared, endpoints, progress=progress, stop=stop, results=results, **spread)


def _crew(local: int, expected: int, listen: str, target: str | None) -> Any:
    """The settings of the workers, None without any; refuses what cannot work before anything is started."""
    if not local and not expected:
        if _given({"listen"}):
            raise InputError("--listen has no use without workers; give --expect-workers, or leave it out.")
        return None
    from simulator.workers.crew import TOKEN_VARIABLE, CrewSettings  # noqa: PLC0415

    host, port = _host_and_port(listen, "--listen")
    if not is_loopback(host) and target is None:
        raise InputError(
            f"--listen {listen} lets other machines join, and they cannot reach a stack on this one; give --target, or "
            f"listen on 127.0.0.1."
        )
    token = os.environ.get(TOKEN_VARIABLE)
    return CrewSettings(local, expected, host, port, **({} if token is None else {"token": token}))


def _host_and_port(text: str, option: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > _HIGHEST_PORT:
        raise InputError(f"{option} {text} is not HOST:PORT; write it like 127.0.0.1:5557.")
    return host, int(port)


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


def _given(names: Iterable[str]) -> list[str]:
    """The options of this command, of those names, that were given and not left at their defaults."""
    context = click.get_current_context()
    return [
        option.opts[-1]
        for option in context.command.params
        if option.name in names and context.get_parameter_source(option.name or "") is not ParameterSource.DEFAULT
    ]


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


def _check_writable(name: str | None, what: str = "the verdict", option: str = "--json") -> None:
    """Refuse a file that cannot be written now, not after the work."""
    if name is None or name == "-":
        return
    file = Path(name)
    if file.is_dir() or not os.access(file if file.exists() else file.parent, os.W_OK):
        raise InputError(f"{what} cannot be written to {name}; give {option} a writable file in a folder that exists.")


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


# -- worker ------------------------------------------------------------------------------------------------------------


@cli.command()
@click.option("--master", required=True, metavar="HOST:PORT", help="Where `tracker-sim run --expect-workers` listens.")
@click.option("--until-stdin-closes", is_flag=True, hidden=True, help="Also stop at the end of stdin.")
@_debug_option
def worker(master: str, until_stdin_closes: bool) -> None:
    """Play a share of the load of one run that goes on elsewhere (docs/scale.md), then end.

    The environment variable TRACKER_SIM_TOKEN has the token of the run. A deployed stack is loaded with this machine's
    own AWS credentials.
    """
    from simulator.loop import run as run_loop  # noqa: PLC0415
    from simulator.workers.crew import TOKEN_VARIABLE  # noqa: PLC0415
    from simulator.workers.worker import serve_master  # noqa: PLC0415

    host, port = _host_and_port(master, "--master")
    token = os.environ.get(TOKEN_VARIABLE)
    if not token:
        raise InputError(f"{TOKEN_VARIABLE} is not set; set it to the token that `tracker-sim run` prints.")

    if until_stdin_closes:
        # The run that we are of is no more: there is nobody left to tell, and nothing that must be waited for.
        _at_end_of_stdin(functools.partial(os._exit, 1))

    async def serve() -> None:
        stop = asyncio.Event()
        with _stopped_by_signals(stop):
            await _unless_stopped(stop, serve_master(host, port, token, lambda text: click.echo(text, err=True)))

    run_loop(serve())


# -- scale -------------------------------------------------------------------------------------------------------------


@cli.command()
@click.option("--viewers", type=click.IntRange(min=1), required=True, help="Connected at once.")
@click.option("--updates-per-s", type=click.FloatRange(min=0.001), default=1.0, help="All vendors. Default: 1.0.")
@click.option("--within-s", type=click.FloatRange(min=0.01), default=1.0, help="To the last viewer. Default: 1.0.")
@click.option("--frames", is_flag=True, help="A batch of updates is one frame (FANOUT_BATCH_FRAMES).")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON on stdout.")
@_debug_option
def scale(viewers: int, updates_per_s: float, within_s: float, frames: bool, as_json: bool) -> None:
    """Say what so many viewers would need of AWS: quotas, functions, segments, money (a model: docs/scale.md)."""
    from simulator.load.scale_model import Demand, explained, in_aws  # noqa: PLC0415

    demand = Demand(viewers, updates_per_s, within_s=within_s, framed_batches=frames)
    need = in_aws(demand)
    if as_json:
        click.echo(json.dumps({"demand": dataclasses.asdict(demand), "need": dataclasses.asdict(need)}, indent=2))
        return
    rows = list(explained(demand, need))
    width = max(len(name) for name, _ in rows)
    for name, text in rows:
        click.echo(f"{click.style(f'{name:<{width}}', bold=True)}  {text}")


# -- report ------------------------------------------------------------------------------------------------------------


@cli.command()
@click.argument("results", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RESULT...")
@click.option(
    "--html",
    "html_file",
    metavar="FILE|-",
    help="Write a page with charts to FILE, or to stdout: one file that opens offline.",
)
@click.option(
    "--markdown", "as_markdown", is_flag=True, help="Print Markdown on stdout, short enough for a CI summary."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout (docs/report.md).")
@click.option(
    "--junit",
    "junit_file",
    metavar="FILE|-",
    help="Write JUnit XML to FILE, or to stdout: a test suite for each run, a test case for each expectation.",
)
@_debug_option
def report(
    results: tuple[Path, ...], html_file: str | None, as_markdown: bool, as_json: bool, junit_file: str | None
) -> None:
    """Report on saved results; nothing is played again.

    RESULT is a folder that `tracker-sim run` has written. With several, all are compared with the first. Without an
    option a table is printed. Exit status 0: the report was made, whatever it says.
    """
    from simulator import report as room  # noqa: PLC0415

    on_stdout = [as_markdown, as_json, html_file == "-", junit_file == "-"]
    if sum(on_stdout) > 1:
        raise InputError(
            "only one of --html -, --markdown, --json and --junit - can have stdout; give the others a FILE."
        )
    wants_a_comparison = len(results) > 1 and (any(on_stdout[:3]) or html_file is not None or junit_file is None)
    if wants_a_comparison and len(results) > room.MOST_COMPARED:
        raise InputError(
            f"{len(results)} results are too many to compare; give at most {room.MOST_COMPARED} (--junit takes more)."
        )
    for option, name in (("--html", html_file), ("--junit", junit_file)):
        _check_writable(name, "the report", option)
    runs = [room.read_run(folder) for folder in results]
    if html_file is not None:
        _write_report(room.html_page(runs), html_file)
    if junit_file is not None:
        _write_report(room.junit(runs), junit_file)
    if as_markdown:
        click.echo(room.markdown(runs), nl=False)
    elif as_json:
        click.echo(json.dumps(room.json_document(runs), indent=2))
    elif html_file is None and junit_file is None:
        _print_report(runs)


def _write_report(text: str, name: str) -> None:
    if name == "-":
        click.echo(text, nl=False)
        return
    # The same bytes everywhere: the page's policy has the hashes of its scripts.
    Path(name).write_text(text, encoding="utf-8", newline="\n")
    size_kb = len(text.encode()) / 1e3
    click.echo(f"written: {name} ({f'{size_kb / 1e3:.1f} MB' if size_kb >= 1_000 else f'{size_kb:.1f} kB'})", err=True)  # noqa: PLR2004


def _print_report(runs: list[Any]) -> None:
    from simulator.load import Verdict, render  # noqa: PLC0415
    from simulator.report import plain_comparison  # noqa: PLC0415

    if len(runs) == 1:
        render(Verdict(runs[0].verdict))
    else:
        click.echo(plain_comparison(runs))


# -- send --------------------------------------------------------------------------------------------------------------


@cli.command()
@click.option("--vendor", help="Vendor of one update: its id (digits) or its name.")
@click.option("--lat", type=float, help="Latitude of one update, degrees, -90 to 90.")
@click.option("--long", "long_", type=float, help="Longitude of one update, degrees, -180 to 180.")
@click.option("--text", help="Text of one update. Default: a short one.")
@click.option("--file", "file", type=click.Path(path_type=Path), help="Updates to send: one JSON object per line.")
@click.option("--queue", help="Queue name. Default: the one queue that feeds a function.")
@click.option("--port", type=int, help="Main port of the stack, when several are running.")
@click.option("--json", "as_json", is_flag=True, help="Print each update sent as a line of JSON on stdout.")
@_debug_option
def send(file: Path | None, port: int | None, queue: str | None, as_json: bool, **one: Any) -> None:
    """Put updates on the queue of a running stack.

    A line of --file is {"vendor": "Taco Wagon", "lat": 37.77, "long": -122.42, "text": "..."} or a whole update.
    """
    from simulator.clock import SystemClock  # noqa: PLC0415
    from simulator.load.stack_view import StackView  # noqa: PLC0415
    from simulator.running import find  # noqa: PLC0415
    from simulator.send import choose_queue, send_updates, updates_to_send  # noqa: PLC0415

    clock = SystemClock()
    updates = updates_to_send(file, at_ms=clock.wall_ms(), long=one.pop("long_"), **one)
    endpoints = find(port)
    view = StackView(endpoints)
    url = choose_queue(endpoints, view, queue)
    send_updates(view.sqs, url, updates, clock, click.echo if as_json else _ignore)
    click.echo(f"{len(updates)} update{'s' * (len(updates) != 1)} sent to {url}", err=True)


def _ignore(_text: str) -> None:
    """Do nothing."""


# -- connect -----------------------------------------------------------------------------------------------------------


@cli.command()
@click.argument("url", required=False)
@click.option("--send", "messages", multiple=True, metavar="TEXT", help="Send TEXT once connected; may be repeated.")
@click.option("--count", type=click.IntRange(min=1), help="Stop after this many frames. Default: never.")
@click.option("--vendor", help="Connect as this vendor of the running stack (id or name). Default: as a viewer.")
@click.option("--token", help="Connect with this vendor token. Default: as a viewer.")
@click.option("--header", "headers", multiple=True, metavar="NAME:VALUE", help="Extra request header; may be repeated.")
@click.option("--subprotocol", "subprotocols", multiple=True, help="Offer a subprotocol; may be repeated.")
@click.option("--no-stdin", is_flag=True, help="Do not send lines of stdin as messages.")
@click.option("--port", type=int, help="Main port of the stack, when several are running.")
@_debug_option
def connect(
    url: str | None,
    messages: tuple[str, ...],
    count: int | None,
    vendor: str | None,
    token: str | None,
    headers: tuple[str, ...],
    subprotocols: tuple[str, ...],
    no_stdin: bool,
    port: int | None,
) -> None:
    """Connect to URL (default: the running stack) and print each frame as one line of JSON.

    Lines typed on stdin are sent as messages. Ctrl-C ends it. A vendor publishes its position with
    {"action": "sendvendor", "lat": 37.77, "long": -122.42, "text": "..."}.
    """
    from simulator.loop import run as run_loop  # noqa: PLC0415
    from simulator.running import find  # noqa: PLC0415
    from simulator.viewer import view  # noqa: PLC0415

    if vendor is not None:
        if url is not None or token is not None:
            raise InputError("--vendor is for the running stack; elsewhere give --token alone.")
        token = _token_for(vendor, port).token
    ca_bundle = None
    if url is None:
        found = find(port)
        url, ca_bundle = found.websocket_url, found.ca_bundle
    if url is None:
        raise InputError("the running stack has no WebSocket API; give a URL.")
    pairs = []
    for header in headers:
        name, colon, value = header.partition(":")
        if not colon:
            raise InputError(f"--header {header!r} has no colon; write NAME:VALUE.")
        pairs.append((name.strip(), value.strip()))
    if token is not None:
        pairs.append(("Authorization", f"Bearer {token}"))

    async def watch(url: str) -> None:
        stop = asyncio.Event()
        with _stopped_by_signals(stop):
            click.echo(f"connecting to {url}", err=True)
            await view(
                url,
                stop=stop,
                write=_write_line,
                messages=messages,
                read_stdin=not no_stdin,
                frame_limit=count,
                headers=tuple(pairs),
                subprotocols=subprotocols,
                ca_bundle=ca_bundle,
            )

    run_loop(watch(url))


# -- token -------------------------------------------------------------------------------------------------------------


@cli.command()
@click.argument("vendor")
@click.option(
    "--expires-in",
    "lifetime_s",
    type=click.IntRange(1, 86_400),
    default=900,
    metavar="SECONDS",
    help="Seconds until it expires, 1 to 86400. What it has opened stays open. Default: 900.",
)
@click.option("--port", type=int, help="Main port of the stack, when several are running.")
@click.option("--json", "as_json", is_flag=True, help="Print it as one line of JSON, with vendor, expiry and URL.")
@_debug_option
def token(vendor: str, lifetime_s: int, port: int | None, as_json: bool) -> None:
    """Make a token with which VENDOR (its id, or its name) may publish its position on the running stack.

    Connect to its URL with ?token=TOKEN, or with the header Authorization: Bearer TOKEN.
    """
    made = _token_for(vendor, port, lifetime_s)
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(made)))
        return
    click.echo(made.token)
    click.echo(f"opens connections of vendor {made.vendor_id} for {lifetime_s} s", err=True)


def _token_for(vendor: str, port: int | None, lifetime_s: int = 900) -> Any:
    from simulator.clock import SystemClock  # noqa: PLC0415
    from simulator.running import find_note  # noqa: PLC0415
    from simulator.vendor_tokens import token_for  # noqa: PLC0415

    return token_for(find_note(port), vendor, now_s=SystemClock().wall_ms() / 1_000, lifetime_s=lifetime_s)


# -- clock -------------------------------------------------------------------------------------------------------------


@cli.command()
@click.option(
    "--advance",
    "seconds",
    type=click.FloatRange(min=0, max=1e9),
    required=True,
    metavar="SECONDS",
    help="How far to move the timers forward, in seconds.",
)
@click.option("--port", type=int, help="Main port of the stack, when several are running.")
@_debug_option
def clock(seconds: float, port: int | None) -> None:
    """Move the idle and age timers of the running stack forward, to see connections close without waiting.

    Ten minutes without data close a connection (600), two hours close any (7200). Only these timers move: the times in
    events stay the machine's. `tracker-sim up --set gateway.clock_speed=60` runs them faster all the time.
    """
    from simulator.advance import advance_timers  # noqa: PLC0415
    from simulator.running import find  # noqa: PLC0415

    closed = advance_timers(find(port), seconds)
    click.echo(f"timers moved by {seconds:g} s; {closed} connection{'s' * (closed != 1)} closed", err=True)


# -- settings ----------------------------------------------------------------------------------------------------------


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="Print them as a JSON list on stdout.")
@_debug_option
def settings(as_json: bool) -> None:
    """List what `--set` can change: name, default, what it does and the row of docs/aws-contract.md behind it."""
    from simulator.settings import all_settings  # noqa: PLC0415

    rows = all_settings()
    if as_json:
        document = [
            {"name": row.name, "default": row.default, "row": row.about.row, "help": row.about.help} for row in rows
        ]
        click.echo(json.dumps(document, indent=2))
        return
    width = max(len(f"{row.name}={_shown(row.default)}") for row in rows)
    for row in rows:
        left = f"{row.name}={_shown(row.default)}"
        choices = f" ({', '.join(row.about.choices)})" if row.about.choices else ""
        click.echo(f"{left:<{width}}  {row.about.row or '-':<4} {row.about.help}{choices}")


def _shown(default: float | str) -> str:
    if isinstance(default, bool):
        return "yes" if default else "no"
    return default if isinstance(default, str) else f"{default:g}"


# -- inside ------------------------------------------------------------------------------------------------------------


async def _unless_stopped(stop: asyncio.Event, start: Coroutine[Any, Any, T]) -> T:
    """The result of `start`; when `stop` is set before it is there, `start` is cancelled and `click.Abort` raised."""
    starting = asyncio.create_task(start)
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            raise click.Abort
        return starting.result()
    finally:
        stopping.cancel()
        starting.cancel()
        await asyncio.wait({starting})


def _write_line(line: str) -> None:
    click.echo(line)
    sys.stdout.flush()


def _parameters(pairs: tuple[str, ...]) -> dict[str, str]:
    parameters = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise InputError(f"--parameter {pair!r} is not NAME=VALUE.")
        parameters[name] = value
    return parameters


def _drawn(seed: int | None) -> int:
    return random.SystemRandom().getrandbits(32) if seed is None else seed


class _HarmlessFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return _harmless(super().format(record))


def _set_up_logging(*, quiet: bool) -> None:
    to_stderr = logging.StreamHandler(sys.stderr)
    to_stderr.setFormatter(
        _HarmlessFormatter("%(asctime)s.%(msecs)03d %(levelname)s %(name)s: %(message)s", datefmt="%H:%M:%S")
    )
    logging.basicConfig(level=logging.INFO, handlers=[to_stderr])
    for chatty in ("botocore", "boto3", "urllib3", "asyncio", "samtranslator", "websockets"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    if quiet:
        logging.getLogger("simulator.functions.output").setLevel(logging.WARNING)


@contextlib.contextmanager
def _stopped_by_signals(stop: asyncio.Event) -> Iterator[None]:
    """Set `stop` at SIGINT, SIGTERM and, unless `nohup` has it ignored, SIGHUP; another one interrupts at once.

    Not one that comes within a second: shells, `timeout` and impatient fingers send two where one is meant.
    """
    loop = asyncio.get_running_loop()
    first_s: float | None = None

    def ask() -> None:
        nonlocal first_s
        stop.set()
        if first_s is None:
            first_s = loop.time()
        elif loop.time() - first_s > _SAME_WISH_S:
            loop.remove_signal_handler(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

    handled = []
    wishes = [signal.SIGINT, signal.SIGTERM]
    if sys.platform != "win32" and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        wishes.append(signal.SIGHUP)  # the terminal was closed
    for number in wishes:
        # Windows' loops have no signal handlers: Ctrl-C is a KeyboardInterrupt there.
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, ask)
            handled.append(number)
    try:
        yield
    finally:
        for number in handled:
            loop.remove_signal_handler(number)


def _set_at_end_of_stdin(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()

    def tell() -> None:
        with contextlib.suppress(RuntimeError):  # the loop has gone already
            loop.call_soon_threadsafe(stop.set)

    _at_end_of_stdin(tell)


def _at_end_of_stdin(act: Callable[[], object]) -> None:
    """Call `act`, in a thread, when our stdin ends: whoever held the other end has gone, however it went."""
    import threading  # noqa: PLC0415

    def watch() -> None:
        # Not through sys.stdin: a thread that waits in there holds its lock, and the interpreter cannot end.
        with contextlib.suppress(OSError):  # there is no stdin at all
            while os.read(_STDIN, 4096):
                pass
        act()

    threading.Thread(target=watch, name="stdin", daemon=True).start()
