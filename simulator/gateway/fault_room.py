"""Performs the gateway's faults: on callbacks while they are on, on peers from when they begin."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from simulator.active_faults import ActiveFault, FaultSet
from simulator.errors import InputError
from simulator.gateway.fault_rules import CALLBACK_KINDS, HALF_OPEN, Mishap, callback_mishap, spoiled, trouble_of
from simulator.gateway.management import connection_in_path
from simulator.gateway.post_troubles import PostTroubles

if TYPE_CHECKING:
    from simulator.gateway.channel import Channel
    from simulator.gateway.connection import GatewayConnection
    from simulator.gateway.core import WebSocketCore
    from simulator.gateway.endpoint import Endpoint
    from simulator.http11 import HttpRequest

_CUT_AFTER_S = 0.05
"""What was written last has left by then."""


class GatewayFaults:
    """See `simulator.active_faults.FaultRoom`."""

    def __init__(self, endpoints: Sequence[Endpoint]) -> None:
        self._endpoints = endpoints
        self._faults = FaultSet()
        self._silent: dict[str, list[SilentChannel]] = {}

    @property
    def kinds(self) -> Collection[str]:
        """See `FaultRoom.kinds`."""
        return (*CALLBACK_KINDS, HALF_OPEN)

    async def begin(self, fault_id: str, fault: ActiveFault) -> None:
        """See `FaultRoom.begin`."""
        if fault.target is not None and not any(fault.target in endpoint.channels for endpoint in self._endpoints):
            raise InputError(f"no connection {fault.target[:60]!r} is open; `GET` on it answers 410 as well.")
        if fault.kind == HALF_OPEN:
            self._silent[fault_id] = [
                _silence(endpoint, connection_id, channel)
                for endpoint in self._endpoints
                for connection_id, channel in list(endpoint.channels.items())
                if not isinstance(channel, SilentChannel) and fault.hits(connection_id, channel.peer)
            ]
            return
        self._faults.add(fault_id, fault)
        self._tell()

    async def end(self, fault_id: str) -> None:
        """See `FaultRoom.end`; silent peers are cut off, as when the network gives up on them at last."""
        for channel in self._silent.pop(fault_id, ()):
            channel.abort()
        self._faults.remove(fault_id)
        self._tell()

    def _tell(self) -> None:
        for endpoint in self._endpoints:
            endpoint.faults = self._faults.of(*CALLBACK_KINDS)


class SilentChannel:
    """Stands in for the channel to a peer that has vanished: takes everything and passes on nothing."""

    is_backlogged = False
    takes_callbacks = True

    def __init__(self, channel: Channel, troubles: PostTroubles) -> None:
        self._channel = channel
        self._troubles = troubles

    @property
    def written_bytes(self) -> int:
        """See `Channel.written_bytes`."""
        return self._channel.written_bytes

    @property
    def peer(self) -> str:
        """See `Channel.peer`."""
        return self._channel.peer

    def send(self, payload: bytes, *, binary: bool = False) -> None:  # noqa: ARG002
        """Nothing leaves."""
        self._troubles.note(self.peer, payload, "answered 200 and lost on the way")

    def close(self, code: int, reason: str) -> None:  # noqa: ARG002
        """The peer does not answer a close frame; time would be up at last."""
        self._channel.abort()

    def abort(self) -> None:
        """Cut the connection."""
        self._channel.abort()


def _silence(endpoint: Endpoint, connection_id: str, channel: Channel) -> SilentChannel:
    channel.stop_reading()
    silent = SilentChannel(channel, endpoint.post_troubles)
    endpoint.channels[connection_id] = silent
    return silent


def mishap_of(faults: Sequence[ActiveFault], endpoint: Endpoint, connection_id: str) -> Mishap | None:
    """Draw what becomes of one POST to a connection."""
    channel = endpoint.channels.get(connection_id)
    return callback_mishap(faults, connection_id, *(() if channel is None else (channel.peer,)))


def note_trouble(endpoint: Endpoint, core: WebSocketCore, request: HttpRequest, path: str, what: str) -> None:
    """Keep what became of a post to a viewer who is there."""
    channel = endpoint.channels.get(connection_in_path(path, core.stage) or "")
    if channel is not None:
        endpoint.post_troubles.note(channel.peer, request.body, what)


async def go_wrong(
    connection: GatewayConnection, core: WebSocketCore, request: HttpRequest, path: str, mishap: Mishap
) -> None:
    """Handle a callback that a fault has hit."""
    endpoint = connection.endpoint
    if mishap.delay_s:
        await asyncio.sleep(mishap.delay_s)
    now = endpoint.now()
    # A GET looks at the same connection and does nothing to it.
    honest = connection.callback_answer(core, request, path, now, method="POST" if mishap.delivers else "GET")
    endpoint.perform(honest.actions)
    answer = spoiled(mishap, honest, endpoint.ids, now.wall_ms)
    what = trouble_of(mishap, honest.status, None if answer is None else answer.status)
    if what is not None:
        note_trouble(endpoint, core, request, path, what)
    if mishap.cuts_viewer and honest.status == 200:  # noqa: PLR2004  plain HTTP
        channel = endpoint.channels.get(connection_in_path(path, core.stage) or "")
        if channel is not None:
            asyncio.get_running_loop().call_later(_CUT_AFTER_S, channel.abort)
    if mishap.answer_delay_s:
        await asyncio.sleep(mishap.answer_delay_s)
    if answer is not None:
        connection.respond(answer.status, answer.headers, answer.body)
    elif connection.transport is not None:
        connection.transport.abort()
