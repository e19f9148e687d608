"""`tracker-sim connect`: a live viewer, or a vendor."""

from __future__ import annotations

import asyncio

import click

from simulator.cli.options import debug_option, port_option
from simulator.cli.output import write_line
from simulator.cli.stopping import stopped_by_signals
from simulator.cli.token import token_for_vendor
from simulator.errors import InputError


@click.command()
@click.argument("url", required=False)
@click.option("--send", "messages", multiple=True, metavar="TEXT", help="Send TEXT once connected; may be repeated.")
@click.option("--count", type=click.IntRange(min=1), help="Stop after this many frames. Default: never.")
@click.option("--vendor", help="Connect as this vendor of the running stack (id or name). Default: as a viewer.")
@click.option("--token", help="Connect with this vendor token. Default: as a viewer.")
@click.option("--header", "headers", multiple=True, metavar="NAME:VALUE", help="Extra request header; may be repeated.")
@click.option("--subprotocol", "subprotocols", multiple=True, help="Offer a subprotocol; may be repeated.")
@click.option("--no-stdin", is_flag=True, help="Do not send lines of stdin as messages.")
@port_option
@debug_option
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
        token = token_for_vendor(vendor, port).token
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
        with stopped_by_signals(stop):
            click.echo(f"connecting to {url}", err=True)
            await view(
                url,
                stop=stop,
                write=write_line,
                messages=messages,
                read_stdin=not no_stdin,
                frame_limit=count,
                headers=tuple(pairs),
                subprotocols=subprotocols,
                ca_bundle=ca_bundle,
            )

    run_loop(watch(url))
