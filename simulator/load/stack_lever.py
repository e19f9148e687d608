"""Brings about the faults that act inside a local stack, through its control endpoint (`simulator.gateway.control`).

The stack is told how long a fault lasts, so it ends by itself when this process is killed. One that lasts until the end
of the run is on lease, and prolonged while the run goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
from collections.abc import Collection
from random import Random
from typing import Any
from urllib.parse import quote, urlsplit

from simulator.errors import EnvironmentFailure, SimulatorError
from simulator.fault_kinds import FAULT_KINDS
from simulator.load.faults import Fault

FAULTS_PATH = "/.tracker-sim/faults"
LEASE_S = 30.0
_RENEW_EVERY_S = 10.0
_TIMEOUT_S = 10.0
_ANSWER_LIMIT_BYTES = 1024 * 1024


class StackLever:
    """See `simulator.load.fault_play.Lever`. `url` is any address on the stack's main port."""

    def __init__(self, url: str) -> None:
        self._address = urlsplit(url)
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
            "target": fault.target,
            "probability": fault.probability,
            "attributes": dict(fault.attributes),
            "duration_s": LEASE_S if fault.duration_s is None else fault.duration_s,
            "seed": chance.getrandbits(64),
        }
        status, answer = await asyncio.to_thread(self._ask, "POST", FAULTS_PATH, document)
        if status != http.client.OK:
            raise EnvironmentFailure(str(answer.get("message") or f"the stack answered {status}."))
        self._ids[id(fault)] = str(answer.get("id"))
        if fault.duration_s is None:
            self._leases[id(fault)] = asyncio.create_task(self._renew(self._path(fault)))

    async def end(self, fault: Fault) -> None:
        """See `Lever.end`; it may have come to its end by itself, a moment before."""
        lease = self._leases.pop(id(fault), None)
        if lease is not None:
            lease.cancel()
        path = self._path(fault)
        del self._ids[id(fault)]
        status, answer = await asyncio.to_thread(self._ask, "DELETE", path)
        if status not in (http.client.OK, http.client.NOT_FOUND):
            raise EnvironmentFailure(str(answer.get("message") or f"the stack answered {status}."))

    async def _renew(self, path: str) -> None:
        while True:
            await asyncio.sleep(_RENEW_EVERY_S)
            with contextlib.suppress(SimulatorError):  # a busy stack; there is time for two more
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
