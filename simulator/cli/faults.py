"""`tracker-sim faults`: list what can go wrong, and switch it on and off in a running stack."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from simulator.cli.options import debug_option, port_option
from simulator.errors import InputError

if TYPE_CHECKING:
    from simulator.fault_client import FaultClient
    from simulator.fault_kinds import FaultKind

_STYLES: dict[str, dict[str, Any]] = {"piece": {"bold": True}, "kind": {}, "detail": {"dim": True}}


@click.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Print them as a JSON list on stdout.")
@debug_option
@click.pass_context
def faults(context: click.Context, as_json: bool) -> None:
    """List what can go wrong: every kind of fault with its attributes, their units and defaults.

    A scenario plays them (`[[faults]]`); the commands below switch those of a stack that `tracker-sim up` runs.
    """
    if context.invoked_subcommand is not None:
        return
    from simulator.fault_kinds import FAULT_KINDS  # noqa: PLC0415
    from simulator.fault_text import listing  # noqa: PLC0415

    if as_json:
        click.echo(json.dumps([kind.to_json() for kind in FAULT_KINDS.values()], indent=2))
        return
    for line, what in listing(FAULT_KINDS.values()):
        click.echo(click.style(line, **_STYLES.get(what, {})))


@faults.command()
@click.argument("kind")
@click.argument("attributes", nargs=-1, metavar="[NAME=VALUE]…")
@click.option("--for", "duration_s", type=float, default=60.0, help="How long it lasts, in seconds. Default: 60.")
@click.option("--probability", type=float, default=1.0, help="Of each call, viewer …, 0 to 1. Default: 1.")
@click.option("--target", help="A function, queue, table or connection to narrow it to. Default: all.")
@click.option("--seed", default="0", help="Of its chance. Default: 0.")
@port_option
@debug_option
def begin(kind: str, attributes: tuple[str, ...], port: int | None, **wish: Any) -> None:
    """Switch a fault on in the running stack: `begin callback_hang hang_ms=5000 --for 30`. Prints its id."""
    from simulator.fault_kinds import FAULT_KINDS  # noqa: PLC0415

    known = FAULT_KINDS.get(kind)
    if known is None or not known.local:
        local = ", ".join(name for name, each in FAULT_KINDS.items() if each.local)
        raise InputError(f"{kind!r} cannot be switched on in a stack; it has {local}.")
    given = dict(_attribute(known, each) for each in attributes)
    click.echo(_client(port).begin({"kind": kind, "attributes": given, **wish}))


@faults.command()
@click.option("--json", "as_json", is_flag=True, help="Print them as a JSON list on stdout.")
@port_option
@debug_option
def on(as_json: bool, port: int | None) -> None:
    """List the faults that are on in the running stack, oldest first."""
    found = _client(port).on()
    if as_json:
        click.echo(json.dumps(found))
        return
    for each in found:
        attributes = "".join(f" {name}={json.dumps(value)}" for name, value in each["attributes"].items())
        target = f" of {each['target']}" if each["target"] else ""
        chance = "" if each["probability"] == 1 else f", probability {each['probability']:g}"
        click.echo(f"{each['id']}  {each['kind']}{target}{attributes}{chance}, {each['left_s']:.1f} s left")


@faults.command()
@click.argument("ids", nargs=-1, metavar="[ID]…")
@port_option
@debug_option
def end(ids: tuple[str, ...], port: int | None) -> None:
    """Switch faults of the running stack off, by their ids; without any, all of them."""
    client = _client(port)
    for fault_id in ids or [str(each["id"]) for each in client.on()]:
        if not client.end(fault_id) and ids:
            raise InputError(f"no fault {fault_id} is on; `tracker-sim faults on` lists those that are.")


def _client(port: int | None) -> FaultClient:
    from simulator.fault_client import FaultClient  # noqa: PLC0415
    from simulator.running import find  # noqa: PLC0415

    endpoints = find(port)
    url = endpoints.websocket_url or endpoints.http_url
    if url is None:
        raise InputError("the running stack has no API, and faults are switched on the port of one.")
    return FaultClient(url)


def _attribute(kind: FaultKind, text: str) -> tuple[str, bool | float | str]:
    """`hang_ms=5000` as the attribute it sets; whether the value is allowed is for the stack to say."""
    name, sign, value = text.partition("=")
    about = kind.attribute(name)
    if not sign or about is None:
        known = ", ".join(f"{each.name}={each.default}" for each in kind.attributes) or "none"
        raise InputError(f"{text!r} sets no attribute of {kind.name}; it has {known}.")
    if isinstance(about.default, str):
        return name, value
    try:
        read = json.loads(value)
    except ValueError:
        read = None
    if not isinstance(read, bool | int | float):
        wanted = "true or false" if isinstance(about.default, bool) else f"a number ({about.unit})"
        raise InputError(f"{kind.name}.{name} must be {wanted}, not {value!r}.")
    return name, read
