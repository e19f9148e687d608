"""`tracker-sim scenarios`: look at the scenario language and its library without running anything."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from simulator.cli.options import debug_option
from simulator.cli.stack_choice import check_stack, template_for
from simulator.errors import InputError

if TYPE_CHECKING:
    pass


@click.group()
@debug_option
def scenarios() -> None:
    """Look at scenarios and their language: list, show, check, schema, metrics."""


@scenarios.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print them as a JSON list on stdout.")
def list_(as_json: bool) -> None:
    """List the scenarios that `run` finds by name, with the question of each."""
    from simulator.load import library_scenarios, read_named  # noqa: PLC0415

    rows = [{"name": name, "question": read_named(name).question} for name in sorted(library_scenarios())]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    width = max((len(row["name"]) for row in rows), default=0)
    for row in rows:
        click.echo(f"{row['name']:<{width}}  {row['question']}")


@scenarios.command()
@click.argument("scenario")
@click.option("--short", is_flag=True, help="Show the scenario's short version.")
def show(scenario: str, short: bool) -> None:
    """Print SCENARIO (a file or a name) as JSON, with everything that it extends and every default filled in."""
    from simulator.load import read_named  # noqa: PLC0415

    click.echo(json.dumps(read_named(scenario).overridden(short=short).to_json(), indent=2))


@scenarios.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
def check(files: tuple[str, ...]) -> int:
    """Check scenario files (or names): each mistake is one sentence with the file, the key and the remedy.

    The template, schedules and tracks that a scenario names are read too. Exit status 0: all of them can be run.
    """
    from simulator.load import prepare, read_named  # noqa: PLC0415
    from simulator.load.vendor_tables import ScheduledVendors  # noqa: PLC0415

    status = 0
    for file in files:
        try:
            scenario = read_named(file)
            check_stack(scenario, template_for(scenario.stack.template), scenario.stack.parameters)
            if not (isinstance(scenario.vendors, ScheduledVendors) and scenario.vendors.schedule is None):
                prepare(scenario)
        except InputError as error:
            click.echo(str(error), err=True)
            status = error.exit_code
        else:
            click.echo(f"{file}: fine", err=True)
    return status


@scenarios.command()
def schema() -> None:
    """Print the JSON Schema of scenario files, for editors."""
    from simulator.load.json_schema import scenario_schema  # noqa: PLC0415

    click.echo(json.dumps(scenario_schema(), indent=2))


@scenarios.command()
@click.option("--json", "as_json", is_flag=True, help="Print them as a JSON list on stdout.")
def metrics(as_json: bool) -> None:
    """List the figures that expectations may compare: name, unit, what they are known of and what they are."""
    from dataclasses import asdict  # noqa: PLC0415

    from simulator.load.metrics import METRICS  # noqa: PLC0415

    if as_json:
        click.echo(json.dumps([asdict(each) for each in METRICS.values()], indent=2))
        return
    width = max(len(name) for name in METRICS)
    for each in METRICS.values():
        of = ", ".join(["run", *["phase"] * each.of_phase, *["group"] * each.of_group])
        click.echo(f"{each.name:<{width}}  {each.help} ({each.unit}; {of})")
