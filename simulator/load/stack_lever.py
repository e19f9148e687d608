"""Brings about the faults that act inside a local stack, through its control endpoint (`simulator.gateway.control`).

Each fault is on lease, and prolonged while it is to last: when this process is killed, the stack is whole again after
`LEASE_S` at most.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
from collections.abc import Collection
from random import Random
from typing import Any, Protocol
from urllib.parse import quote, urlsplit

from simulator.errors import EnvironmentFailure, SimulatorError
from simulator.fault_kinds import FAULT_KINDS
from simulator.load.faults import Fault

FAULTS_PATH = "/.tracker-sim/faults"
LEASE_S = 15.0
RENEW_EVERY_S = 3.0
_TIMEOUT_S = 10.0
_ANSWER_LIMIT_BYTES = 1024 * 1024


class Addresses(Protocol):
    """As much of `simulator.load.viewer_faults.Viewers` as is needed here."""

    def addresses(self, group: str) -> list[str]:
        """Of the viewers of a group, the addresses of their open sockets."""


class StackLever:
    """See `simulator.load.fault_play.Lever`.

    `url` is any address on the stack's main port; `viewers` are those of the groups that a fault may be narrowed to.
    """

    def __init__(self, url: str, viewers: Addresses | None = None) -> None:
        self._address = urlsplit(url)
        self._viewers = viewers
        self._ids: dict[int, str] = {}
        self._leases: dict[int, asyncio.Task[None]] = {}

    @property
    def kinds(self) -> Collection[str]:
        """See `Lever.kinds`."""
        return [kind.name for kind in FAULT_KINDS.values() if kind.local]

    async def begin(self, fault: Fault, chance: Random) -> None:
        """See `Lever.begin`."""
        document = {
            "kind": fault.kind.name,
            **self._narrowed(fault),
            "probability": fault.probability,
            "attributes": dict(fault.attributes),
            "duration_s": LEASE_S,
            "seed": chance.getrandbits(64),
        }
        status, answer = await asyncio.to_thread(self._ask, "POST", FAULTS_PATH, document)
        if status != http.client.OK:
            raise EnvironmentFailure(str(answer.get("message") or f"the stack answered {status}."))
        self._ids[id(fault)] = str(answer.get("id"))
        self._leases[id(fault)] = asyncio.create_task(self._renew(self._path(fault)))

    async def end(self, fault: Fault) -> None:
        """See `Lever.end`."""
        self._leases.pop(id(fault)).cancel()
        path = self._path(fault)
        del self._ids[id(fault)]
        status, answer = await asyncio.to_thread(self._ask, "DELETE", path)
        if status == http.client.NOT_FOUND:
            raise EnvironmentFailure(
                f"it had come to its end before: the stack did not hear from the run for {LEASE_S:g} s, or was "
                "started again."
            )
        if status != http.client.OK:
            raise EnvironmentFailure(str(answer.get("message") or f"the stack answered {status}."))

    def _narrowed(self, fault: Fault) -> dict[str, Any]:
        if fault.target is None or not fault.kind.takes_a_group:
            return {"target": fault.target}
        peers = [] if self._viewers is None else self._viewers.addresses(fault.target)
        if not peers:
            raise EnvironmentFailure(f"nobody of {fault.target} is connected then; let it begin at another time.")
        return {"peers": peers}

    async def _renew(self, path: str) -> None:
        while True:
            await asyncio.sleep(RENEW_EVERY_S)
            with contextlib.suppress(SimulatorError):  # a busy stack; there is time for more
                await asyncio.to_thread(self._ask, "POST", path, {"duration_s": LEASE_S})

    def _path(self, fault: Fault) -> str:
        return f"{FAULTS_PATH}/{quote(self._ids[id(fault)], safe='')}"

    def _ask(self, method: str, path: str, document: Any = None) -> tuple[int, dict[str, Any]]:
        headers = {"Connection": "close"}
        if document is not None:
            headers["Content-Type"] = "application/json"
        connection = http.client.HTTPConnection(self._address.hostname or "", self._address.port, timeout=_TIMEOUT_S)
        try:
            connection.request(method, path, None if document is None else json.dumps(document), headers)
            answer = connection.getresponse()
            said = json.loads(answer.read(_ANSWER_LIMIT_BYTES))
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise EnvironmentFailure(
                f"the stack at {self._address.netloc} does not answer ({error or type(error).__name__})."
            ) from error
        finally:
            connection.close()
        return answer.status, said if isinstance(said, dict) else {}
