"""`tracker-sim worker`: a share of the load of a run that goes on elsewhere."""

from __future__ import annotations

import asyncio
import functools
import os

import click

from simulator.cli.options import debug_option, host_and_port
from simulator.cli.stopping import at_end_of_stdin, stopped_by_signals, unless_stopped
from simulator.errors import InputError


@click.command()
@click.option("--master", required=True, metavar="HOST:PORT", help="Where `tracker-sim run --expect-workers` listens.")
@click.option("--until-stdin-closes", is_flag=True, hidden=True, help="Also stop at the end of stdin.")
@debug_option
def worker(master: str, until_stdin_closes: bool) -> None:
    """Play a share of the load of one run that goes on elsewhere (docs/scale.md), then end.

    The environment variable TRACKER_SIM_TOKEN has the token of the run. A deployed stack is loaded with this machine's
    own AWS credentials.
    """
    from simulator.loop import run as run_loop  # noqa: PLC0415
    from simulator.workers.crew import TOKEN_VARIABLE  # noqa: PLC0415
    from simulator.workers.worker import serve_master  # noqa: PLC0415

    host, port = host_and_port(master, "--master")
    token = os.environ.get(TOKEN_VARIABLE)
    if not token:
        raise InputError(f"{TOKEN_VARIABLE} is not set; set it to the token that `tracker-sim run` prints.")

    if until_stdin_closes:
        # The run that we are of is no more: there is nobody left to tell, and nothing that must be waited for.
        at_end_of_stdin(functools.partial(os._exit, 1))

    async def serve() -> None:
        stop = asyncio.Event()
        with stopped_by_signals(stop):
            await unless_stopped(stop, serve_master(host, port, token, lambda text: click.echo(text, err=True)))

    run_loop(serve())
