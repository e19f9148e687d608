"""`tracker-sim scale`: what so many viewers would need."""

from __future__ import annotations

import dataclasses
import json

import click

from simulator.cli.options import debug_option


@click.command()
@click.option("--viewers", type=click.IntRange(min=1), required=True, help="Connected at once.")
@click.option("--updates-per-s", type=click.FloatRange(min=0.001), default=1.0, help="All vendors. Default: 1.0.")
@click.option("--within-s", type=click.FloatRange(min=0.01), default=1.0, help="To the last viewer. Default: 1.0.")
@click.option("--frames", is_flag=True, help="A batch of updates is one frame (FANOUT_BATCH_FRAMES).")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON on stdout.")
@debug_option
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
