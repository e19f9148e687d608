"""`tracker-sim clock`: the timers of the running stack moved forward."""

from __future__ import annotations

import click

from simulator.cli.options import debug_option, port_option


@click.command()
@click.option(
    "--advance",
    "seconds",
    type=click.FloatRange(min=0, max=1e9),
    required=True,
    metavar="SECONDS",
    help="How far to move the timers forward, in seconds.",
)
@port_option
@debug_option
def clock(seconds: float, port: int | None) -> None:
    """Move the idle and age timers of the running stack forward, to see connections close without waiting.

    Ten minutes without data close a connection (600), two hours close any (7200). Only these timers move: the times in
    events stay the machine's. `tracker-sim up --set gateway.clock_speed=60` runs them faster all the time.
    """
    from simulator.advance import advance_timers  # noqa: PLC0415
    from simulator.running import find  # noqa: PLC0415

    closed = advance_timers(find(port), seconds)
    click.echo(f"timers moved by {seconds:g} s; {closed} connection{'s' * (closed != 1)} closed", err=True)
