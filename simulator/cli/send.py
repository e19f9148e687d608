"""`tracker-sim send`: updates onto the queue of the running stack."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from simulator.cli.options import debug_option, port_option


@click.command()
@click.option("--vendor", help="Vendor of one update: its id (digits) or its name.")
@click.option("--lat", type=float, help="Latitude of one update, degrees, -90 to 90.")
@click.option("--long", "long_", type=float, help="Longitude of one update, degrees, -180 to 180.")
@click.option("--text", help="Text of one update. Default: a short one.")
@click.option("--file", "file", type=click.Path(path_type=Path), help="Updates to send: one JSON object per line.")
@click.option("--queue", help="Queue name. Default: the one queue that feeds a function.")
@port_option
@click.option("--json", "as_json", is_flag=True, help="Print each update sent as a line of JSON on stdout.")
@debug_option
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
