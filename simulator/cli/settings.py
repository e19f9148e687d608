"""`tracker-sim settings`: all that `--set` can change."""

from __future__ import annotations

import json

import click

from simulator.cli.options import debug_option


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print them as a JSON list on stdout.")
@debug_option
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
