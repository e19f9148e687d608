"""The asyncio shell of the gateway: sockets in, actions of the rules out.

One port serves the first WebSocket API, the first HTTP API and `@connections`, as one host does in AWS (a handler
derives one URL from another); each further API of a template gets a port of its own.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import random
import socket
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simulator.clock import Clock
from simulator.gateway.core import WebSocketCore
from simulator.gateway.endpoint import Endpoint
from simulator.gateway.fault_room import GatewayFaults
from simulator.gateway.http_api import HttpApiRules
from simulator.gateway.ids import IdFactory
from simulator.gateway.listener import bind
from simulator.gateway.settings import GatewaySettings
from simulator.gateway.throttling import AccountThrottle
from simulator.gateway.tls import ThrowawayAuthority
from simulator.invocation import Invoke
from simulator.stack.model import HttpApi, Stack, WebSocketApi

if TYPE_CHECKING:
    from simulator.fault_board import FaultBoard
    from simulator.gateway.signatures import Signatures

_LOG = logging.getLogger("simulator.gateway")


@dataclass(frozen=True, slots=True)
class Address:
    """Where one API listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Gateway:
    """All APIs of a stack, behind one main port."""

    def __init__(
        self,
        stack: Stack,
        invoke: Invoke,
        *,
        clock: Clock,
        rng: random.Random,
        host: str = "127.0.0.1",
        port: int = 0,
        settings: GatewaySettings | None = None,
        credentials: Mapping[str, str] | None = None,
        stats: Callable[[], Mapping[str, Any]] = dict,
        fault_board: FaultBoard | None = None,
    ) -> None:
        """`credentials` are the access keys that may sign callbacks, with their secrets (C03)."""
        self._settings = settings or GatewaySettings()
        self._account = AccountThrottle(self._settings)
        self._credentials = credentials or {}
        self._stack = stack
        self._invoke = invoke
        self._clock = clock
        self._ids = IdFactory(rng.getrandbits)
        self._host = host
        self._port = port
        self._stats = stats
        self._fault_board = fault_board
        self._authority: ThrowawayAuthority | None = None
        self._endpoints: list[Endpoint] = []
        self.faults = GatewayFaults(self._endpoints)
        self.addresses: dict[str, Address] = {}
        """API id to where it listens; filled by `start`."""

    async def start(self) -> None:
        """Bind the ports and make the certificate; clients are served from now on."""
        first_port = bind(self._host, self._port)
        try:
            await self._serve(first_port)
        except BaseException:
            await self.stop()
            first_port.close()
            raise

    async def _serve(self, first_port: socket.socket) -> None:
        self._authority = await asyncio.to_thread(ThrowawayAuthority, self._reachable_host())
        pairs = _pair_apis(self._stack.websocket_apis, self._stack.http_apis)
        for index, (websocket_api, http_api) in enumerate(pairs):
            listening = first_port if index == 0 else bind(self._host, 0)
            address = Address(self._reachable_host(), listening.getsockname()[1])
            endpoint = Endpoint(
                websocket=None if websocket_api is None else self._core(websocket_api, str(address)),
                http=None if http_api is None else self._http_rules(http_api, str(address)),
                ids=self._ids,
                invoke=self._invoke,
                clock=self._clock,
                settings=self._settings,
                account=self._account,
                signatures=self._signatures(),
                stats=self._stats,
                fault_board=self._fault_board,
            )
            endpoint.listen(listening, self._authority.server_context)
            self._endpoints.append(endpoint)
            for api in (websocket_api, http_api):
                if api is not None:
                    self.addresses[api.api_id] = address
        self.main_address = Address(self._reachable_host(), first_port.getsockname()[1])
        bound_ip = first_port.getsockname()[0].partition("%")[0]
        if not ipaddress.ip_address(bound_ip).is_loopback:
            _LOG.warning("listening on %s: anybody who can reach this machine can connect and post", self._host)

    def _core(self, api: WebSocketApi, domain_name: str) -> WebSocketCore:
        return WebSocketCore(
            api,
            domain_name,
            self._ids,
            account_id=self._stack.account_id,
            region=self._stack.region,
            settings=self._settings,
            account=self._account,
        )

    def _http_rules(self, api: HttpApi, domain_name: str) -> HttpApiRules:
        return HttpApiRules(
            api,
            domain_name,
            account_id=self._stack.account_id,
            region=self._stack.region,
            settings=self._settings,
            account=self._account,
        )

    def _signatures(self) -> Signatures | None:
        if not self._settings.verify_signatures:
            return None
        from simulator.gateway.signatures import Signatures  # noqa: PLC0415  botocore, only for those who ask for it

        return Signatures(
            self._credentials, region=self._stack.region, unsigned_message=self._settings.unsigned_message
        )

    async def stop(self) -> None:
        """Close every connection with 1001 and every port. `$disconnect` does not run: nobody would handle it."""
        await asyncio.gather(*(endpoint.stop() for endpoint in self._endpoints))
        if self._authority is not None:
            self._authority.discard()
            self._authority = None

    @property
    def ca_bundle(self) -> Path:
        """For `AWS_CA_BUNDLE`: trusts the gateway's certificate beside the public ones."""
        if self._authority is None:
            raise RuntimeError("the gateway has not been started")
        return self._authority.bundle

    @property
    def speaks_tls(self) -> bool:
        """Whether its addresses are told as `wss://` and `https://`; every port takes both anyway."""
        return self._settings.tls

    def connection_counts(self) -> dict[str, int]:
        """Handshakes accepted and refused so far, and connections open now, over all WebSocket APIs."""
        cores = [endpoint.websocket for endpoint in self._endpoints if endpoint.websocket is not None]
        return {
            "opened": sum(core.opened for core in cores),
            "refused": sum(core.refused for core in cores),
            "open": sum(core.open_count for core in cores),
        }

    def _reachable_host(self) -> str:
        return _EVERY_INTERFACE.get(self._host, "127.0.0.1" if self._host == "localhost" else self._host)


_EVERY_INTERFACE = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104  recognised, to warn about it


def _pair_apis(
    websocket_apis: Iterable[WebSocketApi], http_apis: Iterable[HttpApi]
) -> list[tuple[WebSocketApi | None, HttpApi | None]]:
    """Which APIs share a port: the first of each kind the main one, every further API has its own."""
    sockets: list[WebSocketApi | None] = list(websocket_apis) or [None]
    https: list[HttpApi | None] = list(http_apis) or [None]
    return [(sockets[0], https[0]), *((api, None) for api in sockets[1:]), *((None, api) for api in https[1:])]
