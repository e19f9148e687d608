"""The short way of a post to its viewer.

A broadcast to ten thousand viewers is ten thousand posts that look alike: a well-formed request, whole in one read, for
an open connection that reads what it is sent. Those are recognised here at a glance, without a parser and without an
object for each header, and answered with bytes of which only the ids are new.

`http11`, `connection` and `management` say what is right. This way says nothing of its own: whatever is not quite so
(another header that HTTP gives a meaning, an id that is not known, a viewer that is behind, no token left, a fault that
is on …) is left untouched, and goes the long way. `tests/unit/gateway/test_gateway_short_way.py` holds both ways
against each other.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from simulator.gateway import management
from simulator.gateway.hosts import is_ours
from simulator.gateway.life import State

if TYPE_CHECKING:
    from simulator.gateway.core import WebSocketCore
    from simulator.gateway.endpoint import Endpoint

_REQUEST = rb"""
    POST\ /%s/@connections/ ([A-Za-z0-9_-]{15}) (?:%%3D|=) \ HTTP/1\.1 \r\n
    Host:\ ([\x21-\x7e]++) \r\n
    (?:
        # HTTP gives a meaning to Host, Transfer-Encoding, Proxy-Connection, Connection and Content-Length.
        (?! [HhTtPp] | [Cc][Oo] ) [A-Za-z0-9-]++ : [\x20-\x7e]*+ \r\n
    )*+
    Content-Length:\ ([1-9][0-9]{0,5}) \r\n
    \r\n
"""
"""botocore's, the tracker's own and many others' posts look like this, with the length last."""

_MAX_HEAD_BYTES = 8_192
"""Far below what is too much on the long way."""


class ShortWay:
    """Of one port. Callbacks must not have to be signed there."""

    def __init__(self, endpoint: Endpoint, core: WebSocketCore) -> None:
        self._endpoint = endpoint
        self._core = core
        self._request = re.compile(_REQUEST % re.escape(core.stage).encode(), re.VERBOSE)
        self._host = b""
        """The last one that was found to be ours."""

    def answer(self, data: bytes) -> bytes | None:
        """Deliver the post that `data` is, all of it and nothing else, and return its answer.

        None when it is anything else, or its story any other: then nothing has happened.
        """
        endpoint, core = self._endpoint, self._core
        head = self._request.match(data)
        if head is None or head.end() > _MAX_HEAD_BYTES or endpoint.faults is not None:
            return None
        letters, host, length = head.groups()
        body = data[head.end() :]
        if len(body) != int(length) or len(body) > management.MAX_PAYLOAD_BYTES:
            return None
        if host != self._host:
            if not is_ours(host.decode("ascii"), endpoint.allowed_hosts):
                return None
            self._host = host
        connection_id = letters.decode("ascii") + "="
        connection, channel = core.find(connection_id), endpoint.channels.get(connection_id)
        if connection is None or connection.state is not State.OPEN or channel is None or not channel.takes_callbacks:
            return None
        now = endpoint.now()
        if not endpoint.account.admits(now.monotonic_s):
            return None
        channel.send(core.callback_message(connection, body, now), binary=core.callbacks_are_binary)
        return management.delivered(endpoint.ids, now.wall_ms)
