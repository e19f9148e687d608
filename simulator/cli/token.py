"""`tracker-sim token`: a token with which a vendor may publish on the running stack."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import click

from simulator.cli.options import debug_option, port_option


@click.command()
@click.argument("vendor")
@click.option(
    "--expires-in",
    "lifetime_s",
    type=click.IntRange(1, 86_400),
    default=900,
    metavar="SECONDS",
    help="Seconds until it expires, 1 to 86400. What it has opened stays open. Default: 900.",
)
@port_option
@click.option("--json", "as_json", is_flag=True, help="Print it as one line of JSON, with vendor, expiry and URL.")
@debug_option
def token(vendor: str, lifetime_s: int, port: int | None, as_json: bool) -> None:
    """Make a token with which VENDOR (its id, or its name) may publish its position on the running stack.

    Connect to its URL with ?token=TOKEN, or with the header Authorization: Bearer TOKEN.
    """
    made = token_for_vendor(vendor, port, lifetime_s)
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(made)))
        return
    click.echo(made.token)
    click.echo(f"opens connections of vendor {made.vendor_id} for {lifetime_s} s", err=True)


def token_for_vendor(vendor: str, port: int | None, lifetime_s: int = 900) -> Any:
    """The `VendorToken` of a vendor (id or name) for the running stack, for so many seconds."""
    from simulator.clock import SystemClock  # noqa: PLC0415
    from simulator.running import find_note  # noqa: PLC0415
    from simulator.vendor_tokens import token_for  # noqa: PLC0415

    return token_for(find_note(port), vendor, now_s=SystemClock().wall_ms() / 1_000, lifetime_s=lifetime_s)
