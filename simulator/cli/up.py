"""`tracker-sim up`: the stack until it is stopped."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from pathlib import Path
from typing import Any

import click

from simulator.cli.options import debug_option, drawn, parameters_of, stack_options
from simulator.cli.output import set_up_logging
from simulator.cli.stack_choice import template_for
from simulator.cli.stopping import set_at_end_of_stdin, stopped_by_signals, unless_stopped


@click.command()
@stack_options
@click.option(
    "--host",
    default="127.0.0.1",
    help="Address to listen on. Default: 127.0.0.1. Any other lets the network connect and post.",
)
@click.option("--seed", type=int, help="Seed of ids and jitter. Default: drawn, and printed.")
@click.option("--json", "as_json", is_flag=True, help="When ready, print exactly one line of JSON on stdout.")
@click.option("--quiet", is_flag=True, help="Do not copy the functions' own output to stderr.")
@click.option("--until-stdin-closes", is_flag=True, hidden=True, help="Also stop at the end of stdin.")
@debug_option
def up(as_json: bool, quiet: bool, until_stdin_closes: bool, seed: int | None, **options: Any) -> None:
    """Run the stack of a SAM template until Ctrl-C or SIGTERM."""
    from simulator.local import LocalSettings  # noqa: PLC0415  boto3 and more
    from simulator.loop import run as run_loop  # noqa: PLC0415
    from simulator.settings import StackSettings  # noqa: PLC0415

    set_up_logging(quiet=quiet)
    settings = LocalSettings(
        template=template_for(options.pop("template")),
        parameters=parameters_of(options.pop("parameters")),
        rooms=StackSettings.from_pairs(options.pop("changes")),
        seed=drawn(seed),
        **options,
    )
    run_loop(_serve(settings, as_json=as_json, until_stdin_closes=until_stdin_closes))


async def _serve(settings: Any, *, as_json: bool, until_stdin_closes: bool) -> None:
    from simulator.local import LocalStack  # noqa: PLC0415
    from simulator.running import announced  # noqa: PLC0415

    stop = asyncio.Event()
    if until_stdin_closes:
        set_at_end_of_stdin(stop)
    with stopped_by_signals(stop):
        async with contextlib.AsyncExitStack() as leaving:
            stack = await unless_stopped(stop, leaving.enter_async_context(LocalStack(settings)))
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
